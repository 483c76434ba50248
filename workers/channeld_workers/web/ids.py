"""Ids of this chat's messages: ``w`` and 26 characters, sortable by time unless derived from somebody's key."""

from __future__ import annotations

import base64
import hashlib
import re

OWNER = "owner"
"""Sender id of whoever holds the token."""
MESSAGE_ID = re.compile(r"[a-z0-9-]{1,64}")


def new_id(now_ms: int, randomness: bytes) -> str:
    """Return an id of a time in milliseconds and 10 random bytes: later ones sort later."""
    return "w" + _text(now_ms.to_bytes(6, "big") + randomness)


def posted_id(key: str) -> str:
    """Return the id of the message that was posted with an ``Idempotency-Key``: the same for the same key."""
    return _derived("post", key)


def sent_id(send_id: str) -> str:
    """Return the id of an outbound part: the same whenever that part is sent."""
    return _derived("send", send_id)


def _derived(purpose: str, key: str) -> str:
    return "w" + _text(hashlib.sha256(f"{purpose}:{key}".encode()).digest()[:16])


def _text(raw: bytes) -> str:
    # base32hex keeps the order of the bytes.
    return base64.b32hexencode(raw).decode().rstrip("=").lower()
