"""The command line as a person sees it, with the real Claude Code: what it says, and pictures of it for the docs."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from playwright.async_api import async_playwright
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.doubles.daemon import Daemon
from tests.e2e.chat import ARGUMENTS, find_browser
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import session_where, shim_of
from tests.e2e.terminal import Terminal

PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; padding: 1.5rem; background: #1d1f1c; display: inline-block }}
pre {{ margin: 0; font: 15px/1.4 "DejaVu Sans Mono", monospace; color: #e6e6e0 }}
</style><pre>{code}</pre>"""
COLUMNS, ROWS = 80, 44
GROUND, INK = (29, 31, 28), (230, 230, 224)
# black, red, green, yellow, blue, magenta, cyan, white
THEME = TerminalTheme(
    GROUND, INK,
    [(60, 62, 58), (255, 138, 117), (126, 205, 170), (240, 196, 110), (140, 180, 235), (215, 160, 220),
     (125, 205, 210), INK],
)  # fmt: skip


@asynccontextmanager
async def shell(daemon: Daemon, home: Path) -> AsyncIterator[Terminal]:
    """Start a shell of 80 columns for whom channeld is installed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = {"CHANNELD_HOME": daemon.home, "HOME": home, "PATH": path, "LANG": "C.UTF-8", "PS1": "$ "}
    environment = [f"{name}={value}" for name, value in {**variables, "TERM": "xterm-256color"}.items()]
    await asyncio.to_thread(home.mkdir, exist_ok=True)
    terminal = await Terminal.start(home / "shell", ["env", "-i", *environment, "sh"], home, columns=COLUMNS, rows=ROWS)
    try:
        yield terminal
    finally:
        await terminal.stop()


async def picture(terminal: Terminal, file: Path, home: Path) -> None:
    """Save what is on a terminal's screen as a picture."""
    console = Console(record=True, file=io.StringIO(), width=COLUMNS)
    console.print(Text.from_ansi((await terminal.screen(colours=True)).rstrip().removesuffix("$").rstrip()), end="")
    html = console.export_html(theme=THEME, code_format=PAGE, inline_styles=True)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=find_browser(), args=list(ARGUMENTS), env={"HOME": str(home)}
        )
        try:
            page = await browser.new_page(device_scale_factor=1.5)
            await page.set_content(html)
            await page.locator("body").screenshot(path=file)
        finally:
            await browser.close()


async def write(daemon: Daemon, *texts: str) -> None:
    """Post messages to the web chat as a script does."""
    printed = (await asyncio.to_thread(daemon.terminal, "url", "web")).stdout
    address, _, token = printed.strip().partition("/?token=")
    async with httpx.AsyncClient(base_url=address, headers={"Authorization": f"Bearer {token}"}) as client:
        for text in texts:
            (await client.post("/api/messages", json={"text": text})).raise_for_status()


async def test_the_terminal_tells_what_is_wrong_and_then_that_all_is_well(
    daemon: Daemon, tmp_path: Path, pictures: Path
):
    """A forgotten flag and what waits for it come first; with the flag everything has arrived, message by message."""
    home = tmp_path / "first"
    async with shell(daemon, home) as terminal, ClaudeLab(home) as deaf:
        await deaf.start(shim_of(daemon, "--name", "shop"), opt_in=False)
        await session_where(daemon, lambda session: session["state"] == "attached")
        await write(daemon, "Could you look why the tests fail?", "And is the deploy through?")
        await daemon.status_where(lambda status: any(issue["code"] == "session_deaf" for issue in status["health"]))
        await terminal.type("channeld status")
        await terminal.wait_for("pid")
        screen = await terminal.screen()
        assert screen.index("The session shop does not listen") < screen.index("Workers") < screen.index("web:main")
        assert "in ~/project" in screen
        await picture(terminal, pictures / "status-trouble.png", tmp_path)
    home = tmp_path / "second"
    async with shell(daemon, home) as terminal, ClaudeLab(home) as listening:
        await listening.start(shim_of(daemon, "--name", "shop"))
        await daemon.status_where(lambda status: status["events"] == {"answered": 2} and not status["outbox"])
        await terminal.type("channeld status; echo; channeld messages")
        await terminal.wait_for("echo: And is the deploy")
        screen = await terminal.screen()
        assert "All is well" in screen and "listening" in screen and "answered" in screen
        await picture(terminal, pictures / "status-well.png", tmp_path)
