"""What a session works on, as far as can be told without hooks: messages that it has read and not answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

PATIENCE_S: Final = 600.0
"""After so long without a sign the session is taken to be idle: Claude may have decided not to answer."""
BUSY_AFTER_S: Final = 120.0
"""After so long a sender is told that Claude is still busy, and where to look."""
_WORK: Final = frozenset({"message", "edited", "button", "webhook"})
"""Kinds of events that ask for something; a reaction and a note of channeld's own do not."""


class Work(NamedTuple):
    """A chat whose message a session works on."""

    chat: str
    since: float  # unix time, seconds


class Activity:
    """The work of one session. Times are unix seconds, passed in."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._sign_at = 0.0

    def began(self, chat: str, kind: str, now: float) -> None:
        """The session has read an event of a chat."""
        if kind in _WORK:
            self._since.setdefault(chat, now)

    def answered(self, chat: str) -> None:
        """It replied to a chat."""
        self._since.pop(chat, None)

    def sign(self, now: float) -> None:
        """It does something: what it works on it still works on."""
        self._sign_at = now

    def work(self, now: float) -> list[Work]:
        """Return the chats that it works on, the first begun first."""
        return [
            Work(chat, since)
            for chat, since in sorted(self._since.items(), key=lambda item: item[1])
            if now - max(since, self._sign_at) < PATIENCE_S
        ]

    def changes_at(self, now: float) -> float | None:
        """Return when what is to be said of it changes next, if nothing happens."""
        moments = []
        for work in self.work(now):
            moments += [work.since + BUSY_AFTER_S, max(work.since, self._sign_at) + PATIENCE_S]
        return min((moment for moment in moments if moment > now), default=None)


def busy_text(work: Iterable[Work], now: float, *, waits: bool) -> str:
    """Return what senders are told while Claude is at it for long; empty before that.

    Args:
        work: what it works on.
        now: unix time, seconds.
        waits: what is written now waits until it is done.
    """
    if not any(now - each.since >= BUSY_AFTER_S for each in work):
        return ""
    if waits:
        return (
            "Claude has been at it for a while. What you write now is next when it is done. If nothing happens, look "
            "at its terminal: a question may be open there."
        )
    return (
        "Claude has been at it for a while. What you write now reaches it as a note, and it may take it up only "
        "afterwards. If no answer comes, look at its terminal: a question may be open there."
    )
