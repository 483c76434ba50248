"""Discord messages, reactions and places of any shape: none raises, takes long, or speaks for somebody else."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channeld.core.access import is_sender_id
from channeld.core.event import present
from channeld.core.ids import is_chat_of
from channeld.core.model import Inbound, StoredEvent
from channeld_workers.discord.content import find_file
from channeld_workers.discord.messages import Account, fault, read, read_reaction
from channeld_workers.discord.places import Place, Places
from channeld_workers.patterns import compile_patterns
from tests.doubles import discord_messages as made
from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_client import point_library
from tests.doubles.discord_dispatches import dispatch_samples, spoil
from tests.doubles.discord_messages import ANN, BOT, DM, FORUM, GENERAL, GUILD, NEWS, POST, THREAD

ACCOUNT = Account(int(BOT["id"]), BOT["username"], "discord", compile_patterns([r"claude.*\?"]))
DELETED = object()
HUGE = 10**4299  # the decoder lets more through, but no test could show it
WRONG: tuple[Any, ...] = (
    DELETED, None, "x", "", "\ud800", [], [None], ["x", {}], {}, {"id": {}}, -1, 0, 1.5, True, HUGE, float("nan")
)  # fmt: skip
LONGEST_S = 0.5
"""Of processor time, for one message: a thousand times what it takes."""
REACTIONS = {
    "reaction": made.reaction(),
    "reaction in a DM": {
        "user_id": ANN["id"],
        "channel_id": DM,
        "message_id": made.QUOTED,
        "emoji": {"id": "860000000000000001", "name": "party", "animated": False},
    },
}
NEWS_OF_PLACES: dict[str, list[tuple[str, Any]]] = {
    "guild": [("GUILD_CREATE", made.guild()), ("GUILD_UPDATE", made.guild(name="Lab"))],
    "guild gone": [("GUILD_DELETE", {"id": GUILD, "unavailable": True})],
    "channel": [
        ("CHANNEL_CREATE", {"id": NEWS, "type": 0, "guild_id": GUILD, "name": "x", "parent_id": None}),
        ("CHANNEL_UPDATE", {"id": GENERAL, "type": 0, "guild_id": GUILD, "name": "x", "last_message_id": "5"}),
        ("CHANNEL_DELETE", {"id": GENERAL, "type": 0, "guild_id": GUILD}),
    ],
    "thread": [
        ("THREAD_CREATE", made.thread("5", NEWS)),
        ("THREAD_UPDATE", made.thread(archived=True)),
        ("THREAD_LIST_SYNC", {"guild_id": GUILD, "channel_ids": [GENERAL], "threads": [made.thread()], "members": []}),
        ("THREAD_DELETE", {"id": THREAD, "guild_id": GUILD, "parent_id": GENERAL, "type": 11}),
    ],
    "role": [
        ("GUILD_ROLE_CREATE", {"guild_id": GUILD, "role": made.guild()["roles"][1]}),
        ("GUILD_ROLE_DELETE", {"guild_id": GUILD, "role_id": made.OWN_ROLE}),
    ],
}


def world() -> Places:
    """Return two guilds and a DM."""
    places = Places()
    places.note("GUILD_CREATE", made.guild())
    places.note("GUILD_CREATE", made.other_guild())
    places.add({"id": DM, "type": 1, "recipients": [ANN]})
    return places


PLACES = world()


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to everything in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*above, key)
        yield from paths(each, (*above, key))


def put(value: Any, path: tuple[Any, ...], wrong: Any) -> None:
    """Replace what is at the end of a way."""
    for key in path[:-1]:
        value = value[key]
    if wrong is DELETED:
        del value[path[-1]]
    else:
        value[path[-1]] = wrong


def spoiled(good: Any) -> Iterator[tuple[Any, tuple[Any, ...], Any]]:
    """Yield a value with everything in it in turn missing, of another type, or absurd; and where, and by what."""
    for path in paths(good):
        for wrong in WRONG:
            bad = copy.deepcopy(good)
            put(bad, path, wrong)
            yield bad, path, wrong


def check(event: Inbound | None, place: Place) -> None:
    """Assert what holds of every result."""
    assert event is None or isinstance(event, Inbound)
    if event is None:
        return
    assert event.chat == PLACES.chat_of(place, "discord") and is_chat_of("discord", event.chat)
    assert is_sender_id(event.sender_id) and event.sender and event.message_id.isdecimal()
    assert event.group is not place.is_dm and event.event_key.isprintable()
    assert event.text or event.attachments or event.kind == "reaction"
    assert all(file.name and (file.token or file.note) for file in event.attachments)
    stored = StoredEvent(
        seq=1, delivery_id="d", worker="discord", inbound=event, state="queued", pushes=1, accepted_at=0, role="x"
    )
    msgspec.json.encode(event)
    msgspec.json.encode(present(stored, "discord"))


def read_both(message: Any, place: Place) -> Iterator[Inbound]:
    """Yield what a message is, as a new one and as one that was edited."""
    for edited in (False, True):
        event = read(message, ACCOUNT, place, PLACES, edited=edited, max_bytes=10**6)
        check(event, place)
        if event is not None:
            yield event
    assert isinstance(fault(message), str)


@pytest.mark.parametrize("name", made.every_kind())
def test_whatever_is_wrong_in_a_message_it_speaks_for_nobody_else(name):
    """Every value in it in turn is missing, of another type, or absurd."""
    good = made.every_kind()[name] | {"edited_timestamp": made.EDITED}
    place = PLACES.find(int(good["channel_id"]))
    assert place is not None
    seen = 0
    for bad, path, wrong in spoiled(good):
        began = time.process_time()
        for event in read_both(bad, place):
            assert (event.sender_id, event.message_id) == (good["author"]["id"], good["id"]), (path, wrong)
            seen += 1
        assert time.process_time() - began < LONGEST_S, (path, wrong)
    assert seen > 100


@pytest.mark.parametrize("name", REACTIONS)
def test_whatever_is_wrong_in_a_reaction_it_is_nobody_elses(name):
    """Every value in it in turn is missing, of another type, or absurd."""
    good = REACTIONS[name]
    place = PLACES.find(int(good["channel_id"]))
    assert place is not None
    seen = 0
    for bad, path, wrong in spoiled(good):
        for added in (True, False):
            event = read_reaction(bad, ACCOUNT, place, PLACES, added=added, key="9")
            check(event, place)
            if event is not None:
                assert (event.sender_id, event.message_id) == (good["user_id"], good["message_id"]), (path, wrong)
                assert bool(event.text) is added
                seen += 1
    assert seen > 50


@pytest.mark.parametrize("name", NEWS_OF_PLACES)
def test_whatever_is_wrong_in_news_of_a_place_it_becomes_no_other(name):
    """A guild's channel is never taken for a DM, a thread never for another channel's."""
    for event, good in NEWS_OF_PLACES[name]:
        for bad, path, wrong in spoiled(good):
            places = world()
            began = time.process_time()
            places.note(event, bad)
            assert time.process_time() - began < LONGEST_S, (path, wrong)
            for number, guild, parent in ((GENERAL, GUILD, None), (THREAD, GUILD, GENERAL), (POST, GUILD, FORUM)):
                place = places.find(int(number))
                if place is not None:
                    assert not place.is_dm and place.guild_id == int(guild), (event, path, wrong)
                    assert place.is_thread is (parent is not None), (event, path, wrong)
                    assert parent is None or place.parent_id == int(parent), (event, path, wrong)
                    assert is_chat_of("discord", places.chat_of(place, "discord"))
            assert places.find(int(DM)) == PLACES.find(int(DM))
            json.dumps([places.channels(), places.threads_of(int(GENERAL)), places.title_of(Place(5, 11))])


@pytest.fixture
async def samples(monkeypatch):
    """Return what the double of Discord tells of all that can happen."""
    async with DiscordApi() as api:
        point_library(api, monkeypatch)
        ada = api.person("ada", "Ada")
        guild = api.add_guild("Workshop", ada)
        channel = api.add_channel(guild, "general")
        told = dispatch_samples(api, channel, ada)
        return api.bot_id, str(ada.id), told


async def test_the_corpus_is_read_whole_and_spoiled(samples):
    """What the double tells is understood, and what is made of it harms nobody."""
    bot_id, ada, told = samples
    account, places, seen = Account(bot_id, "bot", "discord"), Places(), []
    places.note("GUILD_CREATE", next(sample.data for sample in told if sample.name == "GUILD_CREATE"))
    for sample in told:
        places.note(sample.name, sample.data)
        for _, bad in spoil(sample.data):
            known = copy.deepcopy(places)
            known.note(sample.name, bad)
            known.add(bad)
            if sample.name.startswith("MESSAGE_"):
                place = known.meet(bad, bot_id)
                for each in [place] if place is not None else []:
                    event = read(bad, account, each, known, edited=sample.name == "MESSAGE_UPDATE", max_bytes=10**6)
                    assert event is None or event.sender_id == ada
                    event = read_reaction(bad, account, each, known, added=True, key="9")
                    assert event is None or event.sender_id == ada
        if sample.name in {"MESSAGE_CREATE", "MESSAGE_UPDATE"}:
            place = places.meet(sample.data, bot_id)
            assert place is not None and not fault(sample.data)
            event = read(sample.data, account, place, places, edited=sample.name == "MESSAGE_UPDATE", max_bytes=10**6)
            seen += [event] if event is not None else []
    assert {event.kind for event in seen} == {"message", "edited"} and {event.group for event in seen} == {True, False}
    assert any(event.mentioned for event in seen) and any(event.thread for event in seen)
    assert any(event.forwarded_from for event in seen) and any(event.reply_to_text for event in seen)
    assert not any("does not know" in event.text for event in seen)


KEYS = sorted(
    {key for each in made.every_kind().values() for path in paths(each) for key in path if isinstance(key, str)}
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.characters(codec=None).map(lambda c: c * 3)
    | st.sampled_from([BOT["id"], ANN["id"], GENERAL, "rich", "gifv", "poll_result", "https://a/b", HUGE, 6, 19, 46])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=6),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(JSON)
def test_any_json_is_read(value):
    """None raises, whatever it is said to be."""
    places = world()
    for event in ("GUILD_CREATE", "CHANNEL_UPDATE", "THREAD_LIST_SYNC", "GUILD_ROLE_UPDATE"):
        places.note(event, value)
    places.add(value)
    places.meet(value, ACCOUNT.id)
    find_file(value, 5)
    place = PLACES.find(int(GENERAL))
    assert place is not None
    list(read_both(value, place))
    check(read_reaction(value, ACCOUNT, place, PLACES, added=True, key="9"), place)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_json_in_a_message_is_read(more):
    """Also beside what makes it a message."""
    place = PLACES.find(int(THREAD))
    assert place is not None
    identity = {"id": made.MESSAGE, "author": ANN}
    for event in read_both(made.in_guild() | more | identity, place):
        assert event.sender_id == ANN["id"]
    list(read_both(made.in_guild() | {"type": 19, "referenced_message": more} | identity, place))


def test_deep_nesting_and_great_length_cost_little():
    """As deep as the decoder lets through, and as long as no server should let through."""
    deep = json.loads("[" * 900 + "]" * 900)
    components: Any = [{"type": 10, "content": "deep"}]
    nested: Any = made.in_guild("deep")
    for _ in range(900):
        nested = made.reply(nested)
        components = [{"type": 17, "components": components}]
    long = "😀" * 300_000
    users = [{"id": str(number), "username": " " * 1000} for number in range(1, 50_000)]
    hostile: list[Any] = [
        made.in_guild(deep, mentions=deep, embeds=deep, attachments=deep),
        nested,
        made.in_guild("", flags=1 << 15, components=components),
        made.in_guild("", flags=1 << 15, components=[{"type": 10, "content": long}] * 50_000),
        made.in_guild(long, mentions=users, mention_roles=["5"] * 100_000),
        made.in_guild("<@1>" * 100_000, mentions=users),
        made.in_guild("", embeds=[{"type": "rich", "title": long, "description": "\n" * 300_000}] * 10_000),
        made.in_guild("", embeds=[{"fields": [{"name": long, "value": long}] * 10_000}] * 10_000),
        made.in_guild("", attachments=[made.file(filename=long, description=long)] * 50_000),
        made.in_guild(
            "", sticker_items=[{"name": long}] * 50_000, poll={"answers": [{"poll_media": {"text": long}}] * 50_000}
        ),
        made.in_guild("", author=ANN | {"global_name": " " * 300_000}, member={"nick": " " * 300_000}),
        made.in_guild("") | {f"kind {number}": 1 for number in range(50_000)},
        made.forward(made.in_guild(long), message_snapshots=[{"message": made.in_guild(long)}] * 50_000),
        *(
            made.in_guild(mark * (100_000 // len(mark)))
            for mark in (
                "`",
                "``",
                "```",
                "` ",
                "``x",
                "`` ` ",
                "```` ",
                "<",
                "<:",
                "<a:a",
                "</",
                "</a b",
                "<t:1",
                "<@!1",
                "`<",
                "<@&",
            )
        ),
    ]
    place = PLACES.find(int(GENERAL))
    assert place is not None
    for each in hostile:
        began = time.process_time()
        events = list(read_both(each, place))
        assert time.process_time() - began < LONGEST_S
        assert all(len(msgspec.json.encode(event)) < 1_000_000 for event in events)
    began = time.process_time()
    many = [{"id": str(number), "type": 0, "name": " " * 1000} for number in range(1, 50_000)]
    world().note("GUILD_CREATE", made.guild(channels=many, threads=many, roles=many))
    assert time.process_time() - began < LONGEST_S
