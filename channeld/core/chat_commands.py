"""What a sender may say to channeld itself, in place of a message to Claude."""

from __future__ import annotations

import re
from typing import Final

from channeld.core.permission import read_verdict

_NOW: Final = re.compile(r"\s*/now(?:@\w+)?\s*", re.IGNORECASE)  # in groups, Telegram adds the account's name
_LONGEST: Final = 80


def wants_now(text: str) -> bool:
    """Tell whether a text asks that what waits shall not wait for its turn."""
    return _NOW.fullmatch(text) is not None


def is_command(text: str) -> bool:
    """Tell whether a text may be meant for channeld: only then it is looked up who says it."""
    return len(text) <= _LONGEST and (wants_now(text) or read_verdict(text) is not None)
