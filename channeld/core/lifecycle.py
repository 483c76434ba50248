"""The states of a worker process, and what its exit means."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

EXIT_DONE: Final = 0
EXIT_BAD_CREDENTIALS: Final = 77  # EX_NOPERM of sysexits.h
EXIT_BAD_CONFIG: Final = 78  # EX_CONFIG of sysexits.h

READY_DEADLINE_S: Final = 30.0
SILENT_LIMIT_S: Final = 30.0
DRAIN_DEADLINE_S: Final = 5.0
ABORT_GRACE_S: Final = 2.0
"""How long an aborted worker may take to dump its stacks before it is killed."""


class WorkerState(StrEnum):
    """What a worker is doing, as ``status`` shows it."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    BACKOFF = "backoff"
    FAILED = "failed"  # it kept dying: one try every quarter of an hour
    BLOCKED = "blocked"  # it says that trying again is pointless until something is changed: one try an hour
    STOPPED = "stopped"


WORKER_TRANSITIONS: Final[dict[WorkerState, frozenset[WorkerState]]] = {
    WorkerState.STOPPED: frozenset({WorkerState.STARTING}),
    WorkerState.STARTING: frozenset(
        {
            WorkerState.READY,
            WorkerState.DRAINING,
            WorkerState.BACKOFF,
            WorkerState.FAILED,
            WorkerState.BLOCKED,
            WorkerState.STOPPED,
        }
    ),
    WorkerState.READY: frozenset(
        {WorkerState.DRAINING, WorkerState.BACKOFF, WorkerState.FAILED, WorkerState.BLOCKED, WorkerState.STOPPED}
    ),
    WorkerState.DRAINING: frozenset({WorkerState.STOPPED, WorkerState.STARTING}),
    WorkerState.BACKOFF: frozenset({WorkerState.STARTING, WorkerState.STOPPED}),
    WorkerState.FAILED: frozenset({WorkerState.STARTING, WorkerState.STOPPED}),
    WorkerState.BLOCKED: frozenset({WorkerState.STARTING, WorkerState.STOPPED}),
}


def blocks(exit_code: int | None) -> bool:
    """Tell whether an exit code says that a restart would end the same way."""
    return exit_code in {EXIT_BAD_CREDENTIALS, EXIT_BAD_CONFIG}


def describe_exit(exit_code: int | None) -> str:
    """Return an exit in words, for a log line and for ``status``."""
    match exit_code:
        case None:
            return "did not start"
        case 0:
            return "ended by itself"
        case 77:
            return "its credentials were refused"
        case 78:
            return "its configuration cannot be used"
        case code if code < 0:
            return f"was killed by signal {-code}"
        case code:
            return f"exited with status {code}"
