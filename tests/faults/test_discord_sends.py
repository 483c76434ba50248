"""Claude's answers on their way to Discord: the worker dies, the connection breaks, Discord slows down."""

from __future__ import annotations

import asyncio

import pytest

from tests.doubles.discord_api_faults import Where
from tests.doubles.faultpoints import TIMEOUT_S
from tests.faults.discord_flow import DiscordScene, discord_scene
from tests.faults.nursery import Nursery


def reply(s: DiscordScene, text: str) -> asyncio.Task[tuple[str, bool]]:
    """Have Claude answer in the private chat, each text once."""
    return asyncio.create_task(s.call("reply", f"toolu_{text}", chat_id=s.chat_of(s.dm), text=text))


async def begin(s: DiscordScene) -> None:
    """Have somebody ask."""
    s.write("a question")
    await s.settle()


@pytest.mark.parametrize("step", ["worker.before_send", "worker.after_send"])
async def test_a_reply_whose_worker_dies_is_sent_again_under_the_same_nonce(nursery: Nursery, step):
    """Before and after Discord had it: it stands there once, and the caller is told its id."""
    async with discord_scene(nursery) as s:
        await begin(s)
        stop = s.points.arm(step)
        asking = reply(s, "the answer")
        await s.kill("worker", await asyncio.wait_for(stop, TIMEOUT_S))
        text, is_error = await asking
        assert not is_error, text
        (sent,) = s.api.sent
        assert text == f"sent (id: {sent.id})"
        nonces = [call.body["nonce"] for call in s.api.calls_of("create_message")]
        assert len(nonces) == (1 if step == "worker.before_send" else 2)
        assert len(set(nonces)) == 1


async def test_a_connection_that_breaks_while_sending_doubles_nothing(nursery: Nursery):
    """Discord had carried it out; it is asked again under the same nonce, and gives the message that it has."""
    async with discord_scene(nursery) as s:
        await begin(s)
        s.api.cut("create_message", Where.AFTER)
        text, is_error = await reply(s, "the answer")
        assert not is_error, text
        (sent,) = s.api.sent
        assert text == f"sent (id: {sent.id})"


@pytest.mark.parametrize("whole", [False, True])
async def test_when_discord_slows_down_the_answer_comes_later(nursery: Nursery, whole):
    """For one bucket and for all of them; nothing is asked before the time is over, which the server watches."""
    async with discord_scene(nursery) as s:
        await begin(s)
        s.api.slow_down("create_message", 0.5, whole=whole)
        text, is_error = await reply(s, "the answer")
        assert not is_error, text
        assert len(s.api.sent) == 1
