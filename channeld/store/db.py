"""One thread and one connection: jobs that wait together share a transaction.

Acceptance commits with ``synchronous=FULL``, so that it survives a power cut; later steps commit with ``NORMAL``, which
survives ``kill -9``. SQLite calls never run on the event loop.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from channeld.core.errors import ChanneldError, StoreUnavailable
from channeld.faultpoint import reach
from channeld.store import migrations

T = TypeVar("T")
_MOST_JOBS: Final = 256
"""Jobs that share one transaction at the most: a flood must not put off its first member's commit for long."""
_OF_THE_FILE: Final = (
    "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CANTOPEN",
    "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PERM", "SQLITE_AUTH", "SQLITE_PROTOCOL", "SQLITE_NOMEM", "SQLITE_NOLFS",
)  # fmt: skip
"""SQLite's errors about the file or the machine; any other is brought about by one job and costs the others nothing."""


@dataclass(slots=True, eq=False)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    durable: bool
    done: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Database:
    """The connection and its thread. All methods are called on the event loop except ``_``-prefixed ones."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: sqlite3.Connection | None = None
        self._synchronous = ""
        self.trouble: StoreUnavailable | None = None
        """Why the last write failed; None as soon as one succeeds."""

    async def open(self) -> None:
        """Open the file, bring it to this version and start the thread.

        Raises:
            StoreTooNew: a newer channeld wrote it.
            StoreUnavailable: it is corrupt, read-only, locked by another program, or its disk is full.
        """
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="store", daemon=True)
        self._thread.start()
        await opened

    async def close(self) -> None:
        """Finish what is queued and close the file."""
        if self._thread is None or self._loop is None:
            return
        self._jobs.put(None)
        await self._loop.run_in_executor(None, self._thread.join)
        self._thread = None

    def submit(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> asyncio.Future[T]:
        """Queue a job; its future is done after its commit. Futures are done in the order of submission.

        Args:
            work: runs in the thread, inside a transaction; what it raises undoes its own changes only.
            durable: commit to the disk itself, not only to the operating system.
        """
        assert self._loop is not None
        done: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, durable, done))
        return done

    # -- the thread

    def _run(self, opened: asyncio.Future[None]) -> None:
        assert self._loop is not None
        try:
            connection = self._connection = self._open()
        except ChanneldError as error:
            self._loop.call_soon_threadsafe(opened.set_exception, error)
            return
        except (sqlite3.Error, OSError) as error:
            self._loop.call_soon_threadsafe(opened.set_exception, _explain(error, self._path))
            return
        self._loop.call_soon_threadsafe(opened.set_result, None)
        while (job := self._jobs.get()) is not None:
            batch = [job]
            while len(batch) < _MOST_JOBS:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    self._jobs.put(None)
                    break
                batch.append(following)
            self._transact(connection, batch)
            self._loop.call_soon_threadsafe(_deliver, batch)
        connection.close()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=5.0, isolation_level=None, check_same_thread=False)
        try:
            self._path.chmod(0o600)
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("PRAGMA temp_store=MEMORY")
            connection.execute("PRAGMA cache_size=-4000")  # KiB, so 4 MiB
            migrations.migrate(connection, self._path)
        except BaseException:
            connection.close()
            raise
        return connection

    def _transact(self, connection: sqlite3.Connection, batch: list[_Job]) -> None:
        try:
            self._set_synchronous(connection, "FULL" if any(job.durable for job in batch) else "NORMAL")
            connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._attempt(connection, job, alone=len(batch) == 1)
            if not connection.in_transaction:  # a single job that undid itself
                return
            reach("store.before_commit")
            connection.execute("COMMIT")
            reach("store.after_commit")
            self.trouble = None
        except sqlite3.Error as error:
            # The transaction as a whole is gone: nothing in it was accepted, and everybody is told so.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self.trouble = _explain(error, self._path)
            for job in batch:
                job.error = self.trouble

    def _attempt(self, connection: sqlite3.Connection, job: _Job, *, alone: bool) -> None:
        if not alone:
            connection.execute("SAVEPOINT job")
        try:
            job.result = job.work(connection)
        except Exception as error:
            if is_about_file(error):
                raise
            job.error = error
            connection.execute("ROLLBACK" if alone else "ROLLBACK TO job")
        if not alone:
            connection.execute("RELEASE job")

    def _set_synchronous(self, connection: sqlite3.Connection, level: str) -> None:
        if level != self._synchronous:
            connection.execute(f"PRAGMA synchronous={level}")
            self._synchronous = level


def _deliver(batch: list[_Job]) -> None:
    for job in batch:
        if job.done.done():  # its caller was cancelled; what was committed stays
            continue
        if job.error is not None:
            job.done.set_exception(job.error)
        else:
            job.done.set_result(job.result)


def is_about_file(error: Exception) -> bool:
    """Tell whether an error is about the file or the machine, and so ends the transaction for all jobs in it."""
    return isinstance(error, sqlite3.Error) and _name(error).startswith(_OF_THE_FILE)


def _name(error: Exception) -> str:
    """Return SQLite's own name of an error; empty for one of the Python module."""
    return getattr(error, "sqlite_errorname", None) or ""


def _explain(error: sqlite3.Error | OSError, path: Path) -> StoreUnavailable:
    """Turn SQLite's error, or the one of closing the file to others, into one sentence and what to do."""
    name = _name(error)
    if name.startswith("SQLITE_FULL"):
        return StoreUnavailable(
            f"The disk of {path} is full: nothing new is accepted.",
            hint="Free some space; channeld goes on by itself.",
            code="disk_full",
        )
    if isinstance(error, OSError) or name.startswith(
        ("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN", "SQLITE_AUTH")
    ):
        return StoreUnavailable(
            f"The mailbox {path} cannot be written.",
            hint="Make the file and its folder writable for this user; channeld goes on by itself.",
            code="store_readonly",
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StoreUnavailable(
            f"The mailbox {path} is damaged: nothing new is accepted, and nothing was thrown away.",
            hint=f"Stop channeld, keep a copy, and try: sqlite3 {path.name} .recover",
            code="store_corrupt",
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreUnavailable(
            f"Another program holds the mailbox {path}.",
            hint="Close the program that has it open; channeld goes on by itself.",
            code="store_busy",
        )
    return StoreUnavailable(
        f"The mailbox {path} cannot be used: {error}.",
        hint="Look at the disk and at `channeld logs`; nothing that was accepted is lost.",
        code="store_io",
    )
