"""What is wrong now: a registry of issues, each with a code, a severity and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

import structlog

log = structlog.get_logger()


class Severity(StrEnum):
    """How bad an issue is."""

    ERROR = "error"  # messages do not flow
    WARNING = "warning"  # they will stop flowing, or flow in part


@dataclass(frozen=True, slots=True)
class Issue:
    """Something that is wrong, in words for a person."""

    code: str
    severity: Severity
    text: str
    hint: str


class Health:
    """The issues of the running daemon, by code and subject."""

    def __init__(self) -> None:
        self._issues: dict[tuple[str, str], Issue] = {}

    def report(self, issue: Issue, subject: str = "") -> None:
        """Set an issue; it is logged when it is new or has changed."""
        if self._issues.get((issue.code, subject)) != issue:
            self._issues[(issue.code, subject)] = issue
            log.warning("health_issue", code=issue.code, subject=subject, text=issue.text, hint=issue.hint)

    def clear(self, code: str, subject: str = "") -> None:
        """Take an issue back."""
        if self._issues.pop((code, subject), None) is not None:
            log.info("health_issue_over", code=code, subject=subject)

    def clear_subject(self, subject: str) -> None:
        """Take back every issue of a subject."""
        for code, owner in list(self._issues):
            if owner == subject:
                self.clear(code, subject)

    def issues(self) -> list[dict[str, str]]:
        """Return the issues, errors first, as plain data."""
        ordered = sorted(self._issues.items(), key=lambda item: (item[1].severity is not Severity.ERROR, item[0]))
        return [{**asdict(issue), "subject": subject} for (_, subject), issue in ordered]
