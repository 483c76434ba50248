"""Parts of the Discord worker with the real discord.py before them and the real runtime behind them, in one process."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import structlog
from discord.http import HTTPClient

from channeld.ipc.messages import Capabilities
from channeld.platforms import DiscordTable
from channeld_workers.discord.api import MOST_WAIT_S, Api
from channeld_workers.discord.settings import Settings, read_settings
from channeld_workers.runtime import Runtime
from tests.doubles.daemon_end import DaemonEnd
from tests.doubles.discord_api import DiscordApi


def settings(**more: Any) -> Settings:
    """Return the worker's settings, some of them changed."""
    return read_settings("discord", DiscordTable(**more).model_dump())[0]


@asynccontextmanager
async def logged_in(server: DiscordApi) -> AsyncIterator[Api]:
    """Give the API through discord.py's own client, which must take the server for Discord."""
    http = HTTPClient(asyncio.get_running_loop(), max_ratelimit_timeout=MOST_WAIT_S)
    await http.static_login(server.token)
    try:
        yield Api(http)
    finally:
        await http.close()


class _Empty:
    """A platform on which nothing is."""

    name = "discord"
    capabilities = Capabilities()

    def __init__(self) -> None:
        self.runtime: asyncio.Future[Runtime] = asyncio.get_running_loop().create_future()

    async def start(self, runtime: Runtime) -> str:
        """Note the runtime."""
        self.runtime.set_result(runtime)
        return "courier"

    async def stop(self) -> None:
        """Do nothing."""

    def __getattr__(self, name: str) -> Any:
        """Hear nothing of what the daemon says: the tests call what they test themselves."""
        return lambda *news: None


@asynccontextmanager
async def running() -> AsyncIterator[tuple[Runtime, DaemonEnd]]:
    """Give the real runtime, and the daemon's end of its socket."""
    before = asyncio.all_tasks()
    ours, theirs = socket.socketpair()
    daemon = DaemonEnd(cast(Any, None), Path())
    platform = _Empty()
    runtime = Runtime("discord", None, structlog.get_logger(), cast(Any, platform))
    life = asyncio.create_task(runtime.live(theirs))
    await daemon.attach(ours)
    try:
        await daemon.ready({}, Path("/nowhere"))
        yield await platform.runtime, daemon
    finally:
        await daemon.hang_up()
        await life
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        for task in left:  # in a worker they end with the process
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
