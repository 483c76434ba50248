"""Small facts that a worker wants to find again in its next process. Losing the latest costs work, never a message."""

from __future__ import annotations

from channeld.store.db import Database
from channeld.store.queries import QUERIES


class Marks:
    """What workers remember."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def put(self, worker: str, marks: dict[str, str]) -> None:
        """Remember facts; an empty value forgets one.

        Raises:
            StoreUnavailable: nothing was remembered.
        """
        rows = [{"worker": worker, "key": key, "value": value} for key, value in marks.items()]
        await self._db.submit(
            lambda connection: [
                connection.execute(QUERIES["put_mark" if row["value"] else "forget_mark"], row) for row in rows
            ]
        )

    async def of(self, worker: str) -> dict[str, str]:
        """Return all that a worker remembers."""
        return await self._db.submit(
            lambda connection: dict(map(tuple, connection.execute(QUERIES["marks"], {"worker": worker})))
        )
