"""What a screen of Claude Code shows: a question, its prompt, or that it hears no channel. Pure.

Nothing is ever typed at a screen that is not recognised word by word. Source: Claude Code 2.1.330.
"""

from __future__ import annotations

import re
from enum import StrEnum
from itertools import dropwhile, pairwise, takewhile
from typing import Final

_BLANKS: Final = re.compile(r"\s+")
_RULE: Final = re.compile(r"^\s*─{8,}")
_CHOICE: Final = re.compile(r"^\s*❯ \S", re.MULTILINE)
_WARNING: Final = "WARNING: Loading development channels"
_BAR: Final = "▎"
_CONFIRM: Final = "Enter to confirm"
_ACCEPTED: Final = "❯ 1. I am using this for local development 2. Exit"


class Shown(StrEnum):
    """What Claude Code shows."""

    NOTHING = "nothing"  # that we know: it is starting, or a program of the shell's start asks something
    CHANNEL = "channel"  # the question whether to load a development channel
    TRUST = "trust"  # the question whether the folder is trusted
    SETUP = "setup"  # the questions of the very first start
    LOGIN = "login"  # nobody is logged in
    QUESTION = "question"  # another one
    PROMPT = "prompt"


ASKED: Final = {
    Shown.CHANNEL: "whether to load the channel, in other words than channeld knows",
    Shown.TRUST: "whether you trust the folder",
    Shown.SETUP: "what it asks at its first start",
    Shown.LOGIN: "for your login (/login)",
    Shown.QUESTION: "something that channeld does not know",
    Shown.NOTHING: "something that channeld does not know",
}
"""What a person has to answer, by what is shown."""

_MUTED: Final = {
    "Inbound messages will be silently dropped": "managed settings do not allow channels (channelsEnabled)",
    "Channels are not currently available": "Claude Code says that channels are not currently available",
    "not on the approved channels allowlist": "Claude Code does not have channeld on its list of approved channels",
    "not on your org's approved channels list": "your organisation does not allow channeld (allowedChannelPlugins)",
}


def read(screen: str) -> Shown:
    """Return what a screen shows.

    Args:
        screen: its lines, as tmux captures them.
    """
    lines = screen.splitlines()
    if (
        below := _below_prompt(lines)
    ) is not None:  # before the rest: an earlier conversation may show anything above it
        return Shown.LOGIN if "Not logged in" in below else Shown.PROMPT
    text = _BLANKS.sub(" ", screen)
    if _WARNING in text and _CONFIRM in text:
        return Shown.CHANNEL
    if "Accessing workspace:" in text and "trust" in text and _CONFIRM in text:
        return Shown.TRUST
    if "Let's get started" in text and _CHOICE.search(screen):
        return Shown.SETUP
    if "Select login method" in text:
        return Shown.LOGIN
    if _CHOICE.search(screen) or _CONFIRM in text or "Esc to cancel" in text:
        return Shown.QUESTION
    return Shown.NOTHING


def may_accept(screen: str, channel: str) -> bool:
    """Tell whether Enter says yes to loading one channel, and to nothing else.

    Args:
        screen: as it is now.
        channel: the only one that may be loaded, such as ``plugin:channeld@channeld``.
    """
    if not channel or read(screen) is not Shown.CHANNEL:
        return False
    end = f" Channels: {channel} {_ACCEPTED} {_CONFIRM} · Esc to cancel"
    return _BLANKS.sub(" ", screen).rstrip().endswith(end)  # at the end: what is above may be anybody's words


def muted(screen: str) -> str:
    """Return why Claude Code drops what channels give it, as its first screen tells; empty: nothing is told of that."""
    lines = dropwhile(lambda line: not line.startswith(_BAR), screen.splitlines())
    notes = takewhile(lambda line: line.startswith(_BAR), lines)  # the first ones: what follows may be a conversation
    text = _BLANKS.sub(" ", " ".join(line.removeprefix(_BAR) for line in notes))
    return next((why for words, why in _MUTED.items() if words in text), "")


def last_words(screen: str, limit: int = 160) -> str:
    """Return the last line that a program left on its screen, harmless and in one piece."""
    lines = [line.strip() for line in screen.splitlines() if line.strip()]
    return "".join(char for char in lines[-1] if char.isprintable())[:limit] if lines else ""


def _below_prompt(lines: list[str]) -> str | None:
    """Return what stands below the field for typing, which is a mark between two rules; None: it is not there."""
    rules = [number for number, line in enumerate(lines) if _RULE.match(line)]
    for above, below in reversed(list(pairwise(rules))):
        if below - above > 1 and lines[above + 1].lstrip().startswith("❯"):
            return "\n".join(lines[below:])
    return None
