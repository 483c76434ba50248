"""What a person does with messages: find one, see where it is, send it again, give it up, write one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from channeld.cli.client import CommandFailed
from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon


@contextlib.contextmanager
def refused(code: str, *words: str) -> Iterator[None]:
    """Expect a refusal whose sentence or hint has these words."""
    with pytest.raises(CommandFailed) as caught:
        yield
    assert caught.value.code == code
    for word in words:
        assert word in f"{caught.value} {caught.value.hint}"


async def only(daemon: Daemon, **wanted: str) -> dict[str, object]:
    """Return the one message that is listed."""
    message: dict[str, object]
    (message,) = (await daemon.ask("messages", **wanted))["messages"]
    return message


async def test_a_message_is_found_by_number_and_by_delivery_id(daemon, worker):
    """With where it is, and who has it."""
    async with daemon.client() as client:
        await worker.accepted("1", text="where am I")
        event = await client.next_event()
        await daemon.events_where(delivered=1)
        by_number = (await daemon.ask("message", ref=str((await only(daemon))["seq"])))["message"]
        by_delivery = (await daemon.ask("message", ref=event["meta"]["delivery_id"]))["message"]
        assert by_number == by_delivery
        assert (by_number["state"], by_number["session"], by_number["attempts"]) == ("delivered", "main", 1)
        assert (by_number["worker"], by_number["text"]) == ("pager", "where am I")
        assert by_number["changed_at"] >= by_number["ts"]


@pytest.mark.parametrize("ref", ["0", "99999999999999999999", "-1", "ffffffffffffffff", "1 OR 1", "", "x" * 500])
async def test_a_reference_to_nothing_is_told(daemon, ref):
    """Whatever it is: not a number, too large a one, or of nothing."""
    with refused("refused", "There is no message", "channeld messages"):
        await daemon.ask("message", ref=ref)


async def test_arguments_of_another_version_are_told(daemon):
    """The daemon takes what it knows and says what it does not."""
    with refused("bad_arguments", "channeld of the daemon's version"):
        await daemon.ask("messages", limit="many")
    with refused("bad_arguments"):
        await daemon.ask("retry")
    with refused("refused", "There is no state 'lost'", "queued"):
        await daemon.ask("messages", state="lost")


async def test_a_delivered_message_is_sent_again_by_hand_and_flagged(daemon, worker):
    """By a person's word Claude gets it once more, under the same delivery id."""
    async with daemon.client() as client:
        await worker.accepted("1", text="again please")
        first = await client.next_event()
        await daemon.events_where(delivered=1)
        seq = str((await only(daemon))["seq"])
        assert (await daemon.ask("retry", ref=seq))["message"]["state"] in {"queued", "pushed", "delivered"}
        second = await client.next_event()
        assert second["meta"]["delivery_id"] == first["meta"]["delivery_id"]
        assert second["meta"]["redelivered"] == "true"
        await daemon.events_where(delivered=1)
        reply = asyncio.create_task(client.call_tool("reply", {"chat_id": "pager:a", "text": "ok"}, "toolu_1"))
        part = await worker.expect(m.Send)
        worker.send(m.Sent(ref=part.ref, message_id="p1"))
        await reply
        with refused("wrong_state", "Claude has answered it", f"channeld messages show {seq}"):
            await daemon.ask("retry", ref=seq)


async def test_a_waiting_message_is_dropped_and_brought_back(daemon, worker):
    """Dropped: no session gets it. Sent again: the next one does."""
    await worker.accepted("1", text="never mind")
    await worker.accepted("2", text="this one")
    seq = str((await daemon.ask("messages", state="queued", limit=2))["messages"][0]["seq"])
    with refused("wrong_state", "it waits for a session already"):
        await daemon.ask("retry", ref=seq)
    assert (await daemon.ask("drop", ref=seq))["message"]["state"] == "dropped"
    with refused("wrong_state", "it was dropped already"):
        await daemon.ask("drop", ref=seq)
    async with daemon.client() as client:
        assert (await client.next_event())["content"] == "this one"
        await daemon.ask("retry", ref=seq)
        event = await client.next_event()
        assert event["content"] == "never mind" and "redelivered" not in event["meta"]


async def test_a_reply_that_failed_is_sent_again_by_hand(daemon, worker):
    """Failed, then uncertain, then sent: each time by a person's word; the chat's next reply does not wait for it."""
    async with daemon.client() as client:
        await worker.accepted("1")
        await client.next_event()
        reply = asyncio.create_task(client.call_tool("reply", {"chat_id": "pager:a", "text": "first"}, "toolu_1"))
        part = await worker.expect(m.Send)
        worker.send(m.Failed(ref=part.ref, reason="the chat is closed"))
        assert (await reply)["isError"]
        failed = await only(daemon, state="failed")
        assert (failed["text"], failed["error"]) == ("first", "the chat is closed")
        status = await daemon.status_where(lambda s: any(i["code"] == "sends_failed" for i in s["health"]))
        assert status["outbox"] == [{"worker": "pager", "state": "failed", "count": 1}]
        await daemon.ask("retry", ref=str(failed["seq"]))
        again = await worker.expect(m.Send)
        assert (again.send_id, again.text) == (part.send_id, "first")
        worker.send(m.Uncertain(ref=again.ref, reason="the line broke"))
        await daemon.status_where(lambda s: any(i["code"] == "sends_uncertain" for i in s["health"]))
        await daemon.ask("retry", ref=str(failed["seq"]))
        last = await worker.expect(m.Send)
        worker.send(m.Sent(ref=last.ref, message_id="p1"))
        await daemon.status_where(lambda s: not s["outbox"])
        with refused("wrong_state", "it was sent"):
            await daemon.ask("drop", ref=str(failed["seq"]))


async def test_a_reply_that_failed_is_given_up_by_hand(daemon, worker):
    """Then it is no issue any more, and stays in the history as dropped."""
    async with daemon.client() as client:
        await worker.accepted("1")
        await client.next_event()
        reply = asyncio.create_task(client.call_tool("reply", {"chat_id": "pager:a", "text": "x"}, "toolu_1"))
        part = await worker.expect(m.Send)
        worker.send(m.Failed(ref=part.ref, reason="no"))
        await reply
        seq = str((await only(daemon, state="failed"))["seq"])
        assert (await daemon.ask("drop", ref=seq))["message"]["state"] == "dropped"
        status = await daemon.ask("status")
        assert not status["outbox"] and not [i for i in status["health"] if i["code"].startswith("sends_")]


async def test_messages_are_searched(daemon, worker):
    """All words, newest first, in one chat or in all."""
    for key, chat in (("1", "pager:a"), ("2", "pager:b"), ("3", "pager:a")):
        await worker.accepted(key, chat=chat, text=f"the build is green {key}")
    texts = [item["text"] for item in (await daemon.ask("search", query="GREEN build"))["messages"]]
    assert texts == ["the build is green 3", "the build is green 2", "the build is green 1"]
    (one,) = (await daemon.ask("search", query="green", chat="pager:b"))["messages"]
    assert one["chat"] == "pager:b"


async def test_a_message_is_written_from_the_terminal(daemon, worker, tmp_path):
    """With a file; it is the operator's and not Claude's, and its failure is not Claude's either."""
    file = tmp_path / "notes.txt"
    file.write_text("hello")
    sending = asyncio.create_task(daemon.ask("send", chat="pager:a", text="*hi*", files=[str(file)], format="plain"))
    part = await worker.expect(m.Send)
    assert (part.text, part.format, part.files[0].name) == ("*hi*", "plain", "notes.txt")
    worker.send(m.Sent(ref=part.ref, message_id="p1"))
    sent = await sending
    assert (sent["done"], sent["failed"]) == (True, False)
    assert (sent["messages"][0]["user"], sent["messages"][0]["id"]) == ("operator", "p1")
    sending = asyncio.create_task(daemon.ask("send", chat="pager:a", text="again"))
    part = await worker.expect(m.Send)
    worker.send(m.Failed(ref=part.ref, reason="the chat is closed"))
    assert (await sending)["failed"]
    await daemon.ask("retry", ref=str((await only(daemon, state="failed"))["seq"]))
    part = await worker.expect(m.Send)
    worker.send(m.Failed(ref=part.ref, reason="still closed"))  # nobody waits for this outcome
    await daemon.status_where(lambda s: any(part["state"] == "failed" for part in s["outbox"]))
    assert (await daemon.ask("status"))["events"] == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"chat": "nobody:1", "text": "x"}, "There is no worker"),
        ({"chat": "nonsense", "text": "x"}, "chat"),
        ({"chat": "pager:a", "text": " "}, "empty"),
        ({"chat": "pager:a", "text": "x" * 4001}, "4000 at most"),
        ({"chat": "pager:a", "files": ["relative"]}, "absolute path"),
    ],
)
async def test_what_cannot_be_sent_is_refused_with_a_reason(daemon, worker, arguments, words):
    """Before anything is on disk."""
    await daemon.status_where(lambda s: s["workers"][0]["state"] == "ready")
    with pytest.raises(CommandFailed, match=words):
        await daemon.ask("send", **arguments)
    assert (await daemon.ask("messages"))["messages"] == []


async def test_what_was_done_to_a_dropped_message_is_dropped_with_it(daemon, worker):
    """An edit carries the whole text: a session that comes later gets neither."""
    await worker.accepted("1", text="delete the table")
    await worker.accepted("e", kind="edited", message_id="1", text="delete both tables")
    await worker.accepted("r", kind="reaction", message_id="1", text="👍")
    await worker.accepted("2", text="hello")
    listed = (await daemon.ask("messages", state="queued"))["messages"]
    assert [(m["text"], m.get("kind")) for m in listed] == [
        ("delete both tables", None), ("delete both tables", "edited"), ("👍", "reaction"), ("hello", None),
    ]  # fmt: skip
    status = await daemon.ask("status")
    assert [(chat["chat"], chat["count"]) for chat in status["waiting"]] == [("pager:a", len(listed))]
    await daemon.ask("drop", ref=str(listed[0]["seq"]))
    async with daemon.client() as client:
        assert (await client.next_event())["content"] == "hello"
        await daemon.events_where(delivered=1, dropped=3)


async def test_an_edit_that_waits_is_dropped_alone(daemon, worker):
    """Whatever is counted can be listed, shown and given up by its number."""
    await worker.accepted("1", text="first")
    await worker.accepted("e", kind="edited", message_id="1", text="second")
    edit = (await daemon.ask("messages", state="queued"))["messages"][1]
    assert (await daemon.ask("message", ref=str(edit["seq"])))["message"]["kind"] == "edited"
    await daemon.ask("drop", ref=str(edit["seq"]))
    async with daemon.client() as client:
        assert (await client.next_event())["content"] == "second"  # as its sender has left it, and once
        await daemon.events_where(delivered=1, dropped=1)


async def test_a_message_sent_again_by_hand_says_what_its_sender_says_now(daemon, worker):
    """Claude has read the edit: the first text after it would take it back."""
    async with daemon.client() as client:
        await worker.accepted("1", text="delete table A")
        await worker.accepted("e", kind="edited", message_id="1", text="do not delete table A")
        for _ in range(2):
            await client.next_event()
        await daemon.events_where(delivered=2)
        await daemon.ask("retry", ref=str((await only(daemon))["seq"]))
        again = await client.next_event()
        assert (again["content"], again["meta"]["redelivered"]) == ("do not delete table A", "true")
        assert (await only(daemon))["edited"]


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("edit_message", {"message_id": "bogus", "text": "x"}, "There is no message 'bogus'"),
        ("edit_message", {"message_id": "1", "text": "x"}, "only what you sent can be edited"),
        ("react", {"message_id": "bogus", "emoji": "👍"}, "There is no message 'bogus'"),
    ],
)
async def test_claude_is_told_that_there_is_nothing_to_change(daemon, worker, tool, arguments, words):
    """A success would be taken for an answer that the sender has read."""
    async with daemon.client() as client:
        await worker.accepted("1")
        await client.next_event()
        result = await client.call_tool(tool, {"chat_id": "pager:a", **arguments}, "toolu_1")
        assert result["isError"] and words in result["content"][0]["text"]


async def test_a_reply_that_is_dropped_while_it_waits_is_told_to_claude(daemon, worker):
    """At once to a call that waits for it."""
    async with daemon.client() as client:
        await worker.accepted("1")
        await client.next_event()
        reply = asyncio.create_task(client.call_tool("reply", {"chat_id": "pager:a", "text": "first"}, "toolu_1"))
        part = await worker.expect(m.Send)
        worker.send(m.RetryAfter(ref=part.ref, delay_s=3600))
        await daemon.status_where(lambda s: [p["state"] for p in s["outbox"]] == ["queued"])
        await daemon.ask("drop", ref=str((await only(daemon, state="queued"))["seq"]))
        result = await asyncio.wait_for(reply, 5)
        assert result["isError"] and result["content"][0]["text"] == "It was not sent: it was dropped by hand."
