"""Ids as channeld has them, ``<worker>:<chat>/<thread>`` and of messages, and Telegram's numbers in them."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

_CHAT: Final = re.compile(r"[^:]+:(-?\d{1,20})(?:/(\d{1,20}))?", re.ASCII)


class Chat(NamedTuple):
    """A chat as the Bot API names it."""

    id: int
    thread: int | None = None


def read_chat(chat: str) -> Chat | None:
    """Return the numbers in one of channeld's ids; None if it cannot be one of Telegram's."""
    found = _CHAT.fullmatch(chat)
    return Chat(int(found[1]), int(found[2]) if found[2] else None) if found else None


def quoting(message_id: str | None) -> dict[str, Any] | None:
    """Return the ``reply_parameters`` that quote a message, None for none; where it is gone, they quote nothing."""
    if message_id is None or not message_id.isdecimal():
        return None
    return {"message_id": int(message_id), "allow_sending_without_reply": True}
