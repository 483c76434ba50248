"""Discord's worker with everything around it, whose parts can be killed, and what must hold whatever was killed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from channeld.store.access import AccessList
from channeld.store.db import Database
from tests.doubles.discord import DiscordDaemon
from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_api_objects import Channel, Message
from tests.doubles.discord_api_person import Person
from tests.doubles.faultpoints import FaultPoints
from tests.faults.chat_flow import ChatScene, Forked
from tests.faults.nursery import Nursery


class QuickDiscord(DiscordDaemon, Forked):
    """The daemon with Discord's worker, forked."""


class DiscordScene(ChatScene):
    """Everything together: Ada, her private chat, and channels of a guild that are open to her."""

    def __init__(
        self, api: DiscordApi, ada: Person, channels: list[Channel], daemon: QuickDiscord, points: FaultPoints
    ) -> None:
        super().__init__(daemon, points)
        self.api, self.ada, self.dm, self.channels = api, ada, ada.dm, channels

    @property
    def places(self) -> list[Channel]:
        """Where she writes."""
        return [self.dm, *self.channels]

    def chat_of(self, place: Channel) -> str:
        """Return a place as channeld names it."""
        parent = f"{place.parent.id}/" if place.parent is not None else ""
        return f"discord:{parent}{place.id}"

    def write(self, *texts: str, place: Channel | None = None) -> list[Message]:
        """Have Ada write messages that are for Claude, in her private chat if nothing is said."""
        return [self.wrote(self.ada.write(place or self.dm, f"{self.api.mention} {text}")) for text in texts]

    def wrote(self, message: Message) -> Message:
        """Expect that Claude is told a message."""
        self.expected.append((self.chat_of(message.channel), str(message.id), "message"))
        return message

    def close_gateway(self) -> None:
        """Let nobody in, and forget the session that stood: what comes now is only in the history."""
        self.api.gateway.refuses = 503
        self.api.gateway.expire()
        self.api.gateway.drop()

    def open_gateway(self) -> None:
        """Let everybody in."""
        self.api.gateway.refuses = None

    async def connected(self) -> None:
        """Return when what is told live arrives."""
        await self.api.until(lambda: self.api.gateway.live)


@contextlib.asynccontextmanager
async def discord_scene(nursery: Nursery, *, attach: bool = True, **options: Any) -> AsyncIterator[DiscordScene]:
    """Run all of it; whatever the test does, the worker must not have done what a good client never does."""
    async with contextlib.AsyncExitStack() as stack:
        points = await stack.enter_async_context(FaultPoints())
        api = await stack.enter_async_context(DiscordApi())
        ada = api.person("ada", "Ada")
        guild = api.add_guild("Workshop", ada)
        channels = [api.add_channel(guild, name) for name in ("general", "builds")]
        daemon = QuickDiscord(api, ada.id, nursery=nursery, points=points, **options)
        await _open(daemon, channels)
        await stack.enter_async_context(daemon)
        scene = DiscordScene(api, ada, channels, daemon, points)
        await scene.ready()
        await scene.connected()
        await stack.enter_async_context(scene.ending)
        if attach:
            await daemon.attached(await scene.attach())
        yield scene
        assert not api.violations, api.violations


async def _open(daemon: QuickDiscord, channels: list[Channel]) -> None:
    """Open channels before the first start."""
    daemon.paths.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database(daemon.paths.database)
    await database.open()
    for channel in channels:
        await AccessList(database).put_group(
            "discord", f"discord:{channel.id}", require_mention=True, senders=None, by="test", now=time.time()
        )
    await database.close()
