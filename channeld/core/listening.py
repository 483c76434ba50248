"""Does a Claude Code session listen to us? Read off the command line of the claude process.

A session that did not opt the channel in drops every event without a word, so nothing is pushed unless we know.
Source: the ``--channels`` and ``--dangerously-load-development-channels`` flags of Claude Code 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final, NamedTuple

SERVER_NAME: Final = "channeld"
_FLAGS: Final = ("--channels", "--dangerously-load-development-channels")
ATTACH: Final = "claude --dangerously-load-development-channels plugin:channeld@channeld"
"""What starts a session that listens, with the plugin."""
ATTACH_SERVER: Final = "claude --dangerously-load-development-channels server:channeld"
"""The same where a project's ``.mcp.json`` names the server."""


class Listening(StrEnum):
    """Whether events pushed to a session reach Claude."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Verdict(NamedTuple):
    """Whether a session listens; when not, why and what mends it."""

    listening: Listening
    reason: str = ""
    mend: str = ""


DEAF: Final = Verdict(
    Listening.NO,
    "it read a message, and Claude was not given it: a dialog may be open in its terminal, or its hooks are turned off",
    "Look at its terminal and close what is open there. Or restart Claude Code: what waits is delivered then.",
)
"""Of a session that was found not to take up what it is given."""


def is_claude(argv: Sequence[str]) -> bool:
    """Tell whether a command line is Claude Code: the native binary, or node running its script."""
    if not argv:
        return False
    if PurePosixPath(argv[0]).name in {"claude", "claude.exe"}:
        return True
    return (
        len(argv) > 1
        and any(PurePosixPath(word).name == "claude" or "@anthropic-ai/claude-code" in word for word in argv[1:3])
        and PurePosixPath(argv[0]).name in {"node", "nodejs", "bun"}
    )


def opted_in(argv: Sequence[str]) -> list[str]:
    """Return the channels that a claude command line opts in, such as ``server:channeld``."""
    channels: list[str] = []
    taking = False
    for word in argv[1:]:
        if word == "--":
            break
        flag, equals, value = word.partition("=")
        if flag in _FLAGS:
            taking = True
            if equals:
                channels += value.replace(",", " ").split()
                taking = False
        elif word.startswith("-"):
            taking = False
        elif taking and word.startswith(("server:", "plugin:")):
            channels += word.replace(",", " ").split()
    return channels


def names_us(channel: str, *, plugin: bool = False) -> bool:
    """Tell whether a channel is ours: ``plugin:NAME@MARKETPLACE`` is the plugin's, ``server:NAME`` a server's alone."""
    kind, _, name = channel.partition(":")
    if plugin:
        return kind == "plugin" and name.partition("@")[0] == SERVER_NAME
    return kind == "server" and name == SERVER_NAME


def judge(told: str, claude_argv: Sequence[str] | None, *, readable: bool = True, plugin: bool = False) -> Verdict:
    """Decide whether a session listens.

    Args:
        told: what ``--listening`` said: ``auto``, ``yes`` or ``no``.
        claude_argv: command line of the nearest claude process above the shim; None where there is none.
        readable: the processes above could be read at all.
        plugin: Claude Code's plugin started the shim, so the channel goes by the plugin's name.
    """
    if told == "yes":
        return Verdict(Listening.YES)
    if told == "no":
        return Verdict(Listening.NO, "it was attached with --listening no", "Attach it without that option.")
    if not readable:
        return Verdict(
            Listening.UNKNOWN,
            "the process that started it cannot be read",
            "If it does take channel events, attach it with: channeld mcp --listening yes",
        )
    if claude_argv is None:
        return Verdict(
            Listening.NO,
            "no Claude Code process stands above it: another MCP client can use the tools but gets no events",
            "If this client takes channel events, attach it with: channeld mcp --listening yes",
        )
    attach = ATTACH if plugin else ATTACH_SERVER
    channels = opted_in(claude_argv)
    if any(names_us(channel, plugin=plugin) for channel in channels):
        return Verdict(Listening.YES)
    if channels:
        wanted = attach.rpartition(" ")[2]
        return Verdict(
            Listening.NO,
            f"Claude Code was started with channels, but not with {wanted} ({', '.join(channels)[:120]})",
            f"Restart it with: {attach}",
        )
    return Verdict(Listening.NO, "Claude Code was started without the channel flag", f"Restart it with: {attach}")
