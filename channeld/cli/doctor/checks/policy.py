"""Do the managed settings of this machine let channels in, and channeld's plugin?

Seen with Claude Code 2.1.330 and an API key: where managed settings are and do not say ``channelsEnabled: true``, a
session says "blocked by org policy" and drops what comes; ``--channels`` takes only what ``allowedChannelPlugins``
names, the development flag takes any. Source for other accounts: code.claude.com/docs/en/channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from channeld.cli.doctor.finding import Finding, failure, note, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.core.listening import SERVER_NAME

_ENTRY: Final = f'{{"marketplace": "{SERVER_NAME}", "plugin": "{SERVER_NAME}"}}'
_DROPS: Final = "Then a session drops every message, and says so only at its start."


def check(around: Surroundings) -> Iterator[Finding]:
    """Look at ``channelsEnabled`` and ``allowedChannelPlugins``."""
    layers = around.claude.managed
    if not layers:
        yield ok("There are no managed settings here. What an organisation sets on its server does not show.")
        return
    place = layers[0].file
    enabled, allowed = around.claude.policy("channelsEnabled"), around.claude.policy("allowedChannelPlugins")
    fix = f'Whoever administers it sets `"channelsEnabled": true` there ({place}).'
    if enabled is False:
        yield failure("channelsEnabled is false in the managed settings.", _DROPS, fix)
    elif enabled is not True and around.claude.login.account:  # a personal one has channels all the same
        yield warning(
            "The managed settings do not say channelsEnabled.",
            f"{_DROPS} Only a personal Pro or Max account has them.",
            fix,
        )
    elif enabled is not True:
        yield failure("The managed settings do not say channelsEnabled.", _DROPS, fix)
    elif isinstance(allowed, list) and not any(_is_ours(entry) for entry in allowed):
        yield warning(
            "allowedChannelPlugins in the managed settings leaves channeld out.",
            "`claude --channels` does not let it in then; the development flag does.",
            f"Whoever administers it adds `{_ENTRY}` there ({place}).",
        )
    elif allowed is None:
        yield note(
            "allowedChannelPlugins is not set.",
            "So `claude --channels` is not enough: the development flag is, which asks at every start.",
            f"To be asked no more: `[{_ENTRY}]` as its value ({place})",
        )
    else:
        yield ok("The managed settings let channeld's plugin in.")


def _is_ours(entry: object) -> bool:
    return isinstance(entry, dict) and entry.get("plugin") == SERVER_NAME
