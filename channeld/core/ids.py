"""Ids of chats: ``<worker>:<chat>`` or ``<worker>:<chat>/<thread>``, the same everywhere."""

from __future__ import annotations

import re
from typing import Final

from channeld.core.errors import Refused
from channeld.core.text import unmasked

WORKER_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_CHAT: Final = re.compile(r"([a-z][a-z0-9_-]{0,31}):([^\s/:<>\[\];\"']{1,128})(?:/([^\s/:<>\[\];\"']{1,128}))?")


def is_plain(text: str) -> bool:
    """Tell whether an id holds nothing but signs that can be seen: two that look the same are the same, then."""
    return text.isprintable() and " " not in text and (text.isascii() or unmasked(text) == text)


def worker_of(chat: str) -> str:
    """Return the name of the worker that a chat id belongs to.

    Raises:
        Refused: ``chat`` is not a chat id.
    """
    match = _CHAT.fullmatch(chat)
    if match is None or not is_plain(chat):
        raise Refused(
            f"{chat[:80]!r} is not a chat id.",
            hint="Use the chat_id of the message's tag, such as telegram:412587349 or web:main.",
            code="bad_chat_id",
        )
    return match[1]


def is_chat_of(worker: str, chat: str) -> bool:
    """Tell whether ``chat`` is a well-formed chat id of that worker: a worker speaks only for its own chats."""
    match = _CHAT.fullmatch(chat)
    return match is not None and match[1] == worker and is_plain(chat)
