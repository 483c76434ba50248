"""Brings a database file to this version, forward only."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from importlib import resources
from pathlib import Path
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


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Run the scripts that the file has not seen, and write today's legal transitions into it.

    A file that older scripts have made is copied first: whoever goes back to that version finds it beside this one.

    Raises:
        StoreTooNew: the file has seen more scripts than this version knows.
        sqlite3.Error: it cannot be brought up to date, or there is no room for the copy; it is as it was.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreTooNew(
            f"The mailbox was written by a newer channeld (format {version}, this one knows {len(MIGRATIONS)}).",
            hint=f"Install the newer version again; the mailbox was not touched.{_older_copy(path)}",
        )
    if 0 < version < len(MIGRATIONS):
        _back_up(connection, copy_of(path, version))
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


def copy_of(path: Path, version: int) -> Path:
    """Return where a mailbox is copied to before it leaves a version."""
    return path.with_name(f"{path.name}.v{version}")


def copies(path: Path) -> list[Path]:
    """Return the copies that were made of a mailbox, oldest version first."""
    found = ((file.name.removeprefix(f"{path.name}.v"), file) for file in path.parent.glob(f"{path.name}.v*"))
    return [file for _, file in sorted((int(number), file) for number, file in found if number.isdecimal())]


def _back_up(connection: sqlite3.Connection, to: Path) -> None:
    """Copy a mailbox whole, for its owner alone: what stands under the name is never a part of it."""
    draft = to.with_name(f"{to.name}.new")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(draft)) as copy:
            connection.backup(copy)
        draft.replace(to)
    except BaseException:
        draft.unlink(missing_ok=True)  # on a full disk it would take the room that is needed to go on
        raise


def _older_copy(path: Path) -> str:
    kept = [file for file in copies(path) if int(file.name.rpartition(".v")[2]) <= len(MIGRATIONS)]
    return f" How it was before that version: {kept[-1]}" if kept else ""


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
