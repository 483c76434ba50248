"""Offers of a worker that come with several reads of its socket stay in their order."""

from __future__ import annotations

import asyncio

from channeld.ipc import messages as m
from tests.doubles.faultpoints import TIMEOUT_S, FaultPoints
from tests.doubles.worker_end import Pager
from tests.faults.nursery import Nursery, QuickDaemon

TEXTS = {"1": "before", "2": "yes abcde", "3": "behind it", "4": "no abcde", "5": "last"}


async def test_what_looks_like_a_verdict_is_not_passed_by_what_was_offered_behind_it(nursery: Nursery):
    """Whether it is one takes a look into the database; the next offers come while that is busy."""
    async with (
        FaultPoints() as points,
        Pager() as pager,
        QuickDaemon(nursery, pager.config, points=points) as daemon,
    ):
        worker = await pager.life()
        await worker.begin()
        await daemon.status_where(lambda status: status["workers"][0]["state"] == "ready")
        stop = points.arm("store.before_commit")
        refs = set()
        for key, text in TEXTS.items():
            refs.add(worker.offer(key, text=text))
            if key == "1":
                at = await asyncio.wait_for(stop, TIMEOUT_S)
            worker.raw(b"no frame\n")  # its answer says that the daemon has read what was offered before
            await worker.expect(m.Fault)
        at.release()
        while refs:
            refs.discard((await worker.expect(m.Accepted)).ref)
        assert [text for text, _ in await daemon.states()] == list(TEXTS.values())
