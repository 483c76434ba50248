"""Which revision of MCP does Claude Code want to speak?

A server that accepts 2026-07-28 is no channel for Claude Code. channeld refuses that revision, and the client then
takes the one before: seen with 2.1.330, whatever the variable says. Source: env-vars page of code.claude.com/docs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from channeld.cli.doctor.finding import Finding, note, ok
from channeld.cli.doctor.surroundings import Surroundings

_VARIABLE: Final = "MCP_PROTOCOL_NEGOTIATION"
_KNOWN: Final = ("", "legacy")
_WHY: Final = (
    "That does channeld no harm as of Claude Code 2.1.330. If a session hears nothing although all else is right, "
    "it is worth a try without it."
)


def check(around: Surroundings) -> Iterator[Finding]:
    """Look for the variable that decides it, in the settings, every session, and this terminal."""
    places = [
        *((f"{layer.file}, under env", layer.data.get("env")) for layer in around.claude.layers),
        *(
            (f"the session {session['name']}", around.variables_of(session, frozenset({_VARIABLE})))
            for session in around.sessions
        ),
        ("this terminal", around.environ),
    ]
    calm = True
    for place, variables in places:
        value = str(variables.get(_VARIABLE, "")) if isinstance(variables, Mapping) else ""
        if value not in _KNOWN:
            calm = False
            yield note(f"{_VARIABLE} is {value[:20]!r} in {place}.", _WHY, f"`export {_VARIABLE}=legacy`")
    if calm:
        yield ok(f"{_VARIABLE} is not set, or legacy.")
