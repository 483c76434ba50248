"""The gateway that stands for Discord's keeps its sessions as Discord does, for the real discord.py."""

from __future__ import annotations

import asyncio
import json
import zlib
from contextlib import asynccontextmanager

import aiohttp
import discord
import pytest

from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_api_objects import Intent
from tests.doubles.discord_client import connected, point_library

QUICK_S = 0.05
PROPERTIES = {"os": "linux", "browser": "test", "device": "test"}


@pytest.fixture
async def api(monkeypatch):
    """Return a server that discord.py takes for Discord."""
    async with DiscordApi() as server:
        point_library(server, monkeypatch)
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


@pytest.fixture
async def client(api, general):
    """Return discord.py's client, ready."""
    async with connected(api) as one:
        yield one


class Raw:
    """A client that sends what it likes."""

    def __init__(self, socket):
        self.socket = socket

    async def send(self, op, data):
        """Send a payload."""
        await self.socket.send_json({"op": op, "d": data})

    async def next(self, name=None, op=0):
        """Return the next payload of a kind."""
        while True:
            payload = await self.socket.receive_json(timeout=10)
            if payload["op"] == op and payload["t"] == name:
                return payload

    async def closed(self):
        """Return the code that the connection is closed with."""
        while (await self.socket.receive(timeout=10)).type is not aiohttp.WSMsgType.CLOSE:
            pass
        return self.socket.close_code


@asynccontextmanager
async def raw_client(api, **query):
    """Connect a client that sends what it likes."""
    asked = {"v": "10", "encoding": "json"} | query
    async with aiohttp.ClientSession() as session, session.ws_connect(api.gateway_url, params=asked) as socket:
        yield Raw(socket)


def identity(api, **more):
    """Return what an IDENTIFY says."""
    return {"token": api.token, "intents": int(Intent.DIRECT_MESSAGES), "properties": PROPERTIES} | more


# Sessions


@pytest.mark.parametrize("code", [None, 1000, 1001, 4000, 4008])
async def test_a_dropped_connection_is_resumed(api, client, ada, code):
    """What happens between is told after the RESUME, once, with no second IDENTIFY."""
    ada.write(ada.dm, "before")
    assert (await client.next("message")).content == "before"
    api.gateway.drop(code)
    ada.write(ada.dm, "between")
    assert (await client.next("message")).content == "between"
    await client.next("resumed")
    ada.write(ada.dm, "after")
    assert (await client.next("message")).content == "after"
    assert (len(api.gateway.identifies), api.gateway.resumes) == (1, 1)
    assert not api.violations


async def test_a_client_comes_back_when_it_is_asked_to(api, client, ada):
    """RECONNECT leads to a RESUME."""
    api.gateway.reconnect()
    await client.next("resumed")
    assert (len(api.gateway.identifies), api.gateway.resumes) == (1, 1)
    assert api.gateway.closes == [4000]
    assert not api.violations


async def test_an_invalid_session_is_resumed_or_begun_anew(api, client, ada):
    """What can be resumed is; what cannot loses what was told between."""
    api.gateway.invalidate(resumable=True)
    await client.next("resumed")
    api.gateway.invalidate()
    ada.write(ada.dm, "lost")
    await client.next("ready")
    ada.write(ada.dm, "told")
    assert (await client.next("message")).content == "told"
    assert (len(api.gateway.identifies), api.gateway.resumes) == (2, 1)
    assert ada.dm.texts == ["lost", "told"]
    assert not api.violations


async def test_a_session_that_expired_is_not_resumed(api, client, ada):
    """A client that comes back too late is told so and identifies."""
    api.gateway.expire()
    api.gateway.drop(4000)
    ada.write(ada.dm, "lost")
    await client.next("ready")
    assert (len(api.gateway.identifies), api.gateway.resumes) == (2, 0)
    assert client.events.empty()
    assert not api.violations


@pytest.mark.parametrize(("code", "kept"), [(1000, False), (1001, False), (4000, True)])
async def test_a_client_that_says_goodbye_has_no_session_left(api, code, kept):
    """After a close with 1000 or 1001 nothing is kept for a client; discord.py closes with 4000, which keeps it."""
    async with raw_client(api) as one:
        await one.send(2, identity(api))
        session = (await one.next("READY"))["d"]["session_id"]
        await one.socket.close(code=code)
    await api.until(lambda: api.gateway.closes == [code])
    async with raw_client(api) as one:
        await one.send(6, {"token": api.token, "session_id": session, "seq": 1})
        if kept:
            await one.next("RESUMED")
        else:
            assert (await one.next(op=9))["d"] is False
    assert not api.violations


async def test_a_client_that_goes_without_a_word_is_noticed(api, ada):
    """A process that is killed leaves a session that could be resumed, and no connection."""
    async with raw_client(api) as one:
        await one.send(2, identity(api))
        await one.next("READY")
        one.socket.get_extra_info("socket").shutdown(2)
        await api.until(lambda: not api.gateway.connections)
    assert (api.gateway.closes, [session.expired for session in api.gateway.sessions]) == ([None], [False])


async def test_a_gap_that_a_resume_leaves(api, client, ada):
    """A dispatch can be lost though the session was resumed."""
    api.gateway.drop(4000)
    ada.write(ada.dm, "lost")
    ada.write(ada.dm, "told")
    lost = api.gateway.lose(lambda payload: payload["t"] == "MESSAGE_CREATE" and payload["d"]["content"] == "lost")
    assert lost == 1
    assert (await client.next("message")).content == "told"


async def test_a_second_session_beside_the_first_is_noticed(api, client):
    """Two processes with one token are a mistake."""
    async with raw_client(api) as other:
        await other.send(2, identity(api))
        await other.next("READY")
    assert api.violations == ["gateway: a second session while the first is connected"]


async def test_the_budget_of_a_day_ends_with_the_token(api):
    """More sessions than a day has cost the token."""
    api.gateway.identify_limit = 2
    for _ in range(2):
        async with raw_client(api) as one:
            await one.send(2, identity(api))
            await one.next("READY")
        await api.until(lambda: not api.gateway.live)
    async with raw_client(api) as one:
        await one.send(2, identity(api))
        assert await one.closed() == 4004
    assert api.violations == ["gateway: more than 2 IDENTIFY in a day"]
    assert api.revoked


async def test_a_second_identify_may_come_too_soon(api):
    """With Discord's five seconds between two of them, an earlier one begins nothing."""
    api.gateway.identify_every_s = 5.0
    async with raw_client(api) as one:
        await one.send(2, identity(api))
        await one.next("READY")
    await api.until(lambda: not api.gateway.live)
    async with raw_client(api) as one:
        await one.send(2, identity(api))
        assert (await one.next(op=9))["d"] is False
    assert len(api.gateway.identifies) == 1


# Heartbeats


async def test_heartbeats_are_acknowledged(api, monkeypatch):
    """The client keeps the time that it is told, and answers when it is asked."""
    api.gateway.heartbeat_s = QUICK_S
    async with connected(api) as client:
        await api.until(lambda: api.gateway.heartbeats >= 3)
        assert client.latency < 1
        before = api.gateway.heartbeats
        api.gateway.send(1)
        await api.until(lambda: api.gateway.heartbeats > before)
    assert not api.violations


async def test_a_heartbeat_that_is_never_acknowledged(api, ada):
    """A client that hears nothing closes with a code that keeps its session, and resumes."""
    api.gateway.heartbeat_s = QUICK_S
    async with connected(api, heartbeat_timeout=4 * QUICK_S) as client:
        api.gateway.acknowledges = False
        await client.next("resumed")
        api.gateway.acknowledges = True
        assert api.gateway.closes == [4000]
        ada.write(ada.dm, "hello")
        while (await client.next("message")).content != "hello":
            pass
    assert not api.violations


async def test_a_client_without_a_heartbeat_is_noticed(api):
    """A connection on which no heartbeat comes is closed."""
    api.gateway.heartbeat_s = api.gateway.late_s = QUICK_S
    async with raw_client(api) as one:
        assert await one.closed() == 4000
    assert api.violations == ["gateway: a heartbeat did not come in time"]


# Intents


async def test_a_bad_token_ends_a_client(api, general):
    """A token taken back closes with 4004, which is no violation: the client could not know."""
    async with connected(api) as client:
        api.revoke_token()
        api.gateway.invalidate()
        with pytest.raises(discord.ConnectionClosed) as caught:
            await client.ended
    assert caught.value.code == 4004
    assert not api.violations


async def test_an_intent_that_is_not_enabled_ends_a_client(api, general):
    """A privileged intent must be enabled; the application's flags tell which are."""
    api.gateway.allowed_intents = Intent.GUILD_MEMBERS
    async with connected(api, ready=False) as client:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await client.ended
        assert client.application.flags.gateway_guild_members_limited
        assert not client.application.flags.gateway_message_content_limited
    assert not api.violations and not api.gateway.identifies


async def test_content_is_withheld_without_its_intent(api, ada, general):
    """Outside DMs and mentions a text comes empty; fetched, too, if the application lacks the intent."""
    api.gateway.allowed_intents = Intent(0)
    intents = discord.Intents.default()
    async with connected(api, intents=intents) as client:
        file = ada.attach(general, b"x")
        ada.write(general, "for whom?", files=[file])
        message = await client.next("message")
        assert (message.content, message.attachments) == ("", [])
        ada.write(general, f"{api.mention} for you")
        assert (await client.next("message")).content == f"{api.mention} for you"
        ada.write(ada.dm, "for you alone")
        assert (await client.next("message")).content == "for you alone"
        place = client.get_channel(general.id)
        await place.send("mine")
        assert (await client.next("message")).content == "mine"
        assert [one.content async for one in place.history()] == ["mine", f"{api.mention} for you", ""]
        api.gateway.allowed_intents = Intent.MESSAGE_CONTENT
        assert [one.content async for one in place.history()][-1] == "for whom?"
    assert not api.violations


async def test_what_no_intent_asks_for_is_not_told(api, ada, general):
    """Reactions, guild messages and guilds come only where they are wanted."""
    intents = discord.Intents.none()
    intents.dm_messages = True
    async with connected(api, intents=intents) as client:
        ada.write(general, "unheard")
        ada.react(ada.write(ada.dm, "heard"), "👍")
        ada.write(ada.dm, "heard too")
        assert (await client.next("message")).content == "heard"
        assert [(name, args[0].content) for name, args in [await client.events.get()]] == [("message", "heard too")]
        assert client.get_channel(general.id) is None


async def test_members_are_told_on_demand(api, client, guild):
    """A client may ask for a guild's members."""
    known = client.get_guild(guild.id)
    assert sorted(member.name for member in await known.chunk()) == ["ada", "courier", "owner"]
    assert [member.name for member in await known.query_members("ad")] == ["ada"]
    assert not api.violations


# Dispatches of any shape


@pytest.mark.parametrize("data", [{}, None, {"id": None}, {"id": "1", "channel_id": "x"}])
async def test_a_dispatch_of_another_shape_ends_the_library(api, client, data):
    """A raw dispatch comes as it is given; discord.py alone does not survive it."""
    api.dispatch("MESSAGE_CREATE", data)
    with pytest.raises((KeyError, TypeError, ValueError)):
        await client.ended


async def test_an_unknown_dispatch_is_passed_over(api, client, ada):
    """What discord.py does not know it leaves out."""
    api.dispatch("TELEGRAM_CREATE", {"any": ["thing"]})
    ada.write(ada.dm, "hello")
    assert (await client.next("message")).content == "hello"


async def test_a_first_connection_that_fails_ends_the_library(api, general):
    """A gateway that is not there at first ends the client with an error of its own."""
    api.gateway.refuses = 503
    async with connected(api, ready=False) as client:
        with pytest.raises(AttributeError):
            await client.ended


# The protocol itself


@pytest.mark.parametrize("compress", [None, "zlib-stream"])
async def test_both_ways_to_write(api, compress):
    """Without compression payloads are texts, with it they are one stream of bytes."""
    async with raw_client(api, **({"compress": compress} if compress else {})) as one:
        if compress is None:
            assert (await one.next(op=10))["d"] == {"heartbeat_interval": 41250}
            return
        message = await one.socket.receive(timeout=10)
        assert message.type is aiohttp.WSMsgType.BINARY and message.data.endswith(b"\x00\x00\xff\xff")
        assert json.loads(zlib.decompressobj().decompress(message.data))["op"] == 10


@pytest.mark.parametrize(
    ("query", "code"),
    [({"v": "9"}, 4012), ({"encoding": "etf"}, 4002), ({"compress": "zstd-stream"}, 4002)],
)
async def test_an_address_that_is_wrong(api, query, code):
    """The version, the encoding and the compression must be known."""
    async with raw_client(api, **query) as one:
        assert await one.closed() == code
    assert len(api.violations) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("nonsense", 4002),
        ("{}", 4002),
        ('{"op": 99, "d": null}', 4001),
        ('{"op": 8, "d": {}}', 4003),
        ('{"op": 6, "d": {}}', 4002),
        ('{"op": 2, "d": {}}', 4002),
        ('{"op": 1, "d": "' + "x" * 5000 + '"}', 4002),
    ],
)
async def test_a_payload_that_is_wrong(api, text, code):
    """What a client may not send closes its connection."""
    async with raw_client(api) as one:
        await one.socket.send_str(text)
        assert await one.closed() == code
    assert len(api.violations) == 1


@pytest.mark.parametrize(
    ("more", "code"), [({"intents": -1}, 4013), ({"intents": 1 << 40}, 4013), ({"shard": [1, 2]}, 4010)]
)
async def test_an_identify_that_is_wrong(api, more, code):
    """Intents and shards must be ones that there are."""
    async with raw_client(api) as one:
        await one.send(2, identity(api, **more))
        assert await one.closed() == code
    assert len(api.violations) == 1


async def test_a_second_identify_and_a_sequence_from_nowhere(api):
    """A session is begun once, and resumed where it was."""
    async with raw_client(api) as one:
        await one.send(2, identity(api))
        session = (await one.next("READY"))["d"]["session_id"]
        await one.send(2, identity(api))
        assert await one.closed() == 4005
    async with raw_client(api) as one:
        await one.send(6, {"token": api.token, "session_id": session, "seq": 99})
        assert await one.closed() == 4007
    assert len(api.violations) == 2


async def test_a_client_that_sends_too_much(api):
    """More than 120 payloads a minute are too many."""
    async with raw_client(api) as one:
        for _ in range(121):
            await one.send(1, None)
        assert await one.closed() == 4008
    assert len(api.violations) == 1


async def test_a_gateway_may_say_nothing(api):
    """A connection can be there without a word, until it is dropped."""
    api.gateway.greets = False
    async with raw_client(api) as one:
        await api.until(lambda: api.gateway.connections)
        api.gateway.drop(4000)
        assert (await one.socket.receive(timeout=10)).data == 4000


async def test_a_server_that_ends_takes_its_connections_along(api, client):
    """A stop closes the gateway's connections; the client comes back to the server that is there again."""
    await api.stop()
    await client.next("disconnect")
    assert not api.gateway.connections
    await api.start()
    await asyncio.wait_for(client.next("resumed"), 15)
    assert not api.violations
