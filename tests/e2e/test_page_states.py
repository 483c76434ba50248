"""What the page says when it cannot just chat: locked, empty, nobody listens, Claude asks, nothing can be stored."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, expect

from channeld.ipc.messages import Presence, Typing
from tests.e2e.page import (
    CHAT,
    TOKEN,
    WIDE,
    Look,
    Stage,
    chat_page,
    every_look,
    inspect,
    message,
    too_small,
    visit,
    window,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOBODY = "No Claude Code session is attached, so messages wait. Run `claude --channels server:channeld` there."
BUSY = "Claude is busy since 09:12; messages wait until it has finished."
STATES = {
    "held": "files are still arriving",
    "queued": "waits for a session",
    "pushed": "given to the session",
    "delivered": "has read it",
    "seen": "has seen it",
    "answered": "has answered",
    "dropped": "by hand",
}
OUT_STATES = {"sending": "On its way", "sent": "Sent", "failed": "could not be sent", "uncertain": "nobody can tell"}


@every_look
async def test_without_the_token_the_page_says_how_to_get_in(browser: Browser, stage: Stage, look: Look):
    """No token and a wrong one lead to the command that prints the address; the token is never in the address."""
    async with window(browser, look) as context:
        page = await context.new_page()
        base = stage.url.partition("?")[0]
        for url, title in ((base, "needs its token"), (f"{base}?token=wrong", "is not right")):
            await page.goto(url)
            await expect(page.get_by_role("heading", name=title)).to_be_visible()
            await expect(page.locator("#locked code")).to_have_text("channeld url web")
            await page.get_by_role("button", name="Copy").click()
            assert await page.evaluate("navigator.clipboard.readText()") == "channeld url web"
            await expect(page.get_by_label("Message", exact=True)).to_be_hidden()
            await inspect(page)
        await page.goto(stage.url)
        await expect(page.locator("#link")).to_have_text("connected")
        assert page.url == base
        await page.reload()
        await expect(page.locator("#link")).to_have_text("connected")


async def test_a_wrong_token_beside_the_right_one_gets_nothing(browser: Browser, stage: Stage):
    """Not one message of the other tab, and after one refusal it asks no more."""
    async with window(browser) as context:
        good, wrong = await visit(context, stage.url), await context.new_page()
        asked: list[str] = []
        wrong.on("request", lambda request: asked.append(request.url) if "/api/" in request.url else None)
        await wrong.clock.install()
        await wrong.goto(f"{stage.url}-not")
        await expect(wrong.get_by_role("heading", name="is not right")).to_be_visible()
        for text in ("secret one", "secret two"):
            stage.put(text)
            await expect(message(good, text)).to_be_visible()
            await wrong.clock.run_for(10_000)
        assert "secret" not in await wrong.content()
        assert [url.rpartition("/")[2] for url in asked] == ["events"]


async def test_a_token_that_is_not_right_any_more_clears_the_page(browser: Browser, stage: Stage):
    """Nothing of the chat is left in a tab that was refused; what was typed there is sent with the right token."""
    async with chat_page(browser, stage.url) as page:
        stage.put("secret")
        await expect(message(page, "secret")).to_be_visible()
        await page.route("**/api/**", lambda route: route.fulfill(status=401, json={"error": "no", "hint": ""}))
        box = page.get_by_label("Message", exact=True)
        await message(page, "secret").focus()
        await page.keyboard.press("r")
        await box.fill("typed with the old token")
        await box.press("Enter")
        await expect(page.get_by_role("heading", name="is not right")).to_be_visible()
        assert "secret" not in await page.content()
        await page.unroute("**/api/**")
        await page.goto(stage.url)
        await expect(message(page, "typed with the old token")).to_be_visible()


@every_look
async def test_an_empty_chat_and_a_deaf_one_say_what_to_do(browser: Browser, stage: Stage, look: Look):
    """The first step, the banner with a command to copy, what can be dismissed and what cannot, and who is working."""
    async with chat_page(browser, stage.url, look) as page:
        banner = page.get_by_role("region", name="State of the session")
        await expect(page.get_by_role("heading", name="Say something to Claude")).to_be_visible()
        await expect(banner).to_be_hidden()
        if look.touch:
            assert await too_small(page) == []
        stage.end.send(Presence(listening=False, text=NOBODY))
        await expect(banner.locator("code")).to_have_text("claude --channels server:channeld")
        await expect(banner.get_by_role("button", name="Dismiss")).to_be_hidden()
        await inspect(page)
        await banner.get_by_role("button", name="Copy claude --channels server:channeld").click()
        assert await page.evaluate("navigator.clipboard.readText()") == "claude --channels server:channeld"
        stage.end.send(Presence(listening=True, text=BUSY))
        await expect(banner).to_contain_text(BUSY)
        await banner.get_by_role("button", name="Dismiss").click()
        await expect(banner).to_be_hidden()
        stage.end.send(Typing(chat=CHAT, working=True))
        await expect(page.get_by_text("Claude is working…")).to_be_visible()
        await inspect(page)
        stage.end.send(Typing(chat=CHAT, working=False))
        await expect(page.get_by_text("Claude is working…")).to_be_hidden()
        stage.end.send(Presence(listening=False, text=NOBODY))
        await expect(banner).to_be_visible()
        stage.end.send(Presence(listening=True, text=""))
        await expect(banner).to_be_hidden()


@every_look
async def test_every_state_has_a_tick_in_words(browser: Browser, stage: Stage, look: Look):
    """Each state of either direction is told in plain words, with the error if there is one."""
    async with chat_page(browser, stage.url, look) as page:
        for state, words in STATES.items():
            item = stage.put(f"is {state}", state=state)
            await expect(message(page, item.text).locator(".tick")).to_have_accessible_name(re.compile(words))
        for state, words in OUT_STATES.items():
            stage.put(f"is {state}", state=state, direction="out", user="Claude", error="the reason")
            tick = message(page, f"is {state}").locator(".tick")
            await expect(tick).to_have_accessible_name(re.compile(words))
            await expect(tick).to_have_accessible_name(re.compile("the reason"))
        pictures = await page.locator(".tick use").evaluate_all("all => all.map(use => use.getAttribute('href'))")
        assert len(set(pictures)) >= 5, "told by colour alone"
        await inspect(page)
        if look.touch:
            assert await too_small(page) == []


@every_look
async def test_what_is_not_stored_says_so_and_survives_a_reload(browser: Browser, stage: Stage, look: Look):
    """The reason and two ways on; the text and the draft are there after a reload; trying again stores it once."""
    async with chat_page(browser, stage.url, look) as page:
        box = page.get_by_label("Message", exact=True)
        stuck = page.get_by_role("list", name="Messages not stored yet").get_by_role("listitem")
        stage.refusal = "The disk is full."
        for text in ("keep me", "drop me"):
            await box.fill(text)
            await box.press("Enter")
            await expect(stuck.filter(has_text=text)).to_contain_text("Not sent. The disk is full.")
        await inspect(page)
        await stuck.filter(has_text="drop me").get_by_role("button", name="Discard").click()
        await box.fill("a draft")
        await page.reload()
        await expect(stuck).to_have_count(1)
        await expect(stuck).to_contain_text("keep me")
        await expect(stuck).to_contain_text("Not sent. The disk is full.")  # it was sent again, by itself
        await expect(box).to_have_value("a draft")
        stage.refusal = None
        await stuck.get_by_role("button", name="Try again").click()
        await expect(message(page, "keep me")).to_be_visible()
        await expect(stuck).to_have_count(0)
        await expect(page.locator("#messages > li")).to_have_count(1)


async def test_the_tools_that_judge_the_page_see_a_flaw(browser: Browser, stage: Stage):
    """What looks for flaws, for overflow and for small targets finds those that are put in."""
    async with chat_page(browser, stage.url, WIDE) as page:
        assert TOKEN not in await page.content()
        await page.evaluate("document.querySelector('#attach').removeAttribute('aria-label')")
        await page.evaluate("document.querySelector('#attach').removeAttribute('title')")
        with pytest.raises(AssertionError, match="button-name"):
            await inspect(page)
        await page.reload()
        await page.evaluate("document.querySelector('#messages').style.width = '9000px'")
        await page.evaluate("document.querySelector('#chat').style.overflow = 'auto'")
        with pytest.raises(AssertionError, match="scroll sideways"):
            await inspect(page)
        assert await too_small(page) != []
