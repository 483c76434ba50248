"""Is a variable set that switches channels off?

Seen with Claude Code 2.1.330: with each of these it says "Channels are not currently available", whatever the value
(also 0), since it looks up no feature switches then; with another provider, that they are not available there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings

SWITCHES: Final = frozenset(
    {"DISABLE_TELEMETRY", "DO_NOT_TRACK", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_GROWTHBOOK"}
)
PROVIDERS: Final = frozenset({"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"})
_OFF: Final = frozenset({"", "0", "false", "no", "off"})


def check(around: Surroundings) -> Iterator[Finding]:
    """Look at the settings, at every session, and at this terminal."""
    calm = True
    for layer in around.claude.layers:
        for name, why in _blocking(layer.data.get("env")):
            calm = False
            yield failure(
                f"{name} is set in {layer.file}, under env.", why, "Take it out there, and restart Claude Code."
            )
    for session in around.sessions:
        # What was proven by a message that arrived is not called in question.
        seen = {} if session.get("proven") else around.variables_of(session, SWITCHES | PROVIDERS)
        for name, why in _blocking(seen):
            calm = False
            yield failure(
                f"{name} is set in the session {session['name']}.", why, f"`unset {name}`, and start that session anew"
            )
    for name, why in _blocking(around.environ):
        calm = False
        yield warning(
            f"{name} is set in this terminal.", f"{why} So it is for a session that is started here.", f"`unset {name}`"
        )
    if calm:
        yield ok("No variable switches channels off.")


def _blocking(variables: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(variables, Mapping):
        return
    told = {name: str(value) for name, value in variables.items() if value is not None}
    for name in sorted(SWITCHES):
        if told.get(name):
            yield name, "With it Claude Code has no channels, whatever its value: it drops every message."
    for name in sorted(PROVIDERS):
        if told.get(name, "").lower() not in _OFF:
            yield name, "Claude Code has no channels with another provider: it drops every message."
