"""The messages of a chat as people see them: history, and full-text search over both directions."""

from __future__ import annotations

import contextlib
import sqlite3
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from channeld.core.errors import Refused
from channeld.core.model import HistoryItem, Inbound, MessageDetail, PartDetail
from channeld.store import sequence
from channeld.store.db import Database
from channeld.store.queries import QUERIES

MOST_ITEMS: Final = 500
_DELIVERY_ID_LENGTH: Final = 16
"""A delivery id may be made of digits alone; a ``seq`` never has so many."""
_inbound = msgspec.json.Decoder(Inbound).decode
_detail = msgspec.json.Decoder(PartDetail).decode


class Timeline:
    """Reads messages of both directions."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def history(
        self, chat: str, *, after: str | None = None, before: str | None = None, limit: int = 200
    ) -> tuple[list[HistoryItem], bool]:
        """Return messages of a chat, oldest first, and whether there are more in that direction.

        Args:
            chat: its id.
            after: message id; the messages that follow it. An unknown id gives the latest messages.
            before: message id; the messages just before it.
            limit: at most this many.
        """
        limit = max(1, min(limit, MOST_ITEMS))

        def work(connection: sqlite3.Connection) -> tuple[list[HistoryItem], bool]:
            def seq_of(message_id: str) -> int | None:
                row = connection.execute(QUERIES["find_item"], {"chat": chat, "id": message_id}).fetchone()
                return row["seq"] if row else None

            start = seq_of(after) if after is not None else None
            if start is not None:
                values = {"chat": chat, "seq": start, "limit": limit + 1}
                rows = _rows(connection, "history_after", values)
                return _items(connection, chat, rows[:limit]), len(rows) > limit
            end = seq_of(before) if before is not None else None
            values = {"chat": chat, "seq": end if end is not None else 2**62, "limit": limit + 1}
            rows = _rows(connection, "history_before", values)
            return _items(connection, chat, rows[:limit][::-1]), len(rows) > limit

        return await self._db.submit(work)

    async def items(self, chat: str, seqs: list[int]) -> list[HistoryItem]:
        """Return these messages of a chat; numbers that are no message of it are left out."""

        def work(connection: sqlite3.Connection) -> list[HistoryItem]:
            rows = [connection.execute(QUERIES["history_item"], {"seq": seq}).fetchone() for seq in sorted(seqs)]
            return _items(connection, chat, [row for row in rows if row is not None and row["chat"] == chat])

        return await self._db.submit(work)

    async def item(self, chat: str, message_id: str) -> HistoryItem | None:
        """Return the message of that id, or None."""

        def work(connection: sqlite3.Connection) -> HistoryItem | None:
            found = connection.execute(QUERIES["find_item"], {"chat": chat, "id": message_id}).fetchone()
            if found is None:
                return None
            row = connection.execute(QUERIES["history_item"], {"seq": found["seq"]}).fetchone()
            return _items(connection, chat, [row])[0]

        return await self._db.submit(work)

    async def latest(self, limit: int, *, chat: str | None = None, state: str | None = None) -> list[HistoryItem]:
        """Return the latest messages, oldest first: of all chats and in all states, or only of those named."""
        values = {"limit": max(1, min(limit, MOST_ITEMS)), "chat": chat, "state": state}

        def work(connection: sqlite3.Connection) -> list[HistoryItem]:
            rows = _rows(connection, "latest", values, item="traffic_item")
            return [item for row in rows[::-1] for item in _items(connection, row["chat"], [row])]

        return await self._db.submit(work)

    async def find(self, ref: str) -> MessageDetail | None:
        """Return the message with that ``seq`` or delivery id and where it is, or None."""

        def work(connection: sqlite3.Connection) -> MessageDetail | None:
            if ref.isascii() and ref.isdecimal() and len(ref) < _DELIVERY_ID_LENGTH:
                seq = int(ref)
            else:
                found = connection.execute(QUERIES["find_delivery"], {"delivery_id": ref}).fetchone()
                if found is None:
                    return None
                seq = found["seq"]
            row = connection.execute(QUERIES["traffic_item"], {"seq": seq}).fetchone()
            if row is None:
                return None
            item = _items(connection, row["chat"], [row])[0]
            place = connection.execute(QUERIES["whereabouts"], {"seq": seq}).fetchone()
            return MessageDetail(**msgspec.structs.asdict(item), **place)

        return await self._db.submit(work)

    async def search(self, query: str, chat: str | None, limit: int) -> list[HistoryItem]:
        """Return messages that hold every word of the query, newest first.

        What the index cannot find is looked for in the texts themselves: Chinese and the like, where no blank ends a
        word, emoji, and parts of words where no message holds the whole ones.

        Raises:
            Refused: there is no word in the query.
        """
        words = query.replace("\0", " ").split()  # SQLite ends text at NUL
        if not words:
            raise Refused("The search has no word in it.", hint="Give one or more words.", code="bad_query")
        quoted = [word.replace('"', '""') for word in words]
        expression = " ".join(f'"{word}"' for word in quoted)  # quoted: nothing in it is an operator
        limit = max(1, min(limit, MOST_ITEMS))
        anywhere = {"words": msgspec.json.encode(words).decode(), "chat": chat, "limit": limit}
        indexed = not any(_beyond_the_index(character) for word in words for character in word)

        def work(connection: sqlite3.Connection) -> list[HistoryItem]:
            rows = []
            if indexed:
                _index(connection)
                rows = _matches(connection, expression, chat, limit)
            rows = rows or connection.execute(QUERIES["find_anywhere"], anywhere).fetchall()
            return [item for row in rows for item in _items(connection, row["chat"], [row])]

        return await self._db.submit(work)


def _matches(connection: sqlite3.Connection, expression: str, chat: str | None, limit: int) -> list[sqlite3.Row]:
    """Return what the index finds, newest first."""
    rows: list[sqlite3.Row] = []
    for found in connection.execute(QUERIES["find_text"], {"query": expression}):
        row = connection.execute(QUERIES["history_item"], {"seq": found["seq"]}).fetchone()
        if row is not None and (chat is None or row["chat"] == chat):
            rows.append(row)
        if len(rows) == limit:
            break
    return rows


def _beyond_the_index(character: str) -> bool:
    """Tell whether the index has no word for a character: it drops symbols, and runs wide letters into one word."""
    if character.isascii():
        return False
    return unicodedata.category(character).startswith("S") or unicodedata.east_asian_width(character) in {"W", "F"}


def apply_edit(connection: sqlite3.Connection, chat: str, message_id: str, text: str, now: float) -> list[sqlite3.Row]:
    """Give a sent message its new text, in the search index too."""
    found = connection.execute(QUERIES["find_item"], {"chat": chat, "id": message_id}).fetchone()
    values = {"chat": chat, "message_id": message_id, "text": text, "now": now}
    with indexed_anew(connection, found["seq"] if found is not None else None):
        return connection.execute(QUERIES["apply_edit"], values).fetchall()


def apply_sender_edit(connection: sqlite3.Connection, edit: Inbound, now: float) -> None:
    """Show a received message with the text that its own sender gave it since; of anybody else, nothing changes."""
    values = {"chat": edit.chat, "message_id": edit.message_id}
    found = connection.execute(QUERIES["find_event"], values).fetchone()
    if found is None or _inbound(found["detail"]).sender_id != edit.sender_id:
        return
    with indexed_anew(connection, found["seq"]):
        connection.execute(QUERIES["edit_event"], {"seq": found["seq"], "text": edit.text, "now": now})


@contextlib.contextmanager
def indexed_anew(connection: sqlite3.Connection, seq: int | None) -> Iterator[None]:
    """Keep the search index true while the text of a message changes."""
    indexed = seq is not None and seq <= sequence.read(connection, "indexed")
    if indexed:
        old = connection.execute(QUERIES["history_item"], {"seq": seq}).fetchone()
        connection.execute(QUERIES["forget_text"], {"seq": seq, "text": old["text"]})
    yield
    if indexed:
        new = connection.execute(QUERIES["history_item"], {"seq": seq}).fetchone()
        connection.execute("INSERT INTO search (rowid, text) VALUES (?, ?)", (seq, new["text"]))


def _rows(
    connection: sqlite3.Connection, page: str, values: Mapping[str, object], item: str = "history_item"
) -> list[sqlite3.Row]:
    """Return the rows of a page of the timeline, in its order."""
    found = connection.execute(QUERIES[page], values).fetchall()
    return [connection.execute(QUERIES[item], {"seq": row["seq"]}).fetchone() for row in found]


def _index(connection: sqlite3.Connection) -> None:
    """Bring the search index up to date."""
    upto = sequence.read(connection, "indexed")
    latest = connection.execute("SELECT coalesce(max(seq), 0) FROM timeline").fetchone()[0]
    if latest > upto:
        connection.execute(QUERIES["index_new"], {"upto": upto})
        sequence.write(connection, "indexed", latest)


def _items(connection: sqlite3.Connection, chat: str, rows: list[sqlite3.Row]) -> list[HistoryItem]:
    ids = msgspec.json.encode([row["id"] for row in rows]).decode()
    reactions: dict[str, dict[str, str]] = {}  # message id → who → emoji
    for row in connection.execute(QUERIES["reactions"], {"chat": chat, "ids": ids}):
        # One reaction each is what the platforms grant a bot: a later one replaces it, an empty one removes it.
        who = "" if row["detail"] is None else _inbound(row["detail"]).sender_id
        reactions.setdefault(row["message_id"], {})[who] = row["text"]
    return [_item(row, reactions.get(row["id"], {})) for row in rows]


def _item(row: sqlite3.Row, reacted: Mapping[str, str]) -> HistoryItem:
    reactors = [who for who, emoji in reacted.items() if emoji]
    common = {
        "seq": row["seq"], "id": row["id"], "direction": row["direction"], "chat": row["chat"], "text": row["text"],
        "ts": row["accepted_at"], "state": row["state"], "edited": bool(row["edited"]), "error": row["error"],
        "delivery_id": row["delivery_id"], "pushes": row["pushes"],
        "reactions": [reacted[who] for who in reactors], "reactors": reactors,
    }  # fmt: skip
    if row["kind"] != "message":
        common["kind"] = row["kind"]
    if row["direction"] == "in":
        inbound = _inbound(row["detail"])
        return HistoryItem(**common, user=inbound.sender, reply_to=inbound.reply_to_id, attachments=inbound.attachments)
    detail = _detail(row["detail"])
    return HistoryItem(
        **common, user=detail.author or "Claude", reply_to=detail.reply_to, attachments=detail.files,
        format=detail.format,
    )  # fmt: skip
