"""Messages that wait for a person's word, and those that shall not wait for their turn."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Final, Literal

from channeld.core.model import StoredEvent
from channeld.store.db import Database
from channeld.store.mailbox import Terms, events_of
from channeld.store.queries import QUERIES

Hold = Literal["stale", "unattended"]
_WORD: Final = {"stale": 1, "unattended": 2}


class Holds:
    """The store's side of holding and letting go. Times are unix seconds, passed in."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def hold(self, terms: Terms, now: float) -> set[Hold]:
        """Hold what may not be claimed on these terms; returns for which reasons something was."""

        def work(connection: sqlite3.Connection) -> set[Hold]:
            reasons: list[tuple[Hold, str]] = [("stale", "too_old")]
            if not terms.chatters:
                reasons.append(("unattended", "of_chatters"))
            values = {
                "fresh_after": terms.fresh_after, "askable": json.dumps(sorted(terms.askable)),
                "sessions": json.dumps(sorted(terms.sessions)),
            }  # fmt: skip
            done: set[Hold] = set()
            for hold, query in reasons:
                # Looked for before anything is written: this is asked whenever something may go.
                found = connection.execute(QUERIES[query], values)
                if seqs := [row["seq"] for row in found]:
                    connection.execute(QUERIES["hold"], {"hold": hold, "seqs": json.dumps(seqs), "now": now})
                    done.add(hold)
            return done

        return await self._db.submit(work)

    async def held(self, hold: Hold) -> list[StoredEvent]:
        """Return what is held for a reason, oldest first."""
        return await self._events("held", hold=hold)

    async def clear(self, hold: Hold, seqs: Iterable[int], now: float, *, by_word: bool) -> list[StoredEvent]:
        """Queue held events; ``by_word``: a person said so, and they are not held again."""
        return await self._events(
            "clear_held", hold=hold, seqs=json.dumps(list(seqs)), cleared=_WORD[hold] if by_word else 0, now=now
        )

    async def drop(self, hold: Hold, seqs: Iterable[int], now: float) -> list[StoredEvent]:
        """Give held events up."""
        return await self._events("drop_held", hold=hold, seqs=json.dumps(list(seqs)), now=now)

    async def queued(self) -> list[StoredEvent]:
        """Return messages that wait, oldest first: 500, of each chat as many as of the others if there are so many."""
        return await self._events("queued")

    async def want_as_notes(self, chat: str) -> list[StoredEvent]:
        """Let what waits in a chat go into the turn that runs; returns those events."""
        return await self._events("want_as_notes", chat=chat)

    async def _events(self, query: str, **values: object) -> list[StoredEvent]:
        return await self._db.submit(lambda connection: events_of(connection.execute(QUERIES[query], values)))
