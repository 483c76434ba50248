"""The ``<channel …>`` tag of a prompt that Claude was given."""

from __future__ import annotations

import re
from typing import Final

# At the very start and nowhere else: what a sender writes stands behind the tag, and Claude Code escapes quotes in its
# attributes, so nothing inside a message can pass for it.
_TAG: Final = re.compile(r'<channel source="(?:plugin:)?channeld(?::channeld)?"((?: [A-Za-z0-9_]+="[^"]*")*)>\n')
_DELIVERY: Final = re.compile(r' delivery_id="([0-9a-f]{1,64})"')


def delivery_of(prompt: str) -> str | None:
    """Return the delivery id of the event that a prompt is, or None where it is none of ours."""
    tag = _TAG.match(prompt)
    found = _DELIVERY.search(tag[1]) if tag else None
    return found[1] if found else None
