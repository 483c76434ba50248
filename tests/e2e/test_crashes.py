"""``kill -9`` of the daemon under a live session, which is never restarted: nothing is lost, nothing said twice."""

from __future__ import annotations

import pytest

from tests.doubles.daemon import Daemon
from tests.doubles.faultpoints import FaultPoints
from tests.e2e.chat import Chat
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import restart, session_where, shim_of


@pytest.fixture
async def session(daemon: Daemon, lab: ClaudeLab) -> ClaudeLab:
    """Return a session that listens."""
    await lab.start(shim_of(daemon))
    await session_where(daemon, lambda session: session["listening"] == "yes" and session["state"] == "attached")
    return lab


async def goes_on(chat: Chat, session: ClaudeLab) -> None:
    """See that the session, the same one, still answers."""
    await chat.say("still there")
    await chat.hears("echo: still there")
    assert await session.terminal.is_running()


def assert_repeats_are_marked(session: ClaudeLab, text: str) -> None:
    """See that the model was given an event, and any repeat of it with the mark of one."""
    first, *again = [event for event in session.model.events() if event.text == text]
    assert "redelivered" not in first.meta or again == []
    assert all(event.meta["redelivered"] == "true" for event in again)
    assert all(event.meta["delivery_id"] == first.meta["delivery_id"] for event in again)


async def test_between_messages(daemon: Daemon, chat: Chat, session: ClaudeLab):
    """A session whose daemon was killed and started again goes on as if nothing had been."""
    await chat.say("before")
    await chat.sees_answered("before")
    await restart(daemon)
    await goes_on(chat, session)
    assert await chat.answers() == ["echo: before", "echo: still there"]


@pytest.mark.parametrize("step", ["outbound.accepted", "outbound.claimed"])
async def test_during_reply(points: FaultPoints, daemon: Daemon, chat: Chat, session: ClaudeLab, step: str):
    """A daemon killed while it carries out ``reply`` sends it once, and the tool call comes back."""
    standing = points.arm(step)
    await chat.say("hello")
    (await standing).kill()
    await restart(daemon)
    await chat.sees_answered("hello")
    await goes_on(chat, session)
    assert await chat.answers() == ["echo: hello", "echo: still there"]


@pytest.mark.parametrize("step", ["session.after_push", "session.ping_returned"])
async def test_between_push_and_ping(points: FaultPoints, daemon: Daemon, chat: Chat, session: ClaudeLab, step: str):
    """A daemon killed before it knows that an event was read brings it to Claude, at most marked as a repeat."""
    standing = points.arm(step)
    await chat.say("hello")
    (await standing).kill()
    await restart(daemon)
    await chat.sees_answered("hello")
    await goes_on(chat, session)
    assert_repeats_are_marked(session, "hello")
    assert await chat.answers() == ["echo: hello", "echo: still there"]


async def test_while_the_model_thinks(daemon: Daemon, chat: Chat, session: ClaudeLab):
    """A daemon that is away when Claude calls ``reply`` gets the call when it is back."""
    session.model.hold()
    await chat.say("think about it")
    await session.model.wait_event("think about it")
    await daemon.events_where(delivered=1)
    await daemon.kill()
    session.model.release()
    await session.terminal.wait_for("Calling channeld")
    await restart(daemon)
    await chat.hears("echo: think about it")
    await goes_on(chat, session)
