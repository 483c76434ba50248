"""The access list: what the gate reads inside the transaction that accepts an event, and every change to it."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from channeld.core import pairing
from channeld.core.access import NO_MENTION, Facts, Group, Role, Terms, room_of, rule
from channeld.core.errors import StoreUnavailable
from channeld.core.model import Inbound
from channeld.core.text import NAME_LIMIT, clean_name
from channeld.store.db import Database
from channeld.store.queries import QUERIES

T = TypeVar("T")
_USUAL: Final = Terms()
_decode = msgspec.json.Decoder(Inbound).decode
_ID_BYTES: Final = 3
_MOST_CHANGES: Final = 20
_MOVES: Final = (
    "copy_group",
    "move_group_senders",
    "move_waiting_events",
    "move_waiting_parts",
    "copy_bindings",
    "delete_moved_bindings",
)
_NOT_COUNTED: Final = frozenset({NO_MENTION})


def unreadable(error: sqlite3.Error) -> StoreUnavailable:
    """Return what is said where the list cannot be read though the file can: nobody is let in."""
    return StoreUnavailable(
        f"The access list in the mailbox cannot be read, so nobody is let in: {error}.",
        hint="Stop channeld, keep a copy, and try: sqlite3 channeld.db .recover",
        code="store_corrupt",
    )


class Change(NamedTuple):
    """What a change of the list has brought with it."""

    told: str | None = None  # the chat of whoever asked to be listed, and now is
    name: str = ""
    dropped: int = 0  # messages that waited and do so no more


# -- what the gate reads and writes, in the store's thread and inside its transaction


def facts_of(connection: sqlite3.Connection, worker: str, event: Inbound) -> Facts:
    """Return what bears on an event, and note the sender's name and private chat if they are new."""
    facts, name, chat = _known(connection, worker, event)
    seen = event.sender[:NAME_LIMIT]
    if facts.standing is not None and (name != seen or (not event.group and chat != event.chat)):
        private = None if event.group else event.chat
        connection.execute(
            QUERIES["person_seen"], {"worker": worker, "sender_id": event.sender_id, "name": seen, "chat": private}
        )
    return facts


def _known(connection: sqlite3.Connection, worker: str, event: Inbound) -> tuple[Facts, str | None, str | None]:
    """Return what bears on an event, and the sender's name and private chat as they are known."""
    row = connection.execute(QUERIES["access_facts"], {"worker": worker, "sender_id": event.sender_id}).fetchone()
    policy, standing, name, chat = row
    return Facts(policy, standing, _group_of(connection, event) if event.group else None), name, chat


def _group_of(connection: sqlite3.Connection, event: Inbound) -> Group | None:
    values = {"chat": room_of(event.chat), "sender_id": event.sender_id}
    row = connection.execute(QUERIES["group_facts"], values).fetchone()
    return Group(bool(row["require_mention"]), bool(row["has_list"]), bool(row["lists_sender"])) if row else None


def standing_of(connection: sqlite3.Connection, worker: str, sender_id: str) -> str | None:
    """Return a sender's role, that he was denied, or None."""
    row = connection.execute(QUERIES["find_person"], {"worker": worker, "sender_id": sender_id}).fetchone()
    return row["role"] if row else None


def is_own_message(connection: sqlite3.Connection, chat: str, message_id: str | None) -> bool:
    """Tell whether a message is one that Claude or the operator sent."""
    values = {"chat": chat, "message_id": message_id}
    return connection.execute(QUERIES["is_own_message"], values).fetchone() is not None


def count_dropped(connection: sqlite3.Connection, worker: str, code: str, now: float) -> None:
    """Count an event that was not admitted."""
    if code not in _NOT_COUNTED:
        connection.execute(QUERIES["count_dropped"], {"worker": worker, "code": code, "now": now})


def ask_to_pair(connection: sqlite3.Connection, worker: str, event: Inbound, now: float) -> str | None:
    """Return the code that a stranger is told, or None where he is told nothing: often enough, or too many ask."""
    who = {"worker": worker, "sender_id": event.sender_id, "name": event.sender[:NAME_LIMIT], "chat": event.chat}
    row = connection.execute(QUERIES["find_pairing"], {**who, "now": now}).fetchone()
    if row is not None:
        if row["answers"] >= pairing.MOST_ANSWERS:
            return None
        connection.execute(QUERIES["pairing_answered"], {"id": row["id"], "chat": event.chat})
        return str(row["code"])
    if connection.execute(QUERIES["count_pairings"], {"worker": worker, "now": now}).fetchone()[0] >= pairing.MOST_OPEN:
        return None
    connection.execute(QUERIES["delete_expired_pairings"], {"now": now})
    code = pairing.spell(secrets.randbits(256), pairing.CODE_LENGTH)
    values = {**who, "id": secrets.token_hex(_ID_BYTES), "code": code, "now": now, "expires_at": now + pairing.VALID_S}
    connection.execute(QUERIES["put_pairing"], values)
    return code


def redeem(
    connection: sqlite3.Connection, worker: str, event: Inbound, code: str, role: Role, terms: Terms, now: float
) -> bool:
    """List the sender if the code is the operator's: one that is valid, and not used by somebody else."""
    rows = connection.execute(QUERIES["owner_codes"], {"worker": worker, "now": now}).fetchall()
    place = pairing.find(code, (row["code"] for row in rows))
    if place is None or rows[place]["used_by"] not in {None, event.sender_id}:
        return False
    if rows[place]["used_by"] is None:
        connection.execute(QUERIES["use_owner_code"], {"code": code, "sender_id": event.sender_id})
        _put_person(connection, worker, event.sender_id, role, now, "one-time code", event.sender, event.chat, terms)
    return True


def _put_person(
    connection: sqlite3.Connection,
    worker: str,
    sender_id: str,
    role: str,
    now: float,
    by: str,
    name: str = "",
    chat: str | None = None,
    terms: Terms = _USUAL,
) -> Change:
    who: dict[str, Any] = {"worker": worker, "sender_id": sender_id}
    asked = connection.execute(QUERIES["delete_pairing"], who).fetchone()
    if asked is not None:
        name, chat = name or asked["name"], chat or asked["chat"]
    values = {**who, "role": role, "name": name[:NAME_LIMIT], "chat": chat, "now": now, "by": by}
    connection.execute(QUERIES["put_person"], values)
    _note(connection, now, by, role, worker, sender_id)
    dropped = review(connection, worker, terms, now)
    return Change(asked["chat"] if asked else None, clean_name(name), dropped)


def review(connection: sqlite3.Connection, worker: str, terms: Terms, now: float) -> int:
    """Rule anew on what waits of a worker's senders: it goes on as what they may do now, or is dropped.

    Returns:
        How many messages were dropped.
    """
    dropped = 0
    for row in connection.execute(QUERIES["waiting_of_worker"], {"worker": worker}).fetchall():
        event = _decode(row["detail"])
        ruling = rule(event, terms, _known(connection, worker, event)[0])
        if ruling.admitted:
            connection.execute(QUERIES["set_event_role"], {"seq": row["seq"], "role": ruling.role})
        else:
            dropped += len(connection.execute(QUERIES["drop_event"], {"seq": row["seq"], "now": now}).fetchall())
    return dropped


def _note(connection: sqlite3.Connection, now: float, by: str, what: str, worker: str, who: str = "") -> None:
    connection.execute(QUERIES["put_change"], {"now": now, "by": by, "what": what, "worker": worker, "who": who})


class AccessList:
    """Reads and changes the list. Times are unix seconds, passed in; ``by`` says in words who made a change."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def facts(self, worker: str, event: Inbound) -> Facts:
        """Return what bears on an event."""
        return await self._db.submit(lambda connection: facts_of(connection, worker, event))

    async def standing(self, worker: str, sender_id: str) -> str | None:
        """Return a sender's role, that he was denied, or None where he is not listed."""
        return await self._submit(lambda connection: standing_of(connection, worker, sender_id))

    async def people(self) -> list[dict[str, Any]]:
        """Return everybody who is listed or was denied, with clean names."""
        return [{**row, "name": clean_name(row["name"])} for row in await self._rows("people")]

    async def policies(self) -> dict[str, str]:
        """Return the policies that were set by hand, by worker."""
        return {row["worker"]: row["policy"] for row in await self._rows("policies")}

    async def groups(self) -> list[dict[str, Any]]:
        """Return the groups that were opted in, with their senders; None where all who are listed may speak."""
        members = await self._rows("group_senders")
        return [
            {
                "chat": row["chat"],
                "require_mention": bool(row["require_mention"]),
                "senders": [each["sender_id"] for each in members if each["chat"] == row["chat"]]
                if row["has_list"]
                else None,
            }
            for row in await self._rows("groups")
        ]

    async def dropped(self) -> list[dict[str, Any]]:
        """Return how many events were not admitted, by worker and code."""
        return await self._rows("all_dropped")

    async def changes(self) -> list[dict[str, Any]]:
        """Return the latest changes, the newest first."""
        return await self._rows("latest_changes", limit=_MOST_CHANGES)

    async def requests(self, now: float) -> list[dict[str, Any]]:
        """Return the pairing requests that are open, the oldest first, with names fit to be shown and without codes."""
        rows = await self._rows("open_pairings", now=now)
        codes = [row["code"] for row in rows]
        return [{**row, "code": "", "name": pairing.shown_name(row["name"], codes)} for row in rows]

    async def approve(
        self,
        code: str,
        worker: str | None,
        role: Role,
        by: str,
        now: float,
        only: str | None = None,
        *,
        terms_of: Callable[[str], Terms],
    ) -> dict[str, Any] | None:
        """List whoever was told a code, and return his request; None where no open one, or not the only one, has it."""

        def work(connection: sqlite3.Connection) -> dict[str, Any] | None:
            rows = [
                dict(row)
                for row in connection.execute(QUERIES["open_pairings"], {"now": now})
                if worker in {None, row["worker"]} and only in {None, row["id"]}
            ]
            place = pairing.find(code, (row["code"] for row in rows))
            if place is None:
                return None
            found = rows[place]
            terms = terms_of(found["worker"])
            _put_person(connection, found["worker"], found["sender_id"], role, now, by, terms=terms)
            return {**found, "code": "", "name": pairing.shown_name(found["name"], [code])}

        return await self._submit(work, durable=True)

    async def id_of_code(self, code: str, now: float) -> str | None:
        """Return the id of the open request with this code."""
        rows = await self._rows("open_pairings", now=now)
        place = pairing.find(code, (row["code"] for row in rows))
        return None if place is None else str(rows[place]["id"])

    async def put_person(
        self, worker: str, sender_id: str, role: str, by: str, now: float, *, name: str = "", terms: Terms = _USUAL
    ) -> Change:
        """List a sender, give him another role, or deny him."""
        return await self._submit(
            lambda connection: _put_person(connection, worker, sender_id, role, now, by, name, terms=terms),
            durable=True,
        )

    async def remove_person(
        self, worker: str, sender_id: str, by: str, now: float, *, terms: Terms = _USUAL
    ) -> Change | None:
        """Make a sender a stranger again, also in groups; None where he was one."""

        def work(connection: sqlite3.Connection) -> Change | None:
            who = {"worker": worker, "sender_id": sender_id}
            listed = connection.execute(QUERIES["delete_person"], who).fetchone() is not None
            if connection.execute(QUERIES["delete_from_groups"], who).rowcount == 0 and not listed:
                return None
            _note(connection, now, by, "removed", worker, sender_id)
            return Change(dropped=review(connection, worker, terms, now))

        return await self._submit(work, durable=True)

    async def set_policy(self, worker: str, policy: str, by: str, now: float, *, terms: Terms = _USUAL) -> Change:
        """Set what becomes of strangers."""

        def work(connection: sqlite3.Connection) -> Change:
            connection.execute(QUERIES["put_policy"], {"worker": worker, "policy": policy})
            _note(connection, now, by, f"policy {policy}", worker)
            return Change(dropped=review(connection, worker, terms, now))

        return await self._submit(work, durable=True)

    async def review(self, worker: str, terms: Terms, now: float) -> Change:
        """Rule anew on what waits of a worker whose terms have changed."""
        return await self._submit(lambda connection: Change(dropped=review(connection, worker, terms, now)))

    async def put_group(
        self,
        worker: str,
        chat: str,
        *,
        require_mention: bool,
        senders: list[str] | None,
        by: str,
        now: float,
        terms: Terms = _USUAL,
    ) -> Change:
        """Opt a group in, or change how; ``senders`` None: all who are listed may speak in it."""

        def work(connection: sqlite3.Connection) -> Change:
            values = {"chat": chat, "require_mention": require_mention, "has_list": senders is not None}
            connection.execute(QUERIES["put_group"], {**values, "now": now, "by": by})
            connection.execute(QUERIES["delete_group_senders"], {"chat": chat})
            for sender_id in senders or []:
                connection.execute(QUERIES["put_group_sender"], {"chat": chat, "sender_id": sender_id})
            _note(connection, now, by, "group opened", worker, chat)
            return Change(dropped=review(connection, worker, terms, now))

        return await self._submit(work, durable=True)

    async def move_chat(self, worker: str, old: str, new: str, now: float) -> None:
        """Let what belongs to a group, and what waits for it or came from it, go to its new id."""

        def work(connection: sqlite3.Connection) -> None:
            values = {"old": old, "new": new}
            for query in _MOVES:
                connection.execute(QUERIES[query], values)
            connection.execute(QUERIES["delete_group"], {"chat": old})
            _note(connection, now, "the platform", f"group moved from {old}", worker, new)

        await self._submit(work, durable=True)

    async def remove_group(
        self, worker: str, chat: str, by: str, now: float, *, terms: Terms = _USUAL
    ) -> Change | None:
        """Close a group again; None where it was not open."""

        def work(connection: sqlite3.Connection) -> Change | None:
            if connection.execute(QUERIES["delete_group"], {"chat": chat}).fetchone() is None:
                return None
            _note(connection, now, by, "group closed", worker, chat)
            return Change(dropped=review(connection, worker, terms, now))

        return await self._submit(work, durable=True)

    async def put_owner_code(self, worker: str, by: str, now: float) -> str:
        """Make a one-time code for the operator, in place of one that was not used."""

        def work(connection: sqlite3.Connection) -> str:
            code = pairing.spell(secrets.randbits(256), pairing.OWNER_CODE_LENGTH)
            connection.execute(QUERIES["delete_owner_codes"], {"worker": worker, "now": now})
            values = {"code": code, "worker": worker, "expires_at": now + pairing.VALID_S}
            connection.execute(QUERIES["put_owner_code"], values)
            _note(connection, now, by, "one-time code", worker)
            return code

        return await self._submit(work, durable=True)

    async def _submit(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        try:
            return await self._db.submit(work, durable=durable)
        except sqlite3.Error as error:
            raise unreadable(error) from error

    async def _rows(self, query: str, **values: object) -> list[dict[str, Any]]:
        return await self._submit(lambda c: [dict(row) for row in c.execute(QUERIES[query], values)])
