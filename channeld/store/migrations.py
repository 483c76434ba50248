"""Brings a database file to this version, forward only."""

from __future__ import annotations

import sqlite3
from importlib import resources
from typing import Final

from channeld.core.delivery import EVENT_INITIAL, EVENT_TRANSITIONS, PART_INITIAL, PART_TRANSITIONS
from channeld.core.errors import StoreTooNew

MIGRATIONS: Final = (
    "schema.sql",
    "schema_2.sql",
    "schema_3.sql",
    "schema_4.sql",
    "schema_5.sql",
    "schema_6.sql",
    "schema_7.sql",
    "schema_8.sql",
)
"""One script a version, in order; ``PRAGMA user_version`` is how many have run. Scripts that shipped never change."""


def migrate(connection: sqlite3.Connection) -> None:
    """Run the scripts that the file has not seen, and write today's legal transitions into it.

    Raises:
        StoreTooNew: the file has seen more scripts than this version knows.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreTooNew(
            f"The mailbox was written by a newer channeld (format {version}, this one knows {len(MIGRATIONS)}).",
            hint="Install the newer version again; the mailbox was not touched.",
        )
    connection.execute("BEGIN IMMEDIATE")
    try:
        for number, name in enumerate(MIGRATIONS[version:], version + 1):
            for statement in _statements(resources.files("channeld.store").joinpath(name).read_text("utf-8")):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={number}")
        written = {tuple(row) for row in connection.execute("SELECT direction, before, after FROM transition")}
        if written != legal_transitions():
            connection.execute("DELETE FROM transition")
            connection.executemany("INSERT INTO transition VALUES (?, ?, ?)", sorted(legal_transitions()))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def legal_transitions() -> set[tuple[str, str, str]]:
    """Return ``(direction, before, after)`` of every legal step; before is '' for where a row may begin."""
    return (
        {("in", "", str(state)) for state in EVENT_INITIAL}
        | {("out", "", str(state)) for state in PART_INITIAL}
        | {("in", str(b), str(a)) for b, afters in EVENT_TRANSITIONS.items() for a in afters}
        | {("out", str(b), str(a)) for b, afters in PART_TRANSITIONS.items() for a in afters}
    )


def _statements(script: str) -> list[str]:
    """Split a script where SQLite says that a statement is complete: a trigger's body holds semicolons."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
