"""Asks the daemon, and turns what can go wrong into words."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

from channeld.paths import Paths, unusable

EXIT_FAILED: Final = 1
EXIT_NOT_RUNNING: Final = 3
NOT_RUNNING: Final = ("channeld is not running: messages neither arrive nor leave.", "channeld start")
"""What is said then, and what to try."""
NO_TERMINAL: Final = "no_terminal"
_NO_TERMINAL: Final = (
    NO_TERMINAL,
    "This changes who may speak to Claude, or shows a secret: a person at a terminal does it, and here is none.",
    "Run it yourself in a terminal. From a script over ssh: ssh -t HOST channeld …",
)
_TIMEOUT_S: Final = 15.0
_LOOK_S: Final = 2.0
_LONGEST_SOCKET_BYTES: Final = 107
"""What Linux takes for the path of a Unix socket."""


class NotRunning(Exception):
    """Nothing listens on the control socket."""


class CommandFailed(Exception):
    """The daemon refused, and said why."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code, self.hint = code, hint


def ask(paths: Paths, command: str, *, timeout_s: float = _TIMEOUT_S, **args: Any) -> Any:
    """Send one command to the daemon and return its data.

    Args:
        paths: where the daemon is.
        command: one that it knows.
        timeout_s: seconds to wait for each step.
        args: of the command.

    Raises:
        NotRunning: there is no daemon.
        CommandFailed: it did not do it.
    """
    import msgspec  # noqa: PLC0415 - takes longer to load than all of --help

    from channeld.ipc.control import GUARDED, MAX_REQUEST_BYTES, ControlReply, ControlRequest  # noqa: PLC0415

    if command in GUARDED and not has_terminal():
        raise CommandFailed(*_NO_TERMINAL)
    if os.path.exists(paths.control_socket) and not holds_lock(paths):
        # To connect would be to start a daemon where systemd listens in its place.
        raise NotRunning
    try:
        request = msgspec.json.encode(ControlRequest(command=command, args=args)) + b"\n"
    except UnicodeEncodeError:  # the shell passes any bytes on
        raise CommandFailed(
            "not_text", "An argument is no UTF-8 text.", "Rename the file, or retype the text."
        ) from None
    if len(request) > MAX_REQUEST_BYTES:
        limit = f"{MAX_REQUEST_BYTES // 1024} KiB"
        raise CommandFailed(
            "too_long", f"That is more than the {limit} that can be said at once.", "Send it as a file."
        )
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(paths.control_socket))
            connection.sendall(request)
            with connection.makefile("rb") as answers:
                line = answers.readline()
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError, ConnectionResetError, BrokenPipeError):
        raise NotRunning from None
    except PermissionError as error:
        why = unusable(paths.control_socket, error)
        raise CommandFailed("socket", f"The daemon cannot be asked: {why}", why.hint) from None
    except TimeoutError:
        raise CommandFailed(
            "timeout",
            f"The daemon has not answered for {timeout_s:.0f} s.",
            "See `channeld logs`; then: channeld restart",
        ) from None
    except OSError as error:
        hint = f"Look at {paths.control_socket}."
        if len(os.fsencode(paths.control_socket)) > _LONGEST_SOCKET_BYTES:
            hint = "Set CHANNELD_HOME or XDG_RUNTIME_DIR to a shorter path."
        raise CommandFailed("socket", f"The daemon cannot be asked: {error}.", hint) from None
    if not line:
        raise NotRunning
    try:
        reply = msgspec.json.decode(line, type=ControlReply)
    except msgspec.DecodeError as error:  # it ended in the middle of its answer, or is of another version
        raise CommandFailed("malformed", f"The daemon's answer cannot be read: {error}.", "channeld restart") from None
    if reply.error is not None:
        raise CommandFailed(reply.error.code, reply.error.message, reply.error.hint)
    return reply.data


def has_terminal() -> bool:
    """Tell whether a person can be at this process: what Claude runs has no controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def holds_lock(paths: Paths) -> bool:
    """Tell whether a daemon may hold this place, without a word to it."""
    try:
        with open(paths.lock, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:  # it is locked, or nobody lets us look: then the connection tells
        return True
    return False


def is_running(paths: Paths) -> bool:
    """Tell whether a daemon listens there; one that hangs does too."""
    try:
        ask(paths, "sessions", timeout_s=_LOOK_S)
    except NotRunning:
        return False
    except CommandFailed as error:
        return error.code != "socket"
    return True


def fail(message: str, hint: str = "", status: int = EXIT_FAILED) -> NoReturn:
    """Print an error and what to try, and end."""
    sys.stderr.write(f"Error: {message}\n")
    if hint:
        sys.stderr.write(f"Try: {hint}\n")
    sys.exit(status)


def ask_or_fail(paths: Paths, command: str, **args: Any) -> Any:
    """Return the daemon's data, or end with an error and the right exit status."""
    try:
        return ask(paths, command, **args)
    except NotRunning:
        fail(*NOT_RUNNING, EXIT_NOT_RUNNING)
    except CommandFailed as error:
        fail(str(error), error.hint)


def read_token(paths: Paths, worker: str) -> str | None:
    """Return the token that the daemon made for a web worker, or None."""
    file: Path = paths.credentials / f"{worker}.token"
    try:
        return file.read_text("utf-8").strip() or None
    except OSError:
        return None
