"""The checks of ``doctor``, one module each, in the order in which a person should read what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from channeld.cli.doctor.checks import (
    channel,
    claude_code,
    claude_settings,
    clock,
    configuration,
    credentials,
    daemon,
    disk,
    file_modes,
    folders,
    health,
    intents,
    linger,
    login,
    official,
    permissions,
    platforms,
    plugin,
    policy,
    polling,
    protocol,
    sockets,
    units,
    variables,
    versions,
)
from channeld.cli.doctor.finding import Finding
from channeld.cli.doctor.surroundings import Surroundings

_QUICK_S: Final = 10.0
"""For what lies on this machine."""
_PROGRAM_S: Final = 15.0
"""For what another program is asked."""
_NETWORK_S: Final = 25.0
"""For what a platform is asked, which has a shorter limit of its own."""


class Check(NamedTuple):
    """One thing that is looked at."""

    name: str
    look: Callable[[Surroundings], Iterable[Finding]]
    limit_s: float = _QUICK_S


CHECKS: Final = (
    Check("configuration", configuration.check),
    Check("folders", folders.check),
    Check("disk space", disk.check),
    Check("daemon", daemon.check),
    Check("sockets", sockets.check),
    Check("units", units.check, _PROGRAM_S),
    Check("linger", linger.check),
    Check("versions", versions.check),
    Check("health", health.check),
    Check("file modes", file_modes.check),
    Check("credentials", credentials.check),
    Check("platforms", platforms.check, _NETWORK_S),
    Check("polling", polling.check, _NETWORK_S),
    Check("intents", intents.check, _NETWORK_S),
    Check("official plugins", official.check),
    Check("Claude Code", claude_code.check, _PROGRAM_S),
    Check("login", login.check),
    Check("Claude settings", claude_settings.check),
    Check("policy", policy.check),
    Check("variables", variables.check),
    Check("protocol", protocol.check),
    Check("plugin", plugin.check),
    Check("sessions", channel.check),
    Check("permissions", permissions.check),
    Check("clock", clock.check, _NETWORK_S),
)
