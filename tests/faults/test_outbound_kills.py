"""A reply's way to the platform, with something killed at each step of it."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import msgspec
import pytest

from tests.doubles.faultpoints import TIMEOUT_S, Hit
from tests.doubles.worker_end import CAPABILITIES
from tests.faults.flow import Scene, scene
from tests.faults.nursery import Nursery

STEPS = ["outbound.accepted", "outbound.claimed", "at the worker"]
MAY_HAVE_BEEN_SENT = "It may or may not have been sent"


@pytest.fixture(params=[False, True], ids=["plain", "idempotent"])
def capabilities(request: pytest.FixtureRequest):
    """Return what the platform can do: tell a repeated send by its id, or not."""
    return msgspec.structs.replace(CAPABILITIES, idempotent=request.param)


async def talk(s: Scene) -> None:
    """Have a session that was written to, so that it may reply."""
    await s.attach()
    s.platform.say("a1")
    await s.settle()


def reply(s: Scene, text: str = "hi") -> asyncio.Task[tuple[str, bool]]:
    """Have Claude reply; each text under a ``toolUseId`` of its own."""
    return asyncio.create_task(s.call("reply", f"toolu_{text}", chat_id="pager:a", text=text))


async def stop_at(s: Scene, step: str) -> tuple[asyncio.Task[tuple[str, bool]], Hit | None]:
    """Have Claude reply and return when that has come to a step."""
    if step == "at the worker":
        s.platform.answers_sends = False
        running = reply(s)
        await s.platform.until(lambda: s.platform.sends)
        s.platform.answers_sends = True
        return running, None
    stop = s.points.arm(step)
    running = reply(s)
    return running, await asyncio.wait_for(stop, TIMEOUT_S)


def check(s: Scene, outcome: tuple[str, bool], text: str = "hi") -> None:
    """One send of a call, unless it can be repeated under its id; what nobody can know is told as such."""
    sends = [part for part in s.platform.sends if part.text == text]
    assert len({part.send_id for part in sends}) <= 1
    if s.platform.capabilities.idempotent:
        assert s.platform.times_posted(text) == 1
        assert outcome == (f"sent (id: p-{sends[0].send_id})", False)
    elif outcome[1]:
        assert outcome[0].startswith(MAY_HAVE_BEEN_SENT)
        assert len(sends) <= 1
    else:
        assert s.platform.times_posted(text) == len(sends) == 1
        assert outcome == (f"sent (id: p-{sends[0].send_id})", False)


@pytest.mark.parametrize("victim", ["daemon", "worker"])
@pytest.mark.parametrize("step", STEPS)
async def test_killed_during_a_reply_the_call_is_answered_in_the_same_session(
    nursery: Nursery, capabilities, victim, step
):
    """The tool call gets the truth although it was made of another daemon or worker, and nothing is sent twice."""
    async with scene(nursery, capabilities) as s:
        await talk(s)
        running, at = await stop_at(s, step)
        await s.kill(victim, at)
        outcome = await running
        check(s, outcome)
        if step != "outbound.accepted":
            assert outcome[1] == (not capabilities.idempotent)
        elif victim == "daemon":  # no worker was told yet; a worker's death may be seen before or after it is told
            assert not outcome[1]
        state = "uncertain" if outcome[1] else "sent"
        assert [found for found in await s.daemon.states() if found[0] == "hi"] == [("hi", state)]
        await s.check_one_session()


@pytest.mark.parametrize("step", STEPS)
async def test_a_reply_outlives_the_session_that_made_it(nursery: Nursery, capabilities, step):
    """With the shim killed the message is posted once, and the next session finds it in the history."""
    async with scene(nursery, capabilities) as s:
        await talk(s)
        s.platform.answers_sends = False
        running, at = await stop_at(s, step)
        s.platform.answers_sends = False
        await s.kill("shim", at)
        await s.platform.until(lambda: s.platform.sends)
        (part,) = s.platform.sends
        life = s.platform.life
        assert life is not None
        s.platform.carry_out(life, part)
        await s.daemon.status_where(lambda status: not status["outbox"])
        assert ("hi", "sent") in await s.daemon.states()
        assert s.platform.times_posted("hi") == 1
        with pytest.raises(asyncio.CancelledError):
            await running  # the client of a killed server
        s.platform.say("a2")
        await s.settle()
        text, _ = await s.call("fetch_messages", "toolu_2", chat_id="pager:a")
        assert f"Claude (id: p-{part.send_id}) [sent]: hi" in text


@pytest.mark.parametrize("side", ["before", "after"])
async def test_the_daemon_is_killed_at_every_commit_of_a_reply(nursery: Nursery, capabilities, side):
    """One reply after the other, each one commit further, until one comes to its end before the next commit."""
    async with scene(nursery, capabilities) as s:
        await talk(s)
        for nth in itertools.count(1):
            stop, running = s.points.arm(f"store.{side}_commit", nth), reply(s, f"n{nth}")
            both: set[asyncio.Future[Any]] = {stop, running}
            await asyncio.wait(both, timeout=TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                break
            await s.kill("daemon", stop.result())
            check(s, await running, f"n{nth}")
        check(s, await running, f"n{nth}")
        assert nth > 6  # its rights, its acceptance, its claim, its outcome and some reading
        await s.check_one_session()


async def test_what_nobody_waits_for_any_more_is_told_to_the_next_session(nursery: Nursery):
    """With daemon and session killed during a send, an event says that it may have been sent."""
    async with scene(nursery) as s:
        await talk(s)
        running, _ = await stop_at(s, "at the worker")
        s.client.kill()
        await s.client.process.wait()
        await s.kill("daemon")
        await s.attach()
        event = await s.client.next_event()
        assert event["meta"]["event"] == "send_failed"
        assert "may or may not have been sent" in event["content"]
        assert len(s.platform.sends) == 1
        running.cancel()


async def test_the_daemon_is_killed_while_a_call_waits_and_the_worker_is_away(nursery: Nursery):
    """A reply that no worker has seen is sent once, and answered, by the next daemon."""
    async with scene(nursery) as s:
        await talk(s)
        life = s.platform.life
        assert life is not None
        hold = s.points.arm("outbound.accepted")
        running = reply(s)
        at = await asyncio.wait_for(hold, TIMEOUT_S)
        life.kill()
        await s.platform.until(lambda: s.platform.life is not life)
        at.kill()
        await s.kill("daemon")
        outcome = await running
        check(s, outcome)
        assert not outcome[1]
