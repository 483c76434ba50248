"""Replies on their way to Telegram, with worker, daemon or connection ended in the midst of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.doubles.bot_api_faults import Where
from tests.doubles.faultpoints import TIMEOUT_S, Hit
from tests.doubles.pictures import png
from tests.faults.bot_flow import BotScene, bot_scene
from tests.faults.nursery import Nursery

MAY_HAVE_BEEN_SENT = "It may or may not have been sent"
STEPS = {  # and how often the server has the message when something is killed there
    "outbound.claimed": 0,
    "worker.before_send": 0,
    "held before it is carried out": 0,
    "held after it was carried out": 1,
    "worker.after_send": 1,
}


def times_seen(s: BotScene, text: str) -> int:
    """Return how often people see a text."""
    return sum(message.text == text for message in s.api.sent)


async def state_of(s: BotScene, text: str) -> str:
    """Return the state of a reply that has one part."""
    (state,) = [state for found, state in await s.daemon.states() if found == text]
    return state


async def retry(s: BotScene, text: str) -> None:
    """Have a person send an uncertain message again."""
    (uncertain,) = (await s.daemon.ask("messages", state="uncertain"))["messages"]
    assert uncertain["text"] == text
    await s.daemon.ask("retry", ref=str(uncertain["seq"]))


async def stop_at(s: BotScene, step: str, text: str) -> tuple[asyncio.Task[tuple[str, bool]], Hit | None]:
    """Have Claude reply, and return when that has come to a step."""
    if step.startswith("held"):
        held = s.api.hold("sendMessage", Where.BEFORE if "before" in step else Where.AFTER)
        running = s.reply(text)
        await asyncio.wait_for(held.arrived, TIMEOUT_S)
        return running, None
    stop = s.points.arm(step)
    running = s.reply(text)
    return running, await asyncio.wait_for(stop, TIMEOUT_S)


@pytest.mark.parametrize("victim", ["worker", "daemon"])
async def test_killed_at_a_step_of_a_reply_it_is_uncertain_and_sent_once_more_by_hand_only(nursery: Nursery, victim):
    """Nobody can tell, so it is not repeated; Claude is told, and a person may send it again."""
    async with bot_scene(nursery) as s:
        s.write("hello")
        await s.settle()
        for step, seen in STEPS.items():
            running, at = await stop_at(s, step, step)
            await s.kill(victim, at)
            told, is_error = await running
            assert is_error and told.startswith(MAY_HAVE_BEEN_SENT), (step, told)
            assert await state_of(s, step) == "uncertain"
            assert times_seen(s, step) == seen, step
            await retry(s, step)
            await s.daemon.status_where(lambda status: all(o["state"] == "sent" for o in status["outbox"]))
            assert times_seen(s, step) == seen + 1
        running, at = await stop_at(s, "outbound.accepted", "no worker has seen it")
        await s.kill(victim, at)
        if victim == "daemon":  # the death of a worker may be seen before or after it is told
            assert (await running)[0].startswith("sent")
        await running
        assert times_seen(s, "no worker has seen it") <= 1
        s.check_inbound()


@pytest.mark.parametrize("victim", ["worker", "daemon"])
async def test_killed_between_the_parts_of_a_reply_it_goes_on_with_the_next(nursery: Nursery, victim):
    """The part that was on its way is uncertain; those before it are not sent again, those after it are sent."""
    async with bot_scene(nursery) as s:
        s.write("show me")
        await s.settle()
        first, second = s.api.hold("sendMessage"), s.api.hold("sendMessage", Where.BEFORE)
        words = " ".join(f"word{number:04}" for number in range(1200))
        running = s.reply(words)
        await asyncio.wait_for(first.arrived, TIMEOUT_S)
        first.release()
        await asyncio.wait_for(second.arrived, TIMEOUT_S)
        await s.kill(victim)
        told, is_error = await running
        assert is_error and "may or may not have been sent" in told, told
        await s.api.until(lambda: len(s.api.sent) == 2)
        (lost,) = (await s.daemon.ask("messages", state="uncertain"))["messages"]
        await s.daemon.ask("retry", ref=str(lost["seq"]))
        await s.api.until(lambda: len(s.api.sent) == 3)
        assert " ".join(sorted(message.text for message in s.api.sent)) == words
        assert [message.text[:8] for message in s.api.sent] == sorted(
            (message.text[:8] for message in s.api.sent), key=lambda start: (start == lost["text"][:8], start)
        )


async def test_an_album_whose_upload_is_cut_is_uncertain_and_not_sent_twice(nursery: Nursery, tmp_path):
    """As with any message; a person may send it again, with its caption and from the same copies."""
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(png(20 + number, 20))
    paths = list(map(str, files))
    async with bot_scene(nursery) as s:
        s.write("show me")
        await s.settle()
        for number, (how, seen) in enumerate(
            {"reset before": 0, "reset after": 3, "worker": 3, "daemon": 3}.items(), start=1
        ):
            before, text = len(s.api.sent), f"cut by {how}"
            if how.startswith("reset"):
                s.api.cut("sendMediaGroup", how.removeprefix("reset "))
                running = s.reply(text, files=paths)
            else:
                held = s.api.hold("sendMediaGroup")
                running = s.reply(text, files=paths)
                await asyncio.wait_for(held.arrived, TIMEOUT_S)
                await s.kill(how)
            told, is_error = await running
            assert is_error and told.startswith(MAY_HAVE_BEEN_SENT), told
            assert len(s.api.calls_of("sendMediaGroup")) == 2 * number - 1
            assert await state_of(s, text) == "uncertain"
            assert len(s.api.sent) == before + seen
            await retry(s, text)
            await s.daemon.status_where(lambda status: all(o["state"] == "sent" for o in status["outbox"]))
            assert len(s.api.sent) == before + seen + 3
            assert s.api.sent[-3].text == text
            assert [file.data for message in s.api.sent[-3:] for file in message.files] == [
                file.read_bytes() for file in files
            ]
