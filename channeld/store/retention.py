"""Removes what is old or too much: only messages whose way has ended, and prompts that are settled."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec

from channeld.core.model import Inbound, PartDetail
from channeld.core.prompts import Content
from channeld.store import sequence
from channeld.store.db import Database
from channeld.store.queries import QUERIES

_BATCH: Final = 500
_inbound = msgspec.json.Decoder(Inbound).decode
_detail = msgspec.json.Decoder(PartDetail).decode
_content = msgspec.json.Decoder(Content).decode


class Retention:
    """Applies the limits of ``[retention]``."""

    def __init__(self, database: Database, order: sequence.Sequence) -> None:
        self._db = database
        self._order = order

    async def apply(self, *, keep_s: float, max_bytes: int, now: float) -> list[str]:
        """Remove finished messages older than ``keep_s``, then the oldest until the file is below ``max_bytes``.

        Returns:
            Paths of files that no message refers to any more.
        """
        orphans: list[str] = []
        while batch := await self._db.submit(lambda connection: self._remove(connection, now - keep_s)):
            orphans += batch.files
            if not batch.more:
                break
        while await self._db.submit(_used_bytes) > max_bytes:
            batch = await self._db.submit(lambda connection: self._remove(connection, now))
            orphans += batch.files
            if not batch.removed:
                break  # all that is left is still on its way
        await self._db.submit(_shrink)
        return orphans

    async def files_in_use(self) -> set[str]:
        """Return the paths of all files that a message refers to."""

        def work(connection: sqlite3.Connection) -> set[str]:
            rows = connection.execute(QUERIES["details_with_files"])
            details = (msgspec.json.decode(row["detail"]) for row in rows)
            return {
                file["path"]
                for d in details
                for file in (*d.get("attachments", ()), *d.get("files", ()))
                if "path" in file
            }

        return await self._db.submit(work)

    def _remove(self, connection: sqlite3.Connection, before: float) -> _Removed:
        self._order.remember(connection)
        indexed = sequence.read(connection, "indexed")
        values = {"before": before, "limit": _BATCH}
        events = connection.execute(QUERIES["finished_events"], values).fetchall()
        parts = connection.execute(QUERIES["finished_parts"], values).fetchall()
        files = [a.path for row in events for a in _inbound(row["detail"]).attachments if a.path]
        files += [a.path for row in parts for a in _detail(row["detail"]).files if a.path]
        prompts = connection.execute(QUERIES["settled_prompts"], values).fetchall()
        files += [a.path for row in prompts for a in _content(row["content"]).files if a.path]
        connection.executemany(QUERIES["delete_prompt"], [{"id": row["id"]} for row in prompts])
        for rows, statement in ((events, "delete_event"), (parts, "delete_part")):
            for row in rows:
                if row["kind"] == "message" and row["seq"] <= indexed:
                    connection.execute(QUERIES["forget_text"], {"seq": row["seq"], "text": row["text"]})
                connection.execute(QUERIES[statement], {"seq": row["seq"]})
        connection.execute(QUERIES["delete_empty_calls"], {"before": before})
        connection.execute(QUERIES["delete_ended_instances"], {"before": before})
        sizes = len(events), len(parts), len(prompts)
        return _Removed(files, sum(sizes), max(sizes) == _BATCH)


class _Removed(msgspec.Struct):
    files: list[str]
    removed: int
    more: bool


def _used_bytes(connection: sqlite3.Connection) -> int:
    pages: int = connection.execute("PRAGMA page_count").fetchone()[0]
    free: int = connection.execute("PRAGMA freelist_count").fetchone()[0]
    size: int = connection.execute("PRAGMA page_size").fetchone()[0]
    return (pages - free) * size


def _shrink(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA incremental_vacuum").fetchall()
