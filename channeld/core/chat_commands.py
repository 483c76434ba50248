"""What a sender may say to channeld itself, in place of a message to Claude."""

from __future__ import annotations

import re
from typing import Final

_NOW: Final = re.compile(r"\s*/now(?:@\w+)?\s*", re.IGNORECASE)  # in groups, Telegram adds the account's name
_VERDICT: Final = re.compile(r"\s*(y|yes|n|no)\s+([a-km-z]{5})\s*", re.IGNORECASE)


def wants_now(text: str) -> bool:
    """Tell whether a text asks that what waits shall not wait for its turn."""
    return _NOW.fullmatch(text) is not None


def verdict(text: str) -> tuple[bool, str] | None:
    """Return whether a text allows or denies, and the request's five letters; None where it does neither."""
    found = _VERDICT.fullmatch(text)
    return (found[1][0].lower() == "y", found[2].lower()) if found else None
