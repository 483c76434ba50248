"""The page in a conversation: Markdown, edits, reactions, replies, and what happens to a message."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.page import Home, Look, chat_page, every_look, inspect, message, open_menu, write

pytestmark = pytest.mark.asyncio(loop_scope="session")

CODE = "async def fetch(url):\n    return await get(url, attempts=8, longest_wait_s=30, jitter=True)\n"
ANSWER = f"""## Found it

The loop has **no bound**. See [the manual](https://example.org/manual), not <script>window.broken = 1</script>.

```python
{CODE}```

| case | {" | ".join(f"column {n}" for n in range(12))} |
|:--|{"--:|" * 12}
| up | {" | ".join(["one try and no more"] * 12)} |
"""
SCROLLS = "node => node.scrollWidth > node.clientWidth"


async def selected(page: Page) -> str:
    """Return the text that is selected on the page."""
    text: str = await page.evaluate("getSelection().toString()")
    return text


@every_look
async def test_an_answer_in_markdown_is_laid_out_and_its_code_is_copied(browser: Browser, home: Home, look: Look):
    """Tables and code scroll inside the message, links open elsewhere, nothing runs, and Copy copies."""
    async with chat_page(browser, home.url, look) as page:
        question = await write(page, f"Why? {look}")
        await home.claude.says(ANSWER, reply_to=(await home.claude.hears(f"Why? {look}"))["message_id"])
        await expect(question.get_by_role("button", name="Answered: Claude has answered")).to_be_visible()
        answer = message(page, "Found it")
        await expect(answer.get_by_role("heading", name="Found it")).to_be_visible()
        link = answer.get_by_role("link", name="the manual")
        assert await link.get_attribute("target") == "_blank"
        assert "noopener" in (await link.get_attribute("rel") or "")
        await expect(answer.get_by_text("<script>window.broken = 1</script>")).to_be_visible()
        assert await page.evaluate("window.broken") is None
        assert await answer.get_by_role("group", name="Table").evaluate(SCROLLS)
        code = answer.get_by_role("group", name="Code in python")
        assert await code.evaluate(SCROLLS) is look.touch
        await inspect(page)
        copy = answer.locator("figcaption button")
        await expect(copy).to_have_accessible_name("Copy")
        await copy.click()
        await expect(copy).to_have_text("Copied")
        await expect(page.locator("#says")).to_have_text("Copied")
        assert await page.evaluate("navigator.clipboard.readText()") == CODE
        await page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed')); }")
        await copy.click()
        await expect(page.locator("#says")).to_contain_text("Cop")
        assert (await selected(page)).strip() == CODE.strip()


@every_look
async def test_own_messages_are_edited(browser: Browser, home: Home, look: Look):
    """ArrowUp or the menu begins an edit, Escape ends it, Enter stores it; both sides see that it was edited."""
    async with chat_page(browser, home.url, look) as page:
        box, about = page.get_by_label("Message", exact=True), page.locator("#about")
        first = f"deploy to prod {look}"
        item = await write(page, first)
        original = (await home.claude.hears(first))["message_id"]
        await box.press("ArrowUp")
        await expect(box).to_have_value(first)
        await expect(about).to_contain_text("Edit your message")
        await inspect(page)
        await box.press("Escape")
        await expect(box).to_have_value("")
        await expect(about).to_be_hidden()
        await box.fill("a draft that waits")
        menu = await open_menu(page, item)
        await menu.get_by_role("button", name="Edit").click()
        await expect(box).to_be_focused()
        await box.fill(f"deploy to staging {look}")
        await box.press("Enter")
        await expect(box).to_have_value("a draft that waits")
        changed = message(page, f"deploy to staging {look}")
        await expect(changed.get_by_text("edited", exact=True)).to_be_visible()
        assert (await home.claude.hears(f"deploy to staging {look}"))["message_id"] == original
        answer = await home.claude.says(f"To staging {look}")
        await expect(message(page, f"To staging {look}")).to_be_visible()
        await home.claude.edits(answer, f"Done, to staging {look}")
        await expect(message(page, f"Done, to staging {look}").get_by_text("edited", exact=True)).to_be_visible()
        menu = await open_menu(page, message(page, f"Done, to staging {look}"))
        await expect(menu.get_by_role("button", name="Edit")).to_be_hidden()


@every_look
async def test_reactions_go_both_ways_and_are_taken_back(browser: Browser, home: Home, look: Look):
    """A common emoji or any other; one's own chip takes it back; what Claude gives is shown, and Claude is told."""
    async with chat_page(browser, home.url, look) as page:
        text = f"react to this {look}"
        item = await write(page, text)
        message_id = (await home.claude.hears(text))["message_id"]
        await home.claude.reacts(message_id, "👀")
        await expect(item.get_by_role("button", name="👀: react with it too")).to_be_visible()
        menu = await open_menu(page, item)
        await inspect(page)
        await page.keyboard.press("Escape")
        await expect(menu).to_be_hidden()
        menu = await open_menu(page, item)
        await menu.get_by_role("button", name="React with 👍").click()
        own = item.get_by_role("button", name="👍, your reaction: take it back")
        await expect(own).to_have_attribute("aria-pressed", "true")
        assert (await home.claude.hears("👍"))["event"] == "reaction"
        await own.click()
        await expect(own).to_have_count(0)
        await expect(item).to_be_focused()
        await expect(item.get_by_role("button", name="👀: react with it too")).to_be_visible()
        menu = await open_menu(page, item)
        await menu.get_by_label("Another emoji").fill("🦀")
        await menu.get_by_label("Another emoji").press("Enter")
        await expect(item.get_by_role("button", name="🦀, your reaction: take it back")).to_be_visible()


@every_look
async def test_a_reply_quotes_and_the_quote_leads_back(browser: Browser, home: Home, look: Look):
    """What is replied to stands above the box until it is sent or cancelled, and in the message as a way back."""
    async with chat_page(browser, home.url, look) as page:
        about = page.locator("#about")
        text = f"the original {look}"
        item = await write(page, text)
        original = (await home.claude.hears(text))["message_id"]
        menu = await open_menu(page, item)
        await menu.get_by_role("button", name="Reply").click()
        await expect(about).to_contain_text(text)
        await about.get_by_role("button", name="Cancel (Esc)").click()
        await expect(about).to_be_hidden()
        menu = await open_menu(page, item)
        await menu.get_by_role("button", name="Reply").click()
        await inspect(page)
        reply = await write(page, f"more about it {look}")
        assert (await home.claude.hears(f"more about it {look}"))["reply_to_id"] == original
        await expect(about).to_be_hidden()
        await home.claude.says("line\n\n" * 40)
        await reply.get_by_role("button", name=text).click()
        await expect(message(page, text)).to_be_focused()
        await expect(message(page, text)).to_be_in_viewport()


@every_look
async def test_a_tick_explains_itself(browser: Browser, home: Home, look: Look):
    """On hover, on focus and to a screen reader; Escape hides the words again."""
    async with chat_page(browser, home.url, look) as page:
        item = await write(page, f"tick {look}")
        tick, tip = item.get_by_role("button", name="Delivered: Claude Code has read it"), page.locator("#tip")
        await expect(tick).to_be_visible()
        for explain in (tick.tap,) if look.touch else (tick.hover, tick.focus):
            await expect(tip).to_be_hidden()
            await explain()
            await expect(tip).to_have_text("Delivered: Claude Code has read it")
            await expect(tip).to_be_in_viewport(ratio=1)
            await page.keyboard.press("Escape")
            await expect(tip).to_be_hidden()
            await page.mouse.move(0, 0)
