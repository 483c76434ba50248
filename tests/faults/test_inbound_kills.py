"""A message's way to Claude, with something killed at each step of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.doubles.faultpoints import TIMEOUT_S
from tests.faults.flow import scene
from tests.faults.nursery import Nursery

ATTACHING = [
    # Its commits: the session is taken in, what waits is claimed, what was read is confirmed.
    *((f"store.{side}_commit", nth) for side in ("before", "after") for nth in (1, 2, 3)),
    ("router.claimed", 1),
    ("session.before_push", 1),
    ("session.before_push", 3),
    ("session.after_push", 1),
    ("session.ping_returned", 1),
    ("router.confirmed", 1),
]
FLOWING = [
    # Its commits: accepted and claimed at once, then confirmed.
    *((f"store.{side}_commit", nth) for side in ("before", "after") for nth in (1, 2)),
    ("router.accepted", 1),
    ("session.before_push", 1),
    ("session.before_push", 3),
    ("session.after_push", 1),
    ("session.ping_returned", 1),
    ("router.confirmed", 1),
]


@pytest.mark.parametrize("victim", ["daemon", "shim", "worker"])
@pytest.mark.parametrize(("step", "nth"), ATTACHING)
async def test_killed_while_a_session_attaches_to_messages_that_wait(nursery: Nursery, victim, step, nth):
    """What waited on disk arrives, in order, and again only with its flag."""
    async with scene(nursery) as s:
        s.platform.say("a1", "b1", "a2", "b2")
        await s.platform.until(lambda: not s.platform.unaccepted)
        await s.attach(initialize=False)
        stop = s.points.arm(step, nth)
        await s.client.initialize()
        at = await asyncio.wait_for(stop, TIMEOUT_S)
        await s.kill(victim, at)
        s.platform.say("a3", "b3")
        await s.settle()
        await s.check_inbound()
        if victim != "shim":
            await s.check_one_session()


@pytest.mark.parametrize("victim", ["daemon", "shim", "worker"])
@pytest.mark.parametrize(("step", "nth"), FLOWING)
async def test_killed_while_messages_flow_to_a_session(nursery: Nursery, victim, step, nth):
    """What was offered at that moment arrives, in order, and again only with its flag."""
    async with scene(nursery) as s:
        await s.attach()
        s.platform.say("a1", "b1")
        await s.daemon.events_where(delivered=2)
        stop = s.points.arm(step, nth)
        s.platform.say("a2", "b2", "a3", "b3")
        at = await asyncio.wait_for(stop, TIMEOUT_S)
        await s.kill(victim, at)
        s.platform.say("a4", "b4")
        await s.settle()
        await s.check_inbound()
        if victim != "shim":
            await s.check_one_session()
