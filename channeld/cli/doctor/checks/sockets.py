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

from channeld.cli.daemon import holds_lock
from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.paths import Paths

_LONGEST_BYTES: Final = 107
"""What Linux takes for the path of a Unix socket."""
_CONNECT_S: Final = 2.0


def check(around: Surroundings) -> Iterator[Finding]:
    """Look at both sockets: their paths, whether somebody listens there, and who may connect."""
    calm = True
    for path in (around.paths.control_socket, around.paths.session_socket):
        for finding in _look(around, path):
            calm = False
            yield finding
    if calm:
        yield ok("They are as they should be." if around.status else "None is left over.")


def _look(around: Surroundings, path: Path) -> Iterator[Finding]:
    if len(os.fsencode(path)) > _LONGEST_BYTES:
        yield failure(
            f"{path} is too long for a socket.", "The daemon cannot start.",
            "Set CHANNELD_HOME or XDG_RUNTIME_DIR to a shorter path.",
        )  # fmt: skip
        return
    try:
        mode = path.lstat().st_mode
    except OSError:
        if around.status is not None:
            yield failure(f"{path} is gone.", "No session can reach the daemon.", "`channeld restart`")
        return
    if not stat.S_ISSOCK(mode):
        yield failure(f"{path} is no socket.", "The daemon has it in its place.", f"Move {path} away.")
        return
    if around.status is None and not _is_heard(path):
        if holds_lock(around.paths):
            yield failure(
                f"A daemon runs, and nobody listens at {path}.", "It is starting or ending, or it hangs.",
                "Wait a little. If it stays so: `channeld logs`",
            )  # fmt: skip
        else:
            yield warning(
                f"{path} is left over from a daemon that was killed.", "The next one takes its place.",
                "`channeld start`", partial(_remove, around.paths, path),
            )  # fmt: skip
    elif mode & 0o077:
        yield failure(
            f"{path} has the mode {stat.S_IMODE(mode):04o}.", "Others may connect; the daemon refuses them anyhow.",
            f"`chmod 600 {path}`", partial(_close, path),
        )  # fmt: skip


def _is_heard(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_CONNECT_S)
        try:
            connection.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:  # it is busy, or may not be reached: then it is none to throw away
            return True
    return True


def _remove(paths: Paths, path: Path) -> str:
    """Remove a dead socket, with the daemon's lock: none that has started meanwhile loses its own.

    Raises:
        OSError: a daemon has started, or the folder cannot be written.
    """
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
