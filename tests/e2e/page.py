"""What the tests of the page share: looks, visits, Claude at the other end, and a daemon that says what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import re
import struct
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, BrowserContext, Locator, Page, expect

from channeld.ipc.messages import (
    Accepted,
    AnswerPrompt,
    AskHistory,
    FromWorker,
    History,
    HistoryItem,
    Offer,
    Receipt,
    Refused,
)
from tests.doubles.daemon import Daemon
from tests.doubles.daemon_end import DaemonEnd, running_worker
from tests.doubles.mcp_client import TIMEOUT_S, McpClient

CHAT = "web:main"
TOKEN = "t0ken-of-the-page"
AXE = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],  # the rest is counted only, which is much quicker
    "preload": False,
}
OLD = "#messages > li:not(:nth-last-child(-n+6))"  # what other tests have written is not looked at again
FINGER = 40  # pixels, as wide and as high as what is touched must be


class Look(NamedTuple):
    """A window that people have."""

    width: int
    scheme: str

    def __str__(self) -> str:
        return f"{self.width}-{self.scheme}"

    @property
    def touch(self) -> bool:
        """Whether it is a phone's."""
        return self.width < 600


LOOKS = [Look(width, scheme) for width in (360, 1280) for scheme in ("light", "dark")]
WIDE = Look(1280, "light")
every_look = pytest.mark.parametrize("look", LOOKS, ids=map(str, LOOKS))


@contextlib.asynccontextmanager
async def window(browser: Browser, look: Look = WIDE, **more: Any) -> AsyncIterator[BrowserContext]:
    """Open a window of its own; whatever its pages complain about fails the test."""
    complaints: list[str] = []
    context = await browser.new_context(
        viewport={"width": look.width, "height": 740 if look.touch else 800},
        color_scheme="dark" if look.scheme == "dark" else "light",
        has_touch=look.touch,
        is_mobile=look.touch,
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
        **more,
    )
    context.set_default_timeout(10_000)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None)
    try:
        yield context
    finally:
        await context.close()
    assert not complaints, "; ".join(complaints)


async def visit(context: BrowserContext, url: str) -> Page:
    """Open the chat in a tab and wait until it is connected."""
    page = await context.new_page()
    await page.goto(url)
    await expect(page.locator("#link")).to_have_text("connected")
    return page


@contextlib.asynccontextmanager
async def chat_page(browser: Browser, url: str, look: Look = WIDE, **more: Any) -> AsyncIterator[Page]:
    """Open the chat in a window of its own."""
    async with window(browser, look, **more) as context:
        yield await visit(context, url)


def message(page: Page, text: str) -> Locator:
    """Return the list item of the last message whose text begins so."""
    begins = page.locator(".text", has_text=re.compile(rf"^\s*{re.escape(text)}"))
    return page.locator("#messages > li.message").filter(has=begins).last


async def write(page: Page, text: str) -> Locator:
    """Type a message, send it with Enter, and wait until it is in the timeline, once."""
    await page.get_by_label("Message", exact=True).fill(text)
    await page.get_by_label("Message", exact=True).press("Enter")
    await expect(page.locator("#messages .text").get_by_text(text, exact=True)).to_have_count(1)
    await expect(page.locator("#unsent > li")).to_have_count(0)
    return message(page, text)


async def open_menu(page: Page, item: Locator) -> Locator:
    """Open the menu of a message."""
    await item.scroll_into_view_if_needed()
    if await page.evaluate("matchMedia('(hover: hover)').matches"):
        await item.hover()
    await item.get_by_role("button", name="More: react, edit, copy").click()
    await expect(page.locator("#menu")).to_be_visible()
    return page.locator("#menu")


async def inspect(page: Page) -> None:
    """See that the page as it is now has no flaw for assistive technology, and does not scroll sideways."""
    found = await Axe().run(page, {"exclude": [OLD]}, AXE)
    assert found.response["passes"], "axe looked at nothing"
    flaws = [
        f"{flaw['id']}: {flaw['help']}: {[node['target'] for node in flaw['nodes']]}"
        for flaw in found.response["violations"]
    ]
    assert not flaws, "; ".join(flaws)
    wide = await page.evaluate(
        "['documentElement', 'body'].map(name => document[name]).concat([...document.querySelectorAll('main')])"
        ".filter(node => node.scrollWidth > node.clientWidth).map(node => node.localName)"
    )
    assert not wide, f"{wide} scroll sideways"
    root = "document.documentElement.scrollHeight - innerHeight"
    assert await page.evaluate(root) <= 0, "the page itself scrolls, not the messages in it"


async def too_small(page: Page) -> list[str]:
    """Return what can be touched and is smaller than a finger."""
    small: list[str] = await page.evaluate(
        """(finger) => [...document.querySelectorAll("button, input, textarea")].filter((node) => {
             const box = (node.closest("label") ?? node).getBoundingClientRect();
             return box.width && box.height && Math.min(box.width, box.height) < finger - 0.5;
           }).map((node) => node.outerHTML.slice(0, 120))""",
        FINGER,
    )
    return small


def picture(width: int = 96, height: int = 64) -> bytes:
    """Return a PNG with something to see on it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            # Bars: requests a minute, with a day that was not like the others.
            bar = x * 24 // width
            tall = height * (0.2 + 0.12 * ((bar * 7) % 5) / 5 + (0.5 if 14 <= bar < 19 else 0))
            ground = x * 24 % width < width * 0.7 and height - y < tall
            rows += bytes((207, 92, 71) if ground and 14 <= bar < 19 else (72, 148, 130) if ground else (243, 243, 236))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b"")
    )


class Claude:
    """The session at the other end: an MCP client that calls the tools as Claude does."""

    def __init__(self, client: McpClient) -> None:
        self._client = client
        self._calls = 0

    async def hears(self, text: str) -> dict[str, str]:
        """Wait for an event with that text and return what its tag says."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                event = await self._client.next_event()
                if text in event["content"]:
                    meta: dict[str, str] = event["meta"]
                    return meta

    async def says(self, text: str, **more: Any) -> str:
        """Reply and return the id of the reply's first message."""
        told = await self._call("reply", text=text, **more)
        return told.rpartition("id: ")[2].rstrip(")")

    async def edits(self, message_id: str, text: str) -> None:
        """Change a message of its own."""
        await self._call("edit_message", message_id=message_id, text=text)

    async def reacts(self, message_id: str, emoji: str) -> None:
        """React to a message."""
        await self._call("react", message_id=message_id, emoji=emoji)

    async def _call(self, tool: str, **arguments: Any) -> str:
        self._calls += 1
        result = await self._client.call_tool(tool, {"chat_id": CHAT, **arguments}, f"toolu_page_{self._calls}")
        text: str = result["content"][0]["text"]
        assert not result.get("isError"), text
        return text


class Home(NamedTuple):
    """A running daemon with the web chat, and Claude attached to it."""

    daemon: Daemon
    url: str  # of the page, with the token
    claude: Claude


@contextlib.asynccontextmanager
async def living(config: str) -> AsyncIterator[Home]:
    """Start a daemon and attach Claude."""
    async with Daemon(config) as daemon:
        url = await page_url(daemon)
        async with daemon.client() as client:
            yield Home(daemon, url, Claude(client))


async def page_url(daemon: Daemon) -> str:
    """Return the address of the page, with the token, of a worker that is ready."""
    url = await daemon.address()
    return f"{url}/?token={(daemon.paths.credentials / 'web.token').read_text().strip()}"


class Stage:
    """The web worker's process, and a daemon that says whatever the test wants said.

    Attributes:
        end: the daemon's end of the socket.
        refusal: what a message is refused with, None: it is accepted.
        answers: what was answered to prompts; each is accepted unless ``refusal`` is set.
    """

    def __init__(self, end: DaemonEnd) -> None:
        self.end = end
        self.url = ""
        self.refusal: str | None = None
        self.answers: list[tuple[str, str]] = []
        self._answered = asyncio.Event()
        self._items: dict[int, HistoryItem] = {}
        end.on_frame = self._on_frame

    @classmethod
    @contextlib.asynccontextmanager
    async def set(cls, folder: Path) -> AsyncIterator[Stage]:
        """Start the worker."""
        async with running_worker("web", folder / "stderr", token=TOKEN) as end:
            stage = cls(end)
            account = await end.ready({"port": 0, "max_upload_mb": 1}, folder / "inbox")
            stage.url = f"{account}/?token={TOKEN}"
            yield stage

    def put(self, text: str, *, seq: int | None = None, **fields: Any) -> HistoryItem:
        """Put a message into the history, or change one, and tell the worker."""
        seq = seq or len(self._items) + 1
        given = {"id": f"w{seq}", "direction": "in", "state": "answered", "user": "you", "ts": time.time(), **fields}
        item = HistoryItem(seq=seq, chat=CHAT, text=text, **given)
        self._items[seq] = item
        self.end.send(Receipt(item=item))
        return item

    def fill(self, texts: Sequence[str], **fields: Any) -> None:
        """Put messages into the history without telling anybody."""
        for text in texts:
            seq = len(self._items) + 1
            given = {"id": f"w{seq}", "direction": "in", "state": "answered", "user": "you", "ts": 1e9 + seq, **fields}
            self._items[seq] = HistoryItem(seq=seq, chat=CHAT, text=text, **given)

    async def hears(self, *answers: tuple[str, str]) -> None:
        """Wait for as many answers to prompts, and see that these are all there ever were."""
        async with asyncio.timeout(10):
            while len(self.answers) < len(answers):
                self._answered.clear()
                await self._answered.wait()
        assert self.answers == list(answers)

    def texts(self) -> list[str]:
        """Return the texts of the history, as they are stored."""
        return [item.text for item in self._items.values()]

    def _on_frame(self, frame: FromWorker) -> bool:
        match frame:
            case AskHistory():
                self.end.send(self._history(frame))
            case Offer() if self.refusal is not None:
                self.end.send(Refused(ref=frame.ref, code="full", text=self.refusal, retry=True))
            case Offer():
                event = frame.event
                self.end.send(Accepted(ref=frame.ref))
                self.put(
                    event.text, id=event.message_id, attachments=event.attachments, reply_to=event.reply_to_id,
                    state="queued",
                )  # fmt: skip
            case AnswerPrompt() if self.refusal is not None:
                self.end.send(Refused(ref=frame.ref, code="gone", text=self.refusal))
            case AnswerPrompt():
                self.answers.append((frame.id, frame.answer))
                self._answered.set()
                self.end.send(Accepted(ref=frame.ref))
            case _:
                return False
        return True

    def _history(self, ask: AskHistory) -> History:
        items = sorted(self._items.values(), key=lambda item: item.seq)
        if ask.only is not None:
            return History(ref=ask.ref, items=[item for item in items if item.id == ask.only])
        ids = [item.id for item in items]
        items = items[: ids.index(ask.before)] if ask.before in ids else items
        return History(ref=ask.ref, items=items[-ask.limit :], more=len(items) > ask.limit)
