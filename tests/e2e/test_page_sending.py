"""From the box to the mailbox: in order, once, whatever is reloaded, refused, out of reach or too long on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from playwright.async_api import Browser, FilePayload, Locator, Page, Route, expect

from tests.e2e.page import Home, Stage, chat_page, message, picture, visit, window, write

pytestmark = pytest.mark.asyncio(loop_scope="session")

MESSAGES, FILES = "**/api/messages", "**/api/files"  # what is posted; questions for messages have more in the address
PICTURE: FilePayload = {"name": "graph.png", "mimeType": "image/png", "buffer": picture()}
FULL = "() => { Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }; }"


async def send(page: Page, text: str) -> None:
    """Type a message and press Enter."""
    await page.get_by_label("Message", exact=True).fill(text)
    await page.get_by_label("Message", exact=True).press("Enter")


def unsent(page: Page) -> Locator:
    """Return the messages that are not stored yet."""
    return page.locator("#unsent > li")


async def expect_texts(page: Page, *texts: str) -> None:
    """Wait until exactly these are in the timeline, in this order, and nothing is unsent."""
    await expect(page.locator("#messages .text")).to_have_text(texts)
    await expect(unsent(page)).to_have_count(0)


def until(event: asyncio.Event) -> Callable[[Route], Coroutine[Any, Any, None]]:
    """Return a handler that lets requests through once an event is set."""

    async def wait(route: Route) -> None:
        await event.wait()
        await route.continue_()

    return wait


async def test_storage_that_is_full_stops_no_message(browser: Browser, stage: Stage):
    """What the browser refuses to keep for a reload is sent all the same."""
    async with chat_page(browser, stage.url) as page:
        await page.evaluate(FULL)
        for text in ("one", "two"):
            await write(page, text)
        await expect_texts(page, "one", "two")


async def test_a_text_that_is_too_long_stays_in_the_box(browser: Browser, stage: Stage):
    """It is told before anything is sent, with the numbers; characters are counted as the server counts them."""
    async with chat_page(browser, stage.url) as page:
        box = page.get_by_label("Message", exact=True)
        await send(page, "x" * 100_001)
        await expect(page.get_by_role("alert")).to_contain_text("100,001 characters")
        await expect(box).to_have_value("x" * 100_001)
        await expect(unsent(page)).to_have_count(0)
        await send(page, "😀" * 60_000)
        await expect(page.locator("#messages > li")).to_have_count(1)
        await expect(page.get_by_role("alert")).to_be_hidden()
        await box.press("ArrowUp")
        await send(page, "y" * 100_001)
        await expect(page.locator("#about")).to_contain_text("Not changed: This has 100,001 characters")
        await expect(box).to_have_value("y" * 100_001)


async def test_messages_are_stored_in_the_order_in_which_they_were_written(browser: Browser, stage: Stage):
    """A text waits for the upload before it."""
    async with chat_page(browser, stage.url) as page:
        uploaded = asyncio.Event()
        await page.route(FILES, until(uploaded))
        await page.set_input_files("#files", [PICTURE])
        await send(page, "here is the graph")
        await send(page, "what is wrong in it?")
        await expect(unsent(page)).to_have_count(2)
        await expect(unsent(page).first).to_contain_text("Uploading…")
        await expect(unsent(page).last).to_contain_text("Waits for the one before")
        uploaded.set()
        await expect_texts(page, "here is the graph", "what is wrong in it?")


async def test_lines_end_alike_with_files_and_without(browser: Browser, stage: Stage):
    """A form writes line ends its own way; what is stored is what was typed."""
    async with chat_page(browser, stage.url) as page:
        await send(page, "two\nlines")
        await expect(unsent(page)).to_have_count(0)
        await page.set_input_files("#files", [PICTURE])
        await send(page, "two\nlines")
        await expect(page.locator("#messages > li")).to_have_count(2)
        assert stage.texts() == ["two\nlines", "two\nlines"]


async def test_what_a_person_must_decide_holds_up_nothing(browser: Browser, stage: Stage):
    """After a message that was refused the next one is stored; the refused one can still be sent."""
    async with chat_page(browser, stage.url) as page:
        stage.refusal = "The disk is full."
        await send(page, "refused")
        await expect(unsent(page)).to_contain_text("The disk is full.")
        stage.refusal = None
        await send(page, "accepted")
        await expect(message(page, "accepted")).to_be_visible()
        await expect(unsent(page)).to_have_count(1)
        await unsent(page).get_by_role("button", name="Try again").click()
        await expect_texts(page, "accepted", "refused")


async def test_what_nobody_answered_is_sent_again_by_itself(browser: Browser, stage: Stage):
    """Also where only the post was cut off, not the stream; and what was written later stays later."""
    async with window(browser) as context:
        page = await context.new_page()
        await page.clock.install()
        await page.goto(stage.url)
        await expect(page.locator("#link")).to_have_text("connected")
        await page.route(MESSAGES, lambda route: route.abort())
        for text in ("first", "second"):
            await send(page, text)
        await expect(unsent(page).first).to_contain_text("This is sent as soon as it can be.")
        await expect(unsent(page).last).to_contain_text("This is sent as soon as it can be.")
        await page.unroute(MESSAGES)
        await page.clock.run_for(6_000)
        await expect_texts(page, "first", "second")


async def test_a_reload_while_a_message_is_stored_leaves_it_once(browser: Browser, home: Home):
    """The page never heard that it is stored, and asks again with its key: neither a double nor an alarm."""
    async with window(browser) as context:
        page = await visit(context, home.url)
        stored = asyncio.Event()

        async def swallow(route: Route) -> None:
            await route.fetch()
            stored.set()  # and the answer never comes

        await page.route(MESSAGES, swallow, times=1)
        await send(page, "sent while reloading")
        await stored.wait()
        await send(page, "waits while reloading")
        await page.reload()
        await expect(message(page, "waits while reloading")).to_be_visible()
        await expect(unsent(page)).to_have_count(0)
        await expect(page.get_by_text("sent while reloading", exact=True)).to_have_count(1)


async def test_files_that_a_reload_has_taken_are_named(browser: Browser, stage: Stage):
    """An upload without a word does not vanish: its files have to be added again, and the page says so until told."""
    async with chat_page(browser, stage.url) as page:
        await page.route(FILES, until(asyncio.Event()))
        await page.set_input_files("#files", [PICTURE])
        await page.get_by_role("button", name="Send").click()
        await expect(unsent(page)).to_contain_text("Uploading…")
        for _ in range(2):
            await page.reload()
            await expect(page.locator("#link")).to_have_text("connected")
            await expect(unsent(page)).to_contain_text("its files are gone, add them again (graph.png)")
        await expect(unsent(page).get_by_role("button")).to_have_text(["Discard"])
        await unsent(page).get_by_role("button", name="Discard").click()
        await page.reload()
        await expect(page.locator("#link")).to_have_text("connected")
        await expect(unsent(page)).to_have_count(0)


async def test_an_edit_survives_a_reload(browser: Browser, stage: Stage):
    """What was typed is still an edit of that message, and the draft that it has put aside comes back after it."""
    stage.fill(["the message"])
    async with chat_page(browser, stage.url) as page:
        box, about = page.get_by_label("Message", exact=True), page.locator("#about")
        await box.fill("a draft")
        await message(page, "the message").focus()
        await page.keyboard.press("e")
        await box.fill("the message, edited at length")
        await page.reload()
        await expect(box).to_have_value("the message, edited at length")
        await expect(about).to_contain_text("Edit your message")
        await expect(about).to_contain_text("the message")
        await box.press("Escape")
        await expect(box).to_have_value("a draft")
        await expect(about).to_be_hidden()
