"""Who may speak to Claude, and what else he may do."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What a sender may do."""

    APPROVER = "approver"  # chat, answer permission prompts, pair others, use session commands
    CHATTER = "chatter"  # chat


class Ruling(NamedTuple):
    """What the gate says of one event."""

    admitted: bool
    role: Role = Role.CHATTER
    code: str = ""
    """Why it was not admitted, for the log and the counters."""
    notice: str = ""
    """What the sender is told; empty: nothing."""
