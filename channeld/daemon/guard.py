"""Claude can't let itself in: which processes may run the commands that change access or show a secret.

A person's command has a controlling terminal and no Claude Code above it; one that a session runs has neither. Both are
read from the kernel. A process of the same user that sets out to look like a person can: see docs/security.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import structlog

from channeld.core.errors import Refused
from channeld.core.listening import is_claude
from channeld.daemon.sockets import Peer

log = structlog.get_logger()
_MOST_ANCESTORS: Final = 256
_OWN_TERMINAL: Final = "Run it yourself, in a terminal of your own that no Claude Code runs in."


class _Stat(NamedTuple):
    parent: int
    terminal: int  # device number of the controlling terminal; 0: none


class Guard:
    """Tells a person at a terminal from what a session runs."""

    def __init__(self, sessions: Callable[[], Iterable[int]]) -> None:
        """Make one.

        Args:
            sessions: the processes that belong to sessions of now: shims, and the Claude Code above them.
        """
        self._sessions = sessions

    def check(self, command: str, peer: Peer) -> None:
        """Let a command pass, or refuse it.

        Raises:
            Refused: whoever asks has no terminal, stands below a session, or cannot be seen.
        """
        refusal = self._why_not(peer.pid)
        if refusal is not None:
            code, text = refusal
            log.warning("command_refused", command=command, pid=peer.pid, reason=code)
            raise Refused(text, hint=_OWN_TERMINAL, code=code)

    def _why_not(self, pid: int) -> tuple[str, str] | None:
        chain = ancestors(pid)
        if not chain:
            return (
                "unseen_caller",
                "channeld cannot see which process asks, or what stands above it, and so refuses: it may be in another "
                "container, or /proc may hide it.",
            )
        if next(iter(chain.values())).terminal == 0:
            return "no_terminal", "This is for a person at a terminal, and the process that asks has none."
        sessions = set(self._sessions())
        above_shims = {stat.parent for session in sessions if (stat := _stat_of(session)) is not None} - {0, 1}
        if not chain.keys().isdisjoint(sessions | above_shims) or any(map(_runs_claude, chain)):
            return (
                "below_session",
                "This was asked from inside a Claude Code session, which must not decide who may speak to it.",
            )
        return None


def ancestors(pid: int) -> dict[int, _Stat]:
    """Return a process and all above it, from the bottom; nothing where one of them cannot be seen."""
    found: dict[int, _Stat] = {}
    while pid > 0 and len(found) < _MOST_ANCESTORS:
        stat = _stat_of(pid)
        if stat is None:
            return {}
        found[pid] = stat
        pid = stat.parent
    return found if pid == 0 else {}


def _stat_of(pid: int) -> _Stat | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return _Stat(int(fields[1]), int(fields[4]))
    except (OSError, ValueError, IndexError):
        return None


def _runs_claude(pid: int) -> bool:
    """Tell whether a process is Claude Code, whether or not it is one of our sessions."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            argv = file.read().split(b"\0")[:-1]
    except OSError:
        return False  # it has just ended, or is another user's
    return is_claude([word.decode(errors="replace") for word in argv])
