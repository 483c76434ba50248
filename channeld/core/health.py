"""What can be wrong: every kind of issue, what it means, and which of those reported a person should see.

An issue that another one explains is hidden behind it, and one that usually passes by itself shows only after a while.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple


class Severity(StrEnum):
    """How bad an issue is."""

    ERROR = "error"  # messages do not flow
    WARNING = "warning"  # they will stop flowing, or flow in part


class Kind(NamedTuple):
    """What is always true of issues of one code."""

    severity: Severity
    why: str
    """Why it matters, one sentence."""
    after: tuple[str, ...] = ()
    """Codes of which any explains this one, if it is about the same subject, or either is about everything."""
    delay_s: float = 0.0
    """It shows only when it has lasted this long."""


class Report(NamedTuple):
    """An issue that is true now."""

    code: str
    text: str
    """What is wrong, one or two sentences."""
    hint: str
    """What mends it, commands in backticks."""
    since: float
    """Unix time, seconds."""
    subject: str = ""
    """A worker's name, a session's, one of the two below, or empty: about nobody in particular."""


class Shown(NamedTuple):
    """An issue that a person should see."""

    report: Report
    kind: Kind
    hides: tuple[str, ...]
    """Codes of the issues that this one explains."""

    def as_data(self) -> dict[str, object]:
        """Return it as ``channeld status --json`` prints it."""
        return {
            **self.report._asdict(), "severity": str(self.kind.severity), "why": self.kind.why,
            "hides": list(self.hides),
        }  # fmt: skip


STORE: Final = "store"
SESSIONS: Final = "sessions"
"""Subjects that bear on all workers and sessions; no worker may be called so."""

_REFUSING: Final = "New messages are refused, and senders are told to try again; what was accepted is safe."
_UNREAD: Final = "Messages are kept, and nobody reads them."
_STORE: Final = ("disk_full", "store_readonly", "store_corrupt", "store_busy", "store_io", "store_unavailable")
_NOBODY: Final = ("no_session", "session_deaf", "default_session_missing")
_WORKER: Final = ("worker_blocked", "worker_failed", "worker_restarting")

KINDS: Final[dict[str, Kind]] = {
    "disk_full": Kind(Severity.ERROR, _REFUSING),
    "store_readonly": Kind(Severity.ERROR, _REFUSING),
    "store_corrupt": Kind(Severity.ERROR, _REFUSING),
    "store_busy": Kind(Severity.ERROR, _REFUSING, delay_s=2),
    "store_io": Kind(Severity.ERROR, _REFUSING),
    "store_unavailable": Kind(Severity.ERROR, _REFUSING),
    "worker_blocked": Kind(Severity.ERROR, "Its chats are cut off until somebody mends it."),
    "worker_failed": Kind(Severity.ERROR, "Its chats are cut off; it is tried again every 15 minutes."),
    "worker_restarting": Kind(Severity.WARNING, "Its chats are cut off meanwhile.", delay_s=10),
    # Sessions attach through the mailbox: without it none can be there.
    "no_session": Kind(Severity.WARNING, _UNREAD, after=_STORE, delay_s=5),
    "session_deaf": Kind(Severity.ERROR, _UNREAD, after=_STORE, delay_s=2),
    "default_session_missing": Kind(Severity.ERROR, _UNREAD, after=_STORE, delay_s=5),
    "session_stuck": Kind(Severity.ERROR, "Claude Code does not read what it is given.", after=_STORE, delay_s=30),
    "messages_waiting": Kind(
        Severity.WARNING,
        "Their senders wait for an answer.",
        after=(*_STORE, *_NOBODY, "session_stuck"),
        delay_s=60,
    ),
    "messages_held": Kind(Severity.WARNING, "Whoever was asked may not have seen it.", after=_STORE, delay_s=600),
    "sends_waiting": Kind(
        Severity.WARNING, "Claude has answered, and nobody can read it yet.", after=(*_STORE, *_WORKER), delay_s=60
    ),
    "sends_failed": Kind(Severity.WARNING, "Somebody waits for an answer that did not come.", after=_STORE),
    "config_broken": Kind(
        Severity.WARNING, "The running daemon still uses what it read when it started, and could not start again."
    ),
    "sends_uncertain": Kind(
        Severity.WARNING, "It was not repeated, because that could double it: look into the chat.", after=_STORE
    ),
}
_TROUBLE: Final = Kind(Severity.WARNING, "Messages may be late or missing on this platform.", after=(*_STORE, *_WORKER))
"""What workers report of their platforms, under codes of their own that begin with ``platform_``."""


def kind_of(code: str) -> Kind:
    """Return the kind of an issue."""
    return KINDS.get(code, _TROUBLE)


def shown(reports: Iterable[Report], now: float) -> list[Shown]:
    """Return what a person should see, errors first: root causes, and nothing that may yet pass by itself.

    Args:
        reports: all that is true now.
        now: unix time, seconds.
    """
    # A clock that was set back makes a moment of the past one of the future.
    lasting = [report for report in reports if max(0.0, now - report.since) >= kind_of(report.code).delay_s]
    roots = [report for report in lasting if not any(_explains(other, report) for other in lasting)]
    found = [
        Shown(root, kind_of(root.code), tuple(sorted({other.code for other in lasting if _explains(root, other)})))
        for root in roots
    ]
    return sorted(found, key=lambda issue: (issue.kind.severity is not Severity.ERROR, issue.report.since))


def _explains(cause: Report, effect: Report) -> bool:
    near = cause.subject in {effect.subject, STORE, SESSIONS} or not effect.subject
    return near and cause.code in kind_of(effect.code).after
