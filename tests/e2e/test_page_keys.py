"""The page without a mouse."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.page import Home, Look, chat_page, every_look, inspect, message, write

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOCUSED = """(node => node === document.body ? "" : node.getAttribute("aria-label") || node.textContent.trim())
  (document.activeElement)"""

RING = """(node => node.id === "text" ? getComputedStyle(node.parentElement).boxShadow !== "none"
  : getComputedStyle(node).outlineStyle !== "none")(document.activeElement)"""


async def focused(page: Page) -> str:
    """Return what has the focus, by its name."""
    name: str = await page.evaluate(FOCUSED)
    return name


async def tab_to(page: Page, name: str, key: str = "Tab") -> None:
    """Press Tab until something has the focus; what has it on the way must show it."""
    passed = []
    for _ in range(25):
        await page.keyboard.press(key)
        passed.append(await focused(page))
        assert await page.evaluate(RING) or passed[-1] == "", f"{passed[-1]} does not show that it has the focus"
        if name in passed[-1]:
            return
    raise AssertionError(f"{name} is not within reach of {key}: {passed}")


@every_look
async def test_everything_can_be_done_with_keys(browser: Browser, home: Home, look: Look):
    """Write in two lines, read, react, reply, edit, look at the help: no mouse, no trap, and the focus always shows."""
    async with chat_page(browser, home.url, look) as page:
        box = page.get_by_label("Message", exact=True)
        await box.focus()
        await page.keyboard.type(f"keys {look}")
        await page.keyboard.press("Shift+Enter")
        await page.keyboard.type("in two lines")
        await page.keyboard.press("Enter")
        item = message(page, f"keys {look}")
        await expect(item.locator(".text")).to_have_text(f"keys {look}\nin two lines")
        await home.claude.hears(f"keys {look}")
        await home.claude.says(f"An answer with `code` {look}")
        answer = message(page, f"An answer with code {look}")
        await expect(answer).to_be_visible()
        # From the box to the last message that was current, and along the messages.
        await box.focus()
        await tab_to(page, "You:", "Shift+Tab")
        await page.keyboard.press("End")
        await expect(answer).to_be_focused()
        await page.keyboard.press("ArrowUp")
        await expect(item).to_be_focused()
        await page.keyboard.press("Home")
        await expect(page.locator("#messages > li").first).to_be_focused()
        await page.keyboard.press("End")
        # The menu, and back to where it was opened.
        await tab_to(page, "More: react, edit, copy")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="React with 👍")).to_be_focused()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(answer.get_by_role("button", name="❤️, your reaction: take it back")).to_be_visible()
        assert "More" in await focused(page)
        await tab_to(page, "Message")
        # Letters on a message.
        await answer.focus()
        await page.keyboard.press("r")
        await expect(box).to_be_focused()
        await expect(page.locator("#about")).to_contain_text("Reply to Claude")
        await page.keyboard.press("Escape")
        await expect(page.locator("#about")).to_be_hidden()
        await item.focus()
        await page.keyboard.press("e")
        await expect(page.locator("#about")).to_contain_text("Edit your message")
        await page.keyboard.press("Escape")
        # Round the page once: nothing holds the focus.
        await tab_to(page, "Keys of this page")
        await page.keyboard.press("Enter")
        keys = page.get_by_role("dialog", name="Keys")
        await expect(keys).to_be_visible()
        await inspect(page)
        await page.keyboard.press("Escape")
        await expect(keys).to_be_hidden()
        assert await focused(page) == "Keys of this page"


async def test_a_screen_reader_is_told_who_speaks(browser: Browser, home: Home):
    """Each message begins with its author, and an answer is read out when it comes, once."""
    async with chat_page(browser, home.url) as page:
        item = await write(page, "who is there")
        await home.claude.hears("who is there")
        await home.claude.says("It is me")
        await expect(page.locator("#says")).to_have_text("Claude: It is me")
        assert (await item.aria_snapshot()).find("You:") >= 0
        assert (await message(page, "It is me").aria_snapshot()).find("Claude:") >= 0
