"""Are the daemon and what sessions have started of one version?"""

from __future__ import annotations

from collections.abc import Iterator

from channeld import __version__
from channeld.cli.doctor.finding import Finding, ok, warning
from channeld.cli.doctor.surroundings import Surroundings


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell what still runs as it was before an upgrade."""
    calm = True
    if around.status is not None and (running := around.status["daemon"]["version"]) != __version__:
        calm = False
        yield warning(
            f"The daemon is {running}, this command {__version__}.", "An upgrade counts from the next start on.",
            "`channeld restart`",
        )  # fmt: skip
    old = [session for session in around.sessions if session["shim_version"] != __version__]
    if old:
        calm = False
        names = ", ".join(f"{session['name']} ({session['shim_version']})" for session in old)
        yield warning(
            f"Sessions have a channeld of another version: {names}.", "They may lack what is new.",
            "Restart Claude Code there; `claude --continue` keeps the conversation.",
        )  # fmt: skip
    if calm:
        yield ok(f"channeld {__version__}.")
