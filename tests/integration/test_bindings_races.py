"""What happens to bindings and messages at the same time: none may reach a session that its chat is not bound to."""

from __future__ import annotations

import signal
import time

import pytest

from channeld.core.model import Inbound
from channeld.store.access import AccessList
from channeld.store.bindings import BindingList
from channeld.store.db import Database
from channeld.store.holds import Holds
from channeld.store.mailbox import Mailbox, Taker, Terms, own
from channeld.store.sequence import Sequence
from tests.doubles.stores import message
from tests.integration.test_bindings import bind, named


class Place:
    """A mailbox, and who is bound in it."""

    def __init__(self, database):
        self.database, self.mailbox = database, Mailbox(database, Sequence())
        self.bindings, self.holds = BindingList(database), Holds(database)

    async def accept(self, chat, *texts, taker=None):
        """Put messages into the mailbox."""
        events = [
            Inbound(event_key=f"{chat}.{text}", chat=chat, kind="message", message_id=text, sender_id="7", sender="Ann",
                    sent_at=time.time(), text=text)
            for text in texts
        ]  # fmt: skip
        takers = {chat: taker} if taker is not None else {}
        return await self.mailbox.accept("pager", events, time.time(), own, takers)

    async def attach(self, instance, name):
        """Attach a session."""
        return await self.mailbox.attach(instance, name, 1, 1, frozenset(), time.time())

    async def bind(self, chat, session):
        """Bind a chat."""
        await self.bindings.put(chat, session, "test", time.time())

    async def claim(self, lease, *names):
        """Return the texts of what a session that has these names may be given."""
        events = await self.mailbox.claim(lease, 16, time.time(), Terms(sessions=frozenset(names)))
        return [event.inbound.text for event in events]


@pytest.fixture
async def place(home):
    """Return a mailbox."""
    database = Database(home / "channeld.db")
    await database.open()
    yield Place(database)
    await database.close()


async def steps_of(place, work):
    """Return how many thousand steps SQLite takes for something."""
    count = 0

    def step():
        nonlocal count
        count += 1

    await place.database.submit(lambda connection: connection.set_progress_handler(step, 1000))
    await work
    await place.database.submit(lambda connection: connection.set_progress_handler(None, 1000))
    return count


async def test_a_full_queue_of_an_absent_session_costs_the_others_little(place):
    """What it takes to look past it grows as the queue does, and not as its square."""
    await place.bind("pager:1", "away")
    await place.accept("pager:1", *map(str, range(2000)))
    there = (await place.attach("i", "web")).lease
    assert await steps_of(place, place.claim(there, "")) < 500


async def test_edits_that_wait_cost_little(place):
    """Of a message that was delivered before, behind many that wait for the same absent session."""
    await place.bind("pager:1", "away")
    await place.accept("pager:1", *map(str, range(1000)))
    edits = [message(f"e{n}", chat="pager:1", kind="edited", message_id="before") for n in range(200)]
    await place.mailbox.accept("pager", edits, time.time(), own)
    there = (await place.attach("i", "web")).lease
    assert await steps_of(place, place.claim(there, "")) < 500


async def test_a_full_queue_hides_nobody_who_waits(place):
    """Whoever waits elsewhere behind hundreds is told so, too."""
    await place.accept("pager:1", *map(str, range(600)))
    await place.accept("pager:2", "me too")
    assert "pager:2" in {event.inbound.chat for event in await place.holds.queued()}


async def test_nobody_is_asked_about_what_waits_for_an_absent_session(place):
    """Whether it is still wanted is a question for the moment at which it could go."""
    await place.bind("pager:1", "away")
    await place.accept("pager:1", "long ago")
    terms = Terms(fresh_after=time.time() + 1, askable=frozenset({"pager"}))
    assert await place.holds.hold(terms, time.time()) == set()
    assert await place.holds.hold(terms._replace(sessions=frozenset({"away"})), time.time()) == {"stale"}


async def test_the_look_for_what_is_old_does_not_read_the_history(place):
    """It is done with every message, however much was received in the past."""
    await place.accept("pager:1", *map(str, range(2000)))
    lease = (await place.attach("i", "web")).lease
    await place.mailbox.claim(lease, 2000, time.time())
    terms = Terms(fresh_after=time.time() - 60, askable=frozenset({"pager"}))
    assert await steps_of(place, place.holds.hold(terms, time.time())) < 5


async def test_a_message_that_a_bind_overtakes_goes_nowhere_else(place):
    """The session was chosen before the chat was bound: the transaction that accepts the message sees to it."""
    there = (await place.attach("i", "web")).lease
    await place.bind("pager:-1", "api")
    (result,) = await place.accept("pager:-1/7", "private", taker=Taker(there, 1, Terms(sessions=frozenset({""}))))
    assert not result.claimed
    assert await place.claim(there, "") == []
    assert await place.claim((await place.attach("j", "api")).lease, "api") == ["private"]


async def test_bindings_move_in_one_step_with_what_waits(place):
    """Else what waits in a group would be bound to nothing for a moment, or for ever after a kill."""
    await place.bind("pager:-17", "api")
    await place.accept("pager:-17/3", "topic")
    there = (await place.attach("i", "web")).lease
    await AccessList(place.database).move_chat("pager", "pager:-17", "pager:-10017", time.time())
    assert await place.bindings.all() == {"pager:-10017": "api"}
    assert await place.claim(there, "") == []


async def test_what_comes_back_under_the_old_id_of_a_group_stays_bound(place):
    """A session was given it, the group got a new id, and the session died."""
    await place.bind("pager:-17", "api")
    await place.accept("pager:-17/3", "topic")
    lease = (await place.attach("i", "api")).lease
    assert await place.claim(lease, "api") == ["topic"]
    await AccessList(place.database).move_chat("pager", "pager:-17", "pager:-10017", time.time())
    await place.mailbox.give_back("i", time.time())
    assert await place.claim((await place.attach("j", "web")).lease, "") == []
    assert await place.claim((await place.attach("k", "api")).lease, "api") == ["topic"]


async def test_a_group_that_moves_again_changes_no_newer_binding(place):
    """A worker that was killed tells of it once more."""
    await place.bind("pager:-17", "api")
    access = AccessList(place.database)
    await access.move_chat("pager", "pager:-17", "pager:-10017", time.time())
    await place.bind("pager:-10017", "web")
    await access.move_chat("pager", "pager:-17", "pager:-10017", time.time())
    assert await place.bindings.all() == {"pager:-10017": "web"}


async def test_what_was_never_written_does_not_follow_the_session_that_lost_the_chat(place):
    """A session that comes back is pushed again only what its chats' bindings still give it."""
    lease = (await place.attach("i", "web")).lease
    await place.accept("pager:1", "moved away")
    await place.accept("pager:2", "still its own")
    await place.claim(lease, "")
    await place.bind("pager:1", "api")
    await place.bind("pager:2", "given")
    back = await place.attach("i", "given")  # it keeps the name that it had
    assert [event.inbound.text for event in back.to_repush] == ["still its own"]
    assert [event.inbound.text for event in back.given_back] == ["moved away"]
    assert await place.claim((await place.attach("j", "api")).lease, "api") == ["moved away"]


async def back_again(daemon, pager, *clients):
    """Start another daemon, to which sessions come back one after the other, and return its worker."""
    await daemon.kill()
    for client in clients:
        client.process.send_signal(signal.SIGSTOP)
    await daemon.start()
    worker = await pager.life()
    await worker.begin()
    return worker


async def test_a_namesake_does_not_step_in_while_a_daemon_starts_anew(daemon, pager, worker):
    """It may be the first that is back; what is written meanwhile waits for the other one, which lives."""
    async with named(daemon, "api") as first, named(daemon, "api") as second:
        await bind(daemon, "pager:1", "api")
        await bind(daemon, "pager:2", "api#2")
        again = await back_again(daemon, pager, first)
        await daemon.attached(second)
        await again.accepted("1", "pager:1", text="one")
        await again.accepted("2", "pager:2", text="two")
        assert (await second.next_event())["content"] == "two"
        (issue,) = [each for each in (await daemon.ask("status"))["health"] if each["code"].startswith("bound")]
        assert issue["text"] == "The session api, to which pager:1 is bound, is not attached."
        first.process.send_signal(signal.SIGCONT)
        assert (await first.next_event())["content"] == "one"
        assert second.nothing_came()


async def test_coming_back_makes_no_session_the_latest(daemon, pager, worker):
    """Chats without a binding stay with the session that was opened last, in whatever order they come back."""
    async with named(daemon, "old") as old, named(daemon, "new") as new:
        again = await back_again(daemon, pager, old)
        await daemon.attached(new)
        old.process.send_signal(signal.SIGCONT)
        await daemon.attached(old)
        await again.accepted("1", "pager:1", text="who is it?")
        assert (await new.next_event())["content"] == "who is it?"
        assert old.nothing_came()
