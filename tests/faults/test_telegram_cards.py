"""A permission card on Telegram while the daemon is killed: its answer counts, once, and the card stays where it is."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3

from tests.doubles.bot_api_faults import Where
from tests.doubles.bot_api_world import Message
from tests.doubles.faultpoints import TIMEOUT_S
from tests.faults.bot_flow import BotScene, bot_scene
from tests.faults.nursery import Nursery


async def show_card(s: BotScene, request_id: str, command: str) -> Message:
    """Have Claude Code ask for a permission, and return the card once it has been recorded where it stands."""
    number = len(s.api.sent)
    preview = json.dumps({"command": command})
    params = {"request_id": request_id, "tool_name": "Bash", "description": "", "input_preview": preview}
    await s.client.notify("notifications/claude/channel/permission_request", params)
    await s.api.until(lambda: len(s.api.sent) > number)
    card = s.api.sent[-1]
    assert command in card.text
    await s.daemon.status_where(lambda _: str(card.message_id) in shown(s))
    return card


def shown(s: BotScene) -> str:
    """Return what is on disk of prompts."""
    with contextlib.closing(sqlite3.connect(f"file:{s.daemon.paths.database}?mode=ro", uri=True)) as connection:
        return str(connection.execute("SELECT group_concat(content) FROM prompt").fetchone()[0])


async def start_with_a_slow_daemon(s: BotScene) -> None:
    """Start the daemon, and hold it from when the worker connects until that would have polled."""
    held, before = s.api.hold("getMe", Where.BEFORE), len(s.api.calls_of("setMyCommands"))
    starting = asyncio.create_task(s.daemon.start())
    await asyncio.wait_for(held.arrived, TIMEOUT_S)
    await starting
    os.kill(s.daemon.pid, signal.SIGSTOP)
    try:
        held.release()
        await s.api.until(lambda: len(s.api.calls_of("setMyCommands")) > before)
    finally:
        os.kill(s.daemon.pid, signal.SIGCONT)
    await s.ready()


def verdicts(s: BotScene) -> list[tuple[str, str]]:
    """Return the verdicts that the session was given, in order."""
    return [
        (heard["params"]["request_id"], heard["params"]["behavior"])
        for heard in s.client.received
        if heard.get("method") == "notifications/claude/channel/permission"
    ]


async def test_a_tap_counts_once_and_changes_the_card_in_place_whatever_is_killed(nursery: Nursery):
    """While no daemon is there, while its answer is on the way, and when it is on disk and nobody has heard of it."""
    async with bot_scene(nursery) as s:
        s.write("clean up")
        await s.settle()
        cards = [await show_card(s, "abcde", "rm -r one")]
        await s.daemon.kill()
        s.ann.press(cards[-1], "Allow")
        await start_with_a_slow_daemon(s)
        await s.client.notified("notifications/claude/channel/permission")
        for request_id, step, victim in (
            ("abcdf", "prompts.answered", "daemon"),
            ("abcdg", "prompts.answered", "worker"),
            ("abcdh", "worker.after_accepted", "worker"),
            ("abcdi", "worker.after_accepted", "daemon"),
        ):
            cards.append(await show_card(s, request_id, f"rm -r {request_id}"))
            stop = s.points.arm(step)
            s.ann.press(cards[-1], "Deny")
            await s.kill(victim, await asyncio.wait_for(stop, TIMEOUT_S))
            await s.client.notified("notifications/claude/channel/permission")
        await s.api.until(lambda: all("Ann" in card.text and card.labels == [] for card in cards))
        s.write("behind them")
        await s.settle()
        deny = [("abcdf", "deny"), ("abcdg", "deny"), ("abcdh", "deny"), ("abcdi", "deny")]
        assert sorted(set(verdicts(s))) == [("abcde", "allow"), *deny]
        assert s.api.sent == cards
        s.check_inbound()
