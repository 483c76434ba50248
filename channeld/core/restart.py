"""When a dead worker is started again. Pure: the clock and the dice are passed in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from channeld.core.lifecycle import blocks

BASE_DELAY_S: Final = 0.5
MAX_DELAY_S: Final = 60.0
INTENSITY: Final = 5
PERIOD_S: Final = 300.0
FAILED_RETRY_S: Final = 900.0
BLOCKED_RETRY_S: Final = 3600.0


class Verdict(StrEnum):
    """What becomes of a worker that ended."""

    BACKOFF = "backoff"
    FAILED = "failed"
    BLOCKED = "blocked"  # looked at again once an hour: a platform may have been wrong about a token


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and how long to wait for the next try in seconds."""

    verdict: Verdict
    delay_s: float


@dataclass(slots=True)
class RestartPolicy:
    """Restart intensity after Erlang's supervisors: more than ``INTENSITY`` ends in ``PERIOD_S`` is a failure."""

    ends: list[float] = field(default_factory=list)

    def ended(self, exit_code: int | None, now_s: float, dice: float) -> Decision:
        """Decide what to do after an end.

        Args:
            exit_code: of the process; negative for a signal, None if it never started.
            now_s: monotonic time.
            dice: uniform in [0, 1), for full jitter.
        """
        if blocks(exit_code):
            return Decision(Verdict.BLOCKED, BLOCKED_RETRY_S)
        self.ends = [t for t in self.ends if now_s - t < PERIOD_S] + [now_s]
        if len(self.ends) > INTENSITY:
            return Decision(Verdict.FAILED, FAILED_RETRY_S)
        ceiling = min(MAX_DELAY_S, BASE_DELAY_S * 2 ** (len(self.ends) - 1))
        return Decision(Verdict.BACKOFF, ceiling * dice)

    def forgive(self) -> None:
        """Forget past ends: a person asked for a restart."""
        self.ends.clear()
