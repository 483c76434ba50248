"""What does the daemon itself say is wrong?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings

_ELSEWHERE: Final = frozenset({"no_session", "session_deaf", "platform_conflict", "platform_webhook"})
"""What other checks tell, with more to go by."""


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell what ``channeld status`` shows."""
    if around.status is None:
        return
    issues = [issue for issue in around.health if issue["code"] not in _ELSEWHERE]
    for issue in issues:
        tell = failure if issue["severity"] == "error" else warning
        yield tell(issue["text"], issue.get("why", ""), issue["hint"])
    if not issues:
        yield ok("The daemon finds nothing else wrong.")
