"""What waits for an answer: cards for permissions, questions, plans, pairing and what waits, and lines in passing."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from channeld.ipc.messages import Notice, Prompt
from tests.e2e.page import CHAT, Look, Stage, chat_page, every_look, inspect, message, too_small, visit, window

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGAIN = "Allow exactly this again in this session"
PERMISSION = ["Allow", "Deny", "Details", AGAIN]
PLAN = "1. Read the fetcher.\n2. Give its loop a bound.\n3. Test it against a host that is down."


def prompt(prompt_id: str, kind: str, options: list[str], **more: Any) -> Prompt:
    """Return a prompt that is open unless told otherwise."""
    given = {"title": f"{prompt_id} asks", "body": "git push\n  --force", "state": "open", **more}
    return Prompt(id=prompt_id, chat=CHAT, kind=kind, options=options, **given)


def card(page: Page, title: str) -> Locator:
    """Return the open card with that title."""
    cards = page.get_by_role("list", name="What waits for your answer").get_by_role("listitem")
    return cards.filter(has=page.get_by_role("heading", name=title, exact=True))


async def middle(part: Locator) -> tuple[float, float]:
    """Return where a finger would touch it."""
    box = await part.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


async def check(page: Page, look: Look) -> None:
    """See that the page as it is can be used by everybody, with fingers too."""
    await inspect(page)
    if look.touch:
        assert await too_small(page) == []


@every_look
async def test_a_permission_is_asked_and_answered(browser: Browser, stage: Stage, look: Look, tmp_path: Path):
    """Options are buttons, focus is left alone, what is refused says why, and every tab shows how it ended."""
    async with window(browser, look) as context:
        page, other = await visit(context, stage.url), await visit(context, stage.url)
        await page.bring_to_front()
        box = page.get_by_label("Message", exact=True)
        await box.fill("half a thought")
        stage.end.send(prompt("p1", "permission", PERMISSION, title="Run a command with Bash?"))
        asked = card(page, "Run a command with Bash?")
        await expect(asked.locator("pre")).to_have_text("git push\n  --force")
        await expect(asked.get_by_role("textbox")).to_have_count(0)
        await expect(asked.get_by_role("button")).to_have_text(PERMISSION)
        await expect(box).to_be_focused()
        await expect(page.locator("#says")).to_have_text("Permission: Run a command with Bash?")
        await check(page, look)
        await page.screenshot(path=tmp_path / "permission.png")
        stage.refusal = "Claude does not wait for this any more."
        await asked.get_by_role("button", name="Allow", exact=True).click()
        await expect(asked.get_by_role("alert")).to_contain_text(stage.refusal)
        stage.refusal = None
        await asked.get_by_role("button", name=AGAIN).click()
        await expect(asked.get_by_role("button", name="Deny")).to_be_disabled()
        await stage.hears(("p1", AGAIN))
        ended = prompt("p1", "permission", PERMISSION, title="Run a command with Bash?", state="answered", answer=AGAIN)
        stage.end.send(ended)
        for tab in (page, other):
            closed = tab.locator("#messages .prompt")
            await expect(closed).to_contain_text(f"Answered: {AGAIN}")
            await expect(closed.get_by_role("button")).to_have_count(0)
            await expect(tab.locator("#prompts > li")).to_have_count(0)
        await expect(box).to_have_value("half a thought")
        await check(page, look)


@every_look
async def test_details_keep_the_card_open(browser: Browser, stage: Stage, look: Look, tmp_path: Path):
    """By keyboard alone: the same card comes with more in it, in its place, with the focus where it was."""
    whole = tmp_path / "whole.txt"
    whole.write_text("every line of it\n" * 4000)
    async with chat_page(browser, stage.url, look) as page:
        stage.end.send(prompt("p1", "permission", ["Deny", "Details"], body="a part of it"))
        stage.end.send(prompt("p2", "permission", PERMISSION))
        first = card(page, "p1 asks")
        await expect(card(page, "p2 asks")).to_be_visible()
        await expect(first.get_by_role("button", name="Whole text")).to_have_count(0)
        await first.get_by_role("button", name="Deny").focus()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(first.get_by_role("button", name="Deny")).to_be_disabled()
        await stage.hears(("p1", "Details"))
        stage.end.send(prompt("p1", "permission", PERMISSION, body="every line of it\n" * 50, file=str(whole)))
        await expect(first.get_by_role("button", name="Allow", exact=True)).to_be_enabled()
        await expect(page.locator("#prompts > li h2")).to_have_text(["p1 asks", "p2 asks"])
        await expect(first).to_be_focused()
        await expect(page.locator("#says")).to_have_text("Changed: p1 asks")
        await check(page, look)
        await first.scroll_into_view_if_needed()
        await page.screenshot(path=tmp_path / "details.png")
        async with page.expect_download() as saving:
            await first.get_by_role("button", name="Whole text").click()
        saved = await saving.value
        assert saved.suggested_filename == "permission-p1.txt"
        assert await asyncio.to_thread(Path(await saved.path()).read_text) == await asyncio.to_thread(whole.read_text)


async def test_an_answer_that_changes_nothing_leaves_the_card_usable(browser: Browser, stage: Stage):
    """The daemon says the same again: the buttons come back."""
    async with chat_page(browser, stage.url) as page:
        same = prompt("p1", "permission", PERMISSION)
        stage.end.send(same)
        await card(page, "p1 asks").get_by_role("button", name="Details").click()
        await expect(card(page, "p1 asks").get_by_role("button", name="Allow", exact=True)).to_be_disabled()
        stage.end.send(same)
        await expect(card(page, "p1 asks").get_by_role("button", name="Allow", exact=True)).to_be_enabled()


@every_look
async def test_questions_take_one_several_or_words(browser: Browser, stage: Stage, look: Look, tmp_path: Path):
    """Buttons, checkboxes, and a field where words are taken; what was begun survives a change of the card."""
    async with chat_page(browser, stage.url, look) as page:
        stage.end.send(prompt("one", "question", ["main", "next"], body=""))
        stage.end.send(prompt("words", "question", ["main", "next"], free=True, body="Which branch do you mean?"))
        several = prompt("several", "question", ["Red", "Blue", "Green"], multiple=True, free=True, body="")
        stage.end.send(several)
        await expect(card(page, "one asks").get_by_role("textbox")).to_have_count(0)
        await card(page, "one asks").get_by_role("button", name="next").click()
        await card(page, "words asks").get_by_label("Your answer to: words asks").fill("neither")
        await card(page, "words asks").get_by_role("button", name="Answer").click()
        many = card(page, "several asks")
        await many.get_by_role("button", name="Answer").click()
        await expect(many.get_by_role("alert")).to_have_text("Nothing is chosen yet.")
        await many.get_by_label("Red", exact=True).focus()
        await page.keyboard.press("Space")
        await many.get_by_label("Green", exact=True).check()
        await many.get_by_label("Your answer to: several asks").fill("and pink")
        stage.end.send(prompt("several", "question", several.options, multiple=True, free=True, body="For the roof."))
        await expect(many.locator("pre")).to_have_text("For the roof.")
        await expect(many.get_by_label("Your answer to: several asks")).to_be_focused()
        await check(page, look)
        await page.screenshot(path=tmp_path / "questions.png")
        await expect(many.get_by_role("button", name="Answer")).to_be_enabled()
        await page.keyboard.press("Enter")
        await expect(many.get_by_label("Red", exact=True)).to_be_disabled()
        chosen = json.dumps(["Red", "Green", "and pink"], separators=(",", ":"))
        await stage.hears(("one", "next"), ("words", "neither"), ("several", chosen))
        stage.end.send(
            prompt("several", "question", several.options, multiple=True, state="answered", answer="Red, Green – Ann")
        )
        await expect(page.locator("#messages .prompt")).to_contain_text("Answered: Red, Green – Ann")


@every_look
async def test_a_plan_is_read_and_answered(browser: Browser, stage: Stage, look: Look, tmp_path: Path):
    """Its text is on the card, what should change is said in words, and an end in the terminal is shown."""
    async with chat_page(browser, stage.url, look) as page:
        stage.end.send(prompt("p1", "plan", ["Approve", "Reject"], title="Claude has a plan", body=PLAN, free=True))
        plan = card(page, "Claude has a plan")
        await expect(plan.locator("pre")).to_have_text(PLAN)
        await expect(plan.get_by_role("button", name="Approve")).to_have_class("primary")
        await expect(plan.get_by_placeholder("Say what to change")).to_be_visible()
        await check(page, look)
        await page.screenshot(path=tmp_path / "plan.png")
        stage.end.send(prompt("p1", "plan", [], title="Claude has a plan", body=PLAN, state="elsewhere"))
        ended = page.locator("#messages .prompt")
        await expect(ended).to_contain_text("Answered elsewhere, for example in the terminal")
        stage.end.send(prompt("p2", "plan", [], title="Another plan", body=PLAN))
        await expect(card(page, "Another plan")).to_be_visible()
        stage.end.send(prompt("p2", "plan", [], title="Another plan", body=PLAN, state="expired"))
        await expect(ended.last).to_contain_text("Expired: Claude does not wait")


@every_look
async def test_somebody_new_is_let_in_by_the_code_alone(browser: Browser, stage: Stage, look: Look, tmp_path: Path):
    """The card asks for the code that the other one was shown, and a wrong code leaves it open with the reason."""
    asks = "Ann (telegram) wants to write to Claude"
    told = "Type the code that the bot has sent to Ann. Ann would be a chatter: no approver."
    async with chat_page(browser, stage.url, look) as page:
        stage.end.send(prompt("p1", "pairing", ["Deny"], title=asks, body=told, free=True))
        pairing = card(page, asks)
        await expect(pairing.locator(".kind")).to_have_text("Somebody new")
        await expect(pairing.get_by_placeholder("Type the code that they show you")).to_be_visible()
        await pairing.get_by_role("button", name="Answer").click()
        await expect(pairing.get_by_role("alert")).to_have_text("Nothing is typed yet.")
        stage.refusal = "That is not the code. Two tries are left."
        await pairing.get_by_label(f"Code for: {asks}").fill("WRONG-1")
        await page.keyboard.press("Enter")
        await expect(pairing.get_by_role("alert")).to_have_text(f"Not answered: {stage.refusal}")
        await expect(pairing.get_by_label(f"Code for: {asks}")).to_be_focused()
        await check(page, look)
        await page.screenshot(path=tmp_path / "pairing.png")
        stage.refusal = None
        await pairing.get_by_label(f"Code for: {asks}").fill("RIGHT-1")
        await page.keyboard.press("Enter")
        await expect(pairing.get_by_role("button", name="Deny")).to_be_disabled()
        await stage.hears(("p1", "RIGHT-1"))


@every_look
async def test_what_waits_asks_what_shall_become_of_it(browser: Browser, stage: Stage, look: Look, tmp_path: Path):
    """A message that waits, an old one, and one of a stranger to the approvers: each says what it is."""
    kinds = {
        "waiting": ("Waits for Claude", "Claude is busy with another chat", ["Send it in now"]),
        "stale": ("An old message", "Written three hours ago", ["Still wanted", "Drop it"]),
        "unattended": ("Claude asks nobody now", "Bo writes while Claude runs without asking", ["Let in", "Drop"]),
    }
    async with chat_page(browser, stage.url, look) as page:
        for kind, (label, title, options) in kinds.items():
            stage.end.send(prompt(kind, kind, options, title=title, body="deploy it, please"))
            await expect(card(page, title).locator(".kind")).to_have_text(label)
            await expect(card(page, title).get_by_role("button").first).to_have_class("primary")
        await check(page, look)
        await page.screenshot(path=tmp_path / "waiting.png")
        await card(page, kinds["stale"][1]).get_by_role("button", name="Drop it").click()
        await expect(card(page, kinds["stale"][1]).get_by_role("button", name="Drop it")).to_be_disabled()
        await stage.hears(("stale", "Drop it"))
        stage.end.send(
            prompt("stale", "stale", [], title="Written three hours ago", state="answered", answer="Drop it")
        )
        stage.end.send(prompt("waiting", "waiting", [], title="Claude is busy with another chat", state="expired"))
        ended = page.locator("#messages .prompt")
        await expect(ended).to_have_count(2)
        await expect(ended.last).to_contain_text("Expired: no answer is needed any more")


@every_look
async def test_a_notice_is_a_quiet_line_that_is_read_out(browser: Browser, stage: Stage, look: Look, tmp_path: Path):
    """In every tab, in its place among the messages, with commands to copy; a reload forgets it."""
    text = "Claude is busy with another chat since 09:12. Yours is next. Look: `channeld status`"
    async with window(browser, look) as context:
        page, other = await visit(context, stage.url), await visit(context, stage.url)
        stage.put("please deploy")
        await expect(message(page, "please deploy")).to_be_visible()
        await expect(message(other, "please deploy")).to_be_visible()
        await page.bring_to_front()
        stage.end.send(Notice(chat=CHAT, text=text, reply_to="w1"))
        for tab in (page, other):
            line = tab.locator("#messages > li.notice")
            await expect(line).to_contain_text("Claude is busy with another chat")
            await expect(line.locator("code")).to_have_text("channeld status")
            await expect(tab.locator("#says")).to_have_text(text.replace("`", ""))
        stage.put("and then the other")
        await expect(page.locator("#messages > li")).to_have_count(3)
        await expect(page.locator("#messages > li").nth(1)).to_have_class("notice")
        await check(page, look)
        await page.screenshot(path=tmp_path / "notice.png")
        await page.reload()
        await expect(message(page, "and then the other")).to_be_visible()
        await expect(page.locator("#messages > li.notice")).to_have_count(0)


async def test_a_prompt_that_ended_during_an_absence_is_shown_as_ended(browser: Browser, stage: Stage):
    """The page asks anew when it is connected again."""
    async with chat_page(browser, stage.url) as page:
        stage.end.send(prompt("p1", "permission", PERMISSION))
        await expect(card(page, "p1 asks")).to_be_visible()
        await page.context.set_offline(True)
        await page.context.set_offline(False)
        stage.end.send(prompt("p1", "permission", PERMISSION, state="elsewhere", answer="Allow"))
        await expect(page.locator("#messages .prompt")).to_contain_text("Answered elsewhere: Allow")


async def test_a_tap_never_answers_a_card_that_has_just_come_under_the_finger(browser: Browser, stage: Stage):
    """For half a second after a card has come, gone or moved nothing is answered by pointer; then it is."""
    stage.fill([f"message {n}" for n in range(40)])
    async with chat_page(browser, stage.url) as page:
        await expect(message(page, "message 39")).to_be_visible()
        # What the page set before there was another clock ends by the real one: it is let end first.
        await page.evaluate("new Promise((done) => setTimeout(done, 600))")
        await page.clock.install()
        await page.clock.pause_at(time.time() + 3600)
        for name in ("p1", "p2"):
            stage.end.send(prompt(name, "permission", PERMISSION))
        allow = [card(page, f"{name} asks").get_by_role("button", name="Allow", exact=True) for name in ("p1", "p2")]
        await expect(allow[1]).to_be_disabled()
        await page.clock.run_for(500)
        await expect(allow[1]).to_be_enabled()
        spot = await middle(allow[1])
        stage.end.send(prompt("p3", "permission", PERMISSION))
        await expect(card(page, "p3 asks")).to_be_visible()
        await page.mouse.click(*spot)  # p3's Allow is there now
        await page.clock.run_for(499)
        await page.mouse.click(*spot)
        await page.clock.run_for(1)
        spot = await middle(allow[0])
        stage.end.send(prompt("p1", "permission", PERMISSION, state="elsewhere"))
        await expect(allow[0]).to_have_count(0)
        await page.mouse.click(*spot)
        stage.put("something long that moves the cards\n" * 5)
        await expect(message(page, "something long")).to_be_visible()
        await expect(allow[1]).to_be_disabled()
        await page.mouse.click(*await middle(allow[1]))
        while await allow[1].is_disabled():
            await page.clock.run_for(500)
        await allow[1].click()
        await stage.hears(("p2", "Allow"))


async def test_a_key_answers_what_has_the_focus_but_not_what_has_just_been_redrawn(browser: Browser, stage: Stage):
    """Another card's coming does not matter to Enter; a change of the very card that has the focus does."""
    async with chat_page(browser, stage.url) as page:
        await page.clock.install()
        await page.clock.pause_at(time.time() + 3600)
        stage.end.send(prompt("p1", "permission", PERMISSION))
        deny = card(page, "p1 asks").get_by_role("button", name="Deny")
        await deny.focus()
        stage.end.send(prompt("p1", "permission", PERMISSION, body="something else"))
        await expect(card(page, "p1 asks").locator("pre")).to_have_text("something else")
        await expect(deny).to_be_focused()
        await page.keyboard.press("Enter")
        await page.clock.run_for(500)
        stage.end.send(prompt("p2", "permission", PERMISSION))
        await expect(card(page, "p2 asks")).to_be_visible()
        await page.keyboard.press("Enter")
        await stage.hears(("p1", "Deny"))
