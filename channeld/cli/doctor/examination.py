"""Runs the checks side by side: none of them can end or hold up the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Final, NamedTuple

from channeld.cli.doctor.checks import CHECKS, Check
from channeld.cli.doctor.finding import Finding, Level, warning
from channeld.cli.doctor.surroundings import Surroundings

_FAULT: Final = "It is a fault of channeld: please report it."


class Mended(NamedTuple):
    """What became of a finding that was to be mended."""

    check: str
    done: bool
    text: str
    """What was done, or why it could not be."""


def examine(around: Surroundings, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Return what all checks find, in their order."""
    runs = [_Run(check, around) for check in checks]
    return [finding._replace(check=run.check.name) for run in runs for finding in run.outcome()]


def mend(findings: Iterable[Finding]) -> list[Mended]:
    """Mend what is safe to mend."""
    done = []
    for finding in findings:
        if finding.mend is None:
            continue
        try:
            done.append(Mended(finding.check, True, finding.mend()))
        except OSError as error:
            done.append(Mended(finding.check, False, f"{finding.finding} It stays so: {error}."))
    return done


def is_sound(findings: Iterable[Finding]) -> bool:
    """Tell whether nothing is wrong."""
    return all(finding.level is not Level.FAILURE for finding in findings)


class _Run:
    """One check in a thread of its own, which is left to itself if it takes too long."""

    def __init__(self, check: Check, around: Surroundings) -> None:
        self.check = check
        self._found: list[Finding] = []
        self._ends_at = time.monotonic() + check.limit_s
        self._thread = threading.Thread(target=self._run, args=(around,), name=check.name, daemon=True)
        self._thread.start()

    def _run(self, around: Surroundings) -> None:
        try:
            found = list(self.check.look(around))
        except Exception as error:  # whatever it is, the others go on
            found = [_crash(error)]
        self._found = found

    def outcome(self) -> list[Finding]:
        """Return what it has found by the end of its time."""
        self._thread.join(max(0.0, self._ends_at - time.monotonic()))
        if not self._thread.is_alive():
            return self._found
        return [
            warning(
                f"This was not found out within {self.check.limit_s:.0f} s.", "Something that it asks hangs.",
                "Run `channeld doctor` again.",
            )
        ]  # fmt: skip


def _crash(error: Exception) -> Finding:
    """Return what is told of a check that failed: where, but not the error's own words, which may hold anything."""
    last: TracebackType | None = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    where = f", {last.tb_frame.f_code.co_filename.rpartition('/')[2]} line {last.tb_lineno}" if last else ""
    return warning(f"This could not be checked: {type(error).__name__}{where}.", "", _FAULT)
