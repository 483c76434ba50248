"""The server that stands for Discord answers as Discord does, and notices what a good client never does."""

from __future__ import annotations

import asyncio
import io
import json
import re

import aiohttp
import discord
import pytest
from discord.ui import Button, Label, Modal, Select, TextInput, View

from tests.doubles.discord_api import DiscordApi, serve_in_thread
from tests.doubles.discord_api_faults import Garbage, Where
from tests.doubles.discord_api_objects import Kind, Permission
from tests.doubles.discord_client import connected, point_library

AGENT = "DiscordBot (https://example.org, 1.0)"
NONE: dict[str, list[str]] = {"parse": []}


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


@pytest.fixture
async def place(client, general):
    """Return the channel as discord.py knows it."""
    return client.get_channel(general.id)


@pytest.fixture
async def ask(api):
    """Return a plain client: a method, a path and fields in, a status and an answer out."""
    async with aiohttp.ClientSession(headers={"User-Agent": AGENT, "Authorization": f"Bot {api.token}"}) as session:

        async def call(method, path, body=None, **query):
            async with session.request(method, api.url + path, json=body, params=query) as response:
                if response.status == 204:
                    return 204, None
                assert response.headers["Content-Type"] == "application/json"
                return response.status, await response.json()

        yield call


def messages(channel):
    """Return the path of a channel's messages."""
    return f"/channels/{channel.id}/messages"


def sayable(content, **more):
    """Return the fields of a message that breaks no rule."""
    return {"content": content, "allowed_mentions": NONE} | more


# Who the bot is


async def test_a_client_learns_who_it_is(api, client, guild, general):
    """The library takes the server for Discord."""
    assert (client.user.id, client.user.name, client.user.bot) == (api.bot_id, "courier", True)
    assert client.application.flags.gateway_message_content_limited
    assert [one.name for one in client.guilds] == ["Workshop"]
    assert client.get_channel(general.id).permissions_for(client.guilds[0].me).send_messages
    assert not client.get_channel(general.id).permissions_for(client.guilds[0].me).manage_messages
    assert api.gateway.heartbeats == 1 and len(api.gateway.identifies) == 1
    assert not api.violations


async def test_another_token_is_refused(api):
    """A token that is another's, or was taken back, is worth nothing."""
    async with discord.Client(intents=discord.Intents.none()) as one:
        with pytest.raises(discord.LoginFailure):
            await one.login("nonsense")
    api.revoke_token()
    async with discord.Client(intents=discord.Intents.none()) as one:
        with pytest.raises(discord.LoginFailure):
            await one.login(api.token)
    assert api.unauthorized == 2
    api.restore_token()
    async with discord.Client(intents=discord.Intents.none()) as one:
        await one.login(api.token)
    assert not api.violations


async def test_an_unknown_route_is_not_found_and_noticed(api, ask):
    """A path that is none is a mistake of the client's, and so is a client that does not say what it is."""
    assert (await ask("GET", "/telegrams"))[0] == 404
    assert api.violations == ["unknown route GET /api/v10/telegrams"]
    api.violations.clear()
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bot {api.token}"}) as session,
        session.get(f"{api.url}/users/@me") as response,
    ):
        assert response.status == 200
    assert api.violations == ["get_me: a User-Agent that is no bot's"]


async def test_the_gateway_tells_what_is_left_of_the_day(api, client, ask):
    """How many sessions may still be begun is counted."""
    status, found = await ask("GET", "/gateway/bot")
    assert (status, found["url"], found["session_start_limit"]["remaining"]) == (200, api.gateway_url, 999)


# Messages


async def test_a_message_comes_and_goes(api, client, ada, general):
    """What a person writes in a DM and in a channel arrives, and so does an answer."""
    written = ada.write(ada.dm, "hello")
    message = await client.next("message")
    assert (message.id, message.content, message.author.id, message.guild) == (written.id, "hello", ada.id, None)
    await message.channel.send("hi", nonce="d1")
    assert [(one.channel_id, one.content, one.nonce) for one in api.sent] == [(ada.dm.id, "hi", "d1")]
    assert (await client.next("message")).author.id == api.bot_id
    ada.write(general, f"{api.mention} here")
    message = await client.next("message")
    assert (message.channel.id, message.mentions) == (general.id, [client.user])
    assert message.author.display_name == "Ada"
    await message.reply("there")
    assert api.sent[-1].reply_to == message.id
    ada.write(general, "again", reply_to=api.sent[-1])
    while (message := await client.next("message")).content != "again":
        pass
    assert (message.reference.resolved.content, message.mentions) == ("there", [client.user])
    assert not api.violations


async def test_ids_grow_though_the_clock_stands(monkeypatch):
    """Snowflakes are in the order in which they were made, and tell the time."""
    async with DiscordApi(wall=lambda: 1_750_000_000.0) as api:
        ids = [api.new_id() for _ in range(5)]
    assert ids == sorted(set(ids))
    assert discord.utils.snowflake_time(ids[-1]).timestamp() == 1_750_000_000.0


async def test_history_has_discords_pages(api, ask, ada, general):
    """``after`` gives what directly follows an id, ``before`` what directly precedes it, both newest first."""
    ids = [str(ada.write(general, str(number)).id) for number in range(7)]

    async def page(**query):
        status, found = await ask("GET", messages(general), **query)
        assert status == 200
        return [int(one["content"]) for one in found]

    assert await page() == [6, 5, 4, 3, 2, 1, 0]
    assert await page(limit=2) == [6, 5]
    assert await page(limit=3, after=ids[1]) == [4, 3, 2]
    assert await page(limit=3, after="0") == [2, 1, 0]
    assert await page(limit=3, before=ids[4]) == [3, 2, 1]
    assert await page(limit=3, around=ids[3]) == [4, 3, 2]
    assert await page(after=ids[6]) == []
    assert not api.violations
    assert (await ask("GET", messages(general), limit=101))[0] == 400
    assert (await ask("GET", messages(general), after="1", before="2"))[0] == 400
    assert len(api.violations) == 2


async def test_the_library_reads_a_long_history(api, client, place, ada, general):
    """discord.py gets every message once, oldest first, over several pages."""
    for number in range(230):
        ada.write(general, str(number), announce=False)
    start = discord.Object(min(general.messages))
    assert [one.content async for one in place.history(after=start, limit=None)] == [str(one) for one in range(1, 230)]
    assert [one.content async for one in place.history(limit=2)] == ["229", "228"]
    assert len(api.calls_of("get_messages")) == 4
    assert not api.violations


async def test_a_message_without_its_nonce_is_sent_twice_and_with_it_once(monkeypatch):
    """Discord remembers a nonce for two minutes; after that the same one makes another message."""
    now = 1000.0
    async with DiscordApi(clock=lambda: now) as api:
        point_library(api, monkeypatch)
        ada = api.person()
        async with connected(api) as client:
            channel = await client.fetch_channel(ada.dm.id)
            first = await channel.send("once", nonce="d1")
            now += 119
            assert (await channel.send("once", nonce="d1")).id == first.id
            assert ([one.content for one in api.sent], len(api.repeats)) == (["once"], 1)
            assert not api.duplicates
            assert [one.nonce async for one in channel.history()] == [None]
            assert (await client.next("message")).nonce == "d1"
            now += 2
            assert (await channel.send("once", nonce="d1")).id != first.id
            assert {nonce: len(found) for nonce, found in api.duplicates.items()} == {"d1": 2}
            assert not api.violations
            await channel.send("twice", nonce="d1")
            assert api.violations == ["create_message: another message under a nonce that was used"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (sayable("x" * 2001), "between 0 and 2000"),
        (sayable("🙂" * 1001), "between 0 and 2000"),
        (sayable(""), "empty message"),
        (sayable(" \n"), "empty message"),
        (sayable("x", nonce="n" * 26, enforce_nonce=True), "between 1 and 25"),
        (sayable("x", nonce="n"), "a nonce without enforce_nonce"),
        ({"content": "x"}, "a text without allowed_mentions"),
        ({"content": 7}, "Must be a string"),
        (sayable("x", tts="no"), "Must be a boolean"),
        (sayable("x", colour="red"), "unknown field colour"),
        (sayable("x", allowed_mentions={"parse": ["users"], "users": ["1"]}), "mutually exclusive"),
        (sayable("x", embeds=[{"title": "t"}] * 11), "10 or fewer"),
        (sayable("x", embeds=[{"description": "d" * 4096}] * 2), "maximum size of 6000"),
        (sayable("x", embeds=[{}]), "nothing in it"),
        (sayable("x", flags=1 << 7), "cannot be set"),
        (sayable("x", attachments=[{"id": 0, "filename": "a"}]), "Unknown attachment"),
    ],
)
async def test_a_wrong_message_is_refused_and_noticed(api, ask, general, body, reason):
    """What Discord refuses, and what is merely careless, a good client does not send."""
    status, _ = await ask("POST", messages(general), body)
    assert [reason in one for one in api.violations] == [True]
    careless = "nonce without" in reason or "without allowed" in reason or "unknown field" in reason
    assert status == (200 if careless else 400)
    assert len(api.sent) == careless


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([[{}]] * 6, "between 1 and 5"),
        ([[{}] * 6], "between 1 and 5"),
        ([[]], "between 1 and 5"),
        ([[{"custom_id": "c" * 101}]], "between 1 and 100"),
        ([[{"label": "l" * 81}]], "between 1 and 80"),
        ([[{"custom_id": "same"}, {"custom_id": "same"}]], "duplicated"),
        ([[{"style": 9}]], "Value must be one of"),
        ([[{"url": "https://example.org"}]], "no url"),
        ([[{"style": 5, "url": "https://example.org"}]], "no custom id"),
        ([[{"label": None}]], "label or emoji"),
        ([[{"type": 3, "options": []}]], "between 1 and 25"),
        ([[{"type": 3, "options": [{"label": "a", "value": "a"}] * 2}]], "already used"),
        ([[{}, {"type": 3, "options": [{"label": "a", "value": "a"}]}]], "a row of its own"),
    ],
)
async def test_wrong_components_are_refused_and_noticed(api, ask, general, rows, reason):
    """Rows, buttons and selects keep to Discord's limits."""
    names = iter(range(100))
    made = [
        {
            "type": 1,
            "components": [{"type": 2, "style": 1, "label": "ok", "custom_id": f"c{next(names)}"} | one for one in row],
        }
        for row in rows
    ]
    assert (await ask("POST", messages(general), sayable("x", components=made)))[0] == 400
    assert [reason in one for one in api.violations] == [True]


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("messages", sayable("x", components=[{"type": 2, "style": 1, "label": "a", "custom_id": "a"}]), "one of (1,)"),
        ("messages", sayable("x", components=[{"type": 1, "components": [{"type": 4}]}]), "one of (2, 3"),
        ("messages", sayable("x", components=[{"type": 10, "content": "x"}], flags=1 << 15), "LEGACY_FIELDS"),
        ("messages", {"components": [{"type": 2}], "flags": 1 << 15}, "one of (1, 9"),
        ("messages", {"components": [{"type": 10, "content": "x" * 4001}], "flags": 1 << 15}, "4000 or fewer"),
        ("messages", {"poll": {"question": {"text": "q" * 301}, "answers": []}}, "between 1 and 300"),
        ("messages", {"poll": {"question": {"text": "q"}, "answers": []}}, "between 1 and 10 answers"),
        ("messages", sayable("x", message_reference={"message_id": "1", "colour": "red"}), "message_reference.colour"),
        ("threads", {"name": "", "type": 11}, "between 1 and 100"),
        ("threads", {"name": "x", "type": 11, "auto_archive_duration": 5}, "60, 1440"),
    ],
)
async def test_other_wrong_things_are_refused_and_noticed(api, ask, general, path, body, reason):
    """Layouts, polls, references and threads keep to their rules too."""
    assert (await ask("POST", f"/channels/{general.id}/{path}", body))[0] == 400
    assert reason in api.violations[0]
    assert not api.sent


@pytest.mark.parametrize(
    ("modal", "reason"),
    [
        ({"title": "t" * 46}, "between 1 and 45"),
        ({"custom_id": ""}, "between 1 and 100"),
        ({"components": []}, "between 1 and 5"),
        ({"components": [{"type": 2}]}, "one of (1, 10, 18)"),
        ({"components": [{"type": 18, "label": "l" * 46}]}, "between 1 and 45"),
        ({"components": [{"type": 18, "label": "l", "component": {"type": 4}}]}, "Must be a string"),
        ({"colour": "red"}, "unknown field data.colour"),
    ],
)
async def test_a_wrong_modal_is_refused_and_noticed(api, ask, ada, modal, reason):
    """A modal keeps to Discord's limits."""
    asked = ada.command(ada.dm, "status", must_answer=False)
    field = {"type": 18, "label": "Reason", "component": {"type": 4, "style": 1, "custom_id": "r"}}
    data = {"title": "Why?", "custom_id": "m", "components": [field]} | modal
    status, _ = await ask("POST", f"/interactions/{asked.id}/{asked.token}/callback", {"type": 9, "data": data})
    assert status == (204 if "unknown" in reason else 400)
    assert [reason in one for one in api.violations] == [True]


async def test_a_text_is_trimmed_and_pings_only_whom_it_may(api, ask, ada, general):
    """Whom a text notifies depends on its allowed mentions and on the bot's permissions."""
    text = f" {ada.mention} @everyone "
    await ask("POST", messages(general), sayable(text))
    await ask("POST", messages(general), sayable(text, allowed_mentions={"parse": ["users", "everyone"]}))
    assert [(one.content, one.pings) for one in api.sent] == [(text.strip(), []), (text.strip(), [str(ada.id)])]
    api.overwrite(general, allow=Permission.MENTION_EVERYONE)
    await ask("POST", messages(general), sayable(text, allowed_mentions={"parse": ["everyone"]}))
    assert api.sent[-1].pings == ["everyone"]
    assert not api.violations


async def test_edits_and_deletions_of_the_bots(api, client, place, ada, general):
    """The bot changes its own messages and deletes them; others' it may not."""
    message = await place.send("draft", view=View(timeout=None).add_item(Button(label="Go", custom_id="go")))
    await message.edit(content="final")
    assert [(one.message_id, one.content) for one in api.edits] == [(message.id, "final")]
    assert (general.messages[message.id].content, general.messages[message.id].labels) == ("final", ["Go"])
    assert (await client.next("raw_message_edit")).data["edited_timestamp"]
    await message.edit(view=None)
    assert (api.edits[-1].content, general.messages[message.id].labels) == (None, [])
    await message.delete()
    assert api.deleted == [(general.id, message.id)]
    with pytest.raises(discord.NotFound) as caught:
        await message.edit(content="again")
    assert caught.value.code == 10008
    assert not api.violations
    theirs = await place.fetch_message(ada.write(general, "mine").id)
    with pytest.raises(discord.Forbidden):
        await theirs.edit(content="yours")
    assert api.violations == ["edit_message: Cannot edit a message authored by another user"]
    with pytest.raises(discord.Forbidden) as forbidden:
        await theirs.delete()
    assert forbidden.value.code == 50013


async def test_what_people_do_to_messages_is_told(api, client, ada, general):
    """Edits, deletions one by one and at once, reactions and typing come as dispatches."""
    first, second, third = (ada.write(general, word) for word in ("one", "two", "three"))
    ada.edit(first, "uno")
    assert (await client.next("raw_message_edit")).data["content"] == "uno"
    api.unfurl(first, "A page")
    update = (await client.next("raw_message_edit")).data
    assert update["embeds"][0]["title"] == "A page"
    ada.react(first, "👍")
    assert (await client.next("raw_reaction_add")).emoji.name == "👍"
    ada.unreact(first, "👍")
    assert (await client.next("raw_reaction_remove")).user_id == ada.id
    ada.type(general)
    assert (await client.next("raw_typing")).user_id == ada.id
    ada.delete(first)
    assert (await client.next("raw_message_delete")).message_id == first.id
    ada.delete(second, third)
    assert (await client.next("raw_bulk_message_delete")).message_ids == {second.id, third.id}
    assert general.texts == []


async def test_the_bot_reacts_and_types(api, client, place, ada, general):
    """A reaction is put and taken back; typing is noted; what is no emoji is unknown."""
    written = ada.write(general, "look")
    message = await place.fetch_message(written.id)
    await message.add_reaction("👀")
    assert written.reactions == {"👀": [api.bot_id]}
    assert [one.emoji for one in (await place.fetch_message(written.id)).reactions if one.me] == ["👀"]
    await message.remove_reaction("👀", client.user)
    assert [(one.emoji, one.added) for one in api.reactions] == [("👀", True), ("👀", False)]
    with pytest.raises(discord.HTTPException) as caught:
        await message.add_reaction("nonsense")
    assert caught.value.code == 10014
    async with place.typing():
        pass
    assert [one.channel_id for one in api.typings] == [general.id]
    assert not api.violations


# Files


async def test_files_go_out(api, ask, client, place, general):
    """An upload is kept under its name; one too large is refused, and so are too many."""
    await place.send(
        "see", files=[discord.File(io.BytesIO(b"first"), "a.txt"), discord.File(io.BytesIO(b"2"), "b.png")]
    )
    assert [(one.name, one.data) for one in api.sent[-1].files] == [("a.txt", b"first"), ("b.png", b"2")]
    assert (await client.next("message")).attachments[1].content_type == "image/png"
    assert not api.violations
    with pytest.raises(discord.HTTPException) as caught:
        await place.send(file=discord.File(io.BytesIO(bytes((10 << 20) + 1)), "large.bin"))
    assert (caught.value.status, caught.value.code) == (413, 40005)
    with pytest.raises(discord.HTTPException) as caught:
        await place.send(files=[discord.File(io.BytesIO(bytes(9 << 20)), f"{number}.bin") for number in range(3)])
    assert (caught.value.status, caught.value.code) == (413, 40005)
    assert len(api.sent) == 1 and not api.violations


async def test_files_come_in_by_links_that_expire(api, client, place, ada, general):
    """A link is valid until it expires; the message fetched again has a fresh one; the token is not sent along."""
    written = ada.write(general, "notes", files=[ada.attach(general, b"secret", "notes & more.txt", size=30 << 20)])
    message = await client.next("message")
    assert (message.attachments[0].size, await message.attachments[0].read()) == (30 << 20, b"secret")
    api.expire_links()
    with pytest.raises(discord.NotFound):
        await message.attachments[0].read()
    assert await (await place.fetch_message(written.id)).attachments[0].read() == b"secret"
    assert not api.violations
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bot {api.token}"}) as session,
        session.get(message.attachments[0].url) as response,
    ):
        assert response.status == 404
    assert api.violations == ["download: the token was sent along"]


async def test_a_link_expires_by_the_clock(monkeypatch):
    """A link is valid for a day."""
    now = 1_750_000_000.0
    async with DiscordApi(wall=lambda: now) as api:
        point_library(api, monkeypatch)
        ada = api.person()
        async with connected(api) as client:
            ada.write(ada.dm, files=[ada.attach(ada.dm, b"x")])
            attachment = (await client.next("message")).attachments[0]
            now += 23 * 3600
            assert await attachment.read() == b"x"
            now += 2 * 3600
            with pytest.raises(discord.NotFound):
                await attachment.read()


async def test_every_kind_of_message_is_one_that_the_library_reads(api, client, ada, general):
    """Stickers, polls, voice messages, forwards and embeds come in the shapes that Discord gives them."""
    ada.send_sticker(general, "Wave")
    assert [one.name for one in (await client.next("message")).stickers] == ["Wave"]
    ada.ask(general, "Which?", "this", "that")
    assert [one.text for one in (await client.next("message")).poll.answers] == ["this", "that"]
    ada.speak(general)
    message = await client.next("message")
    assert message.flags.voice and message.attachments[0].is_voice_message()
    original = ada.write(ada.dm, "pass it on", files=[ada.attach(ada.dm, b"x", "x.txt")])
    await client.next("message")
    ada.forward(general, original)
    message = await client.next("message")
    assert message.reference.type is discord.MessageReferenceType.forward
    assert [(one.content, one.attachments[0].filename) for one in message.message_snapshots] == [
        ("pass it on", "x.txt")
    ]
    ada.write(general, embeds=[{"type": "rich", "title": "News", "description": "none"}])
    assert (await client.next("message")).embeds[0].title == "News"
    assert not api.violations


# Places and permissions


async def test_where_the_bot_may_not(api, client, place, ada, guild, general):
    """What is not there, not seen, not allowed or blocked each has its code."""

    async def code(work):
        with pytest.raises(discord.HTTPException) as caught:
            await work
        return caught.value.status, caught.value.code

    assert await code(client.fetch_channel(1)) == (404, 10003)
    assert await code(place.fetch_message(1)) == (404, 10008)
    api.overwrite(general, deny=Permission.SEND_MESSAGES)
    assert await code(place.send("x")) == (403, 50013)
    assert await code(place.typing().__aenter__()) == (403, 50013)
    api.overwrite(general, deny=Permission.VIEW_CHANNEL)
    assert await code(place.send("x")) == (403, 50001)
    channel = await client.fetch_channel(ada.dm.id)
    ada.block()
    assert await code(channel.send("x")) == (403, 50007)
    api.remove(general)
    assert await code(place.send("x")) == (404, 10003)
    assert not api.violations and not api.sent
    assert ("create_message", 50007, "Cannot send messages to this user") in api.refusals


async def test_what_the_bot_does_not_see_it_is_not_told(api, client, ada, guild, general):
    """A channel without View Channel is silent; a history without Read Message History is empty."""
    hidden = api.add_channel(guild, "hidden")
    api.overwrite(hidden, deny=Permission.VIEW_CHANNEL)
    ada.write(hidden, "unseen")
    ada.write(general, "seen")
    assert (await client.next("message")).content == "seen"
    api.overwrite(general, deny=Permission.READ_MESSAGE_HISTORY)
    assert [one async for one in client.get_channel(general.id).history()] == []


async def test_roles_and_overwrites_add_up_as_the_library_says(api, ask, guild, general):
    """The server and discord.py come to the same permissions."""
    role = api.add_role(guild, "helper", Permission.MANAGE_MESSAGES)
    guild.members[api.bot_id]["roles"].append(str(role))
    api.overwrite(general, target=guild.id, deny=Permission.SEND_MESSAGES | Permission.ATTACH_FILES)
    api.overwrite(general, target=role, allow=Permission.SEND_MESSAGES)
    api.overwrite(general, deny=Permission.ADD_REACTIONS)
    async with connected(api) as client:
        theirs = client.get_channel(general.id).permissions_for(client.guilds[0].me)
    ours = api.permissions(general)
    assert theirs.value & int(sum(Permission)) == int(ours)
    assert ours & Permission.SEND_MESSAGES and not ours & (Permission.ATTACH_FILES | Permission.ADD_REACTIONS)


async def test_a_dm_is_opened_and_may_lack_its_person(api, client, ada):
    """A DM channel is the same each time; fetched, it may not say whose it is."""
    user = await client.fetch_user(ada.id)
    channel = await user.create_dm()
    assert (channel.id, channel.recipient.id) == (ada.dm.id, ada.id)
    ada.dm.shows_recipient = False
    assert (await client.fetch_channel(ada.dm.id)).recipients == []
    with pytest.raises(discord.NotFound):
        await client.fetch_user(1)


async def test_places_come_and_go(api, client, ada, guild):
    """Channels and guilds that are added or removed are told."""
    channel = api.add_channel(guild, "later")
    assert (await client.next("guild_channel_create")).id == channel.id
    api.remove(channel)
    assert (await client.next("guild_channel_delete")).id == channel.id
    other = api.add_guild("Elsewhere", ada)
    assert (await client.next("guild_join")).id == other.id
    api.fail_guild(other)
    await client.next("guild_unavailable")
    api.restore_guild(other)
    await client.next("guild_available")
    api.leave_guild(other)
    assert (await client.next("guild_remove")).id == other.id


# Threads


async def test_threads_are_listed_active_and_archived(api, client, place, ada, guild, general):
    """Active threads are a guild's, archived ones a channel's, those archived last first."""
    threads = [ada.start_thread(general, f"t{number}") for number in range(5)]
    for thread in threads:
        ada.write(thread, f"in {thread.name}")
    for thread in threads[:4]:
        api.archive(thread)
    private = api.add_thread(general, "private", by=ada.id, kind=Kind.PRIVATE_THREAD)
    active = await client.get_guild(guild.id).active_threads()
    assert [one.id for one in active] == [threads[4].id]
    assert [one.id async for one in place.archived_threads(limit=None)] == [one.id for one in threads[3::-1]]
    assert [one.name async for one in place.archived_threads(limit=2)] == ["t3", "t2"]
    assert private.id not in {one.id for one in active}
    with pytest.raises(discord.Forbidden):
        _ = [one async for one in place.archived_threads(private=True)]
    assert [one.content async for one in (await client.fetch_channel(threads[0].id)).history()] == ["in t0"]
    assert not api.violations


async def test_writing_takes_a_thread_out_of_the_archive(api, client, ada, general):
    """A thread that is archived opens with a message, one that is locked does not."""
    thread = ada.start_thread(general, "talk")
    written = ada.write(thread, "first")
    await client.next("thread_create")
    api.archive(thread)
    known = await client.fetch_channel(thread.id)
    with pytest.raises(discord.HTTPException) as caught:
        await (await known.fetch_message(written.id)).add_reaction("👍")
    assert caught.value.code == 50083
    await known.send("again")
    assert not thread.archived
    api.archive(thread, locked=True)
    with pytest.raises(discord.HTTPException) as caught:
        await known.send("once more")
    assert caught.value.code == 50083
    assert not api.violations


async def test_a_thread_is_opened_by_who_may_write_and_one_that_is_locked_by_who_manages_threads(
    api, client, ada, general
):
    """Also for who began it, and whatever else is asked for along with it."""
    thread = ada.start_thread(general, "talk")
    mine = await (await client.fetch_channel(general.id)).create_thread(
        name="mine", type=discord.ChannelType.public_thread
    )
    known = await client.fetch_channel(thread.id)
    api.archive(thread)
    with pytest.raises(discord.HTTPException) as caught:
        await mine.edit(archived=True, locked=True)
    assert caught.value.code == 50013
    api.overwrite(general, deny=Permission.SEND_MESSAGES_IN_THREADS)
    with pytest.raises(discord.HTTPException) as caught:
        await known.edit(archived=False)
    assert (caught.value.code, thread.archived) == (50013, True)
    api.overwrite(general)
    await known.edit(archived=False)
    assert not thread.archived
    for locked in (thread, api.channels[mine.id]):
        api.archive(locked, locked=True)
        with pytest.raises(discord.HTTPException) as caught:
            await (await client.fetch_channel(locked.id)).edit(archived=False)
        assert (caught.value.code, locked.archived) == (50013, True)
    api.overwrite(general, allow=Permission.MANAGE_THREADS)
    with pytest.raises(discord.HTTPException) as caught:
        await known.edit(locked=False)
    assert caught.value.code == 50083
    await known.edit(archived=False)
    assert (thread.archived, thread.locked) == (False, True)
    assert not api.violations


async def test_threads_begin_at_messages_and_in_forums(api, client, place, ada, guild, general):
    """A thread at a message has its id and begins by referring to it; a post's first message has the thread's."""
    written = ada.write(general, "topic")
    thread = await (await place.fetch_message(written.id)).create_thread(name="about it")
    assert thread.id == written.id and api.channels[thread.id].parent is general
    assert [one.type async for one in thread.history()] == [discord.MessageType.thread_starter_message]
    with pytest.raises(discord.HTTPException) as caught:
        await (await place.fetch_message(written.id)).create_thread(name="twice")
    assert caught.value.code == 160004
    forum = api.add_channel(guild, "help", Kind.FORUM)
    post, first = ada.post(forum, "How?", "please")
    message = await client.next("message")
    while message.content != "please":
        message = await client.next("message")
    assert (message.id, message.channel.id, message.channel.parent_id) == (post.id, post.id, forum.id)
    mine = await client.get_channel(forum.id).create_thread(name="Answer", content="so")
    assert (mine.message.id, api.sent[-1].content) == (mine.thread.id, "so")
    await mine.thread.edit(archived=True)
    assert api.channels[mine.thread.id].archived
    assert first.id == post.id and not api.violations


# Interactions


async def test_a_press_is_answered_and_the_message_changed(api, client, place, ada, general):
    """A press comes with its message; the answer changes it, and later answers are messages of their own."""
    view = (
        View(timeout=None)
        .add_item(Button(label="Allow", custom_id="a:1"))
        .add_item(Button(label="Deny", custom_id="d:1"))
    )
    message = await place.send("May I?", view=view)
    pressed = ada.press(general.messages[message.id], "Allow")
    interaction = await client.next("interaction")
    assert (interaction.data["custom_id"], interaction.user.id, interaction.message.id) == ("a:1", ada.id, message.id)
    await interaction.response.edit_message(content="Allowed", view=None)
    assert (general.messages[message.id].content, general.messages[message.id].labels) == ("Allowed", [])
    later = await interaction.followup.send("and noted", ephemeral=True, wait=True)
    assert (pressed.followups[0].content, pressed.followups[0].ephemeral) == ("and noted", True)
    assert later.id not in general.messages
    await interaction.edit_original_response(content="Done")
    assert pressed.text == "Done"
    assert not api.violations and not api.unanswered


async def test_a_press_in_a_dm_is_deferred(api, client, ada):
    """A deferred answer waits, and is what is sent at last."""
    user = await client.fetch_user(ada.id)
    message = await user.send("May I?", view=View(timeout=None).add_item(Button(label="Allow", custom_id="a:1")))
    pressed = ada.press(ada.dm.messages[message.id], "a:1")
    interaction = await client.next("interaction")
    await interaction.response.defer()
    assert pressed.original is ada.dm.messages[message.id]
    await interaction.edit_original_response(content="Allowed", view=None)
    assert ada.dm.messages[message.id].content == "Allowed"
    ada.command(ada.dm, "status")
    interaction = await client.next("interaction")
    await interaction.response.defer(thinking=True)
    assert interaction.response.is_done()
    await interaction.followup.send("all well")
    assert ada.dm.texts == ["Allowed", "all well"]
    assert not api.violations


async def test_selects_and_modals(api, client, place, ada, general):
    """A choice carries its values, a modal what was written in it."""
    options = [discord.SelectOption(label=word, value=word[0]) for word in ("red", "green")]
    message = await place.send("Which?", view=View(timeout=None).add_item(Select(custom_id="s", options=options)))
    chosen = ada.choose(general.messages[message.id], "green")
    interaction = await client.next("interaction")
    assert interaction.data["values"] == ["g"]
    modal = Modal(title="Why?", custom_id="m")
    modal.add_item(Label(text="Reason", component=TextInput(custom_id="reason")))
    await interaction.response.send_modal(modal)
    sent = ada.submit(chosen, reason="because")
    interaction = await client.next("interaction")
    assert interaction.type is discord.InteractionType.modal_submit
    assert interaction.data["components"][0]["component"]["value"] == "because"
    await interaction.response.send_message("thanks", ephemeral=True)
    assert (sent.text, general.texts) == ("thanks", ["Which?"])
    assert not api.violations


async def test_an_answer_that_is_late_or_second_is_refused_and_noticed(monkeypatch):
    """After three seconds an interaction is unknown; a second answer is a mistake; the token lasts 15 minutes."""
    now = 1000.0
    async with DiscordApi(clock=lambda: now) as api:
        point_library(api, monkeypatch)
        ada = api.person()
        async with connected(api) as client:
            ada.command(ada.dm, "status")
            late = await client.next("interaction")
            assert len(api.unanswered) == 1
            now += 3.1
            with pytest.raises(discord.NotFound) as caught:
                await late.response.defer()
            assert caught.value.code == 10062
            assert api.violations.pop() == "answer_interaction: an answer that came after 3 s"
            ada.command(ada.dm, "status")
            good = await client.next("interaction")
            await good.response.send_message("well")
            good.response._response_type = None
            with pytest.raises(discord.HTTPException) as second:
                await good.response.send_message("well")
            assert second.value.code == 40060
            assert "already been acknowledged" in api.violations.pop()
            now += 15 * 60 + 1
            with pytest.raises(discord.HTTPException) as expired:
                await good.followup.send("more")
            assert expired.value.code == 50027
            assert not api.violations


async def test_an_interaction_that_nobody_answers_is_noticed(api, client, ada):
    """The three seconds run by themselves; what need not be answered, or nobody was told of, is let be."""
    api.gateway.drop(4000)
    await api.until(lambda: not api.gateway.connections)
    ada.command(ada.dm, "status")
    await client.next("resumed")
    ada.command(ada.dm, "status", must_answer=False)
    ada.command(ada.dm, "status")
    assert await api.until(lambda: api.violations) == ["an interaction was not answered within 3 s"]


# Rate limits and faults


async def test_a_bucket_runs_empty_and_fills_again():
    """Beyond so many requests a period there is a 429 with how long to wait, for each channel by itself."""
    now = 1000.0
    async with DiscordApi(clock=lambda: now) as api, aiohttp.ClientSession(headers={"User-Agent": AGENT}) as session:
        session.headers["Authorization"] = f"Bot {api.token}"
        first, second = api.person("ada").dm, api.person("ben").dm

        async def send(channel):
            async with session.post(api.url + messages(channel), json=sayable("x")) as response:
                return response.status, await response.json(), response.headers

        api.rates.limit("create_message", 2, 5.0)
        for left in ("1", "0"):
            assert (await send(first))[2]["X-RateLimit-Remaining"] == left
            now += 1
        status, body, headers = await send(first)
        assert (status, body["global"], body["retry_after"], headers["Retry-After"]) == (429, False, 3.0, "3")
        assert (await send(second))[0] == 200
        now += 3
        assert (await send(first))[0] == 200
        assert [one.retry_after_s for one in api.rates.refused] == [3.0]
        assert not api.violations


async def test_the_library_waits_as_it_is_told(api, client, place, general):
    """discord.py obeys the headers, a 429 of one bucket and a global one."""
    api.rates.limit("create_message", 2, 0.1)
    for number in range(6):
        await place.send(str(number))
    assert general.texts == [str(number) for number in range(6)] and not api.rates.refused
    api.rates.lift()
    api.slow_down("create_message", 0.05)
    await place.send("after a wait")
    api.slow_down("*", 0.05, whole=True)
    await place.send("after another")
    assert [(one.method, one.whole) for one in api.rates.refused] == [
        ("create_message", False),
        ("create_message", True),
    ]
    assert general.texts[-2:] == ["after a wait", "after another"]
    assert not api.violations


async def test_a_client_that_does_not_wait_is_noticed():
    """A request that comes while a 429 says to wait is a violation."""
    now = 1000.0
    async with (
        DiscordApi(clock=lambda: now) as api,
        aiohttp.ClientSession(headers={"User-Agent": AGENT, "Authorization": f"Bot {api.token}"}) as session,
    ):
        api.slow_down("get_me", 5.0)
        for _ in range(2):
            async with session.get(f"{api.url}/users/@me"):
                now += 1
        assert api.violations == ["get_me: came before retry_after was over"]
        now += 5
        async with session.get(f"{api.url}/users/@me") as response:
            assert response.status == 200
    assert len(api.violations) == 1


async def test_interactions_are_answered_in_spite_of_the_global_limit():
    """What carries a token of its own is not bound to the bot's limit."""
    now = 1000.0
    async with DiscordApi(clock=lambda: now) as api, aiohttp.ClientSession(headers={"User-Agent": AGENT}) as session:
        session.headers["Authorization"] = f"Bot {api.token}"
        ada = api.person()
        api.slow_down("get_me", 60, whole=True)
        async with session.get(f"{api.url}/users/@me") as response:
            assert (response.status, response.headers["X-RateLimit-Global"]) == (429, "true")
        now += 2
        asked = ada.command(ada.dm, "status")
        path = f"/interactions/{asked.id}/{asked.token}/callback"
        async with session.post(api.url + path, json={"type": 5}) as response:
            assert response.status == 204
        assert not api.violations
        async with session.get(f"{api.url}/users/{ada.id}"):
            assert api.violations == ["get_user: came before retry_after was over"]


async def test_the_network_before_discord_bans(api, client, place):
    """A 429 without JSON and without ``Via`` is one that discord.py raises instead of waiting."""
    api.ban("create_message")
    with pytest.raises(discord.HTTPException) as caught:
        await place.send("x")
    assert (caught.value.status, caught.value.text) == (429, "error code: 1015")
    assert "Via" not in caught.value.response.headers
    assert not api.violations and not api.rates.refused


async def test_a_route_is_refused_for_a_channel_and_a_number_of_times(api, ask, general):
    """A fault meets a route, perhaps one channel's, as often as it is told to."""
    other = api.add_channel(general.guild, "other")
    api.refuse("create_message", 403, 50013, "Missing Permissions", channel=other.id)
    assert (await ask("POST", messages(general), sayable("x")))[0] == 200
    assert api.faults_left == 1
    refused = {"message": "Missing Permissions", "code": 50013}
    assert await ask("POST", messages(other), sayable("x")) == (403, refused)
    assert (await ask("POST", messages(other), sayable("x")))[0] == 200
    assert api.faults_left == 0
    api.refuse("*", 500, times=None)
    assert (await ask("GET", "/users/@me"))[0] == 500
    api.mend()
    assert (await ask("GET", "/users/@me"))[0] == 200


@pytest.mark.parametrize(("where", "sent"), [(Where.BEFORE, 0), (Where.AFTER, 1)])
async def test_a_connection_is_reset(api, ask, general, where, sent):
    """Before a message is sent or after, with no byte of the answer."""
    api.cut("create_message", where)
    with pytest.raises(aiohttp.ClientError):
        await ask("POST", messages(general), sayable("x"))
    assert len(api.sent) == sent


async def test_an_answer_is_held_and_given(api, ask, general):
    """A request waits, carried out or not, until it is let go or cut."""
    held = api.hold("create_message", Where.BEFORE)
    task = asyncio.create_task(ask("POST", messages(general), sayable("x")))
    assert (await held.arrived).channel == general.id
    assert not api.sent
    held.release()
    assert (await task)[0] == 200
    held = api.hold("create_message")
    task = asyncio.create_task(ask("POST", messages(general), sayable("y")))
    await held.arrived
    assert general.texts == ["x", "y"]
    held.cut()
    with pytest.raises(aiohttp.ClientError):
        await task


@pytest.mark.parametrize("kind", [Garbage.PORTAL, Garbage.PROXY, Garbage.TRUNCATED, Garbage.EMPTY, Garbage.ANOTHER])
async def test_garbage_comes_instead_of_an_answer(api, general, kind):
    """What is none of Discord's answers comes with Discord's status or a proxy's."""
    api.garbage("create_message", kind, where=Where.AFTER)
    headers = {"User-Agent": AGENT, "Authorization": f"Bot {api.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{api.url}{messages(general)}", json=sayable("x")) as response,
    ):
        text = await response.text()
    assert general.texts == ["x"]
    assert response.status == (502 if kind is Garbage.PROXY else 200)
    with pytest.raises((ValueError, KeyError)):
        json.loads(text)["id"]


async def test_a_server_comes_back_on_its_port(api, ask):
    """A server that was stopped listens where it did, knowing what it knew."""
    before = api.url
    await api.stop(abruptly=True)
    with pytest.raises(aiohttp.ClientError):
        await ask("GET", "/users/@me")
    await api.start()
    assert api.url == before
    assert (await ask("GET", "/users/@me"))[0] == 200


def test_a_server_in_a_thread():
    """Tests and benchmarks without a loop have a server too."""
    with serve_in_thread() as served:
        ada = served.call(lambda api: api.person("ada"))
        served.call(lambda api: ada.write(ada.dm, "hello"))
        assert served.until(lambda api: ada.dm.texts) == ["hello"]
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/api/v10", served.api.url)
