"""Replies that a platform takes only as several messages: kept as parts, sent one by one, resumed after a crash."""

import asyncio

import pytest

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import ASKING
from tests.integration.test_flows import call


def pieces(*texts):
    """Return pieces as a worker makes them."""
    return [
        m.Piece(text=text, format="entities", entities=[{"type": "bold", "offset": 0, "length": 1}]) for text in texts
    ]


async def test_a_reply_that_is_split_is_sent_in_order_and_told_with_all_its_ids(daemon, worker):
    """A reply behind it in the same chat waits until the last piece has gone."""
    async with daemon.client() as client:
        await worker.accepted("1")
        await client.next_event()
        long = asyncio.create_task(call(client, "reply", chat_id="pager:a", text="**one** two three"))
        part = await worker.expect(m.Send)
        short = asyncio.create_task(call(client, "reply", "toolu_2", chat_id="pager:a", text="short"))
        await daemon.status_where(lambda s: any(o["state"] == "queued" for o in s["outbox"]))
        worker.send(m.Split(ref=part.ref, pieces=pieces("one", "two", "three")))
        for n, text in enumerate(("one", "two", "three")):
            piece = await worker.expect(m.Send)
            assert (piece.text, piece.format, piece.entities[0]["type"]) == (text, "entities", "bold")
            worker.send(m.Sent(ref=piece.ref, message_id=f"p{n}"))
        assert await long == ("sent 3 parts (ids: p0, p1, p2)", False)
        last = await worker.expect(m.Send)
        assert (last.text, last.format) == ("short", "markdown")
        worker.send(m.Sent(ref=last.ref, message_id="p3"))
        assert await short == ("sent (id: p3)", False)


async def test_after_a_crash_only_the_piece_that_was_being_sent_is_uncertain(pager):
    """Those that were sent are not sent again, and those that follow are sent."""
    async with Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin()
        async with daemon.client() as client:
            await worker.accepted("1")
            await client.next_event()
            asking = asyncio.create_task(call(client, "reply", chat_id="pager:a", text="long"))
            part = await worker.expect(m.Send)
            worker.send(m.Split(ref=part.ref, pieces=pieces("one", "two", "three")))
            worker.send(m.Sent(ref=(await worker.expect(m.Send)).ref, message_id="p1"))
            assert (await worker.expect(m.Send)).text == "two"
            worker.kill()
            second = await pager.life()
            await second.begin()
            third = await second.expect(m.Send)
            assert third.text == "three"
            second.send(m.Sent(ref=third.ref, message_id="p3"))
            text, is_error = await asking
            assert is_error
            assert "2 of 3 parts were sent" in text
            states = [state for _, state in await daemon.states()]
            assert states[1:] == ["sent", "uncertain", "sent"]
            uncertain = next(
                x for x in (await daemon.ask("messages", limit=50))["messages"] if x["state"] == "uncertain"
            )
            retry = asyncio.create_task(daemon.ask("retry", ref=str(uncertain["seq"])))
            again = await second.expect(m.Send)
            assert (again.text, again.format) == ("two", "entities")
            second.send(m.Sent(ref=again.ref, message_id="p2"))
            await retry


@pytest.mark.parametrize("bad", [[], [m.Piece(text="x", files=[m.Attachment(name="x", path="/etc/passwd")])]])
async def test_a_split_that_makes_no_sense_is_a_failure_and_not_a_hang(daemon, worker, bad):
    """The chat goes on, and no file comes in that the reply did not have."""
    async with daemon.client() as client:
        await worker.accepted("1")
        await client.next_event()
        asking = asyncio.create_task(call(client, "reply", chat_id="pager:a", text="long"))
        worker.send(m.Split(ref=(await worker.expect(m.Send)).ref, pieces=bad))
        text, is_error = await asking
        assert is_error
        assert "split it in a way that cannot be used" in text


async def test_a_prompt_that_was_shown_is_told_as_such_to_the_next_process(pager):
    """So that it changes the message that stands there instead of sending another."""
    async with Daemon(pager.config) as daemon:
        first = await pager.life()
        await first.begin(ASKING)
        await first.accepted("1", text="hello", sent_at=1.0)  # so old that its sender is asked
        async with daemon.client():
            prompt = await first.shown("stale")
            assert prompt.shown is None
            first.send(m.Shown(id=prompt.id, chat=prompt.chat, message_id="p9"))
            first.send(m.Shown(id=prompt.id, chat="other:1", message_id="p9"))
            first.send(m.Shown(id="nosuchid", chat=prompt.chat, message_id="p9"))
            await first.accepted("2", text="again", sent_at=1.0)
            assert (await first.shown("stale")).shown == "p9"
            await daemon.restart_after_kill()
            second = await pager.life()
            await second.begin(ASKING)
            assert (await second.shown("stale")).shown == "p9"


@pytest.mark.parametrize(("text", "told"), [
    ("/start", "What you write here reaches Claude Code"),
    ("/help@pager_bot", "You may also answer what Claude Code asks for permission"),
    ("/status", "Nothing of yours waits."),
])  # fmt: skip
async def test_commands_are_answered_by_channeld_and_not_passed_on(daemon, pager, text, told):
    """Those who are listed hear how things stand."""
    worker = await pager.life()
    await worker.begin(ASKING)
    assert (await worker.accepted("1", text=text)).command
    assert told in (await worker.expect(m.Notice)).text
    assert (await daemon.ask("status"))["events"] == {}


async def test_commands_tell_a_stranger_nothing_but_his_code(daemon, pager):
    """Whoever is not listed is met as with any other message; in a group people mean each other."""
    worker = await pager.life()
    await worker.begin(ASKING)
    worker.offer("1", text="/status", sender_id="66", chat="pager:66")
    assert (await worker.expect(m.Refused)).code == "not_admitted"
    assert "Your pairing code is" in (await worker.expect(m.Notice)).text
    assert daemon.terminal("access", "group", "open", "pager:g").returncode == 0
    assert not (await worker.accepted("2", chat="pager:g", text="/help", group=True, mentioned=True)).command
