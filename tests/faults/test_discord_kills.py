"""Discord's messages on their way to Claude, with worker, daemon or gateway lost at each step of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.doubles.faultpoints import TIMEOUT_S
from tests.faults.discord_flow import discord_scene
from tests.faults.nursery import Nursery

FLOWING = [
    ("worker.before_offer", 3),
    ("store.before_commit", 1),
    ("store.after_commit", 1),
    ("router.accepted", 1),
    ("worker.after_accepted", 3),
    ("session.before_push", 3),
    ("router.confirmed", 1),
]
MESSAGES = 1000


@pytest.mark.parametrize("victim", ["worker", "daemon"])
async def test_killed_at_one_step_after_the_other_while_messages_flow(nursery: Nursery, victim):
    """Everything written before, at and after each kill arrives once and in order, in every channel."""
    async with discord_scene(nursery) as s:
        for step, nth in FLOWING:
            for place in s.places:
                s.write(f"before {step}", place=place)
            await s.settle()
            stop = s.points.arm(step, nth)
            for place in s.places:
                s.write(f"at {step} 1", f"at {step} 2", place=place)
            at = await asyncio.wait_for(stop, TIMEOUT_S)
            s.write(f"meanwhile {step}")
            await s.kill(victim, at)
            s.write(f"after {step}")
        await s.settle()
        s.check_inbound()


async def test_a_thousand_messages_in_several_channels_with_kills_and_drops(nursery: Nursery):
    """None is lost, none comes twice without its flag, each channel in its order."""
    async with discord_scene(nursery) as s:
        written = 0
        for round_number in range(10):
            for n in range(MESSAGES // 10):
                s.write(f"{round_number}-{n}", place=s.places[n % len(s.places)])
                written += 1
            await s.until_told(written // 2)
            match round_number % 5:
                case 0:
                    await s.kill("worker")
                case 1:
                    s.api.gateway.drop()
                case 2:
                    await s.kill("daemon")
                case 3:
                    s.close_gateway()
                    s.write(f"{round_number} while nobody is let in")
                    written += 1
                    s.open_gateway()
                case 4:
                    s.api.gateway.reconnect()
        assert written > MESSAGES
        await s.settle()
        s.check_inbound()


async def test_a_live_message_waits_behind_what_is_made_up_for(nursery: Nursery):
    """It was told while the history was being read: the older ones come first."""
    async with discord_scene(nursery) as s:
        s.write("before")
        await s.settle()
        s.close_gateway()
        s.write("missed 1", "missed 2")
        held = s.api.hold("get_messages")
        s.open_gateway()
        await asyncio.wait_for(held.arrived, TIMEOUT_S)
        s.write("live")
        held.release()
        await s.settle()
        s.check_inbound()


async def test_what_was_written_before_anything_was_told_to_claude_is_not_lost_with_the_worker(nursery: Nursery):
    """Killed at the very first message of a channel, before it was offered."""
    async with discord_scene(nursery) as s:
        stop = s.points.arm("worker.before_offer")
        s.write("first ever", place=s.channels[0])
        at = await asyncio.wait_for(stop, TIMEOUT_S)
        s.write("second", place=s.channels[0])
        await s.kill("worker", at)
        await s.settle()
        s.check_inbound()


@pytest.mark.timeout(180)  # the library takes a minute of silence for the end
async def test_a_heartbeat_that_nobody_acknowledges_ends_the_connection_and_loses_nothing(nursery: Nursery):
    """The session is resumed."""
    async with discord_scene(nursery, attach=False) as s:
        s.api.gateway.heartbeat_s = 1.0
        s.close_gateway()
        s.open_gateway()
        await s.connected()
        s.api.gateway.acknowledges = False
        connection = s.api.gateway.connections[-1]
        await s.api.until(lambda: connection not in s.api.gateway.connections, 120)
        s.api.gateway.acknowledges = True
        s.write("after")
        await s.attach()
        await s.settle()
        s.check_inbound()
