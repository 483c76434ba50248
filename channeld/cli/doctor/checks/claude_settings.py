"""Can Claude Code's settings be read, and do its hooks run?"""

from __future__ import annotations

from collections.abc import Iterator

from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell which settings file is broken, and which switches hooks off."""
    calm = True
    for layer in around.claude.layers:
        if layer.fault:
            calm = False
            text, fix = f"{layer.file} cannot be used: {layer.fault}.", "Mend that file."
            if layer.managed:
                yield failure(text, "Claude Code ends with an error about it.", fix)
            else:
                yield warning(text, "What it says does not count.", fix)
        if layer.data.get("disableAllHooks"):
            calm = False
            yield warning(
                f"disableAllHooks is set in {layer.file}.",
                "So channeld cannot see what a session does, and none of your messages is known to be seen.",
                "Take it out, and restart Claude Code.",
            )  # fmt: skip
    if calm:
        yield ok("Claude Code's settings can be read.")
