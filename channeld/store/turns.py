"""What the hooks of a session said: which event Claude was given, which turn runs, and what a turn leaves undone."""

from __future__ import annotations

import json
import sqlite3

from channeld.core.model import StoredEvent
from channeld.core.turns import Said, Turns
from channeld.store.db import Database
from channeld.store.mailbox import event_of, events_of
from channeld.store.queries import QUERIES


class Turnbook:
    """The store's side of turns. Times are unix seconds, passed in."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def seen(
        self, instance: str, delivery_id: str, prompt_id: str, now: float, *, note: bool
    ) -> StoredEvent | None:
        """Record that Claude was given an event.

        Args:
            instance: the session process that says so.
            delivery_id: as it stood in the tag.
            prompt_id: of the turn.
            now: unix time, seconds.
            note: that turn was running before.

        Returns:
            The event; None if that process was given none of that id, or in another turn.
        """
        values = {"instance": instance, "delivery_id": delivery_id, "prompt_id": prompt_id, "note": note, "now": now}

        def work(connection: sqlite3.Connection) -> list[StoredEvent]:
            return events_of(connection.execute(QUERIES["see_event"], values)) or events_of(
                connection.execute(QUERIES["seen_before"], values)
            )

        found = await self._db.submit(work)
        return found[0] if found else None

    async def say(self, instance: str, turns: Turns) -> None:
        """Write down what the hooks of a process say, for a daemon to come."""
        turn = turns.turn
        values = {
            "instance": instance, "mode": turns.permission_mode, "transcript": turns.transcript,
            "prompt_id": turn.prompt_id if turn else None, "typed": bool(turn and turn.typed),
            "since": turn.since if turn else 0.0, "open_tools": json.dumps(sorted(turn.open_tools) if turn else []),
            "ended": json.dumps(turns.ended),
        }  # fmt: skip
        await self._db.submit(lambda connection: connection.execute(QUERIES["hooks_say"], values).rowcount)

    async def said(self, instance: str, after: float) -> Said:
        """Return what was written down of a session process that is attached.

        Args:
            instance: the process.
            after: unix time, seconds; a receipt that has been missing since before is awaited no more.
        """

        def work(connection: sqlite3.Connection) -> Said:
            row = connection.execute(QUERIES["hooks_said"], {"instance": instance}).fetchone()
            values = {"instance": instance, "prompt_id": row["prompt_id"]}
            given = list(connection.execute(QUERIES["given_in_turn"], values)) if row["prompt_id"] else []
            unseen = list(connection.execute(QUERIES["awaited"], values)) if row["hooked"] else []
            return Said(
                hooked=bool(row["hooked"]),
                permission_mode=row["permission_mode"],
                transcript=row["transcript"],
                prompt_id=row["prompt_id"],
                typed=bool(row["typed"]),
                since=row["turn_since"],
                open_tools=json.loads(row["open_tools"]),
                ended=json.loads(row["ended"]),
                given=[(event_of(each), bool(each["note"])) for each in given],
                awaited=[each["seq"] for each in unseen if each["changed_at"] > after],
            )

        return await self._db.submit(work)

    async def unanswered_origin(self, instance: str, prompt_id: str) -> StoredEvent | None:
        """Return the event that a turn began with, if no reply has gone to its chat since."""
        values = {"instance": instance, "prompt_id": prompt_id}
        found = await self._db.submit(lambda connection: events_of(connection.execute(QUERIES["began_turn"], values)))
        return found[0] if found else None

    async def requeue_notes(self, instance: str, prompt_id: str, now: float) -> list[StoredEvent]:
        """A turn is over: queue what was handed over in its midst and got no reply; returns those events."""
        values = {"instance": instance, "prompt_id": prompt_id, "now": now}
        return await self._db.submit(lambda connection: events_of(connection.execute(QUERIES["requeue_notes"], values)))

    async def unseen(self, instance: str) -> list[StoredEvent]:
        """Return the events that a process has read, and whose receipt by a hook is missing."""
        return await self._db.submit(
            lambda connection: events_of(connection.execute(QUERIES["awaited"], {"instance": instance}))
        )
