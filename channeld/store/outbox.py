"""Outbound messages: a tool call is accepted once, its parts are sent in order per chat."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Sequence as Many
from typing import NamedTuple

import msgspec

from channeld.core.delivery import PartState
from channeld.core.model import NewPart, PartDetail, Piece, StoredPart
from channeld.store import timeline
from channeld.store.db import Database
from channeld.store.queries import QUERIES
from channeld.store.sequence import Sequence, next_epoch

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(PartDetail).decode


class AcceptedCall(NamedTuple):
    """A call in the outbox."""

    call: int
    parts: list[StoredPart]
    fresh: bool  # False: the same call had been accepted before


class OpenParts(NamedTuple):
    """Parts of one worker in one state."""

    worker: str
    state: str
    number: int
    since: float  # unix time, seconds: when the oldest was accepted, or went wrong
    lately: int  # how many messages of these went wrong lately
    reason: str | None  # of the last of them, as its worker said it


class Outbox:
    """The outbound side of the store. Times are unix seconds, passed in."""

    def __init__(self, database: Database, sequence: Sequence) -> None:
        self._db = database
        self._sequence = sequence

    async def find(self, instance: str, tool_use_id: str) -> AcceptedCall | None:
        """Return the call that was accepted under this id, or None."""

        def work(connection: sqlite3.Connection) -> AcceptedCall | None:
            row = connection.execute(
                QUERIES["find_call"], {"instance": instance, "tool_use_id": tool_use_id}
            ).fetchone()
            return AcceptedCall(row["id"], _parts_of(connection, row["id"]), fresh=False) if row else None

        return await self._db.submit(work)

    async def accept(
        self, instance: str, tool_use_id: str | None, worker: str, chat: str, parts: Many[NewPart], now: float
    ) -> AcceptedCall:
        """Put a call and its parts on disk; the same ``tool_use_id`` of the same session gives the call it gave before.

        Raises:
            StoreUnavailable: nothing of it was accepted.
        """

        def work(connection: sqlite3.Connection) -> AcceptedCall:
            if tool_use_id is not None:
                row = connection.execute(
                    QUERIES["find_call"], {"instance": instance, "tool_use_id": tool_use_id}
                ).fetchone()
                if row is not None:
                    return AcceptedCall(row["id"], _parts_of(connection, row["id"]), fresh=False)
            call = connection.execute(
                QUERIES["accept_call"], {"instance": instance, "tool_use_id": tool_use_id, "chat": chat, "now": now}
            ).fetchone()["id"]
            accepted = [self._put(connection, call, worker, chat, part, now) for part in parts]
            return AcceptedCall(call, accepted, fresh=True)

        return await self._db.submit(work, durable=True)

    async def parts(self, call: int) -> list[StoredPart]:
        """Return the parts of a call in order."""
        return await self._db.submit(lambda connection: _parts_of(connection, call))

    async def begin_worker(self, worker: str, lost_state: PartState, now: float) -> tuple[int, list[StoredPart]]:
        """Give a new worker process its epoch, and settle what an earlier one was sending.

        Returns:
            The epoch, and the parts whose state changed to ``lost_state``.
        """

        def work(connection: sqlite3.Connection) -> tuple[int, list[StoredPart]]:
            epoch = next_epoch(connection)
            error = None if lost_state is PartState.QUEUED else "the worker ended while sending it"
            rows = connection.execute(
                QUERIES["lose_worker"],
                {"worker": worker, "epoch": epoch, "state": lost_state, "error": error, "now": now},
            ).fetchall()
            return epoch, [_part(row) for row in rows]

        return await self._db.submit(work)

    async def claim(self, worker: str, epoch: int, now: float) -> tuple[list[StoredPart], float | None]:
        """Take the next part of each chat and record it as being sent.

        Returns:
            The parts, and when the earliest postponed part is due, or None.
        """

        def work(connection: sqlite3.Connection) -> tuple[list[StoredPart], float | None]:
            rows = connection.execute(QUERIES["claim_parts"], {"worker": worker, "epoch": epoch, "now": now}).fetchall()
            due = connection.execute(QUERIES["next_part_due"], {"worker": worker}).fetchone()[0]
            return sorted((_part(row) for row in rows), key=lambda part: part.seq), due

        return await self._db.submit(work)

    async def settle(
        self,
        part: StoredPart,
        epoch: int,
        state: PartState,
        now: float,
        *,
        platform_id: str | None = None,
        error: str | None = None,
        not_before: float | None = None,
    ) -> list[StoredPart]:
        """Record the outcome of a part; a stale epoch records nothing. A sent edit changes the message it edits.

        Returns:
            The parts that changed: this one and, for an edit, the edited message's.
        """

        def work(connection: sqlite3.Connection) -> list[StoredPart]:
            rows = connection.execute(
                QUERIES["settle_part"],
                {"seq": part.seq, "epoch": epoch, "state": state, "platform_id": platform_id, "error": error,
                 "not_before": not_before, "now": now},
            ).fetchall()  # fmt: skip
            if rows and state is PartState.SENT and part.kind == "edit":
                rows += timeline.apply_edit(connection, part.chat, part.message_id or "", part.text, now)
            return [_part(row) for row in rows]

        return await self._db.submit(work)

    async def split(self, part: StoredPart, epoch: int, pieces: Many[Piece], now: float) -> list[StoredPart]:
        """Make parts of the pieces of a part that is being sent; a stale epoch changes nothing.

        Returns:
            The parts, the first of them in the place of the one that there was.
        """

        def work(connection: sqlite3.Connection) -> list[StoredPart]:
            first, *others = (_of_piece(part, piece) for piece in pieces)
            values = {
                "seq": part.seq, "epoch": epoch, "text": first.text, "detail": _encode(first.detail), "now": now,
            }  # fmt: skip
            with timeline.indexed_anew(connection, part.seq):
                rows = connection.execute(QUERIES["split_part"], values).fetchall()
            if not rows:
                return []
            made = [self._put(connection, part.call, part.worker, part.chat, other, now) for other in others]
            return [_part(rows[0]), *made]

        return await self._db.submit(work, durable=True)

    def _put(
        self, connection: sqlite3.Connection, call: int, worker: str, chat: str, part: NewPart, now: float
    ) -> StoredPart:
        """Put a part behind all others of its call."""
        values = {
            "seq": self._sequence.next(connection), "send_id": secrets.token_hex(8), "call": call, "worker": worker,
            "chat": chat, "kind": part.kind, "message_id": part.message_id, "text": part.text,
            "detail": _encode(part.detail), "now": now,
        }  # fmt: skip
        return _part(connection.execute(QUERIES["accept_part"], values).fetchone())

    async def retry(self, seq: int, now: float) -> list[StoredPart]:
        """Queue a part again that failed or may have been sent; nothing if its state does not allow it."""
        return await self._parts_of("retry_part", seq=seq, now=now)

    async def drop(self, seq: int, now: float) -> list[StoredPart]:
        """Give up a part that is not sent; nothing if its state does not allow it."""
        return await self._parts_of("drop_part", seq=seq, now=now)

    async def counts(self, lately: float) -> list[OpenParts]:
        """Return the parts that are not done or went wrong, by worker and state.

        Args:
            lately: unix time; what went wrong since then is counted apart.
        """

        def work(connection: sqlite3.Connection) -> list[OpenParts]:
            return [OpenParts(*row) for row in connection.execute(QUERIES["count_parts"], {"after": lately})]

        return await self._db.submit(work)

    async def _parts_of(self, query: str, **values: object) -> list[StoredPart]:
        return await self._db.submit(
            lambda connection: [_part(row) for row in connection.execute(QUERIES[query], values)]
        )


def _parts_of(connection: sqlite3.Connection, call: int) -> list[StoredPart]:
    return [_part(row) for row in connection.execute(QUERIES["parts_of_call"], {"call": call})]


def _of_piece(part: StoredPart, piece: Piece) -> NewPart:
    """Return a piece of a part as a part of its own."""
    detail = msgspec.structs.replace(
        part.detail, format=piece.format, entities=piece.entities, reply_to=piece.reply_to,
        files=piece.files, buttons=piece.buttons,
    )  # fmt: skip
    return NewPart(kind=part.kind, text=piece.text, detail=detail)


def _part(row: sqlite3.Row) -> StoredPart:
    return StoredPart(
        seq=row["seq"], send_id=row["send_id"], call=row["call"], worker=row["worker"], chat=row["chat"],
        kind=row["kind"], text=row["text"], message_id=row["message_id"], detail=_decode(row["detail"]),
        state=row["state"], attempts=row["attempts"], accepted_at=row["accepted_at"],
        platform_id=row["platform_id"], error=row["error"],
        tried_at=row["tried_at"] if row["tried_at"] != row["changed_at"] else None,
    )  # fmt: skip
