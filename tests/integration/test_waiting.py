"""Messages that wait: for their turn, for their sender's word, for an approver's."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time

import pytest

from channeld.daemon.limits import Limits
from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.hooked import Hooked
from tests.doubles.worker_end import ASKING


@contextlib.asynccontextmanager
async def scene(pager, config="", mode="default", **more):
    """Begin with a worker that shows prompts and a session that reports, idle."""
    async with Daemon(f"{pager.config}\n{config}", limits=Limits(told_after_s=0.05), **more) as daemon:
        worker = await pager.life()
        await worker.begin(ASKING)
        async with daemon.client() as client:
            claude = Hooked(client, mode)
            await claude.type("hello")
            await claude.stop()
            yield daemon, worker, claude


async def test_a_sender_is_told_what_claude_is_busy_with_and_when_it_is_not_any_more(pager):
    """The card opens while the message waits, and closes when it is pushed."""
    async with scene(pager) as (_, worker, claude):
        await claude.type("a long job")
        await worker.accepted("1", text="please")
        card = await worker.shown("waiting")
        assert (card.chat, card.options) == ("pager:a", ["Send it in now"])
        assert "something at the terminal" in card.body
        await claude.stop()
        assert (await worker.shown("waiting", "elsewhere")).id == card.id
        assert (await claude.take())["content"] == "please"


@pytest.mark.parametrize("how", ["button", "/now", "/NOW@the_bot "])
async def test_what_waits_may_be_sent_in_as_a_note(pager, how):
    """It reaches Claude within the turn; without a reply it gets a turn of its own when that is over."""
    async with scene(pager) as (daemon, worker, claude):
        await claude.type("a long job")
        await worker.accepted("1", text="please")
        card = await worker.shown("waiting")
        if how == "button":
            await worker.answer(card, "Send it in now")
        else:
            await worker.accepted("2", text=how)
        assert (await claude.take(within=True))["content"] == "please"
        await daemon.events_where(seen=1)
        await claude.stop()
        again = await claude.take()
        assert (again["content"], again["meta"]["redelivered"]) == ("please", "true")


async def test_a_card_is_answered_by_its_own_sender_only(pager):
    """Somebody else's tap changes nothing."""
    async with scene(pager) as (daemon, worker, claude):
        await claude.type("a long job")
        await worker.accepted("1", text="please")
        card = await worker.shown("waiting")
        assert (await worker.refused(card, "Send it in now", sender_id="8")).code == "not_allowed"
        await daemon.events_where(queued=1)


async def test_an_old_message_waits_for_its_senders_word(pager):
    """One that was written long ago is asked about, and holds up nothing that came after it."""
    async with scene(pager) as (daemon, worker, claude):
        await worker.accepted("1", text="old", sent_at=time.time() - 7200)
        await worker.accepted("2", text="new")
        assert (await claude.take())["content"] == "new"
        card = await worker.shown("stale")
        assert "2 h" in card.title
        assert "> old" in card.body
        await claude.stop()
        await daemon.events_where(held=1, seen=1)
        await worker.answer(card, "Still wanted")
        assert (await claude.take())["content"] == "old"


async def test_an_old_message_that_is_not_wanted_is_dropped(pager):
    """The other answer."""
    async with scene(pager) as (daemon, worker, _):
        await worker.accepted("1", text="old", sent_at=time.time() - 7200)
        await worker.answer(await worker.shown("stale"), "Drop it")
        await daemon.events_where(dropped=1)


@contextlib.asynccontextmanager
async def with_chatter(pager, mode):
    """As ``scene``, with sender 8 listed as a chatter."""
    async with scene(pager, mode=mode) as (daemon, worker, claude):
        await worker.accepted("0", chat="pager:own", text="hello from the owner")
        await claude.take()
        await claude.stop()
        await daemon.list_sender("pager", "8", "chatter")
        yield daemon, worker, claude


@pytest.mark.parametrize("mode", ["auto", "bypassPermissions", ""])
async def test_while_nobody_is_asked_a_chatters_messages_wait_for_an_approver(pager, mode):
    """One question for all of them; let in, they go."""
    async with with_chatter(pager, mode) as (daemon, worker, claude):
        await worker.accepted("1", chat="pager:b", text="rm -rf please", sender_id="8", sender="Bob")
        card = await worker.shown("unattended")
        assert card.chat == "pager:own"
        assert "> rm -rf please" in card.body
        assert ("is not known" in card.body) is (not mode)  # what is said of the session is true
        await worker.accepted("2", chat="pager:b", text="more", sender_id="8", sender="Bob")
        assert (await worker.shown("unattended")).id == card.id
        await daemon.events_where(held=2, seen=1)
        assert (await worker.refused(card, "Let in", sender_id="8")).code == "not_allowed"
        await worker.answer(card, "Let in")
        assert (await claude.take())["content"] == "rm -rf please"
        await claude.stop()
        assert (await claude.take())["content"] == "more"


async def test_what_was_held_goes_when_the_session_asks_again(pager):
    """The mode is changed at the terminal: nobody has to answer any more."""
    async with with_chatter(pager, "auto") as (_, worker, claude):
        await worker.accepted("1", chat="pager:b", text="please", sender_id="8", sender="Bob")
        await worker.shown("unattended")
        claude.mode = "default"
        await claude.type("typed")
        await claude.stop()
        assert (await worker.shown("unattended", "elsewhere")).answer.startswith("The session asks again")
        assert (await claude.take())["content"] == "please"


async def test_an_old_message_of_a_chatter_needs_both_words(pager):
    """That its sender still wants it does not let it in."""
    async with with_chatter(pager, "auto") as (daemon, worker, claude):
        await worker.accepted("1", chat="pager:b", text="old", sender_id="8", sent_at=time.time() - 7200)
        await worker.answer(await worker.shown("stale"), "Still wanted", sender_id="8")
        card = await worker.shown("unattended")
        await daemon.events_where(held=1, seen=1)
        await worker.answer(card, "Let in")
        assert (await claude.take())["content"] == "old"


async def test_every_chat_that_waits_is_told(pager):
    """The second one too, in its own time."""
    async with scene(pager) as (_, worker, claude):
        await claude.type("a long job")
        await worker.accepted("1", text="please")
        await worker.shown("waiting")
        await worker.accepted("2", chat="pager:b", text="me too")
        assert (await worker.shown("waiting")).chat == "pager:b"


async def test_now_is_about_what_was_written_before_it(pager):
    """Both may come in one go."""
    async with scene(pager) as (_, worker, claude):
        await claude.type("a long job")
        worker.offer("1", text="please")
        worker.offer("2", text="/now")
        assert (await claude.take(within=True))["content"] == "please"


async def test_now_keeps_nothing_for_another_turn(pager):
    """Where nothing waits for a turn, nothing is marked."""
    async with scene(pager) as (daemon, worker, claude):
        assert (await worker.accepted("1", text="/now")).command
        assert "Nothing waits" in (await worker.expect(m.Notice)).text
        await worker.accepted("2", text="first")
        await claude.take()
        await worker.accepted("3", text="second")
        await daemon.events_where(seen=1, queued=1)


@pytest.mark.parametrize("kind", ["stale", "unattended"])
async def test_what_an_earlier_daemon_held_is_asked_about(pager, kind):
    """It was killed between holding and asking."""
    config = f"{pager.config}\n"
    async with Daemon(config, limits=Limits(told_after_s=0.05)) as daemon:
        worker = await pager.life()
        await worker.begin(ASKING)
        await worker.accepted("0", chat="pager:own", text="hello")
        await daemon.list_sender("pager", "8", "chatter")
        await worker.accepted("1", chat="pager:b", text="please", sender_id="8")
        await daemon.kill()
        with contextlib.closing(sqlite3.connect(daemon.paths.database)) as store, store:
            store.execute("UPDATE event SET state = 'held', hold = ? WHERE message_id = '1'", (kind,))
        await daemon.start()
        worker = await pager.life()
        await worker.begin(ASKING)
        async with daemon.client() as client:
            await Hooked(client, "auto").type("hello")
            card = await worker.shown(kind)
            assert "> please" in card.body


async def test_a_message_that_waits_goes_as_its_sender_has_left_it(pager):
    """Nobody shall act on words that were taken back; somebody else's edit changes nothing."""
    async with scene(pager) as (daemon, worker, claude):
        await claude.type("a long job")
        await worker.accepted("1", text="delete prod")
        await worker.accepted("e1", kind="edited", message_id="1", text="delete staging")
        await worker.accepted("e2", kind="edited", message_id="1", text="delete nothing")
        await worker.accepted("2", text="thanks")
        await claude.stop()
        assert (await claude.take())["content"] == "delete nothing"
        await claude.stop()
        assert (await claude.take())["content"] == "thanks"
        await daemon.events_where(seen=2, dropped=2)
        await worker.accepted("e3", kind="edited", message_id="1", text="too late")
        await claude.stop()
        assert (await claude.take())["meta"]["event"] == "edited"


async def test_who_was_taken_off_the_list_is_not_brought_back_by_hand(pager):
    """A message that was dropped with him can be sent again only when he may speak again."""
    async with scene(pager) as (daemon, worker, claude):
        await daemon.list_sender("pager", "8", "chatter")
        await claude.type("a long job")
        await worker.accepted("1", chat="pager:b", text="please", sender_id="8")
        assert (await asyncio.to_thread(daemon.terminal, "access", "remove", "pager", "8")).returncode == 0
        await daemon.events_where(dropped=1)
        again = await asyncio.to_thread(daemon.cli, "messages", "retry", "1")
        assert again.returncode == 1
        assert "may not be heard" in again.stderr
        await daemon.events_where(dropped=1)
