"""What a new process or a new session has to find by itself: old messages that became threads, roles not told yet."""

from __future__ import annotations

import asyncio

from tests.doubles.faultpoints import TIMEOUT_S
from tests.faults.discord_flow import discord_scene
from tests.faults.nursery import Nursery


async def test_a_thread_begun_meanwhile_at_an_old_message_is_read(nursery: Nursery):
    """Its id is that of the message, which was read long ago; also where it was put away since."""
    async with discord_scene(nursery) as s:
        first, second = s.write("first", "second", place=s.channels[0])
        s.write("later")
        await s.settle()
        s.close_gateway()
        thread, put_away = s.ada.start_thread(first, "About that"), s.ada.start_thread(second, "Done")
        s.write("in the thread", "and more", place=thread)
        s.write("in the other", place=put_away)
        s.api.archive(put_away)
        await s.kill("worker")
        s.open_gateway()
        await s.settle()
        s.check_inbound()


async def test_a_mention_of_the_bots_role_counts_before_the_guild_was_told(nursery: Nursery):
    """The history of a channel is read at once; which roles there are comes with the guild, some time later."""
    async with discord_scene(nursery) as s:
        place, guild = s.channels[0], s.channels[0].guild
        assert guild is not None
        role = s.api.add_role(guild, "courier")
        s.write("before", place=place)
        await s.settle()
        s.close_gateway()
        s.wrote(s.ada.write(place, f"<@&{role}> are you there?"))
        s.write("behind it", place=place)
        s.api.gateway.holds_guilds = True
        await s.kill("worker")
        s.open_gateway()
        await s.settle()
        s.api.restore_guild(guild)
        s.check_inbound()


async def test_a_command_that_comes_live_and_from_the_history_is_carried_out_once(nursery: Nursery):
    """Written after the new session has begun, and before the history was read."""
    async with discord_scene(nursery) as s:
        s.write("before")
        await s.settle()
        s.close_gateway()
        held = s.api.hold("get_messages", "before", channel=s.dm.id)
        s.open_gateway()
        await asyncio.wait_for(held.arrived, TIMEOUT_S)
        await s.connected()
        s.ada.write(s.dm, "/status")
        for number in range(15):  # more than the mark of a channel remembers
            s.write(f"behind it {number}")
        held.release()
        await s.settle()
        s.write("the last")
        await s.settle()
        await s.api.until(lambda: s.api.sent)
        assert len(s.api.sent) == 1
        s.check_inbound()
