"""Inbound events: accepted, claimed for a session, confirmed, given back, answered."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Mapping
from collections.abc import Sequence as Many
from typing import Final, NamedTuple

import msgspec

from channeld.core.access import NO_MENTION, Role, Ruling, without_quote
from channeld.core.completeness import grow, is_incomplete, patience_s
from channeld.core.delivery import EventState, split_on_reconnect
from channeld.core.errors import Refused
from channeld.core.model import Inbound, Lease, StoredEvent
from channeld.core.routing import distinct
from channeld.store import timeline
from channeld.store.db import Database
from channeld.store.queries import QUERIES
from channeld.store.sequence import Sequence, next_epoch, write

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Inbound).decode


class Acceptance(NamedTuple):
    """What became of one offer."""

    event: StoredEvent | None  # None: it was not admitted, or was in the mailbox already
    claimed: bool  # it was claimed in the same transaction and is to be pushed now
    ruling: Ruling


class Terms(NamedTuple):
    """What may be claimed for a session, and without a person's word."""

    sessions: frozenset[str] = frozenset({""})  # its chats: those bound to one of these names; "": those not bound
    chatters: bool = True  # what those wrote who are no approvers
    fresh_after: float = 0.0  # unix time, seconds: only what was written since
    askable: frozenset[str] = frozenset()  # workers whose senders can be asked; what others' wrote is fresh


ANYTHING: Final = Terms()


class Taker(msgspec.Struct):
    """A session that is free, for what is accepted of a chat to be claimed in the same transaction."""

    lease: Lease
    room: int  # how many events it can take; lessened as they are claimed
    terms: Terms = ANYTHING


NOBODY: Final[Mapping[str, Taker]] = {}

Gate = Callable[[sqlite3.Connection, str, Inbound, float], Ruling]
"""Rules on ``(connection, worker, event, now)`` inside the transaction that accepts the event."""


def own(connection: sqlite3.Connection, worker: str, inbound: Inbound, now: float) -> Ruling:
    """Admit what channeld itself has to say."""
    return Ruling(admitted=True, role=Role.APPROVER)


class Reattached(NamedTuple):
    """What a session process finds when it connects."""

    name: str  # its own: no other process that is there has it
    lease: Lease
    to_ping: list[StoredEvent]  # written to it over an earlier connection: only a ping is missing
    to_repush: list[StoredEvent]  # recorded as pushed but never written: push again, flagged
    given_back: list[StoredEvent]  # likewise, but people have bound their chats to another session since: queued again
    since: float  # when this process connected first


class Mailbox:
    """The inbound side of the store. Times are unix seconds, passed in."""

    def __init__(self, database: Database, sequence: Sequence) -> None:
        self._db = database
        self._sequence = sequence

    async def accept(
        self,
        worker: str,
        offers: Many[Inbound],
        now: float,
        gate: Gate,
        takers: Mapping[str, Taker] = NOBODY,
    ) -> list[Acceptance]:
        """Put events on disk, each at most once for ever.

        Args:
            worker: who offers them.
            offers: in the platform's order.
            now: unix time, seconds.
            gate: says who may speak.
            takers: of each chat whose events go to a session that is free.

        Raises:
            StoreUnavailable: nothing of this was accepted.
        """

        def work(connection: sqlite3.Connection) -> list[Acceptance]:
            results = []
            for inbound in offers:
                album = _open_album(connection, worker, inbound)
                ruling = gate(connection, worker, inbound, now)
                if album is not None and ruling.code == NO_MENTION:  # only one message of an album mentions anybody
                    ruling = Ruling(admitted=True, role=Role(album.role))
                if not ruling.admitted:
                    results.append(Acceptance(None, claimed=False, ruling=ruling))
                    continue
                if not ruling.quotes:
                    without_quote(inbound)
                if album is not None:
                    results.append(_grow(connection, album, inbound, ruling))
                    continue
                taker = takers.get(inbound.chat)
                free = taker if taker is not None and _may_go(taker, worker, inbound, ruling, now) else None
                acceptance = self._accept(connection, worker, inbound, ruling, free, now)
                if taker is not None:
                    taker.room -= acceptance.claimed
                results.append(acceptance)
            return results

        return await self._db.submit(work, durable=True)

    def _accept(
        self,
        connection: sqlite3.Connection,
        worker: str,
        inbound: Inbound,
        ruling: Ruling,
        taker: Taker | None,
        now: float,
    ) -> Acceptance:
        if inbound.album is not None and _is_of_album(connection, worker, inbound.event_key):
            return Acceptance(None, claimed=False, ruling=ruling)
        incomplete = is_incomplete(inbound)
        lease = taker.lease if taker is not None else None
        claimed = taker is not None and not incomplete and _may_claim(connection, taker, inbound.chat)
        event = StoredEvent(
            seq=self._sequence.next(connection),
            delivery_id=secrets.token_hex(8),
            worker=worker,
            inbound=inbound,
            # Straight into its second state: it need not enter and leave the index of rows that wait.
            state=EventState.PUSHED if claimed else EventState.HELD if incomplete else EventState.QUEUED,
            pushes=int(claimed),
            accepted_at=now,
            role=ruling.role,
        )
        cursor = connection.execute(
            QUERIES["accept_event"],
            {
                "seq": event.seq,
                "delivery_id": event.delivery_id,
                "worker": worker,
                "event_key": inbound.event_key,
                "chat": inbound.chat,
                "kind": inbound.kind,
                "message_id": inbound.message_id,
                "text": inbound.text,
                "detail": _encode(msgspec.structs.replace(inbound, text="")),
                "now": now,
                "not_before": now + patience_s(inbound) if incomplete else None,
                "album": inbound.album,
                "state": event.state,
                "pushes": event.pushes,
                "role": event.role,
                "pushed_seq": event.seq if claimed else None,
                "written_at": inbound.written_at(now),
                "instance": lease.instance if claimed and lease else None,
                "epoch": lease.epoch if claimed and lease else None,
            },
        )
        if cursor.rowcount == 0:
            return Acceptance(None, claimed=False, ruling=ruling)
        if inbound.kind == "edited":
            timeline.apply_sender_edit(connection, inbound, now)
        return Acceptance(event, claimed, ruling)

    async def attach(
        self,
        instance: str,
        given: str,
        pid: int,
        pid_start: int,
        written: frozenset[str],
        now: float,
        is_there: Callable[[str, int, int], bool] = lambda instance, pid, pid_start: True,
    ) -> Reattached:
        """Register a session process's connection and sort out what an earlier connection of it left open.

        Args:
            instance: the process's own id.
            given: the name that its user gave it; where another process has that, it gets a number behind it.
            pid: of the process.
            pid_start: in clock ticks since boot.
            written: delivery ids that it has taken over for Claude.
            now: unix time, seconds.
            is_there: tells whether a process whose end was not seen, by ``(instance, pid, pid_start)``, is still there.
        """

        def work(connection: sqlite3.Connection) -> Reattached:
            name = _name_for(connection, instance, given, is_there)
            epoch = next_epoch(connection)
            lease = {"instance": instance, "epoch": epoch}
            (since,) = connection.execute(
                QUERIES["put_instance"],
                {"id": instance, "name": name, "pid": pid, "pid_start": pid_start, "epoch": epoch, "now": now},
            ).fetchone()
            values = {
                "instance": instance, "names": json.dumps(["", name, given]), "written": json.dumps(sorted(written)),
                "now": now,
            }  # fmt: skip
            given_back = events_of(connection.execute(QUERIES["give_back_bound"], values))
            connection.execute(QUERIES["adopt_events"], lease)
            open_events = events_of(connection.execute(QUERIES["pushed_to"], {"instance": instance}))
            known, lost = split_on_reconnect([e.delivery_id for e in open_events], written)
            for event in open_events:
                if event.delivery_id in set(lost):
                    event.pushes += 1
                    connection.execute(QUERIES["repush_event"], {**lease, "seq": event.seq, "now": now}).fetchall()
            return Reattached(
                name,
                Lease(instance, epoch),
                [e for e in open_events if e.delivery_id in set(known)],
                [e for e in open_events if e.delivery_id in set(lost)],
                given_back,
                since,
            )

        return await self._db.submit(work)

    async def claim(self, lease: Lease, limit: int, now: float, terms: Terms = ANYTHING) -> list[StoredEvent]:
        """Take the oldest events that may go and record them as pushed to this session."""
        return await self._db.submit(lambda connection: self._claim(connection, lease, None, limit, now, terms))

    async def claim_turn(
        self, lease: Lease, served: Mapping[str, int], now: float, terms: Terms = ANYTHING
    ) -> list[StoredEvent]:
        """Take one event to begin a turn, of the chat that has waited longest for one.

        Args:
            lease: of the session that is free.
            served: when each chat had its last turn, as a number that grows with each.
            now: unix time, seconds.
            terms: what may go.
        """

        def work(connection: sqlite3.Connection) -> list[StoredEvent]:
            values = {"sessions": json.dumps(sorted(terms.sessions))}
            chats = [tuple(row) for row in connection.execute(QUERIES["first_of_chats"], values)]
            for _, seq in sorted(chats, key=lambda first: (served.get(first[0], 0), first[1])):
                if events := self._claim(connection, lease, [seq], 1, now, terms):
                    return events
            return []

        return await self._db.submit(work)

    async def claim_notes(self, lease: Lease, now: float, terms: Terms = ANYTHING) -> list[StoredEvent]:
        """Take what its senders want handed over within the turn that runs."""

        def work(connection: sqlite3.Connection) -> list[StoredEvent]:
            seqs = [row["seq"] for row in connection.execute(QUERIES["wanted_as_notes"])]
            return self._claim(connection, lease, seqs, len(seqs), now, terms)

        return await self._db.submit(work)

    def _claim(
        self, connection: sqlite3.Connection, lease: Lease, seqs: Many[int] | None, limit: int, now: float, terms: Terms
    ) -> list[StoredEvent]:
        values = {
            "instance": lease.instance, "epoch": lease.epoch, "limit": limit, "now": now,
            "seqs": _array(seqs) if seqs is not None else None, "pushed_seq": self._sequence.last(connection),
            "sessions": json.dumps(sorted(terms.sessions)), "chatters": terms.chatters,
            "fresh_after": terms.fresh_after, "askable": json.dumps(sorted(terms.askable)),
        }  # fmt: skip
        connection.execute(QUERIES["fold_edits"], {"now": now})
        return events_of(connection.execute(QUERIES["claim_events"], values))

    async def confirm(self, lease: Lease, seqs: Many[int], now: float, *, seen_only: bool = False) -> list[StoredEvent]:
        """Record that the client has read these. A stale lease confirms nothing.

        Args:
            lease: of the session.
            seqs: the events.
            now: unix time, seconds.
            seen_only: a reply answers only what a hook says that Claude has seen.
        """
        return await self._events_of(
            "confirm_events", instance=lease.instance, epoch=lease.epoch, seqs=_array(seqs), now=now,
            seen_only=seen_only,
        )  # fmt: skip

    async def answer(self, instance: str, chat: str, now: float, *, seen_only: bool = False) -> list[StoredEvent]:
        """Record that Claude replied to a chat; ``seen_only`` as in ``confirm``."""
        return await self._events_of("answer_events", instance=instance, chat=chat, now=now, seen_only=seen_only)

    async def retry(
        self, seq: int, now: float, review: Callable[[sqlite3.Connection, str, float], None] | None = None
    ) -> list[StoredEvent]:
        """Queue a message again that was delivered or dropped; nothing if its state does not allow it.

        Args:
            seq: of the message.
            now: unix time, seconds.
            review: rules anew on what waits of the message's worker: who may not be heard any more stays unheard.

        Raises:
            Refused: its sender may not.
        """

        def work(connection: sqlite3.Connection) -> list[StoredEvent]:
            events = events_of(connection.execute(QUERIES["retry_event"], {"seq": seq, "now": now}))
            if events and review is not None:
                review(connection, events[0].worker, now)
                state = connection.execute("SELECT state FROM event WHERE seq = ?", (seq,)).fetchone()["state"]
                if state != EventState.QUEUED:
                    raise Refused(
                        f"Message {seq} cannot be sent again: its sender may not be heard there now.",
                        hint="`channeld access show` shows who may.",
                    )
            return events

        return await self._db.submit(work)

    async def drop(self, seq: int, now: float) -> list[StoredEvent]:
        """Take a message that waits out of the queue; nothing if its state does not allow it."""
        return await self._events_of("drop_event", seq=seq, now=now)

    async def in_work(self, instance: str, after: float) -> list[tuple[str, str, float]]:
        """Return ``(chat, kind of event, since)`` of what a session has read since ``after`` and not answered."""
        values = {"instance": instance, "after": after}
        return await self._db.submit(
            lambda connection: [tuple(row) for row in connection.execute(QUERIES["in_work"], values)]
        )

    async def give_back(self, instance: str, now: float) -> list[StoredEvent]:
        """Queue again what an ended session process did not confirm."""

        def work(connection: sqlite3.Connection) -> list[StoredEvent]:
            connection.execute(QUERIES["end_instance"], {"id": instance, "now": now})
            return events_of(connection.execute(QUERIES["give_back"], {"instance": instance, "now": now}))

        return await self._db.submit(work)

    async def living_instances(self) -> list[tuple[str, str, int, int]]:
        """Return ``(id, name, pid, pid_start)`` of the session processes whose end was not seen."""
        return await self._db.submit(
            lambda connection: [tuple(row) for row in connection.execute(QUERIES["living_instances"])]
        )

    async def owes_chat(self, chat: str, instance: str) -> bool:
        """Tell whether a session was given something of a chat that it has not answered."""
        values = {"chat": chat, "instance": instance}
        return await self._db.submit(
            lambda connection: connection.execute(QUERIES["owes_chat"], values).fetchone() is not None
        )

    async def knows_chat(self, chat: str, instance: str | None = None) -> bool:
        """Tell whether a chat has ever sent anything, or has sent something that this session was given."""
        name = "chat_exists" if instance is None else "knows_chat"
        return await self._db.submit(
            lambda connection: (
                connection.execute(QUERIES[name], {"chat": chat, "instance": instance}).fetchone() is not None
            )
        )

    async def find(self, chat: str, message_id: str) -> StoredEvent | None:
        """Return the inbound message of that id, or None."""
        found = await self._events_of("find_event", chat=chat, message_id=message_id)
        return found[0] if found else None

    async def withdraw(self, worker: str, chat: str, message_id: str, now: float) -> list[StoredEvent]:
        """Give up a message that waits and was never pushed, with its edits; return what was given up."""
        values = {"worker": worker, "chat": chat, "message_id": message_id, "now": now}
        return await self._events_of("withdraw_event", **values)

    async def counts(self) -> dict[str, int]:
        """Return how many events are in each state."""
        return await self._db.submit(
            lambda connection: {row["state"]: row["n"] for row in connection.execute(QUERIES["count_events"])}
        )

    async def waiting(self) -> list[tuple[str, int, float]]:
        """Return ``(chat, how many, accepted_at of the oldest)`` of what has not been pushed."""
        return await self._db.submit(
            lambda connection: [tuple(row) for row in connection.execute(QUERIES["count_waiting"])]
        )

    async def held(self) -> tuple[int, float | None]:
        """Return how many events wait for a person's word, and since when the oldest does."""
        return await self._db.submit(lambda connection: tuple(connection.execute(QUERIES["count_held"]).fetchone()))

    async def probe(self) -> None:
        """Write nothing of consequence to disk: raises ``StoreUnavailable`` as accepting a message would."""
        await self._db.submit(lambda connection: write(connection, "probed", 1), durable=True)

    async def _events_of(self, query: str, **values: object) -> list[StoredEvent]:
        return await self._db.submit(lambda connection: events_of(connection.execute(QUERIES[query], values)))


def _name_for(
    connection: sqlite3.Connection, instance: str, given: str, is_there: Callable[[str, int, int], bool]
) -> str:
    """Return the name that a session process had before, or one that no other process has that is there."""
    had, taken = "", set()
    for other, name, pid, pid_start in connection.execute(QUERIES["living_instances"]):
        if other == instance:
            had = name
        elif is_there(other, pid, pid_start):
            taken.add(name)
    return had if had and had not in taken else distinct(given, taken)


def _may_go(taker: Taker, worker: str, inbound: Inbound, ruling: Ruling, now: float) -> bool:
    """Tell whether a session may be given an event without a person's word, and has room for it."""
    terms = taker.terms
    return (
        taker.room > 0
        and (terms.chatters or ruling.role == Role.APPROVER)
        and (inbound.written_at(now) >= terms.fresh_after or worker not in terms.askable)
    )


def _may_claim(connection: sqlite3.Connection, taker: Taker, chat: str) -> bool:
    values = {
        "chat": chat, "instance": taker.lease.instance, "epoch": taker.lease.epoch,
        "sessions": json.dumps(sorted(taker.terms.sessions)),
    }  # fmt: skip
    return connection.execute(QUERIES["may_claim"], values).fetchone() is not None


def _open_album(connection: sqlite3.Connection, worker: str, inbound: Inbound) -> StoredEvent | None:
    """Return the event of the album that a message belongs to, while that may grow."""
    if inbound.album is None:
        return None
    values = {"worker": worker, "album": inbound.album, "chat": inbound.chat}
    events = events_of(connection.execute(QUERIES["open_album"], values))
    return next((event for event in events if event.inbound.sender_id == inbound.sender_id), None)


def _grow(connection: sqlite3.Connection, album: StoredEvent, further: Inbound, ruling: Ruling) -> Acceptance:
    """Make a message part of its album's event; one that came before changes nothing."""
    key = further.event_key
    if key == album.inbound.event_key or _is_of_album(connection, album.worker, key):
        return Acceptance(None, claimed=False, ruling=ruling)
    connection.execute(QUERIES["put_album_key"], {"worker": album.worker, "event_key": key, "seq": album.seq})
    grow(album.inbound, further)
    with timeline.indexed_anew(connection, album.seq):
        set_detail(connection, album)
    return Acceptance(album, claimed=False, ruling=ruling)


def _is_of_album(connection: sqlite3.Connection, worker: str, event_key: str) -> bool:
    """Tell whether a message has become part of another one's event."""
    values = {"worker": worker, "event_key": event_key}
    return connection.execute(QUERIES["key_of_album"], values).fetchone() is not None


def set_detail(connection: sqlite3.Connection, event: StoredEvent) -> None:
    """Store what an event says now."""
    detail = _encode(msgspec.structs.replace(event.inbound, text=""))
    connection.execute(QUERIES["set_detail"], {"seq": event.seq, "text": event.inbound.text, "detail": detail})


def _array(numbers: Many[int]) -> str:
    return f"[{','.join(map(str, numbers))}]"


def events_of(rows: sqlite3.Cursor) -> list[StoredEvent]:
    """Return the events of a query's rows, oldest first."""
    return sorted(map(event_of, rows), key=lambda event: event.seq)  # RETURNING promises no order


def event_of(row: sqlite3.Row) -> StoredEvent:
    """Return the event of a row."""
    inbound = _decode(row["detail"])
    inbound.text = row["text"]
    return StoredEvent(
        seq=row["seq"],
        delivery_id=row["delivery_id"],
        worker=row["worker"],
        inbound=inbound,
        state=row["state"],
        pushes=row["pushes"],
        accepted_at=row["accepted_at"],
        role=row["role"],
    )
