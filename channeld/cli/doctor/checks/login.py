"""Is somebody logged in to Claude Code?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from channeld.cli.doctor.finding import Finding, ok, warning
from channeld.cli.doctor.surroundings import Surroundings

_KEYS: Final = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN")


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell whether there is an account or a key; neither is read."""
    login = around.claude.login
    if login.account or login.credentials:
        yield ok("Claude Code has an account.")
    elif any(around.environ.get(key) for key in _KEYS) or _in_settings(around):
        yield ok("Claude Code has a key.")
    elif any(session["claude_pid"] for session in around.sessions):
        yield ok("A session runs.")
    elif around.claude_program is not None:  # else there is nothing to log in to
        yield warning(
            "Claude Code is not logged in, as far as its files show.", "A session that is not cannot read messages.",
            "Start `claude` and log in with /login.",
        )  # fmt: skip


def _in_settings(around: Surroundings) -> bool:
    for layer in around.claude.layers:
        variables = layer.data.get("env")
        if layer.data.get("apiKeyHelper") or (isinstance(variables, dict) and any(map(variables.get, _KEYS))):
            return True
    return False
