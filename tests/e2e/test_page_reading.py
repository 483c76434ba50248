"""Reading on the page: older messages, days, what is new, and several tabs that live through crashes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.page import (
    LOOKS,
    Look,
    Stage,
    chat_page,
    every_look,
    inspect,
    living,
    message,
    visit,
    window,
    write,
)

pytestmark = pytest.mark.asyncio(loop_scope="session")

TABS = 8  # more than the connections that a browser grants one host
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
# What comes in the stream, changed on its way: the page cannot read it any more.
SPOIL = """([from, to]) => {
  const real = window.fetch;
  window.fetch = async (path, options) => {
    const answer = await real(path, options);
    if (path !== "/api/events") return answer;
    const spoil = new TransformStream({ transform: (text, out) => out.enqueue(text.replace(from, to)) });
    return new Response(answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(spoil)
      .pipeThrough(new TextEncoderStream()));
  };
}"""
TOP_OF = "node => node.getBoundingClientRect().top"


async def texts(page: Page) -> list[str]:
    """Return the texts on the page from top to bottom."""
    return await page.locator("#messages > li.message .text").all_inner_texts()


@every_look
async def test_older_messages_come_when_they_are_wanted(browser: Browser, stage: Stage, look: Look):
    """By scrolling, by a button, and by following a quote; what is read stays where it is, and days are told apart."""
    stage.fill([f"old {n:03}" for n in range(1, 131)])
    stage.fill(["of another day"], ts=1.1e9, reply_to="w3")
    async with chat_page(browser, stage.url, look) as page:
        shown = page.locator("#messages > li.message")
        await expect(shown).to_have_count(50)
        await expect(message(page, "of another day")).to_be_in_viewport()
        await expect(message(page, "of another day").locator(".day")).to_contain_text("2004")
        await inspect(page)
        top = message(page, "old 085")
        await page.locator("#chat").evaluate("chat => { chat.scrollTop = 250; }")
        before = await top.evaluate(TOP_OF)
        await expect(shown).to_have_count(100)
        assert abs(await top.evaluate(TOP_OF) - before) < 3
        assert await page.locator(".day:not(:empty)").count() == 2
        await message(page, "of another day").get_by_role("button", name="an earlier message").click()
        await expect(shown).to_have_count(131)
        await expect(message(page, "old 003")).to_be_focused()
        await expect(message(page, "of another day").get_by_role("button", name="old 003")).to_be_visible()
        await expect(page.get_by_role("button", name="Show earlier messages")).to_be_hidden()
        assert await texts(page) == [*(f"old {n:03}" for n in range(1, 131)), "of another day"]


@every_look
async def test_what_is_new_is_counted_and_nothing_moves_under_the_reader(browser: Browser, stage: Stage, look: Look):
    """Above the end new messages wait behind a button; in a hidden tab the title counts them."""
    stage.fill([f"line {n}" for n in range(40)])
    async with chat_page(browser, stage.url, look) as page:
        jump = page.locator("#jump")
        await expect(message(page, "line 39")).to_be_in_viewport()
        await expect(jump).to_be_hidden()
        await page.locator("#chat").evaluate("chat => { chat.scrollTop = 300; }")
        await expect(jump).to_have_text("To the end")
        before = await page.locator("#chat").evaluate("chat => chat.scrollTop")
        for n in (1, 2):
            stage.put(f"news {n}", direction="out", user="Claude", state="sent")
        await expect(jump).to_have_text("2 new messages")
        assert await page.locator("#chat").evaluate("chat => chat.scrollTop") == before
        await inspect(page)
        await jump.click()
        await expect(message(page, "news 2")).to_be_in_viewport()
        await expect(jump).to_be_hidden()
        await expect(page).to_have_title("channeld")
        await page.evaluate(HIDE, True)
        stage.put("news 3", direction="out", user="Claude", state="sent")
        await expect(page).to_have_title("(1) channeld")
        await expect(page.locator("#says")).to_contain_text("Claude: news 3")
        await page.evaluate(HIDE, False)
        await expect(page).to_have_title("channeld")


async def test_line_separators_do_not_hide_a_message(browser: Browser, stage: Stage):
    """Characters that end a line elsewhere, as they are copied from other programs, are text like any other."""
    async with chat_page(browser, stage.url) as page:
        stage.put("before\u2028between\u2029after", direction="out", user="Claude", state="sent")
        await expect(page.locator("#messages .text")).to_have_text(re.compile("before\u2028between\u2029after"))


@pytest.mark.parametrize(
    ("part", "spoiled"), [('{"id"', '{"id'), ("event: message", "vent: message"), ("\ndata: {", " {")]
)
async def test_an_event_that_cannot_be_read_is_fetched(browser: Browser, stage: Stage, part: str, spoiled: str):
    """Whatever is wrong with it, the message appears, and the stream goes on."""
    async with window(browser) as context:
        await context.add_init_script(f"({SPOIL})({json.dumps([part, spoiled])})")
        page = await visit(context, stage.url)
        for text in ("first", "second"):
            stage.put(text)
            await expect(message(page, text)).to_be_visible()
        assert await texts(page) == ["first", "second"]


@every_look
async def test_many_tabs_show_the_same(browser: Browser, stage: Stage, look: Look):
    """More tabs than a browser has connections: all hear everything, all can write, whichever is closed."""
    async with window(browser, look) as context:
        tabs = [await visit(context, stage.url) for _ in range(TABS)]
        for number in (0, TABS - 1):
            await write(tabs[number], f"from tab {number}")
        for tab in tabs:
            await expect(tab.locator("#messages > li.message")).to_have_count(2)
        await tabs.pop(0).close()  # the one that read the stream for the others
        stage.put("after that")
        for tab in tabs:
            await expect(message(tab, "after that")).to_be_visible()
            assert await texts(tab) == ["from tab 0", f"from tab {TABS - 1}", "after that"]
        await inspect(tabs[-1])


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_crashes_neither_lose_nor_double_anything_on_the_page(browser: Browser):
    """With the worker and then the daemon killed under a window of every look, all is there once, in order, in each."""
    config = f"[workers.web]\nport = {free_port()}\n"
    async with living(config) as home, contextlib.AsyncExitStack() as windows:
        contexts = [await windows.enter_async_context(window(browser, look)) for look in LOOKS]
        tabs = [await visit(context, home.url) for context in (*contexts, contexts[0])]
        first = tabs[0]
        await write(first, "one")
        await home.claude.hears("one")
        await home.claude.says("answer one")
        status = await home.daemon.ask("status")
        os.kill(status["workers"][0]["pid"], signal.SIGKILL)
        box = first.get_by_label("Message", exact=True)
        await box.fill("two")
        await box.press("Enter")
        await home.claude.says("answer two")
        for tab in tabs:
            await expect(message(tab, "answer two")).to_be_visible()
            await expect(tab.locator("#link")).to_have_text("connected")
        await home.daemon.kill()
        for tab in tabs:
            await expect(tab.locator("#banner code")).to_have_text("channeld status")
            await inspect(tab)
        await box.fill("three")
        await box.press("Enter")
        stuck = first.locator("#unsent > li")
        await expect(stuck.last).to_contain_text("This is sent as soon as it can be.")
        await home.daemon.start()
        for tab in tabs:
            await expect(tab.locator("#link")).to_have_text("connected", timeout=20_000)
        await home.claude.hears("three")
        await home.claude.says("answer three")
        for tab in tabs:
            await expect(message(tab, "answer three")).to_be_visible()
            await expect(tab.locator("#unsent > li")).to_have_count(0)
        shown = await asyncio.gather(*(texts(tab) for tab in tabs))
        assert all(each == shown[0] for each in shown)
        assert sorted(shown[0]) == sorted(["one", "two", "three", "answer one", "answer two", "answer three"])
