"""Messages flow while daemon, worker and shim are killed at one step after the other, drawn by lot."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.doubles.faultpoints import TIMEOUT_S
from tests.doubles.worker_end import CAPABILITIES
from tests.faults.flow import Scene, scene
from tests.faults.nursery import Nursery

WAITING = 120  # more than are pushed unconfirmed
MESSAGES = 300
KILLS = 12
STEPS = {  # and how often each is reached at the least
    "store.before_commit": 4,
    "store.after_commit": 4,
    "router.accepted": 1,
    "session.before_push": 8,
    "session.after_push": 1,
    "session.ping_returned": 1,
    "router.confirmed": 1,
    "outbound.accepted": 4,
    "outbound.claimed": 1,
}


@pytest.mark.parametrize("seed", [1, 2])
async def test_everything_arrives_whatever_is_killed(nursery: Nursery, seed):
    """300 messages in 3 chats, each batch answered, a dozen kills: none lost, none doubled unflagged, all in order."""
    lot = random.Random(seed)
    async with scene(nursery) as s:
        written = [f"{'abc'[n % 3]}{n}" for n in range(MESSAGES)]
        s.platform.say(*written[:WAITING])
        await s.platform.until(lambda: not s.platform.unaccepted)
        await s.attach()
        del written[:WAITING]
        replies: list[asyncio.Task[tuple[str, bool]]] = []
        batch = len(written) // KILLS
        for kill in range(KILLS):
            s.platform.say(*written[kill * batch : kill * batch + batch // 2])
            await s.settle()  # so that the chat of the reply is known, and something is always on its way below
            step, most = lot.choice(sorted(STEPS.items()))
            stop = s.points.arm(step, lot.randint(1, most))
            replies += [reply(s, f"{kill}-{n}") for n in range(4)]
            s.platform.say(*written[kill * batch + batch // 2 : (kill + 1) * batch])
            at = await asyncio.wait_for(stop, TIMEOUT_S)
            # A worker that ends too often is given up for a quarter of an hour: the daemon dies more often.
            await s.kill("worker" if kill % 4 == 3 else "daemon", at)
        outcomes = await asyncio.gather(*replies)
        await s.settle()
        await s.check_inbound()
        await s.check_one_session()
        for text, (outcome, is_error) in zip(texts(), outcomes, strict=True):
            times = s.platform.times_posted(text)
            assert times == 1 or (times == 0 and is_error), (text, outcome)
            assert not is_error or "may or may not have been sent" in outcome
        assert s.platform.capabilities is CAPABILITIES  # not idempotent: each part was sent once at most
        assert len({part.send_id for part in s.platform.sends}) == len(s.platform.sends)


def texts() -> list[str]:
    """Return the texts of all replies."""
    return [f"{kill}-{n}" for kill in range(KILLS) for n in range(4)]


def reply(s: Scene, text: str) -> asyncio.Task[tuple[str, bool]]:
    """Have Claude reply to the first chat."""
    return asyncio.create_task(s.call("reply", f"toolu_{text}", chat_id="pager:a", text=text))
