"""A daemon whose only worker is the real one of Discord, before a test server of its REST API and gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from channeld.credentials import save_token
from tests.doubles.daemon import Daemon
from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_api_objects import Channel, Guild, Message
from tests.doubles.discord_api_person import Person
from tests.doubles.faultpoints import FaultPoints


class DiscordDaemon(Daemon):
    """A place with a token, and somebody as an approver."""

    def __init__(
        self,
        api: DiscordApi,
        owner: int,
        *,
        settings: str = "",
        rest: str = "",
        points: FaultPoints | None = None,
        **options: Any,
    ) -> None:
        """Make it; ``settings`` are lines of ``[workers.discord]``, ``rest`` other tables."""
        config = (
            f'[workers.discord]\napi_base_url = "{api.url}"\ngateway_url = "{api.gateway_url}"\n'
            f"max_per_minute = 1000000\n{settings}\n{rest}"
        )
        super().__init__(config, points=points, listed={"discord": str(owner)}, **options)
        self.paths.credentials.mkdir(mode=0o700, parents=True, exist_ok=True)
        save_token("discord", self.paths.credentials, api.token)

    async def ready(self) -> None:
        """Return when the worker has connected."""
        await self.status_where(lambda s: any(w["account"] and w["account"][0] == "@" for w in s["workers"]))


class Scene:
    """The server, Ada who owns it all, her private chat, a guild with a channel that is open, and the daemon."""

    def __init__(self, api: DiscordApi, ada: Person, guild: Guild, general: Channel, daemon: DiscordDaemon) -> None:
        self.api, self.ada, self.guild, self.general, self.daemon = api, ada, guild, general, daemon
        self.dm = ada.dm

    @property
    def dm_id(self) -> str:
        """Ada's private chat as channeld names it."""
        return f"discord:{self.dm.id}"

    @property
    def general_id(self) -> str:
        """The channel as channeld names it."""
        return f"discord:{self.general.id}"

    async def terminal(self, *arguments: str, typed: Sequence[tuple[str, str]] = ()) -> str:
        """Run the channeld command as a person does, while the server goes on; return what it prints."""
        done = await asyncio.to_thread(lambda: self.daemon.terminal(*arguments, typed=typed))
        assert done.returncode == 0, done.stdout
        return str(done.stdout)

    async def connected(self) -> None:
        """Return when a session of the gateway stands, so that what is told live arrives."""
        await self.api.until(lambda: self.api.gateway.live)

    async def said(self, text: str) -> Message:
        """Return the bot's message that has a text in it."""
        found = await self.api.until(lambda: next((m for m in self.api.sent if text in m.raw["content"]), None))
        assert found is not None
        return found


@asynccontextmanager
async def scene(**options: Any) -> AsyncIterator[Scene]:
    """Run all of it; whatever the test does, the worker must not have done what a good client never does."""
    async with DiscordApi() as api:
        ada = api.person("ada", "Ada")
        guild = api.add_guild("Workshop", ada)
        general = api.add_channel(guild, "general")
        async with DiscordDaemon(api, ada.id, **options) as daemon:
            await daemon.ready()
            here = Scene(api, ada, guild, general, daemon)
            await here.terminal("access", "group", "open", here.general_id)
            await here.connected()
            yield here
        assert not api.violations
