"""Emoji as Discord takes them for reactions."""

from __future__ import annotations

import re
from typing import Final

_STYLE: Final = "\ufe0f"
_CUSTOM: Final = re.compile(r"<?a?:?(\w{1,32}:\d{1,20})>?", re.ASCII)


def emoji_of(text: str) -> str:
    """Return an emoji for a request's path: a custom one, written ``<:name:id>`` or ``name:id``, or a character."""
    text = text.strip()
    custom = _CUSTOM.fullmatch(text)
    return custom[1] if custom else text


def in_other_style(emoji: str) -> str | None:
    """Return a character with U+FE0F, or without where it has that: Discord knows many under one of both only.

    None: there is no other style of it.
    """
    if emoji.isascii():
        return None
    return emoji.replace(_STYLE, "") if _STYLE in emoji else f"{emoji}{_STYLE}"
