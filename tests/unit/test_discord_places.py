"""What is known of guilds, channels and threads, and which chats they are."""

from __future__ import annotations

import copy

import pytest

from channeld.core.ids import is_chat_of
from channeld_workers.discord.places import Place, Places, Role
from tests.doubles import discord_messages as made
from tests.doubles.discord_messages import (
    ANN,
    BEN,
    BOT,
    CATEGORY,
    DM,
    FORUM,
    GENERAL,
    GUILD,
    NEWS,
    OTHER_GUILD,
    POST,
    SECRET,
    THREAD,
    VOICE,
)

BOT_ID = int(BOT["id"])


@pytest.fixture
def places():
    """Return one guild, as the gateway tells of it."""
    known = Places()
    known.note("GUILD_CREATE", made.guild())
    return known


def find(places, number):
    """Return a place by the text of its id."""
    return places.find(int(number))


def ids(found):
    """Return the ids of places as text."""
    return [str(place.id) for place in found]


def test_a_guild_tells_of_all_its_places(places):
    """Channels know their guild, threads their channel, and what was said last."""
    assert find(places, GENERAL) == Place(
        int(GENERAL), 0, "general", int(CATEGORY), int(GUILD), "Workshop", last_message_id=int(made.QUOTED)
    )
    assert find(places, THREAD) == Place(int(THREAD), 11, "Builds", int(GENERAL), int(GUILD), "Workshop")
    assert ids(places.channels(int(GUILD))) == sorted([GENERAL, NEWS, FORUM, VOICE, CATEGORY])
    assert ids(places.threads_of(int(GENERAL))) == [THREAD] and ids(places.threads_of(int(FORUM))) == [POST]
    assert places.role(int(GUILD), int(made.OWN_ROLE)) == Role("Claude", BOT_ID)
    assert places.role(int(OTHER_GUILD), int(made.OWN_ROLE)) is None and places.role(None, 5) is None


@pytest.mark.parametrize(
    ("number", "chat", "title"),
    [
        (GENERAL, f"discord:{GENERAL}", "#general in Workshop"),
        (THREAD, f"discord:{GENERAL}/{THREAD}", "#general in Workshop"),
        (POST, f"discord:{FORUM}/{POST}", "#help in Workshop"),
        (DM, f"discord:{DM}", None),
    ],
)
def test_a_chat_is_named_by_its_channel_and_thread(number, chat, title, places):
    """A thread and a forum's post are their own chat, in the parent's."""
    places.add({"id": DM, "type": 1, "recipients": [ANN]})
    place = find(places, number)
    assert places.chat_of(place, "discord") == chat and is_chat_of("discord", chat)
    assert places.title_of(place) == title


def test_what_can_hold_what(places):
    """Only posts have messages in a forum, and nothing is in a category."""
    assert [find(places, each).has_messages for each in (GENERAL, NEWS, VOICE, THREAD)] == [True] * 4
    assert [find(places, each).has_messages for each in (FORUM, CATEGORY)] == [False] * 2
    assert [find(places, each).has_threads for each in (GENERAL, NEWS, FORUM, VOICE, THREAD)] == [True] * 3 + [
        False
    ] * 2
    assert Place(1, 99).has_messages and not Place(1, 99).is_dm


@pytest.mark.parametrize("event", ["CHANNEL_UPDATE", "CHANNEL_CREATE"])
def test_a_channel_is_renamed(event, places):
    """Its threads are called after it from then on."""
    places.note(event, {"id": GENERAL, "type": 5, "guild_id": GUILD, "name": "all [of] it"})
    assert find(places, GENERAL).name == "all of it" and find(places, GENERAL).kind == 5
    assert places.title_of(find(places, THREAD)) == "#all of it in Workshop"


def test_a_guild_is_renamed(places):
    """And so are its places; what is left out of the news stays."""
    places.note("GUILD_UPDATE", {"id": GUILD, "name": "Lab"})
    assert places.title_of(find(places, GENERAL)) == "#general in Lab"
    assert places.role(int(GUILD), int(made.TEAM_ROLE)) == Role("team", None)
    places.note("GUILD_UPDATE", {"id": GUILD, "roles": []})
    assert places.title_of(find(places, GENERAL)) == "#general in Lab"
    assert places.role(int(GUILD), int(made.TEAM_ROLE)) is None
    places.note("GUILD_UPDATE", {"id": "5", "name": "Nobody's"})
    assert places.channels(5) == []


def test_files_may_be_as_large_as_the_boosts_allow(places):
    """Of the guild in which the place is; a level that is not known yet is not a low one."""
    assert [places.file_bytes(number) for number in (int(GENERAL), 99)] == [10 << 20, None]
    for tier, limit in ((2, 50 << 20), ("3", 50 << 20), (3, 100 << 20), (4, 100 << 20), (0, 10 << 20)):
        places.note("GUILD_UPDATE", {"id": str(GUILD), "premium_tier": tier})
        assert places.file_bytes(int(GENERAL)) == limit
    places.meet({"channel_id": "77", "author": {"id": "78", "username": "ada"}}, 1)
    assert places.file_bytes(77) == 10 << 20


def test_roles_come_and_go(places):
    """Each by its own news."""
    role = {"id": "5", "name": "new"}
    places.note("GUILD_ROLE_CREATE", {"guild_id": GUILD, "role": role})
    assert places.role(int(GUILD), 5) == Role("new", None)
    places.note("GUILD_ROLE_UPDATE", {"guild_id": GUILD, "role": role | {"name": "old"}})
    assert places.role(int(GUILD), 5) == Role("old", None)
    places.note("GUILD_ROLE_DELETE", {"guild_id": GUILD, "role_id": "5"})
    assert places.role(int(GUILD), 5) is None


def test_a_channel_is_deleted_with_its_threads(places):
    """Discord does not tell of each of them."""
    places.note("CHANNEL_DELETE", {"id": GENERAL, "type": 0, "guild_id": GUILD})
    assert find(places, GENERAL) is None and find(places, THREAD) is None and find(places, POST) is not None


def test_threads_come_are_archived_and_go(places):
    """Of an archived one the name is still known."""
    places.note("THREAD_CREATE", made.thread("5", NEWS, name="x", newly_created=True))
    assert ids(places.threads_of(int(NEWS))) == ["5"]
    places.note("THREAD_UPDATE", made.thread("5", NEWS, name="y", archived=True))
    assert places.threads_of(int(NEWS)) == [] and find(places, "5").name == "y" and find(places, "5").archived
    places.note("THREAD_UPDATE", made.thread("5", NEWS))
    assert ids(places.threads_of(int(NEWS))) == ["5"]
    places.note("THREAD_DELETE", {"id": "5", "guild_id": GUILD, "parent_id": NEWS, "type": 11})
    assert find(places, "5") is None


def test_a_list_of_active_threads_archives_the_others(places):
    """Of the channels that it is about, else of the whole guild."""
    sync = {"guild_id": GUILD, "threads": [made.thread("5", NEWS)], "members": []}
    places.note("THREAD_LIST_SYNC", sync | {"channel_ids": [NEWS, FORUM]})
    assert ids(places.threads_of(int(NEWS))) == ["5"] and find(places, POST).archived
    assert not find(places, THREAD).archived
    places.note("THREAD_LIST_SYNC", sync)
    assert find(places, THREAD).archived and not find(places, "5").archived


def test_a_guild_that_comes_back_replaces_what_was_known(places):
    """What went while nobody listened is not there any more; a thread that is not named is archived."""
    without = [each for each in made.guild()["channels"] if each["id"] != FORUM]
    places.note("GUILD_CREATE", made.guild(channels=without, threads=[]))
    assert find(places, FORUM) is None and find(places, POST) is None
    assert find(places, THREAD).archived and find(places, GENERAL) is not None


def test_an_outage_of_a_guild_forgets_nothing(places):
    """Only a guild that the bot was removed from is forgotten."""
    places.note("GUILD_DELETE", {"id": GUILD, "unavailable": True})
    places.note("GUILD_CREATE", {"id": GUILD, "unavailable": True})
    assert len(places.channels(int(GUILD))) == 5
    places.note("GUILD_CREATE", made.other_guild())
    places.note("GUILD_DELETE", {"id": GUILD})
    assert ids(places.channels()) == [SECRET] and find(places, THREAD) is None
    assert places.role(int(GUILD), int(made.TEAM_ROLE)) is None


@pytest.mark.parametrize(
    ("number", "wrong"),
    [
        (GENERAL, {"type": 1, "guild_id": None}),
        (GENERAL, {"type": 1}),
        (GENERAL, {"type": 11, "parent_id": NEWS}),
        (GENERAL, {"type": True}),
        (GENERAL, {"type": None}),
        (GENERAL, {"guild_id": OTHER_GUILD}),
        (GENERAL, {"guild_id": None}),
        (THREAD, {"type": 11, "parent_id": NEWS}),
        (THREAD, {"type": 11, "parent_id": None}),
        (THREAD, {"type": 11, "parent_id": THREAD}),
        (THREAD, {"type": 0, "parent_id": GENERAL}),
    ],
)
def test_a_place_cannot_become_another(number, wrong, places):
    """Not a DM, not another guild's, not another channel's: what says so changes nothing."""
    before = find(places, number)
    for event in ("CHANNEL_UPDATE", "THREAD_UPDATE"):
        places.note(event, {"id": number, "type": 0, "guild_id": GUILD, "name": "x"} | wrong)
    assert find(places, number) == before


@pytest.mark.parametrize("key", ["channels", "threads"])
@pytest.mark.parametrize("wrong", [None, {}, "x", [None], [{"id": 5}], [{}]])
def test_a_list_that_cannot_be_read_takes_nothing_away(key, wrong, places):
    """Only a whole list says what is gone."""
    before = places.channels()
    places.note("GUILD_CREATE", made.guild(**{key: wrong}))
    assert places.channels() == before and not find(places, THREAD).archived


def test_a_dm_becomes_known_by_what_is_written_in_it(places):
    """Nothing else tells of it; the bot itself is nobody's recipient."""
    own = made.message(author=BOT)
    assert places.meet(own, BOT_ID) == Place(int(DM), 1)
    assert places.meet(made.message(), BOT_ID) == Place(int(DM), 1, "Ann Example", recipient_id=int(ANN["id"]))
    assert places.meet(own, BOT_ID).name == "Ann Example"
    assert places.meet(made.message(author=BEN), BOT_ID).recipient_id == int(ANN["id"])
    reaction = {"user_id": BEN["id"], "channel_id": "5", "message_id": "6"}
    assert places.meet(reaction, BOT_ID) == Place(5, 1, recipient_id=int(BEN["id"]))
    assert places.meet(made.message(author=BEN, channel_id="5"), BOT_ID).name == "ben"


@pytest.mark.parametrize(
    "sign",
    [
        {"guild_id": GUILD},
        {"guild_id": None},
        {"member": None},
        {"webhook_id": "5"},
        {"channel_type": 0},
        {"author": None},
    ],
)
def test_whatever_could_be_in_a_guild_is_no_dm(sign, places):
    """Discord is to be asked about that channel."""
    assert places.meet(made.message() | sign, BOT_ID) is None and find(places, DM) is None


def test_a_place_that_is_known_is_met_again(places):
    """Also where a dispatch does not say that it is in a guild."""
    assert places.meet(made.message(channel_id=GENERAL), BOT_ID) == find(places, GENERAL)
    assert places.meet(made.message(channel_id=None), BOT_ID) is None and places.meet(None, BOT_ID) is None


def test_a_dm_that_is_fetched_may_lack_its_recipient(places):
    """Who that is stays known."""
    added = places.add({"id": DM, "type": 1, "recipients": [ANN]})
    assert added == Place(int(DM), 1, "Ann Example", recipient_id=int(ANN["id"]))
    assert places.add({"id": DM, "type": 1}) == added
    assert places.add({"id": DM, "type": 3}) is None and places.add({"id": "5", "type": 3}) == Place(5, 3)
    assert not Place(5, 3).is_dm


@pytest.mark.parametrize("data", [None, [], "x", 5, {}, {"id": None}, {"id": "x"}, {"guild_id": GUILD}])
def test_nothing_in_a_dispatch_takes_anything_away_by_mistake(data, places):
    """Whatever the dispatch is called."""
    before = places.channels(), places.threads_of(int(GENERAL))
    for event in ("GUILD", "CHANNEL", "THREAD", "GUILD_ROLE"):
        for change in ("CREATE", "UPDATE", "DELETE", "LIST_SYNC"):
            places.note(f"{event}_{change}", copy.deepcopy(data))
    assert (places.channels(), places.threads_of(int(GENERAL))) == before
