"""Fixtures of the tests with the real Claude Code and a real browser."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.doubles.daemon import Daemon
from tests.doubles.faultpoints import FaultPoints
from tests.e2e.channel import Channel
from tests.e2e.chat import ARGUMENTS, Chat, find_browser
from tests.e2e.lab import ClaudeLab, missing_tools
from tests.e2e.page import Home, Stage, living

TIMEOUT_S = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests more time than the others."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture(scope="session", autouse=True)
def _tools_are_there() -> None:
    missing = [*missing_tools(), *([] if find_browser() else ["chromium"])]
    assert not missing, f"these tests need {', '.join(missing)}: run .ci/run, or install them"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures for the docs go: the folder that CHANNELD_PICTURES names (``make pictures``), else nowhere."""
    return Path(os.environ.get("CHANNELD_PICTURES") or tmp_path)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[ClaudeLab]:
    """A Claude Code session that the test starts; ended with the test."""
    async with ClaudeLab(tmp_path / "lab") as session:
        yield session


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[Channel]:
    """A channel that the test itself is the server of."""
    async with Channel.open(tmp_path / "server") as listening:
        yield listening


@pytest.fixture
async def points() -> AsyncIterator[FaultPoints]:
    """The steps at which the test may stop the daemon."""
    async with FaultPoints() as listening:
        yield listening


@pytest.fixture
def config() -> str:
    """More of the daemon's configuration; a test says otherwise by a parameter of this name."""
    return ""


@pytest.fixture
async def daemon(points: FaultPoints, config: str) -> AsyncIterator[Daemon]:
    """A running daemon with the web chat, on a port that stays the same when it is restarted."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with Daemon(f"[workers.web]\nport = {port}\n\n{config}", points=points) as running:
        yield running


@pytest.fixture
async def chat(daemon: Daemon, tmp_path: Path) -> AsyncIterator[Chat]:
    """The web chat, open in a browser."""
    printed = daemon.terminal("url", "web")
    assert printed.returncode == 0, printed.stdout
    async with Chat.open(printed.stdout.strip(), tmp_path) as page:
        yield page


# The tests of the page share a browser, a daemon and a session, and so the loop of the whole run.


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A browser with a HOME of its own."""
    home = tmp_path_factory.mktemp("browser")
    fonts = {name: os.environ[name] for name in ("XDG_DATA_HOME",) if name in os.environ}
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(
            executable_path=find_browser(), args=list(ARGUMENTS), env={"HOME": str(home), **fonts}
        )
        yield running
        await running.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def home() -> AsyncIterator[Home]:
    """A daemon with the web chat, to which Claude is attached."""
    async with living("[workers.web]\nport = 0\nmax_upload_mb = 1\n") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """The web worker, and a daemon that says what the test wants said."""
    async with Stage.set(tmp_path) as running:
        yield running
