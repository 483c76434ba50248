"""The server that stands for Discord answers as Discord does, and notices what a good client never does."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import discord
import pytest
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from tests.doubles.discord_api import DiscordApi

READY_S = 0.05  # how long discord.py waits for one more guild


@pytest.fixture
async def api(monkeypatch):
    """Return a server that discord.py takes for Discord."""
    async with DiscordApi() as server:
        monkeypatch.setattr(Route, "BASE", server.url)
        monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(server.gateway_url))
        yield server


@pytest.fixture
def ada(api):
    """Return a person."""
    return api.person("ada", "Ada")


@pytest.fixture
def guild(api, ada):
    """Return a guild with a person in it."""
    return api.add_guild("Workshop", ada)


@pytest.fixture
def general(api, guild):
    """Return a channel of the guild."""
    return api.add_channel(guild, "general")


class Recorder(discord.Client):
    """A client that keeps what it is told."""

    def __init__(self, intents=None, **options):
        super().__init__(
            intents=intents or discord.Intents.all(),
            allowed_mentions=discord.AllowedMentions.none(),
            guild_ready_timeout=READY_S,
            chunk_guilds_at_startup=False,
            **options,
        )
        self.events = asyncio.Queue()

    def dispatch(self, event, /, *args, **kwargs):
        super().dispatch(event, *args, **kwargs)
        if event in KEPT:
            self.events.put_nowait((event, args))

    async def next(self, event):
        """Return what the next event of a kind tells."""
        while True:
            name, args = await asyncio.wait_for(self.events.get(), 10)
            if name == event:
                return args[0] if args else None


KEPT = {
    "ready",
    "resumed",
    "connect",
    "disconnect",
    "message",
    "raw_message_edit",
    "raw_message_delete",
    "raw_bulk_message_delete",
    "raw_reaction_add",
    "raw_reaction_remove",
    "raw_typing",
    "interaction",
    "guild_channel_create",
    "thread_create",
    "thread_update",
    "guild_join",
    "guild_remove",
}


@asynccontextmanager
async def connected(api, **options):
    """Run discord.py's client of the server until it is ready."""
    client = Recorder(**options)
    async with client:
        task = asyncio.create_task(client.start(api.token))
        try:
            await client.next("ready")
            yield client
        finally:
            await client.close()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def client(api, general):
    """Return discord.py's client, ready."""
    async with connected(api) as one:
        yield one


async def test_a_client_learns_who_it_is(api, client, guild, general):
    """The library takes the server for Discord."""
    assert (client.user.id, client.user.name, client.user.bot) == (api.bot_id, "courier", True)
    assert client.application.flags.gateway_message_content_limited
    assert [one.name for one in client.guilds] == ["Workshop"]
    assert client.get_channel(general.id).permissions_for(client.guilds[0].me).send_messages
    assert api.gateway.heartbeats == 1 and len(api.gateway.identifies) == 1
    assert not api.violations


async def test_a_message_comes_and_goes(api, client, ada, general):
    """What a person writes in a DM and in a channel arrives, and so does an answer."""
    written = ada.write(ada.dm, "hello")
    message = await client.next("message")
    assert (message.id, message.content, message.author.id, message.guild) == (written.id, "hello", ada.id, None)
    await message.channel.send("hi", nonce="d1")
    assert [(one.channel_id, one.content, one.nonce) for one in api.sent] == [(ada.dm.id, "hi", "d1")]
    assert (await client.next("message")).author.id == api.bot_id
    ada.write(general, f"{api.mention} here", reply_to=None)
    message = await client.next("message")
    assert (message.channel.id, message.mentions) == (general.id, [client.user])
    assert message.author.display_name == "Ada"
    await message.reply("there")
    assert api.sent[-1].reply_to == message.id
    assert not api.violations
