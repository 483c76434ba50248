"""The web chat as a person uses it: a page in a real headless browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Locator, Page, async_playwright, expect

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# As root there is no sandbox to be had; the rest keeps the browser from calling home.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
LIMIT_MS = 30_000
ANSWERED = "Claude has answered"


def find_browser() -> str | None:
    """Return the path of a Chromium, None where there is none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


class Chat:
    """One open page of the web chat. Everything that waits gives up after ``LIMIT_MS``."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, home: Path) -> AsyncIterator[Chat]:
        """Start a browser with a HOME of its own, open the chat and wait until it is connected."""
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=find_browser(), args=list(ARGUMENTS), env={"HOME": str(home)}
            )
            try:
                page = await browser.new_page()
                await page.goto(url)
                await expect(page.locator("#link")).to_have_text("connected", timeout=LIMIT_MS)
                yield cls(page)
            finally:
                await browser.close()

    async def say(self, text: str) -> None:
        """Type a message, send it, and wait until it is on disk."""
        before = await self._messages("in", text).count()  # the same may have been said before
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.get_by_role("button", name="Send").click()
        await expect(self._messages("in", text)).to_have_count(before + 1, timeout=LIMIT_MS)

    async def command(self, text: str) -> None:
        """Type something for channeld itself and send it: no message of it appears."""
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.get_by_role("button", name="Send").click()

    async def hears(self, text: str) -> None:
        """Wait until an answer is on the page, and see that it is there once."""
        await expect(self._messages("out", text)).to_have_count(1, timeout=LIMIT_MS)

    async def sees_answered(self, text: str) -> None:
        """Wait until the tick of a message says that Claude has answered."""
        tick = self._messages("in", text).get_by_role("button", name=ANSWERED)
        await expect(tick).to_be_visible(timeout=LIMIT_MS)

    def card(self, title: str) -> Locator:
        """Return the open card whose title holds this."""
        return self.page.locator("#prompts > li").filter(has=self.page.get_by_role("heading", name=title))

    async def answer(self, title: str, option: str) -> None:
        """Wait for a card, and press one of its buttons."""
        await self.card(title).get_by_role("button", name=option, exact=True).click(timeout=LIMIT_MS)

    async def sees_ended(self, how: str) -> None:
        """Wait until no card is open, and the last that closed says how."""
        await expect(self.page.locator("#prompts > li")).to_have_count(0, timeout=LIMIT_MS)
        await expect(self.page.locator("#messages > li.prompt .outcome").last).to_contain_text(how, timeout=LIMIT_MS)

    async def sees_notice(self, text: str) -> None:
        """Wait until channeld itself has said something in the chat."""
        await expect(self.page.locator("#messages > li.notice", has_text=text)).to_have_count(1, timeout=LIMIT_MS)

    async def sees_banner(self, text: str) -> None:
        """Wait until the banner says something."""
        await expect(self.page.locator("#banner")).to_contain_text(text, timeout=LIMIT_MS)

    async def answers(self) -> list[str]:
        """Return the answers on the page, from top to bottom."""
        return await self.page.locator("#messages li.message.out .text").all_inner_texts()

    def _messages(self, direction: str, text: str):
        whole = self.page.locator(".text", has_text=re.compile(rf"^\s*{re.escape(text)}\s*$"))
        return self.page.locator(f"#messages > li.message.{direction}").filter(has=whole)
