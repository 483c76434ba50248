"""Ids of chats: channeld's ``<worker>:<chat>/<thread>``, and Telegram's numbers in it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_CHAT: Final = re.compile(r"[^:]+:(-?\d{1,20})(?:/(\d{1,20}))?", re.ASCII)


class Chat(NamedTuple):
    """A chat as the Bot API names it."""

    id: int
    thread: int | None = None


def read_chat(chat: str) -> Chat | None:
    """Return the numbers in one of channeld's ids; None if it cannot be one of Telegram's."""
    found = _CHAT.fullmatch(chat)
    return Chat(int(found[1]), int(found[2]) if found[2] else None) if found else None
