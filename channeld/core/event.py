"""How Claude sees an event: the content and the meta of its ``<channel …>`` tag."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from channeld.core.model import Attachment, StoredEvent
from channeld.core.text import clean_meta, clean_name, defuse

QUOTE_LIMIT: Final = 400


def present(event: StoredEvent, platform: str) -> dict[str, object]:
    """Return the params of ``notifications/claude/channel`` for an event.

    Nothing that a sender controls becomes a key.
    """
    inbound = event.inbound
    meta = {
        "platform": platform,
        "chat_id": inbound.chat,
        "message_id": inbound.message_id,
        "user": clean_name(inbound.sender),
        "user_id": inbound.sender_id,
        "ts": iso(inbound.sent_at),
        "delivery_id": event.delivery_id,
    }
    if inbound.kind != "message":
        meta["event"] = inbound.kind
    optional = {
        "chat_title": clean_name(inbound.chat_title or ""),
        "thread": inbound.thread,
        "reply_to_id": inbound.reply_to_id,
        "reply_to_user": clean_name(inbound.reply_to_user or ""),
        "forwarded_from": clean_name(inbound.forwarded_from or ""),
    }
    meta |= {key: value for key, value in optional.items() if value}
    if inbound.attachments:
        meta |= _attachment_meta(inbound.attachments)
    if event.pushes > 1:
        meta["redelivered"] = "true"
    cleaned = clean_meta(meta)
    if inbound.reply_to_text:
        cleaned |= clean_meta({"reply_to_text": inbound.reply_to_text}, QUOTE_LIMIT)
    taken_back = inbound.kind == "reaction" and not inbound.text
    return {"content": "(the reaction was taken back)" if taken_back else defuse(inbound.text), "meta": cleaned}


def unpresentable(event: StoredEvent, platform: str) -> dict[str, object]:
    """Return the params for an event that ``present`` cannot show: that there is one, and where."""
    meta = {"platform": platform, "chat_id": event.inbound.chat, "delivery_id": event.delivery_id}
    text = "A message came that channeld cannot show. The owner finds the reason with `channeld logs`."
    return {"content": text, "meta": clean_meta(meta)}


def iso(moment: float) -> str:
    """Return unix seconds as ISO 8601 in UTC, to the second."""
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "1970-01-01T00:00:00Z"  # a platform's clock gone wild must not stop its messages


def size_text(size: int) -> str:
    """Return a size in bytes for people."""
    value, unit = float(min(max(size, 0), 2**63)), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def _attachment_text(file: Attachment) -> str:
    note = f", {file.note}" if file.note else ""
    return f"{file.name[:60]} ({file.mime}, {size_text(file.size)}{note})"


def _attachment_meta(attachments: list[Attachment]) -> dict[str, str]:
    meta = {
        "attachment_count": str(len(attachments)),
        "attachments": ", ".join(map(_attachment_text, attachments[:10])),
    }
    image = next((a for a in attachments if a.path and a.mime.startswith("image/")), None)
    if image is not None and image.path is not None:
        meta["image_path"] = image.path
    return meta
