"""Telegram's worker is asked to end while something is on its way."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import deque
from pathlib import Path

from tests.doubles.bot_api_faults import Where
from tests.doubles.bot_api_world import Limit
from tests.doubles.faultpoints import TIMEOUT_S
from tests.doubles.pictures import png
from tests.faults.bot_flow import BotScene, bot_scene
from tests.faults.nursery import Nursery


def ends(s: BotScene) -> list[int]:
    """Return the exit status of each worker so far."""
    lines = [json.loads(line) for line in s.daemon.log().splitlines()]
    return [line["exit"] for line in lines if line["event"] == "worker_ended"]


def last_picture(s: BotScene) -> bytes:
    """Return the last picture that Claude was told of."""
    metas = [heard.get("params", {}).get("meta", {}) for heard in s.client.received]
    return Path([meta["image_path"] for meta in metas if "image_path" in meta][-1]).read_bytes()


async def another(s: BotScene, dead: int) -> None:
    """Return when another worker is ready."""
    await s.skip_backoff(dead)
    await s.ready()
    assert s.worker_pid != dead


async def end(s: BotScene, how: str) -> int:
    """Ask the worker to end, and return its process id."""
    dead = s.worker_pid
    if how == "SIGTERM":
        os.kill(dead, signal.SIGTERM)
    else:
        await s.daemon.ask("restart", worker="telegram")
    return dead


async def test_it_ends_in_time_and_loses_nothing(nursery: Nursery):
    """During a long poll, a send, a download, and where Telegram asks to wait.

    One that is not done within 5 s is sent signals, and does not end with 0.
    """
    async with bot_scene(nursery) as s:
        s.write("hello")
        await s.settle()
        for number, how in enumerate(("SIGTERM", "restart")):
            await s.api.until(lambda: s.api.updates.polling)
            await another(s, await end(s, how))

            held = s.api.hold("sendMessage")
            running = s.reply(f"sent while it ends by {how}")
            await asyncio.wait_for(held.arrived, TIMEOUT_S)
            dead = await end(s, how)
            s.write(f"while it ends by {how}")
            held.release()
            assert (await running)[0].startswith("sent")
            await another(s, dead)

            picture = png(20 + number, 20)
            held = s.api.hold("download")
            s.wrote(s.ann.send_photo(s.chat, picture, "look"))
            await asyncio.wait_for(held.arrived, TIMEOUT_S)
            await another(s, await end(s, how))
            await s.settle()
            assert last_picture(s) == picture

            held = s.api.hold("sendMessage", Where.BEFORE)
            running = s.reply(f"too fast by {how}")
            await asyncio.wait_for(held.arrived, TIMEOUT_S)
            dead = await end(s, how)
            s.chat.limit = Limit(1, 1.0, deque([s.api.clock()]))
            held.release()
            await s.api.until(lambda: s.api.calls_of("sendMessage")[-1].status == 429)
            s.chat.limit = None
            await another(s, dead)
            assert (await running)[0].startswith("sent")
        s.write("behind all")
        await s.settle()
        s.check_inbound()
        assert len(s.api.sent) == len({message.text for message in s.api.sent}) == 4
        assert ends(s) == [0] * 8
