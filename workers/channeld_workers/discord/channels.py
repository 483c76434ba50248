"""Ids as channeld has them, ``<worker>:<channel>/<thread>`` and of messages, and Discord's numbers in them."""

from __future__ import annotations

import re
from typing import Any, Final

_CHAT: Final = re.compile(r"[^:]+:(\d{1,20})(?:/(\d{1,20}))?", re.ASCII)
_ID: Final = re.compile(r"\d{1,20}", re.ASCII)


def channel_of(chat: str) -> int | None:
    """Return the channel that messages of a chat go to: the thread, if it is one. None if it is none of Discord's."""
    found = _CHAT.fullmatch(chat)
    return int(found[2] or found[1]) if found else None


def is_id(text: str | None) -> bool:
    """Tell whether a text can be one of Discord's ids."""
    return text is not None and _ID.fullmatch(text) is not None


def quoting(message_id: str | None) -> dict[str, Any] | None:
    """Return the ``message_reference`` that quotes a message, None for none; where it is gone, nothing is quoted."""
    if not is_id(message_id):
        return None
    return {"message_id": message_id, "fail_if_not_exists": False}
