"""What a check has found: one thing, why it matters, and what mends it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"  # works, and is worth knowing
    WARNING = "warning"  # works now, or in part
    FAILURE = "failure"  # messages do not flow, or a secret is open


class Finding(NamedTuple):
    """One thing that a check has found."""

    level: Level
    finding: str
    """What is so, one sentence."""
    reason: str = ""
    """Why it matters; empty where that is plain."""
    fix: str = ""
    """What mends it, with commands in backticks; empty where nothing has to be mended."""
    mend: Callable[[], str] | None = None
    """Mends it without risk, and returns what was done in one sentence; raises ``OSError`` where it cannot."""
    check: str = ""
    """Name of the check; put in by whoever runs it."""


def ok(finding: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(Level.OK, finding)


def note(finding: str, reason: str = "", fix: str = "") -> Finding:
    """Return something that is worth knowing."""
    return Finding(Level.NOTE, finding, reason, fix)


def warning(finding: str, reason: str, fix: str, mend: Callable[[], str] | None = None) -> Finding:
    """Return something that will be in the way, or is in part."""
    return Finding(Level.WARNING, finding, reason, fix, mend)


def failure(finding: str, reason: str, fix: str, mend: Callable[[], str] | None = None) -> Finding:
    """Return something that is in the way."""
    return Finding(Level.FAILURE, finding, reason, fix, mend)
