"""How a file is handed out so that a browser runs nothing of it."""

from __future__ import annotations

from typing import Final

FILE_POLICY: Final = "sandbox; default-src 'none'"
_INLINE: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def disposition(mime: str) -> str:
    """Return whether a browser may show a file of that type in place: pictures, and nothing that can carry a script."""
    return "inline" if mime in _INLINE else "attachment"
