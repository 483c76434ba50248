"""What could be lost between two processes: answers that are none, outages, dead addresses, old posts."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path

import pytest

from channeld.credentials import save_token
from tests.doubles.discord_api_faults import Garbage
from tests.doubles.faultpoints import TIMEOUT_S
from tests.faults.discord_flow import discord_scene
from tests.faults.nursery import Nursery
from tests.integration.test_flows import call


@pytest.mark.parametrize("route", ["get_channel", "get_messages"])
@pytest.mark.parametrize("kind", [Garbage.PORTAL, Garbage.ANOTHER])
async def test_an_answer_that_is_not_discords_is_not_taken_for_an_empty_history(nursery: Nursery, route, kind):
    """While what was missed in a DM is read by a new process."""
    async with discord_scene(nursery) as s:
        s.write("before")
        await s.settle()
        s.close_gateway()
        s.write("missed 1", "missed 2")
        s.api.garbage(route, kind, channel=s.dm.id)
        await s.kill("worker")
        s.open_gateway()
        await s.api.until(lambda: not s.api.faults_left)
        await s.connected()
        s.write("live")
        await s.settle()
        s.check_inbound()


@pytest.mark.timeout(120)
async def test_a_channel_that_cannot_be_asked_about_for_long_loses_nothing(nursery: Nursery):
    """Discord has an outage that outlasts the library's own tries, as a new process reads what was missed in a DM."""
    async with discord_scene(nursery) as s:
        s.write("before")
        await s.settle()
        s.close_gateway()
        s.write("missed 1", "missed 2")
        s.api.refuse("get_channel", 503, times=5, channel=s.dm.id)
        await s.kill("worker")
        s.open_gateway()
        await s.api.until(lambda: not s.api.faults_left, 90)
        await s.settle()
        s.check_inbound()


@pytest.mark.timeout(120)  # the waits between tries grow
async def test_a_session_whose_address_is_dead_is_given_up(nursery: Nursery):
    """Discord says where a session is resumed; nobody answers there any more."""
    async with discord_scene(nursery) as s:
        s.write("before")
        await s.settle()
        whole = s.api.gateway.address
        s.api.gateway.address = "ws://127.0.0.1:9/gateway"
        s.close_gateway()
        s.open_gateway()
        await s.connected()
        s.write("told there")
        await s.settle()
        s.api.gateway.address = whole
        s.api.gateway.drop()
        s.write("after")
        await s.api.until(lambda: s.api.gateway.live, 90)
        await s.settle()
        s.check_inbound()


async def test_a_token_reset_between_two_sessions_blocks_the_worker(nursery: Nursery):
    """It is the REST API that says so first."""
    async with discord_scene(nursery, attach=False) as s:
        held = s.api.hold("get_gateway_bot", "before")
        s.close_gateway()
        s.open_gateway()
        await asyncio.wait_for(held.arrived, TIMEOUT_S)
        s.api.revoke_token()
        held.cut()
        await s.daemon.status_where(lambda status: status["workers"][0]["state"] == "blocked")


@pytest.mark.timeout(120)  # what a refused token holds up waits for half a minute
async def test_a_token_reset_while_connected_blocks_the_worker_and_no_answer_is_lost(nursery: Nursery):
    """The gateway does not notice; what Claude says next does. With the new token it is sent, once."""
    async with discord_scene(nursery, attach=False) as s, s.daemon.client() as client:
        s.ada.write(s.dm, "ready?")
        await client.next_event()
        s.api.revoke_token()
        said = asyncio.create_task(call(client, "reply", chat_id=s.chat_of(s.dm), text="ready"))
        status = await s.daemon.status_where(lambda status: status["workers"][0]["state"] == "blocked")
        (issue,) = [issue for issue in status["health"] if issue["subject"] == "discord"]
        assert "Discord does not know this token" in issue["text"] and "channeld setup discord" in issue["hint"]
        assert not s.api.sent
        s.api.token = f"{s.api.token}x"
        s.api.restore_token()
        save_token("discord", s.daemon.paths.credentials, s.api.token)
        await s.daemon.ask("restart", worker="discord")
        await s.api.until(lambda: s.api.sent, 60)
        assert [message.raw["content"] for message in s.api.sent] == ["ready"] and not s.api.duplicates
        assert not (await said)[1]


async def test_a_post_begun_while_every_known_post_is_put_away_is_read(nursery: Nursery):
    """A forum has no messages of its own, and what was read in it is archived."""
    async with discord_scene(nursery) as s:
        forum = s.channels[1]
        old = s.ada.start_thread(forum, "Old")
        s.write("in the old one", place=old)
        await s.settle()
        s.close_gateway()
        s.api.archive(old)
        young = s.ada.start_thread(forum, "Young")
        s.write("in the young one", place=young)
        await s.kill("worker")
        s.open_gateway()
        await s.settle()
        s.check_inbound()


def wait_unmarked(database: Path, channel: int) -> None:
    """Return when a message of a channel was refused, and its mark is gone: it was marked before the offer."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        until = time.monotonic() + TIMEOUT_S
        while True:
            refused = connection.execute("SELECT count(*) FROM dropped").fetchone()[0]
            marks = connection.execute("SELECT count(*) FROM mark WHERE key = ?", (f"read:{channel}",)).fetchone()[0]
            if refused and not marks:
                return
            assert time.monotonic() < until
            time.sleep(0.01)


async def test_a_channel_opened_after_it_was_closed_loses_nothing_with_the_worker(nursery: Nursery):
    """Killed before the first message that is wanted was offered: the channel had been refused until then."""
    async with discord_scene(nursery) as s:
        guild = s.channels[0].guild
        assert guild is not None
        place = s.api.add_channel(guild, "late")
        s.ada.write(place, "too early, and not to the bot")
        await asyncio.to_thread(wait_unmarked, s.daemon.paths.database, place.id)
        opened = await asyncio.to_thread(s.daemon.terminal, "access", "group", "open", s.chat_of(place))
        assert opened.returncode == 0, opened.stdout
        stop = s.points.arm("worker.before_offer")
        s.write("first wanted", place=place)
        at = await asyncio.wait_for(stop, TIMEOUT_S)
        await s.kill("worker", at)
        await s.settle()
        s.check_inbound()


async def test_what_was_missed_keeps_its_order_while_discord_is_asked_where_it_belongs(nursery: Nursery):
    """A new process does not know a DM; were each message to ask for itself, the first answered would be the first."""
    async with discord_scene(nursery) as s:
        s.write("before")
        await s.settle()
        s.close_gateway()
        s.write("missed 1", "missed 2", "missed 3")
        held = s.api.hold("get_channel", channel=s.dm.id)
        await s.kill("worker")
        s.open_gateway()
        await asyncio.wait_for(held.arrived, TIMEOUT_S)
        await s.connected()
        held.release()
        await s.settle()
        s.check_inbound()
