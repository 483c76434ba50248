"""Can the command line and sessions reach the daemon through its sockets?"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from channeld.cli.client import holds_lock
from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.paths import Paths

_LONGEST_BYTES: Final = 107
"""What Linux takes for the path of a Unix socket."""
_LISTENS: Final = 1 << 16
"""Among the flags of ``/proc/net/unix``: ``__SO_ACCEPTCON``."""
_CONNECT_S: Final = 2.0


def check(around: Surroundings) -> Iterator[Finding]:
    """Look at both sockets: their paths, whether somebody listens there, and who may connect."""
    heard = None if around.status is not None else _heard()
    calm = True
    for path in (around.paths.control_socket, around.paths.session_socket):
        for finding in _look(around.paths, path, heard):
            calm = False
            yield finding
    if calm:
        yield ok("They are as they should be." if around.status else "None is left over.")


def _look(paths: Paths, path: Path, heard: set[str] | None) -> Iterator[Finding]:
    """Look at one.

    Args:
        paths: of the daemon.
        path: of the socket.
        heard: the sockets at which anybody listens; None: the daemon answers.
    """
    if len(os.fsencode(path)) > _LONGEST_BYTES:
        yield failure(
            f"{path} is too long for a socket.", "The daemon cannot start.",
            "Set CHANNELD_HOME or XDG_RUNTIME_DIR to a shorter path.",
        )  # fmt: skip
        return
    try:
        mode = path.lstat().st_mode
    except OSError:
        if heard is None:
            yield failure(f"{path} is gone.", "Nothing new can connect there.", "`channeld restart`")
        return
    if not stat.S_ISSOCK(mode):
        yield failure(f"{path} is no socket.", "The daemon's belongs in its place.", f"Move {path} away.")
    elif heard is not None and os.path.realpath(path) not in heard:
        yield _unheard(paths, path)
    elif mode & 0o077:
        yield failure(
            f"{path} has the mode {stat.S_IMODE(mode):04o}.", "Others may connect; the daemon refuses them anyhow.",
            f"`chmod 600 {path}`", partial(_close, path),
        )  # fmt: skip


def _unheard(paths: Paths, path: Path) -> Finding:
    if holds_lock(paths):
        return failure(
            f"A daemon runs, and nobody listens at {path}.", "It is starting or ending, or it hangs.",
            "Wait a little. If it stays so, see `channeld logs`; then: channeld restart",
        )  # fmt: skip
    return warning(
        f"{path} is left over from a daemon that was killed.", "The next one takes its place.", "`channeld start`",
        partial(_remove, paths, path),
    )  # fmt: skip


def _heard() -> set[str]:
    """Return the paths at which anybody listens, without connecting: that can start a daemon, where systemd listens."""
    found = set()
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as table:
        for line in table:
            words = line.rstrip("\n").split(maxsplit=7)  # the fourth are flags, the eighth is the path if there is one
            if len(words) == 8 and words[7].startswith("/") and int(words[3], 16) & _LISTENS:
                found.add(os.path.realpath(words[7]))
    return found


def _remove(paths: Paths, path: Path) -> str:
    """Remove a dead socket, with the daemon's lock: none that has started meanwhile loses its own.

    Raises:
        OSError: somebody listens there after all, a daemon has started, or the folder cannot be written.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_CONNECT_S)
        if connection.connect_ex(str(path)) == 0:
            raise OSError("somebody listens there after all")
    descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return f"{path} was removed."


def _close(path: Path) -> str:
    path.chmod(0o600)
    return f"{path} is closed to others."
