"""How a Claude Code that channeld starts is let hear channel events, and its command line. Pure.

Source: Claude Code 2.1.330. ``--channels`` takes a plugin that managed settings list; every other one needs
``--dangerously-load-development-channels``, which asks at each start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from channeld.core.listening import SERVER_NAME, opted_in

PLUGIN: Final = "plugin:channeld@channeld"
SERVER: Final = "server:channeld"
_LISTED: Final = {"marketplace": SERVER_NAME, "plugin": SERVER_NAME}
_CONTINUING: Final = frozenset({"-c", "--continue", "-r", "--resume", "--from-pr"})


class Way(StrEnum):
    """How the channel is opted in."""

    MANAGED = "managed"  # whoever administers the machine allows it: no question at the start
    DEVELOPMENT = "development"  # Claude Code warns and asks at each start
    OWN = "own"  # by the flags that the user gave


class OptIn(NamedTuple):
    """How the channel is opted in, and the flags that do it."""

    way: Way
    flags: tuple[str, ...]

    @property
    def channel(self) -> str:
        """The channel that the question at the start names, if there is one; empty where it is not ours to answer."""
        return self.flags[-1] if self.way is Way.DEVELOPMENT else ""


def choose(managed: Sequence[Mapping[str, Any]], arguments: Sequence[str], channel: str) -> OptIn:
    """Choose how a session is opted in.

    Args:
        managed: managed settings, a later one rules over an earlier one.
        arguments: of Claude Code, as the user gave them.
        channel: the plugin's or the server's.
    """
    if opted_in(["claude", *arguments]):
        return OptIn(Way.OWN, ())
    if channel == PLUGIN and allows(managed):
        return OptIn(Way.MANAGED, ("--channels", channel))
    return OptIn(Way.DEVELOPMENT, ("--dangerously-load-development-channels", channel))


def find_channel(settings: Sequence[Mapping[str, Any]], project_servers: Mapping[str, Any]) -> str | None:
    """Return the channel that a session will have: the plugin's, or that of a server; None for neither.

    Args:
        settings: of Claude Code, a later one rules over an earlier one.
        project_servers: ``mcpServers`` of the project's ``.mcp.json``.
    """
    enabled = [value for each in settings if (value := _enabled(each)) is not None]
    if enabled and enabled[-1]:
        return PLUGIN
    return SERVER if SERVER_NAME in project_servers else None


def _enabled(settings: Mapping[str, Any]) -> bool | None:
    plugins = settings.get("enabledPlugins")
    value = plugins.get(PLUGIN.partition(":")[2]) if isinstance(plugins, dict) else None
    return value if value is None else bool(value)


def allows(managed: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether managed settings let our plugin in without a question."""
    merged: dict[str, Any] = {}
    for settings in managed:
        merged |= settings
    listed = merged.get("allowedChannelPlugins")
    if merged.get("channelsEnabled") is not True or not isinstance(listed, list):
        return False
    return any(isinstance(each, dict) and each.items() >= _LISTED.items() for each in listed)


def command_line(opt_in: OptIn, arguments: Sequence[str], *, again: bool) -> list[str]:
    """Return the command line that starts Claude Code.

    Args:
        opt_in: how the channel is opted in.
        arguments: the user's.
        again: a conversation that has begun is to go on.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options, prompt = arguments[:end], arguments[end:]
    more = ["--continue"] if again and not any(word.partition("=")[0] in _CONTINUING for word in options) else []
    # Last: each of the flags takes every word behind it that is no option.
    return ["claude", *more, *options, *opt_in.flags, *prompt]
