"""The real discord.py, connected to the server that stands for Discord, keeping what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.doubles.discord_api import DiscordApi

READY_S = 0.05  # how long discord.py waits for one more guild
NEXT_S = 10.0
KEPT = {
    "connect",
    "disconnect",
    "guild_available",
    "guild_channel_create",
    "guild_channel_delete",
    "guild_join",
    "guild_remove",
    "guild_unavailable",
    "interaction",
    "message",
    "raw_bulk_message_delete",
    "raw_message_delete",
    "raw_message_edit",
    "raw_reaction_add",
    "raw_reaction_remove",
    "raw_thread_update",
    "raw_typing",
    "ready",
    "resumed",
    "thread_create",
    "thread_join",
}


class Recorder(discord.Client):
    """A client that keeps its events until they are asked for."""

    def __init__(self, intents: discord.Intents | None = None, **options: Any) -> None:
        defaults: dict[str, Any] = {
            "allowed_mentions": discord.AllowedMentions.none(),
            "guild_ready_timeout": READY_S,
            "chunk_guilds_at_startup": False,
        }
        super().__init__(intents=intents or discord.Intents.all(), **defaults | options)
        self.events: asyncio.Queue[tuple[str, tuple[Any, ...]]] = asyncio.Queue()
        self.ended: asyncio.Task[None] | None = None

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Do not wait five seconds before a second IDENTIFY, as the library does."""

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        """Keep an event."""
        super().dispatch(event, *args, **kwargs)
        if event in KEPT:
            self.events.put_nowait((event, args))

    async def next(self, event: str) -> Any:
        """Return what the next event of a kind tells; those before it are forgotten.

        Raises:
            TimeoutError: none came.
        """
        while True:
            name, args = await asyncio.wait_for(self.events.get(), NEXT_S)
            if name == event:
                return args[0] if args else None


def point_library(api: DiscordApi, monkeypatch: Any) -> None:
    """Let discord.py take a server for Discord."""
    monkeypatch.setattr(Route, "BASE", api.url)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(api.gateway_url))


@asynccontextmanager
async def connected(api: DiscordApi, *, ready: bool = True, **options: Any) -> AsyncIterator[Any]:
    """Run discord.py's client of the server, a ``Recorder``, by default until it is ready."""
    client = Recorder(**options)
    async with client:
        client.ended = asyncio.create_task(client.start(api.token))
        try:
            if ready:
                await client.next("ready")
            yield client
        finally:
            await client.close()
            await asyncio.gather(client.ended, return_exceptions=True)
