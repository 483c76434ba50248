"""What a sender may say to channeld itself, in place of a message to Claude."""

from __future__ import annotations

import re
from typing import Final

from channeld.core.model import Inbound
from channeld.core.permission import read_verdict

_NOW: Final = re.compile(r"\s*/now(?:@\w+)?\s*", re.IGNORECASE)  # in groups, Telegram adds the account's name
_LONGEST: Final = 80


def wants_now(text: str) -> bool:
    """Tell whether a text asks that what waits shall not wait for its turn."""
    return _NOW.fullmatch(text) is not None


def may_be_command(event: Inbound) -> bool:
    """Tell whether a message may be meant for channeld: only then it is looked up who says it."""
    if event.kind != "message" or event.attachments or len(event.text) > _LONGEST:
        return False
    return wants_now(event.text) or read_verdict(event.text) is not None
