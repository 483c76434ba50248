"""Messages as the script API shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from channeld.core.text import unmasked
from channeld.ipc.messages import HistoryItem, Notice, Prompt, Standing
from channeld_workers.web.ids import OWNER
from channeld_workers.web.markdown import to_html


def message(item: HistoryItem) -> dict[str, Any]:
    """Return a message for ``GET /api/messages`` and the ``message`` events.

    ``seq`` stays the same when a reply that waited to be sent gets its final ``id``.
    """
    return {
        "id": item.id,
        "seq": item.seq,
        "direction": item.direction,
        "text": item.text,
        "html": to_html(item.text) if item.format == "markdown" else None,
        "ts": datetime.fromtimestamp(item.ts, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "user": item.user,
        "state": item.state,
        "reply_to": item.reply_to,
        "attachments": [
            {
                "name": file.name,
                "mime": file.mime,
                "size": file.size,
                "url": f"/api/files/{quote(item.id, safe='')}/{index}",
            }
            for index, file in enumerate(item.attachments)
        ],
        "edited": item.edited,
        "reactions": item.reactions,
        "mine": [emoji for emoji, who in zip(item.reactions, item.reactors, strict=False) if who == OWNER],
        "error": item.error,
    }


def presence(news: Standing) -> dict[str, Any]:
    """Return the data of a ``presence`` event."""
    return {"listening": news.listening, "text": news.text}


def notice(item: Notice) -> dict[str, Any]:
    """Return the data of a ``notice`` event."""
    return {"text": unmasked(item.text), "reply_to": item.reply_to}


def prompt(item: Prompt) -> dict[str, Any]:
    """Return a prompt for ``GET /api/prompts`` and the ``prompt`` events."""
    return {
        "id": item.id, "kind": item.kind, "title": unmasked(item.title), "body": unmasked(item.body),
        "options": item.options, "multiple": item.multiple, "free": item.free,
        "file": None if item.file is None else f"/api/prompts/{quote(item.id, safe='')}/file",
        "state": item.state, "answer": item.answer,
    }  # fmt: skip
