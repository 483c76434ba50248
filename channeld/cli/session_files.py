"""What is on disk of a kept session: what was declared of it, and what its keeper says. No environment, no secret."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from channeld.core.kept_session import Phase
from channeld.paths import Paths, make_private

_LONGEST_SOCKET_BYTES: Final = 107
"""What Linux takes for the path of a Unix socket."""
_LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Declared:
    """What a person asked for."""

    folder: str
    channel: str
    """Which Claude Code is to let in: the plugin's, or the server's of the project."""
    arguments: list[str] = field(default_factory=list)
    begun: bool = False
    """A conversation has begun: the next start is to go on with it."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the keeper of a session says."""

    pid: int  # of the keeper
    phase: Phase
    since: float  # unix seconds
    note: str = ""
    """What is asked, why it is waiting, or why it has failed; empty: nothing to say."""
    way: str = ""  # of the opt-in
    claude_pid: int | None = None
    restarts: int = 0


class SessionFiles:
    """The files of one session."""

    def __init__(self, paths: Paths, name: str) -> None:
        self.name = name
        self.socket = paths.run / f"tmux-{name}.sock"
        self.agent = paths.run / f"ssh-agent-{name}"
        self.error_log = paths.log / f"session-{name}.err"
        self._declared = paths.state / "sessions" / f"{name}.json"
        self._report = paths.run / f"session-{name}.json"
        self._lock = paths.run / f"session-{name}.lock"

    def declared(self) -> Declared | None:
        """Return what was declared; None: nothing."""
        known = _read(self._declared)
        try:
            arguments = [str(word) for word in known["arguments"]]
            return Declared(str(known["folder"]), str(known["channel"]), arguments, bool(known["begun"]))
        except (KeyError, TypeError):
            return None

    def declare(self, declared: Declared) -> None:
        """Write down what is declared."""
        make_private(self._declared.parent)
        _write(self._declared, asdict(declared))

    def set_begun(self, begun: bool) -> None:
        """Write down whether a conversation has begun."""
        known = self.declared()
        if known is not None and known.begun != begun:
            self.declare(replace(known, begun=begun))

    def report(self) -> Report | None:
        """Return what the keeper said last; None: nothing since the machine was started."""
        known = _read(self._report)
        try:
            return Report(**{**known, "phase": Phase(known["phase"])})
        except (KeyError, TypeError, ValueError):
            return None

    def tell(self, report: Report) -> None:
        """Write down what the keeper says."""
        _write(self._report, asdict(report))

    def forget(self) -> None:
        """Remove everything."""
        for file in (self._declared, self._report, self._lock, self.agent, self.socket, self.error_log):
            file.unlink(missing_ok=True)

    def hold(self) -> int | None:
        """Become the keeper until the process ends; return the descriptor, None if another is."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        end = time.monotonic() + _LOOK_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # by a keeper, or for a moment by somebody who looks whether there is one
                if time.monotonic() > end:
                    os.close(descriptor)
                    return None
                time.sleep(_LOOK_S / 20)
            else:
                return descriptor

    def is_kept(self) -> bool:
        """Tell whether a keeper is there."""
        try:
            with open(self._lock, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def fits(self) -> bool:
        """Tell whether the socket's path is short enough."""
        return len(os.fsencode(self.socket)) <= _LONGEST_SOCKET_BYTES


def every_session(paths: Paths) -> list[SessionFiles]:
    """Return the files of every session that was declared, by name."""
    return [SessionFiles(paths, file.stem) for file in sorted((paths.state / "sessions").glob("*.json"))]


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(file: Path, data: dict[str, Any]) -> None:
    """Exchange a file whole, for its owner alone."""
    draft = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as out:
        json.dump(data, out)
    draft.replace(file)
