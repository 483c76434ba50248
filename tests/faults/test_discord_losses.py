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
from tests.doubles.discord_api_objects import Kind
from tests.doubles.faultpoints import TIMEOUT_S
from tests.faults.discord_flow import discord_scene
from tests.faults.nursery import Nursery
from tests.integration.test_flows import call

MINUTE = 60_000 << 22
"""As ids."""


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


def wait_for(database: Path, query: str, *values: object) -> None:
    """Return when a query of the daemon's database has a true answer."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        until = time.monotonic() + TIMEOUT_S
        while not connection.execute(query, values).fetchone()[0]:
            assert time.monotonic() < until
            time.sleep(0.01)


async def test_a_channel_opened_after_it_was_closed_loses_nothing_with_the_worker(nursery: Nursery):
    """Killed before the first message that is wanted was offered: the channel had been refused until then."""
    async with discord_scene(nursery) as s:
        guild = s.channels[0].guild
        assert guild is not None
        place = s.api.add_channel(guild, "late")
        s.ada.write(place, "too early, and not to the bot")
        # It was marked before the offer, and is no more after the refusal.
        unmarked = "SELECT (SELECT count(*) FROM dropped) AND NOT EXISTS (SELECT * FROM mark WHERE key = ?)"
        await asyncio.to_thread(wait_for, s.daemon.paths.database, unmarked, f"read:{place.id}")
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


async def test_what_was_opened_and_silent_is_made_up_for(nursery: Nursery):
    """A channel, its threads, a forum: the worker died, had heard nothing there, and nothing earlier is made up for."""
    async with discord_scene(nursery) as s:
        guild = s.channels[0].guild
        assert guild is not None
        early = s.api.add_channel(guild, "early")
        old = s.ada.start_thread(early, "Old")
        for place in (early, old):
            s.ada.write(place, f"{s.api.mention} before it was opened", id=str(s.api.new_id() - MINUTE))
        forum = s.api.add_channel(guild, "ideas", Kind.FORUM)
        private = s.api.add_thread(early, "Between us", by=s.ada.id, kind=Kind.PRIVATE_THREAD, joined=True)
        s.api.archive(private)
        for place in (early, forum):
            opened = await asyncio.to_thread(s.daemon.terminal, "access", "group", "open", s.chat_of(place))
            assert opened.returncode == 0, opened.stdout
        s.close_gateway()
        s.write("in the channel", place=early)
        s.write("in the thread", place=old)
        s.write("in the private thread", place=private)
        s.api.archive(private)
        _, first = s.ada.post(forum, "New", f"{s.api.mention} in a post")
        s.wrote(first)
        await s.kill("worker")
        s.open_gateway()
        await s.settle()
        s.check_inbound()


async def test_a_thread_begun_long_before_the_last_message_elsewhere_is_made_up_for(nursery: Nursery):
    """It is followed from its beginning, not from when something was heard in it."""
    async with discord_scene(nursery) as s:
        thread = s.ada.start_thread(s.channels[0], "Quiet")
        s.write("elsewhere, later")
        await s.settle()
        s.close_gateway()
        s.write("the first of the thread", place=thread)
        await s.kill("worker")
        s.open_gateway()
        await s.settle()
        s.check_inbound()


async def test_a_thread_is_found_though_the_worker_died_before_it_could_look(nursery: Nursery):
    """Messages that came in the meantime elsewhere do not count as a sign that all was found."""
    async with discord_scene(nursery) as s:
        s.write("heard", place=s.channels[0])
        await s.settle()
        s.close_gateway()
        thread = s.ada.start_thread(s.channels[0], "Begun meanwhile")
        s.write("in it", place=thread)
        s.write("in the channel, later", place=s.channels[0])
        s.api.gateway.holds_guilds = True
        s.open_gateway()
        while s.expected[-1] not in {telling.key for telling in s.told()}:
            await s.client.next_event()
        marked = "SELECT EXISTS (SELECT * FROM mark WHERE key = ? AND instr(value, ?))"
        mark = (f"read:{s.channels[0].id}", s.expected[-1][1])
        await asyncio.to_thread(wait_for, s.daemon.paths.database, marked, *mark)
        await s.kill("worker")
        s.api.gateway.holds_guilds = False
        await s.settle()
        s.check_inbound()
