"""Does each running session take what it is given?"""

from __future__ import annotations

from collections.abc import Iterator

from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.core.listening import ATTACH


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell which session has not opted the channel in, as the daemon read it off its command line."""
    if around.status is None:
        return
    if not around.sessions:
        yield warning("No Claude Code session is attached.", "Messages are kept, and nobody reads them.", f"`{ATTACH}`")
    heard = any(session["listening"] == "yes" for session in around.sessions)
    for session in around.sessions:
        name = session["name"]
        if session["listening"] == "yes":
            yield ok(f"{name} listens.")
            continue
        tell = warning if heard else failure
        state = "does not listen" if session["listening"] == "no" else "is not known to listen"
        yield tell(f"{name} {state}: {session['reason']}.", "It is given no messages.", session["mend"])
