"""The daemon killed while somebody is let in: between the disk and the answer."""

from __future__ import annotations

import asyncio
import contextlib
import re

import pytest

from channeld.ipc import messages as m
from tests.doubles.faultpoints import TIMEOUT_S, FaultPoints
from tests.doubles.worker_end import Pager, WorkerEnd
from tests.faults.nursery import Nursery, QuickDaemon

CAPABILITIES = m.Capabilities(tools=["reply"], notices=True)
CODE = re.compile(r"\b[A-Z0-9]{4}(?:-[A-Z0-9]{4})+\b")
STEPS = ["store.before_commit", "store.after_commit", "router.accepted"]


@contextlib.asynccontextmanager
async def place(nursery: Nursery):
    """Start a daemon on whose list nobody is, and a worker."""
    async with (
        FaultPoints() as points,
        Pager() as pager,
        QuickDaemon(nursery, pager.config, points=points, listed={}) as daemon,
    ):
        life = await pager.life()
        await life.begin(CAPABILITIES)
        await daemon.status_where(lambda status: status["workers"][0]["state"] == "ready")
        yield points, pager, daemon, life


async def restarted(daemon: QuickDaemon, pager: Pager) -> WorkerEnd:
    """Kill the daemon and start another; return its worker."""
    await daemon.restart_after_kill()
    life = await pager.life()
    await life.begin(CAPABILITIES)
    return life


async def refused(life: WorkerEnd, key: str, text: str = "hi") -> str:
    """Offer what is not let in, and return what the sender is told."""
    ref = life.offer(key, text=text)
    answer = await life.expect(m.Refused, lambda frame: frame.ref == ref)
    assert (answer.code, answer.retry) == ("not_admitted", False)
    return (await life.expect(m.Notice)).text


async def ran(daemon: QuickDaemon, *words: str) -> str:
    """Run a command at a terminal."""
    return (await asyncio.to_thread(daemon.terminal, *words)).stdout


@pytest.mark.parametrize("step", STEPS)
async def test_killed_before_a_stranger_is_told_his_code(nursery: Nursery, step):
    """His message is offered again, and he is told: one code, with which he can be let in."""
    async with place(nursery) as (points, pager, daemon, first):
        stop = points.arm(step)
        first.offer("1")
        await asyncio.wait_for(stop, TIMEOUT_S)
        life = await restarted(daemon, pager)
        (code,) = set(CODE.findall(await refused(life, "1")))
        assert len((await daemon.ask("requests"))["requests"]) == 1
        assert "may chat with Claude now" in await ran(daemon, "pair", "approve", code)
        await life.accepted("2")
        assert [text for text, _ in await daemon.states()] == ["hi"]


@pytest.mark.parametrize("step", STEPS)
async def test_killed_before_the_operator_is_told_that_his_code_was_good(nursery: Nursery, step):
    """He is told when it is offered again; it never becomes a message to Claude, and nobody else can use it."""
    async with place(nursery) as (points, pager, daemon, first):
        code = CODE.findall(await ran(daemon, "setup", "pager"))[0]
        stop = points.arm(step)
        first.offer("1", text=code)
        await asyncio.wait_for(stop, TIMEOUT_S)
        life = await restarted(daemon, pager)
        assert "You are on the list" in await refused(life, "1", code)
        life.offer("2", text=code, chat="pager:b", sender_id="8")
        assert "You are on the list" not in (await life.expect(m.Notice)).text
        people = (await daemon.ask("access"))["workers"][0]["people"]
        assert [(each["sender_id"], each["role"]) for each in people] == [("7", "approver")]
        assert await daemon.states() == []


@pytest.mark.parametrize("step", ["access.approving", "access.approved"])
async def test_killed_while_a_pairing_is_approved(nursery: Nursery, step):
    """Either it is done or the code is still good: never neither, never both."""
    async with place(nursery) as (points, pager, daemon, first):
        code = CODE.findall(await refused(first, "1"))[0]
        stop = points.arm(step)
        approving = asyncio.create_task(ran(daemon, "pair", "approve", code))
        await asyncio.wait_for(stop, TIMEOUT_S)
        life = await restarted(daemon, pager)
        assert "channeld is not running" in await approving
        people = (await daemon.ask("access"))["workers"][0]["people"]
        requests = (await daemon.ask("requests"))["requests"]
        assert len(people) + len(requests) == 1
        assert bool(people) == (step == "access.approved")
        if requests:
            assert "may chat with Claude now" in await ran(daemon, "pair", "approve", code)
        await life.accepted("2")
