"""What happens to bindings and messages at the same time: none may reach a session that its chat is not bound to."""

from __future__ import annotations

import time

import pytest

from channeld.core.model import Inbound
from channeld.store.access import AccessList
from channeld.store.bindings import BindingList
from channeld.store.db import Database
from channeld.store.mailbox import Mailbox, Taker, Terms, own
from channeld.store.sequence import Sequence


class Place:
    """A mailbox, and who is bound in it."""

    def __init__(self, database):
        self.database, self.mailbox, self.bindings = database, Mailbox(database, Sequence()), BindingList(database)

    async def accept(self, chat, *texts, taker=None):
        """Put messages into the mailbox."""
        events = [
            Inbound(event_key=f"{chat}.{text}", chat=chat, kind="message", message_id=text, sender_id="7", sender="Ann",
                    sent_at=time.time(), text=text)
            for text in texts
        ]  # fmt: skip
        takers = {chat: taker} if taker is not None else {}
        return await self.mailbox.accept("pager", events, time.time(), own, takers)

    async def attach(self, instance, name, **more):
        """Attach a session."""
        return await self.mailbox.attach(instance, name, 1, 1, frozenset(), time.time(), **more)

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
