"""What could be lost between two processes: answers that are none, outages, dead addresses, old posts."""

from __future__ import annotations

import pytest

from tests.doubles.discord_api_faults import Garbage
from tests.faults.discord_flow import discord_scene
from tests.faults.nursery import Nursery


@pytest.mark.parametrize("route", ["get_channel", "get_messages"])
@pytest.mark.parametrize("kind", [Garbage.PORTAL, Garbage.ANOTHER])
async def test_an_answer_that_is_not_discords_is_not_taken_for_an_empty_history(nursery: Nursery, route, kind):
    """While what was missed in a DM is read by a new process."""
    async with discord_scene(nursery) as s:
        s.write("before")
        await s.settle()
        s.close_gateway()
        s.write("missed 1", "missed 2")
        s.api.garbage(route, kind, times=3 if route == "get_channel" else 1, channel=s.dm.id)
        await s.kill("worker")
        s.open_gateway()
        await s.api.until(lambda: not s.api.faults_left)
        await s.connected()
        s.write("live")
        await s.settle()
        s.check_inbound()


@pytest.mark.timeout(120)
async def test_a_channel_that_cannot_be_asked_about_for_long_loses_nothing(nursery: Nursery):
    """Discord has an outage of more than half a minute, just as a new process reads what was missed in a DM."""
    async with discord_scene(nursery) as s:
        s.write("before")
        await s.settle()
        s.close_gateway()
        s.write("missed 1", "missed 2")
        s.api.refuse("get_channel", 503, times=10, channel=s.dm.id)
        await s.kill("worker")
        s.open_gateway()
        await s.api.until(lambda: not s.api.faults_left, 90)
        await s.settle()
        s.check_inbound()
