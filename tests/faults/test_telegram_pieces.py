"""What comes to Telegram's worker in pieces, albums and files, with worker or daemon killed between them."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path

import pytest

from tests.doubles.bot_api_faults import Where
from tests.doubles.bot_api_world import Message
from tests.doubles.faultpoints import TIMEOUT_S
from tests.doubles.pictures import png
from tests.faults.bot_flow import BotScene, bot_scene
from tests.faults.chat_flow import Key
from tests.faults.nursery import Nursery

FETCHING = [("getFile", "worker"), ("download", "worker"), ("download", "daemon"), ("fetching.answered", "daemon")]
PICTURES = [png(20 + number, 20) for number in range(4)]


def send_pictures(s: BotScene, numbers: range, album: str) -> list[Message]:
    """Have Ann send some of the pictures of an album."""
    return [s.ann.send_photo(s.chat, PICTURES[n], f"{album} {n}", media_group_id=album) for n in numbers]


def content(path: str) -> bytes:
    """Return what is in a file."""
    return Path(path).read_bytes()


async def whole(s: BotScene, first: Message) -> list[bytes]:
    """Return the files of the next event, which must be an album that begins with a message."""
    event = await s.client.next_event()
    assert event["meta"]["message_id"] == str(first.message_id), event
    told, is_error = await s.call(
        "download_attachment",
        f"toolu_{first.message_id}",
        chat_id=event["meta"]["chat_id"],
        message_id=str(first.message_id),
    )
    assert not is_error, told
    return [content(path) for path in told.splitlines()]


def wait_until_reaped(pid: int) -> None:
    """Return when the parent of a process has seen its end."""
    until = time.monotonic() + TIMEOUT_S
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until
        time.sleep(0.01)


def expect(s: BotScene, message: Message) -> Key:
    """Expect that Claude is told a message."""
    s.wrote(message)
    return s.expected[-1]


@pytest.mark.parametrize("victim", ["worker", "daemon"])
async def test_an_album_that_is_cut_arrives_whole_and_once(nursery: Nursery, victim):
    """Killed between its messages, at their offers, and when it is on disk and nobody has said that it is whole."""
    async with bot_scene(nursery) as s:
        s.api.hold("getUpdates")  # it confirms them, and is never answered: the worker cannot say that it is whole
        album = send_pictures(s, range(2), "101")
        expect(s, album[0])
        await s.api.until(lambda: not s.api.updates.waiting)
        held = s.api.hold("getMe", Where.BEFORE)  # the next worker does not poll before the rest is there
        killing = asyncio.create_task(s.kill(victim))
        await asyncio.wait_for(held.arrived, TIMEOUT_S)
        send_pictures(s, range(2, 4), "101")
        held.release()
        await killing
        assert await whole(s, album[0]) == PICTURES

        stop = s.points.arm("worker.after_accepted", 2)
        album = send_pictures(s, range(4), "201")
        expect(s, album[0])
        await s.kill(victim, await asyncio.wait_for(stop, TIMEOUT_S))
        assert await whole(s, album[0]) == PICTURES

        s.api.hold("getUpdates")
        album = send_pictures(s, range(4), "301")
        expect(s, album[0])
        await s.api.until(lambda: not s.api.updates.waiting)
        await s.kill(victim)  # all of it is on disk and confirmed, but nobody has said that it is whole
        assert await whole(s, album[0]) == PICTURES
        await s.settle()
        s.check_inbound()


async def test_a_file_is_fetched_again_after_a_kill(nursery: Nursery):
    """In the middle of its download, and when it was there and nobody had heard of it."""
    async with bot_scene(nursery) as s:
        for picture, (stop_at, victim) in enumerate(FETCHING):
            stop = s.points.arm("fetching.answered")
            held = s.api.hold(stop_at) if stop_at != "fetching.answered" else None
            s.wrote(s.ann.send_photo(s.chat, PICTURES[picture], "look"))
            s.write("behind it")
            await asyncio.wait_for(held.arrived if held is not None else stop, TIMEOUT_S)
            stop.cancel()
            await s.kill(victim, stop.result() if held is None else None)
            event = await s.client.next_event()
            assert content(event["meta"]["image_path"]) == PICTURES[picture]
            assert (await s.client.next_event())["content"] == "behind it"
        document = s.wrote(s.ann.send_document(s.chat, b"a,b\n1,2\n", "table.csv"))
        await s.client.next_event()
        asked = {"chat_id": f"telegram:{s.chat.id}", "message_id": str(document.message_id)}
        held = s.api.hold("download")
        call = asyncio.create_task(s.call("download_attachment", "toolu_1", **asked))
        await asyncio.wait_for(held.arrived, TIMEOUT_S)
        await s.kill("worker")
        told, is_error = await call
        assert is_error and "has ended meanwhile" in told
        told, is_error = await s.call("download_attachment", "toolu_2", **asked)
        assert not is_error, told
        assert content(told) == b"a,b\n1,2\n"
        s.check_inbound()


async def test_a_file_is_asked_for_again_where_its_message_was_stored_after_the_end_of_its_worker(nursery: Nursery):
    """The offer is on its way to the disk when the worker dies: nobody is there who could be asked then."""
    async with bot_scene(nursery) as s:
        s.write("first")
        await s.settle()
        dead, stop = s.worker_pid, s.points.arm("store.before_commit")
        s.wrote(s.ann.send_photo(s.chat, PICTURES[0], "look"))
        at = await asyncio.wait_for(stop, TIMEOUT_S)
        os.kill(dead, signal.SIGKILL)
        await asyncio.to_thread(wait_until_reaped, dead)
        at.release()
        await s.skip_backoff(dead)
        await s.ready()
        await s.settle()
        s.check_inbound()
