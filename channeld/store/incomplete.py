"""Events that are not complete: albums that may grow, and messages whose files are still to be fetched."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable

from channeld.core.completeness import FETCH_S, go_without, missing
from channeld.core.model import Attachment, StoredEvent
from channeld.store.db import Database
from channeld.store.mailbox import events_of, set_detail
from channeld.store.queries import QUERIES


class Incomplete:
    """The store's side of completing events. Times are unix seconds, passed in."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def of_worker(self, worker: str) -> list[StoredEvent]:
        """Return a worker's events that are not complete, oldest first."""
        return await self._db.submit(lambda connection: _incomplete(connection, worker))

    async def next_due(self) -> float | None:
        """Return when the first of them is waited for no longer, or None where there is none."""
        return await self._db.submit(lambda connection: connection.execute(QUERIES["next_completion"]).fetchone()[0])

    async def close_albums(self, worker: str, still_open: Iterable[str], now: float) -> list[StoredEvent]:
        """Let a worker's albums grow no more, except those that are still open; return the events that are complete."""
        return await self._db.submit(lambda connection: _close_albums(connection, now, worker, still_open))

    async def expire(self, now: float) -> list[StoredEvent]:
        """Wait no longer for what is overdue; return the events that go now as they are."""

        def work(connection: sqlite3.Connection) -> list[StoredEvent]:
            for event in events_of(connection.execute(QUERIES["overdue"], {"now": now})):
                go_without(event.inbound)
                set_detail(connection, event)
            return _close_albums(connection, now)

        return await self._db.submit(work)

    async def put_file(
        self, seq: int, token: str, change: Callable[[Attachment], None], now: float
    ) -> list[StoredEvent]:
        """Change what is known of a file, also after its event was pushed; return the events that are complete by that.

        Args:
            seq: of the event.
            token: of the file.
            change: sets its path, or why there is none.
            now: unix time, seconds.
        """

        def work(connection: sqlite3.Connection) -> list[StoredEvent]:
            events = events_of(connection.execute(QUERIES["find_seq"], {"seq": seq}))
            for event in events:
                for file in event.inbound.attachments:
                    if file.token == token:
                        change(file)
                set_detail(connection, event)
            return [done for event in events for done in _let_go(connection, event.worker, now)]

        return await self._db.submit(work, durable=True)


def _close_albums(
    connection: sqlite3.Connection, now: float, worker: str | None = None, still_open: Iterable[str] = ()
) -> list[StoredEvent]:
    """Close a worker's albums but those that are open, and all that are overdue."""
    values = {"worker": worker, "open": json.dumps(list(still_open)), "now": now, "until": now + FETCH_S}
    connection.execute(QUERIES["close_albums"], values)
    return _let_go(connection, None, now)


def _let_go(connection: sqlite3.Connection, worker: str | None, now: float) -> list[StoredEvent]:
    """Queue the events that are complete."""
    return [
        released
        for event in _incomplete(connection, worker)
        if not missing(event.inbound)
        for released in events_of(connection.execute(QUERIES["complete_event"], {"seq": event.seq, "now": now}))
    ]


def _incomplete(connection: sqlite3.Connection, worker: str | None) -> list[StoredEvent]:
    return events_of(connection.execute(QUERIES["incomplete"], {"worker": worker}))
