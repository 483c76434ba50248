"""The issues that the running daemon's parts have reported and not taken back."""

from __future__ import annotations

import time

import structlog

from channeld.core.errors import ChanneldError
from channeld.core.health import STORE, Report

log = structlog.get_logger()


class Health:
    """Reported issues, by code and subject."""

    def __init__(self) -> None:
        self._reports: dict[tuple[str, str], Report] = {}

    def report(self, code: str, text: str, hint: str, subject: str) -> None:
        """Set an issue; it is logged when it is new or has changed."""
        known = self._reports.get((code, subject))
        report = Report(code, text, hint, known.since if known else time.time(), subject)
        if report != known:
            self._reports[(code, subject)] = report
            log.warning("health_issue", code=code, subject=subject, text=text, hint=hint)

    def report_store(self, trouble: ChanneldError) -> None:
        """Set what the mailbox has said of itself, in place of what it said before."""
        for code, subject in list(self._reports):
            if subject == STORE and code != trouble.code:
                self.clear(code, subject)
        self.report(trouble.code, str(trouble), trouble.hint, STORE)

    def clear(self, code: str, subject: str) -> None:
        """Take an issue back."""
        if self._reports.pop((code, subject), None) is not None:
            log.info("health_issue_over", code=code, subject=subject)

    def clear_subject(self, subject: str) -> None:
        """Take back every issue of a subject."""
        for code, owner in list(self._reports):
            if owner == subject:
                self.clear(code, owner)

    def concerns(self, subject: str) -> bool:
        """Tell whether anything is reported of a subject."""
        return any(owner == subject for _, owner in self._reports)

    def reports(self) -> list[Report]:
        """Return everything that was reported."""
        return list(self._reports.values())
