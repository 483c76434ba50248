"""Cleaning of text that a sender controls, before Claude sees it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Everything that a reader might take for nothing between "<" and "channel": white space, zero-width and
# direction-override characters.
# The slash is one of them: two runs of blanks around an optional slash would take quadratic time on a long run.
_BLANK: Final = (
    r"[/\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    r"\ufe00-\ufe0f\ufeff]*"
)
_TAG: Final = re.compile(rf"<({_BLANK}channel)", re.IGNORECASE)
_MASKS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    r"\u202a-\u202e\u2060-\u206f\ufeff]"
)
_NAME_FORBIDDEN: Final = frozenset('<>[];"')
TEXT_LIMIT: Final = 400_000
"""Characters of a message: whatever they are, they fit into one frame."""
NAME_LIMIT: Final = 120
"""Characters of a name or title that Claude is shown."""


def defuse(content: str) -> str:
    """Return content in which no ``<channel`` or ``</channel`` can be read as a tag: ``<`` becomes ``‹``."""
    return _TAG.sub(r"‹\1", content) if "<" in content else content


def unmasked(text: str) -> str:
    """Return text in which characters that hide or reverse others are named: what is approved must be what is read."""
    return _MASKS.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def clip(text: str) -> str:
    """Return text of at most ``TEXT_LIMIT`` characters, with a note where it was cut."""
    return (
        text
        if len(text) <= TEXT_LIMIT
        else f"{text[:TEXT_LIMIT]}\n[cut here: {len(text) - TEXT_LIMIT} more characters]"
    )


def clean_name(name: str, limit: int = NAME_LIMIT) -> str:
    """Return text fit for a tag's attribute: one line, no brackets, no control or format characters."""
    kept = (" " if c.isspace() else c for c in name[: limit * 4] if c not in _NAME_FORBIDDEN)
    visible = "".join(c for c in kept if c == " " or unicodedata.category(c)[0] != "C")
    return " ".join(visible.split())[:limit]


def clean_meta(meta: dict[str, str], limit: int = 1000) -> dict[str, str]:
    """Return event meta whose values are all clean and not empty; the keys are ours."""
    return {key: cleaned for key, value in meta.items() if (cleaned := clean_name(value, limit))}
