"""The counters of the database file. Used in the store's thread only."""

from __future__ import annotations

import sqlite3


class Sequence:
    """Hands out ``seq``, the order over both directions, and epochs.

    ``seq`` is kept in memory, because one connection writes: a rolled-back job leaves a gap, which harms nothing.
    """

    def __init__(self) -> None:
        self._last: int | None = None

    def next(self, connection: sqlite3.Connection) -> int:
        """Return a number larger than every one before it, also across restarts and retention."""
        self._last = self.last(connection) + 1
        return self._last

    def last(self, connection: sqlite3.Connection) -> int:
        """Return the last number that was handed out."""
        if self._last is None:
            self._last = max(
                read(connection, "seq"),
                connection.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0],
                connection.execute("SELECT coalesce(max(seq), 0) FROM part").fetchone()[0],
            )
        return self._last

    def remember(self, connection: sqlite3.Connection) -> None:
        """Write the last number down, before rows that bear it may be deleted."""
        if self._last is not None:
            write(connection, "seq", self._last)


def read(connection: sqlite3.Connection, name: str) -> int:
    """Return a counter, 0 if it was never written."""
    row = connection.execute("SELECT value FROM counter WHERE name = ?", (name,)).fetchone()
    return row[0] if row else 0


def write(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Set a counter."""
    connection.execute("INSERT OR REPLACE INTO counter (name, value) VALUES (?, ?)", (name, value))


def next_epoch(connection: sqlite3.Connection) -> int:
    """Return an epoch larger than every one before it."""
    epoch = read(connection, "epoch") + 1
    write(connection, "epoch", epoch)
    return epoch
