"""Events that are not complete when they are accepted: albums, and files that are fetched after the gate."""

import asyncio
import sqlite3
from pathlib import Path

import msgspec
import pytest

from channeld.core.completeness import FETCH_S
from channeld.core.model import Inbound
from channeld.ipc import messages as m
from channeld.store.incomplete import Incomplete
from channeld.store.mailbox import own
from tests.doubles.daemon import Daemon
from tests.doubles.stores import Stores, message
from tests.doubles.worker_end import Pager
from tests.integration.test_flows import call


def photo(token="t1", **more):
    """Return a file that is to be fetched before its message goes to Claude."""
    return m.Attachment(name="photo.jpg", mime="image/jpeg", token=token, wanted=True, **more)


def put(welcome_inbox, name="x.jpg"):
    """Put a file into the inbox as a worker does."""
    path = Path(welcome_inbox) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff\xd8\xff")
    return str(path)


async def test_a_message_waits_for_its_file_and_what_follows_waits_for_it(daemon, worker):
    """The gate first, then the file, then the event; a chat's order holds, and another chat is not held up."""
    async with daemon.client() as client:
        await worker.accepted("1", attachments=[photo()])
        await worker.accepted("2", text="after it")
        await worker.accepted("3", chat="pager:b", text="elsewhere")
        assert (await client.next_event())["content"] == "elsewhere"
        asked = await worker.expect(m.Fetch)
        assert (asked.chat, asked.message_id, asked.token, asked.name) == ("pager:a", "1", "t1", "photo.jpg")
        path = put(daemon.paths.inbox)
        worker.send(m.Fetched(ref=asked.ref, path=path, mime="image/jpeg", size=3))
        first = await client.next_event()
        assert (first["meta"]["image_path"], first["meta"]["message_id"]) == (path, "1")
        assert (await client.next_event())["content"] == "after it"


async def test_what_cannot_be_fetched_is_said_in_place_of_the_file(daemon, worker):
    """The message goes all the same."""
    async with daemon.client() as client:
        await worker.accepted("1", attachments=[photo()])
        worker.send(m.NotFetched(ref=(await worker.expect(m.Fetch)).ref, reason="the platform has lost it"))
        meta = (await client.next_event())["meta"]
        assert meta["attachments"] == "photo.jpg (image/jpeg, 0 B, the platform has lost it)"
        assert "image_path" not in meta


async def test_nothing_is_fetched_for_a_stranger(daemon, worker):
    """Else anybody could make the bot fetch things."""
    worker.offer("1", sender_id="stranger", attachments=[photo()])
    await worker.expect(m.Refused)
    await worker.accepted("2", attachments=[photo("t2")])
    assert (await worker.expect(m.Fetch)).token == "t2"


async def test_files_are_asked_for_again_after_the_worker_or_the_daemon_was_killed(pager):
    """Neither crash leaves the message without its file."""
    async with Daemon(pager.config) as daemon:
        first = await pager.life()
        await first.begin()
        await first.accepted("1", attachments=[photo("t1"), photo("t2")])
        asked = [await first.expect(m.Fetch) for _ in range(2)]
        path = put(daemon.paths.inbox)
        first.send(m.Fetched(ref=asked[0].ref, path=path, mime="image/jpeg", size=3))
        await daemon.status_where(lambda _: "t1" not in missing_tokens(daemon))
        first.kill()
        second = await pager.life()
        await second.begin()
        assert (await second.expect(m.Fetch)).token == "t2"
        await daemon.restart_after_kill()
        third = await pager.life()
        await third.begin()
        asked_anew = await third.expect(m.Fetch)
        assert asked_anew.token == "t2"
        third.send(m.Fetched(ref=asked_anew.ref, path=path, mime="image/jpeg", size=3))
        async with daemon.client() as client:
            assert (await client.next_event())["meta"]["attachment_count"] == "2"


def missing_tokens(daemon):
    """Return the tokens of files that are on disk as not fetched."""
    with sqlite3.connect(f"file:{daemon.paths.database}?mode=ro", uri=True) as connection:
        details = [row[0] for row in connection.execute("SELECT detail FROM event")]
    connection.close()
    decoded = [msgspec.json.decode(detail, type=Inbound) for detail in details]
    return {file.token for event in decoded for file in event.attachments if not file.path}


async def test_a_file_is_fetched_when_claude_asks_for_it(daemon, worker):
    """One that was not wanted at once; a second call finds it there."""
    async with daemon.client() as client:
        file = m.Attachment(name="log.txt", mime="text/plain", token="t9", size=3)
        await worker.accepted("1", attachments=[file])
        await client.next_event()
        wanted = {"chat_id": "pager:a", "message_id": "1"}
        asking = asyncio.create_task(call(client, "download_attachment", **wanted))
        asked = await worker.expect(m.Fetch)
        path = put(daemon.paths.inbox, "log.txt")
        worker.send(m.Fetched(ref=asked.ref, path=path, mime="text/plain", size=3))
        assert await asking == (path, False)
        assert await call(client, "download_attachment", "toolu_2", **wanted) == (path, False)


@pytest.mark.parametrize("end", ["refused", "killed"])
async def test_claude_is_told_why_a_file_is_not_there(daemon, worker, pager, end):
    """A clear error, and the call can be made again."""
    async with daemon.client() as client:
        await worker.accepted("1", attachments=[m.Attachment(name="big.iso", token="t9")])
        await client.next_event()
        asking = asyncio.create_task(call(client, "download_attachment", chat_id="pager:a", message_id="1"))
        asked = await worker.expect(m.Fetch)
        if end == "refused":
            worker.send(m.NotFetched(ref=asked.ref, reason="it is gone"))
            assert await asking == ("big.iso cannot be had: it is gone Ask the sender for it in another way.", True)
        else:
            worker.kill()
            assert await asking == ("pager has ended meanwhile. Try again in a minute.", True)


async def test_the_messages_of_an_album_are_one_event_with_every_caption_and_file(daemon, worker):
    """It goes when the worker says that no more will come; a repeated message adds nothing."""
    async with daemon.client() as client:
        for n, text in enumerate(["first", "", "third"]):
            await worker.accepted(str(n), text=text, album="a1", attachments=[photo(f"t{n}")])
        assert (await worker.accepted("1", text="", album="a1", attachments=[photo("t1")])).duplicate
        for n in range(3):
            asked = await worker.expect(m.Fetch)
            path = put(daemon.paths.inbox, f"{n}.jpg")
            worker.send(m.Fetched(ref=asked.ref, path=path, mime="image/jpeg", size=3))
        await worker.accepted("9", chat="pager:b", text="later, elsewhere")
        assert (await client.next_event())["content"] == "later, elsewhere"  # the album may still grow
        worker.send(m.Albums(open=[]))
        event = await client.next_event()
        assert (event["content"], event["meta"]["attachment_count"]) == ("first\nthird", "3")
        assert (await worker.accepted("2", text="third", album="a1", attachments=[photo("t2")])).duplicate
        await daemon.events_where(delivered=2)


async def test_an_album_cut_by_a_crash_still_arrives_whole(pager):
    """Its first half was accepted by a process that was killed."""
    async with Daemon(pager.config) as daemon:
        first = await pager.life()
        await first.begin()
        await first.accepted("1", text="one", album="a1")
        await daemon.restart_after_kill()
        second = await pager.life()
        await second.begin()
        await second.accepted("2", text="two", album="a1")
        second.send(m.Albums(open=["a1"]))
        await second.accepted("3", text="three", album="a1")
        second.send(m.Albums(open=[]))
        async with daemon.client() as client:
            assert (await client.next_event())["content"] == "one\ntwo\nthree"


async def test_only_one_message_of_an_album_need_mention_the_bot(daemon, worker):
    """In a group the others come in with it."""
    assert daemon.terminal("access", "group", "open", "pager:g").returncode == 0
    group = {"chat": "pager:g", "group": True, "album": "a1"}
    await worker.accepted("1", text="@bot look", mentioned=True, **group)
    await worker.accepted("2", text="and this", **group)
    worker.offer("3", text="of somebody else", **{**group, "sender_id": "8"})
    await worker.expect(m.Refused)
    worker.send(m.Albums(open=[]))
    async with daemon.client() as client:
        assert (await client.next_event())["content"] == "@bot look\nand this"


async def test_what_does_not_become_complete_goes_after_a_while(tmp_path):
    """Without its file, and saying so; the file can still be had by then."""
    async with Stores(tmp_path / "db") as stores:
        incomplete = Incomplete(stores.database)
        await stores.mailbox.accept("web", [message("1", attachments=[photo()], album="a")], 1000.0, own)
        assert await incomplete.expire(1100.0) == []
        assert await incomplete.expire(1121.0) == []  # the album is closed, and its file has a minute
        assert await incomplete.next_due() == 1121.0 + FETCH_S
        (event,) = await incomplete.expire(1121.0 + FETCH_S)
        assert event.state == "queued"
        assert "download_attachment" in event.inbound.attachments[0].note
        assert await incomplete.next_due() is None


async def test_a_group_that_moves_stays_open_and_keeps_what_waits(daemon, worker):
    """Its new id has the old one's terms, and what was to be sent goes there."""
    assert daemon.terminal("access", "group", "open", "pager:-17").returncode == 0
    await worker.accepted("1", chat="pager:-17", text="before", group=True, mentioned=True)
    worker.send(m.Moved(ref=77, chat="pager:-17", to="pager:-10017"))
    await worker.expect(m.Accepted, lambda frame: frame.ref == 77)
    await worker.accepted("2", chat="pager:-10017", text="after", group=True, mentioned=True)
    worker.offer("3", chat="pager:-17", text="never", group=True, mentioned=True)
    await worker.expect(m.Refused)
    async with daemon.client() as client:
        events = [await client.next_event() for _ in range(2)]
        assert [(e["content"], e["meta"]["chat_id"]) for e in events] == [
            ("before", "pager:-10017"), ("after", "pager:-10017"),
        ]  # fmt: skip
    worker.send(m.Moved(ref=78, chat="other:1", to="pager:2"))
    assert (await worker.expect(m.Refused, lambda frame: frame.ref == 78)).code == "foreign_chat"


async def test_a_pager_of_another_name_completes_nothing_of_this_one():
    """Workers close their own albums only."""
    async with Pager("one") as one, Pager("two") as two, Daemon(one.config + two.config) as daemon:
        first, second = await one.life(), await two.life()
        await first.begin()
        await second.begin()
        await first.accepted("1", chat="one:a", text="mine", album="a1")
        second.send(m.Albums(open=[]))
        await second.accepted("2", chat="two:a", text="yours")
        async with daemon.client() as client:
            assert (await client.next_event())["content"] == "yours"
            first.send(m.Albums(open=[]))
            assert (await client.next_event())["content"] == "mine"
