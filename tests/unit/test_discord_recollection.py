"""What is remembered of people and of the bot's own messages, for reactions that are taken back."""

from __future__ import annotations

import pytest

from channeld_workers.discord.people import Person
from channeld_workers.discord.places import Kind, Place
from channeld_workers.discord.recollection import Recollection
from tests.doubles import discord_messages as made
from tests.doubles.discord_messages import ANN, BEN, BOT, MESSAGE, QUOTED

BOT_ID = int(BOT["id"])
HERE = Place(10, Kind.TEXT, guild_id=1)
THREAD_HERE = Place(11, Kind.PUBLIC_THREAD, parent_id=10, guild_id=1)
ELSEWHERE = Place(20, Kind.TEXT, guild_id=2)
DM = Place(30, Kind.DM)


@pytest.fixture
def kept():
    """Return a recollection of two people and two messages at the most."""
    return Recollection(most=2)


def test_who_wrote_is_known_by_the_name_he_last_had_there(kept):
    """In all of a guild, and in no other."""
    kept.note_message(made.in_guild(), HERE, BOT_ID)
    assert kept.person(ANN["id"], THREAD_HERE) == Person(ANN["id"], "Annie")
    kept.note_message(made.in_guild(member={"nick": "Ann of late"}), THREAD_HERE, BOT_ID)
    assert kept.person(ANN["id"], HERE) == Person(ANN["id"], "Ann of late")
    assert kept.person(ANN["id"], ELSEWHERE) is None and kept.person(ANN["id"], DM) is None


def test_who_reacted_is_known_and_another_bot_stays_one(kept):
    """In a DM Discord names nobody, and nobody is made up."""
    kept.note_reaction(made.reaction(), HERE, BOT_ID)
    assert kept.person(ANN["id"], HERE) == Person(ANN["id"], "Annie")
    kept.note_message(made.in_guild(author=made.BUILD_BOT), HERE, BOT_ID)
    assert kept.person(made.BUILD_BOT["id"], HERE).bot
    nameless = made.reaction(user_id=BEN["id"])
    del nameless["member"]
    kept.note_reaction(nameless, DM, BOT_ID)
    assert kept.person(BEN["id"], DM) is None


def test_the_bots_own_messages_are_known(kept):
    """As it wrote them or changed them, and as somebody reacts to them; other people's are not its own."""
    kept.note_message(made.in_guild(author=BOT), HERE, BOT_ID)
    kept.note_reaction(made.reaction(message_author_id=BOT["id"]), HERE, BOT_ID)
    assert kept.is_own(MESSAGE) and kept.is_own(QUOTED)
    assert kept.person(BOT["id"], HERE) is None


def test_what_others_wrote_is_not_the_bots(kept):
    """Not what a webhook writes under the bot's name, nor what nobody says the author of."""
    kept.note_message(made.in_guild(), HERE, BOT_ID)
    kept.note_message(made.by_hook(author={"id": made.HOOK, "username": BOT["username"]}), HERE, BOT_ID)
    kept.note_reaction(made.reaction(), HERE, BOT_ID)
    unsaid = made.reaction()
    del unsaid["message_author_id"]
    kept.note_reaction(unsaid, HERE, BOT_ID)
    assert not kept.is_own(MESSAGE) and not kept.is_own(QUOTED)


def test_the_oldest_is_forgotten(kept):
    """And who was heard of again is not the oldest any more."""
    for number in ("1", "2", "1", "3"):
        kept.note_message(made.in_guild(author={"id": number, "username": f"no. {number}"}), HERE, BOT_ID)
        kept.note_message(made.in_guild(author=BOT, id=number), HERE, BOT_ID)
    assert [kept.person(number, HERE) is not None for number in "123"] == [True, False, True]
    assert [kept.is_own(number) for number in "123"] == [True, False, True]


@pytest.mark.parametrize("wrong", [None, "", "x", [], {}, -1, "9" * 40])
def test_what_cannot_be_read_is_not_remembered(wrong, kept):
    """And asking for it finds nothing."""
    kept.note_message({"author": wrong, "id": wrong, "member": wrong}, HERE, BOT_ID)
    kept.note_message({"author": BOT, "id": wrong}, HERE, BOT_ID)
    kept.note_reaction({"member": wrong, "message_author_id": BOT["id"], "message_id": wrong}, HERE, BOT_ID)
    assert kept.person(wrong, HERE) is None and not kept.is_own(wrong)
