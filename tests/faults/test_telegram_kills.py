"""Telegram's updates on their way to Claude, with worker or daemon killed at each step of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.doubles.faultpoints import TIMEOUT_S
from tests.faults.bot_flow import bot_scene
from tests.faults.nursery import Nursery

FLOWING = [
    ("worker.before_offer", 3),
    ("store.before_commit", 1),
    ("store.before_commit", 2),
    ("store.after_commit", 1),
    ("router.accepted", 1),
    ("worker.after_accepted", 3),
    ("session.before_push", 3),
    ("router.confirmed", 1),
]


@pytest.mark.parametrize("victim", ["worker", "daemon"])
async def test_killed_at_one_step_after_the_other_while_updates_flow(nursery: Nursery, victim):
    """Everything written before, at and after each kill arrives once, in order, and is confirmed when it is on disk."""
    async with bot_scene(nursery) as s:
        _, eve = await s.add_person(66, "Eve")
        for step, nth in FLOWING:
            s.write(f"before {step}")
            s.write(f"before {step}", chat=eve)
            await s.settle()
            stop = s.points.arm(step, nth)
            s.write(f"at {step} 1", f"at {step} 2")  # one list: nothing else runs before all four are written
            s.write(f"at {step} 1", f"at {step} 2", chat=eve)
            at = await asyncio.wait_for(stop, TIMEOUT_S)
            s.write(f"meanwhile {step}")
            await s.kill(victim, at)
            s.write(f"after {step}")
        await s.settle()
        s.check_inbound()


@pytest.mark.parametrize("victim", ["worker", "daemon"])
async def test_killed_while_telegram_holds_an_answer_or_a_session_attaches(nursery: Nursery, victim):
    """An answer with updates that never arrives confirms nothing, and what waited on disk is claimed anew."""
    async with bot_scene(nursery, attach=False) as s:
        s.write("confirmed by the poll whose answer is held")
        held = s.api.hold("getUpdates")
        await s.api.until(lambda: s.api.is_confirmed(s.api.updates.next_id - 1))
        s.write("in the answer", "as well")
        await asyncio.wait_for(held.arrived, TIMEOUT_S)
        await s.kill(victim)
        held.release()
        await s.api.until(lambda: not s.api.updates.waiting)
        stop = s.points.arm("router.claimed")
        await s.attach()
        at = await asyncio.wait_for(stop, TIMEOUT_S)
        s.write("while claimed")
        await s.kill(victim, at)
        s.write("after")
        await s.settle()
        s.check_inbound()
