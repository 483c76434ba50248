"""Telegram and the real Claude Code: what people write, are asked and are told on their phones."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator

import pytest

from tests.doubles.bot_api_person import Person
from tests.doubles.bot_api_world import Chat, Message
from tests.doubles.telegram import Scene, scene
from tests.e2e.lab import ClaudeLab
from tests.e2e.page import picture
from tests.e2e.scripted_model import new_events
from tests.e2e.sessions import attach

ASKED = "Do you want to proceed?"
DONE = "done"  # what the scripted model says after a tool's result; a turn without a reply sends it
CODE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}")
BEN_ID, EVE_ID = 518823001, 66
TURN_S = 30.0


@pytest.fixture
async def telegram() -> AsyncIterator[Scene]:
    """Telegram, the daemon, and Ann, who is an approver."""
    async with scene() as running:
        yield running


@pytest.fixture
async def session(lab: ClaudeLab, telegram: Scene) -> ClaudeLab:
    """A session with the plugin, which asks before it runs a command."""
    await attach(lab, telegram.daemon)
    return lab


async def hears(telegram: Scene, chat: Chat, text: str, number: int = 1) -> Message:
    """Return the bot's n-th message in a chat that has a text in it, once it is there."""

    def find() -> Message | None:
        found = [m for m in telegram.api.chat(chat.id) if m.by_bot and text in m.text]
        return found[number - 1] if len(found) >= number else None

    found = await telegram.api.until(find, TURN_S)
    assert found is not None
    return found


async def add_ben(telegram: Scene) -> tuple[Person, Chat]:
    """List Ben, who may only write, once a turn has told that the session asks: before, he would have to wait."""
    telegram.write("good morning")
    await hears(telegram, telegram.chat, "echo: good morning")
    await telegram.daemon.events_where(answered=1)
    await telegram.daemon.list_sender("telegram", str(BEN_ID), "chatter")
    ben = telegram.api.person(BEN_ID, "Ben")
    return ben, telegram.api.add_private_chat(ben)


async def tap(telegram: Scene, person: Person, card: Message, label: str) -> None:
    """Tap on a button, and wait until the tap is answered and the card says what was chosen."""
    query = person.press(card, label)
    await telegram.api.until(lambda: any(a.query_id == query for a in telegram.api.callbacks_answered), TURN_S)
    await telegram.api.until(lambda: not card.labels and "✔ " in card.text, TURN_S)


async def told(session: ClaudeLab, text: str) -> None:
    """Wait until the model was told something."""
    await session.model.wait_request(lambda request: text in json.dumps(request["messages"], ensure_ascii=False))


async def states(telegram: Scene) -> list[tuple[str, str]]:
    """Return text and state of the messages that people wrote, as ``channeld messages`` tells them, oldest first."""
    listed = json.loads(await telegram.terminal("messages", "--json"))["messages"]
    return [(one["text"], one["state"]) for one in listed if one["direction"] == "in"]


async def test_a_message_is_answered_with_formatting_and_the_bot_types_meanwhile(telegram: Scene, session: ClaudeLab):
    """Claude reads who wrote it and where; the update is confirmed, and the message's state says answered."""
    session.model.hold()
    written = telegram.write("is **all** of `main` green?")
    event = await session.model.wait_event("is **all** of `main` green?")
    assert (event.meta["platform"], event.meta["chat_id"]) == ("telegram", telegram.chat_id)
    assert (event.meta["user"], event.meta["user_id"]) == ("Ann", str(telegram.ann.id))
    assert event.meta["message_id"] == str(written.message_id)
    await telegram.api.until(lambda: telegram.api.actions)
    assert {(one.chat_id, one.action) for one in telegram.api.actions} == {(telegram.chat.id, "typing")}
    assert telegram.api.sent == []
    session.model.release()
    answer = await hears(telegram, telegram.chat, "echo:")
    assert answer.text == "echo: is all of main green?"
    assert [(e["type"], e["offset"], e["length"]) for e in answer.entities] == [("bold", 9, 3), ("code", 16, 4)]
    await telegram.daemon.events_where(answered=1)
    assert await states(telegram) == [("is **all** of `main` green?", "answered")]
    await telegram.api.until(lambda: not telegram.api.updates.waiting)
    assert telegram.api.sent == [answer]


async def test_leave_is_given_and_refused_with_a_tap(telegram: Scene, session: ClaudeLab):
    """The card shows the command and afterwards who chose what; of Ben, who may only write, Ann is asked as well."""
    ben, his = await add_ben(telegram)
    telegram.write("run touch made")
    card = await hears(telegram, telegram.chat, "touch made")
    assert {"Allow", "Deny"} <= set(card.labels)
    assert "Asked for" not in card.text
    await session.terminal.wait_for(ASKED)
    assert not (session.project / "made").exists()
    await tap(telegram, telegram.ann, card, "Allow")
    assert card.text.endswith("✔ Allow – Ann")
    await hears(telegram, telegram.chat, DONE)
    assert (session.project / "made").exists()
    assert ASKED not in await session.terminal.screen()
    ben.write(his, "run touch other")
    card = await hears(telegram, telegram.chat, "touch other")
    assert f"Asked for a message of Ben ({BEN_ID})" in card.text
    await session.terminal.wait_for(ASKED)
    await tap(telegram, telegram.ann, card, "Deny")
    assert card.text.endswith("✔ Deny – Ann")
    await session.terminal.wait_gone(ASKED)
    await telegram.daemon.events_where(answered=3)
    assert not (session.project / "other").exists()
    assert not any(m.labels or "touch" in m.text for m in telegram.api.chat(his.id) if m.by_bot)


async def test_the_link_of_setup_makes_whoever_follows_it_an_approver(telegram: Scene, session: ClaudeLab):
    """Eve starts the bot with the code, writes to Claude, and may give leave; the code works once."""
    found = CODE.search(await telegram.terminal("setup", "telegram", typed=[("hidden", "")]))
    assert found is not None
    eve, other = telegram.api.person(EVE_ID, "Eve"), telegram.api.person(EVE_ID + 1, "Mallory")
    hers, theirs = telegram.api.add_private_chat(eve), telegram.api.add_private_chat(other)
    eve.write(hers, f"/start {found[0]}")
    await hears(telegram, hers, "You are on the list")
    other.write(theirs, f"/start {found[0]}")
    await hears(telegram, theirs, "")
    other.write(theirs, "run touch stolen")
    eve.write(hers, "run touch made")
    card = await hears(telegram, hers, "touch made")
    await tap(telegram, eve, card, "Allow")
    await hears(telegram, hers, DONE)
    assert (session.project / "made").exists()
    assert [event.text for event in session.model.events()] == ["run touch made"]


async def test_messages_of_two_people_at_once_are_a_turn_each(telegram: Scene, session: ClaudeLab):
    """Each answer goes to the chat of its question, and Claude is told neither in the middle of the other's turn."""
    ben, his = await add_ben(telegram)
    session.model.hold()
    telegram.write("from Ann")
    ben.write(his, "from Ben")
    await telegram.daemon.status_where(lambda status: sum(status["events"].values()) == 3)
    session.model.release()
    await hears(telegram, telegram.chat, "echo: from Ann")
    await hears(telegram, his, "echo: from Ben")
    await telegram.daemon.events_where(answered=3)
    assert len(telegram.api.sent) == 3
    assert sorted(turns_of(session)) == [["from Ann"], ["from Ben"], ["good morning"]]


def turns_of(session: ClaudeLab) -> list[list[str]]:
    """Return the channel events that began each turn, as the last request tells it."""
    last = max((request["messages"] for request in session.model.requests if request["tools"]), key=len)
    found = [[text for _, text in new_events([message])] for message in last if message["role"] == "user"]
    return [texts for texts in found if texts]


async def test_a_picture_from_a_phone_is_looked_at(telegram: Scene, session: ClaudeLab):
    """Claude is told where it lies and reads it there, which needs no leave."""
    telegram.ann.send_photo(telegram.chat, picture(), "look")
    event = await session.model.wait_event("look")
    assert event.meta["image_path"].startswith(str(telegram.daemon.home))
    await session.model.wait_request(lambda request: '"type": "image"' in json.dumps(request["messages"]))
    await hears(telegram, telegram.chat, DONE)


async def test_questions_and_plans_are_answered_with_a_tap(telegram: Scene, session: ClaudeLab):
    """Options are buttons, and Claude goes on with what was chosen; a plan is read and approved."""
    telegram.write("ask")
    card = await hears(telegram, telegram.chat, "Which colour?")
    assert card.labels == ["Red", "Blue"]
    await tap(telegram, telegram.ann, card, "Blue")
    await told(session, "Blue")
    await hears(telegram, telegram.chat, DONE)
    await session.terminal.wait_for("Which colour? → Blue")
    telegram.write("plan first this, then that")
    card = await hears(telegram, telegram.chat, "Claude has made a plan")
    assert "first this, then that" in card.text
    await tap(telegram, telegram.ann, card, "Approve")
    await hears(telegram, telegram.chat, DONE, 2)
    await session.terminal.wait_for("manual mode on")
