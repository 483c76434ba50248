"""The whole store on a real file, opened and closed as the daemon does it."""

from __future__ import annotations

from pathlib import Path

from channeld.core.model import Inbound
from channeld.store.db import Database
from channeld.store.mailbox import Mailbox
from channeld.store.outbox import Outbox
from channeld.store.retention import Retention
from channeld.store.sequence import Sequence
from channeld.store.timeline import Timeline

SENDER = "7"
"""Who sends what ``message`` makes."""


class Stores:
    """Every part of the store over one file."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path)
        sequence = Sequence()
        self.mailbox = Mailbox(self.database, sequence)
        self.outbox = Outbox(self.database, sequence)
        self.timeline = Timeline(self.database)
        self.retention = Retention(self.database, sequence)

    async def __aenter__(self) -> Stores:
        await self.database.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.database.close()


def message(key: str, *, chat: str = "web:main", text: str = "hi", **more: object) -> Inbound:
    """Return a message as a worker would offer it."""
    facts = {"message_id": key, "sender_id": SENDER, "sender": "Ann", "sent_at": 0.0, **more}
    return Inbound(event_key=f"message:{key}", chat=chat, text=text, **facts)  # type: ignore[arg-type]
