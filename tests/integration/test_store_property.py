"""The store under any sequence of steps, with crashes at any point: none lost, none doubled, order kept."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from channeld.core.model import Lease
from channeld.store.mailbox import NOBODY, Taker, own
from tests.doubles.stores import Stores, message

CHATS = ("web:a", "web:b")


class MailboxMachine(RuleBasedStateMachine):
    """Drives a mailbox beside a model of what must hold.

    A crash is simulated as the kernel leaves it: the files are copied as they are while the store is open, and the copy
    is opened by a new store.
    """

    leases = Bundle("leases")

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.generation = 0
        self.now = 0.0
        self.accepted: dict[str, str] = {}  # event key -> chat, in order of acceptance
        self.pushes: list[tuple[str, int]] = []  # (event key, number of this push)
        self.confirmed: set[str] = set()
        self.dropped: set[str] = set()
        self.by_hand: set[str] = set()  # brought back by a person: they go when they go
        self.current: dict[str, Lease] = {}
        self.stores = self.open()

    def open(self):
        """Open a store on the newest files."""
        stores = Stores(self.path)
        self.run(stores.database.open())
        return stores

    @property
    def path(self):
        """The database file of this generation."""
        return self.folder / str(self.generation) / "mail.db"

    def run(self, work):
        """Run a coroutine to its end."""
        self.path.parent.mkdir(exist_ok=True)
        return self.loop.run_until_complete(work)

    def tick(self):
        """Return the next moment."""
        self.now += 1.0
        return self.now

    def pushed(self, events):
        """Note what a session was given: nothing that a person has given up."""
        assert not {event.inbound.event_key for event in events} & self.dropped
        self.pushes += [(event.inbound.event_key, event.pushes) for event in events]

    @rule(target=leases, instance=st.sampled_from(["i1", "i2"]), wrote=st.booleans())
    def attach(self, instance, wrote):
        """Attach a process, which may or may not have written what it was given before."""
        written = frozenset(self.run(self.delivery_ids(instance))) if wrote else frozenset()
        found = self.run(self.stores.mailbox.attach(instance, "main", 1, 1, written, self.tick()))
        self.current[instance] = found.lease
        self.pushed(found.to_repush)
        assert not (wrote and found.to_repush)
        return found.lease

    async def delivery_ids(self, instance):
        """Return the delivery ids that a process was given and did not confirm."""
        return await self.stores.database.submit(
            lambda c: [r[0] for r in c.execute(
                "SELECT delivery_id FROM event WHERE state = 'pushed' AND instance = ?", (instance,))]
        )  # fmt: skip

    @rule(key=st.integers(0, 30), chat=st.sampled_from(CHATS), room=st.integers(0, 3), lease=st.none() | leases)
    def accept(self, key, chat, room, lease):
        """Offer an event, perhaps again, perhaps claiming it on the way in, perhaps with a stale lease."""
        event_key = f"message:{key}"
        takers = {chat: Taker(lease, room)} if lease is not None else NOBODY
        (result,) = self.run(
            self.stores.mailbox.accept("web", [message(str(key), chat=chat)], self.tick(), own, takers)
        )
        assert (result.event is None) == (event_key in self.accepted)
        if result.event is not None:
            self.accepted[event_key] = chat
        if result.claimed:
            assert lease is not None
            assert lease == self.current.get(lease.instance)
            self.pushed([result.event])

    @rule(lease=leases, limit=st.integers(1, 5))
    def claim(self, lease, limit):
        """Claim what waits; a stale or ended lease gets nothing."""
        events = self.run(self.stores.mailbox.claim(lease, limit, self.tick()))
        assert not events or lease == self.current.get(lease.instance)
        self.pushed(events)

    @rule(lease=leases, seqs=st.lists(st.integers(1, 40), max_size=8))
    def confirm(self, lease, seqs):
        """Confirm anything; only the current lease's own pushes settle."""
        events = self.run(self.stores.mailbox.confirm(lease, seqs, self.tick()))
        assert not events or lease == self.current.get(lease.instance)
        for event in events:
            assert event.inbound.event_key not in self.confirmed
            self.confirmed.add(event.inbound.event_key)

    @rule(seq=st.integers(1, 40))
    def drop(self, seq):
        """Give up whatever has that number: only what waits goes."""
        for event in self.run(self.stores.mailbox.drop(seq, self.tick())):
            assert event.inbound.event_key not in self.confirmed | self.dropped
            self.dropped.add(event.inbound.event_key)

    @rule(seq=st.integers(1, 40))
    def retry(self, seq):
        """Bring back whatever has that number: only what was read or given up comes."""
        for event in self.run(self.stores.mailbox.retry(seq, self.tick())):
            key = event.inbound.event_key
            assert key in self.confirmed | self.dropped
            self.by_hand.add(key)
            self.confirmed.discard(key)
            self.dropped.discard(key)

    @rule(instance=st.sampled_from(["i1", "i2"]))
    def end(self, instance):
        """End a process."""
        self.run(self.stores.mailbox.give_back(instance, self.tick()))
        self.current.pop(instance, None)

    @rule(target=leases)
    def crash(self):
        """Lose the process at this very point and open what the disk has."""
        old, files = self.stores, self.path.parent
        self.generation += 1
        shutil.copytree(files, self.path.parent)
        self.run(old.database.close())
        self.stores = self.open()
        return multiple()

    @initialize()
    def begin(self):
        """Begin with nothing waiting."""
        assert self.run(self.stores.mailbox.counts()) == {}

    @invariant()
    def nothing_is_lost(self):
        """Every accepted event is there, once."""
        assert sum(self.run(self.stores.mailbox.counts()).values()) == len(self.accepted)

    @invariant()
    def no_repeat_without_its_flag(self):
        """The count of an event's pushes, from which the flag is made, is never told twice."""
        assert len(set(self.pushes)) == len(self.pushes)

    @invariant()
    def first_pushes_of_a_chat_are_in_order(self):
        """Among first pushes of one chat, acceptance order is kept."""
        order = list(self.accepted)
        for chat in CHATS:
            firsts = [
                order.index(key)
                for key, number in self.pushes
                if number == 1 and self.accepted[key] == chat and key not in self.by_hand
            ]
            assert firsts == sorted(firsts)

    def teardown(self):
        """Close everything."""
        self.run(self.stores.database.close())
        self.loop.close()
        shutil.rmtree(self.folder)


TestMailbox = MailboxMachine.TestCase
TestMailbox.__doc__ = "No sequence of steps and crashes loses, doubles or reorders an event."
TestMailbox.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
