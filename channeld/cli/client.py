"""Asks the daemon, and turns what can go wrong into words."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from channeld.ipc.control import ControlReply, ControlRequest
from channeld.paths import Paths

EXIT_FAILED: Final = 1
EXIT_NOT_RUNNING: Final = 3
_TIMEOUT_S: Final = 15.0


class NotRunning(Exception):
    """Nothing listens on the control socket."""


class CommandFailed(Exception):
    """The daemon refused, and said why."""

    def __init__(self, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.code, self.hint = code, hint


def ask(paths: Paths, command: str, **args: Any) -> Any:
    """Send one command to the daemon and return its data.

    Raises:
        NotRunning: there is no daemon.
        CommandFailed: it did not do it.
    """
    request = msgspec.json.encode(ControlRequest(command=command, args=args)) + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(str(paths.control_socket))
            connection.sendall(request)
            with connection.makefile("rb") as answers:
                line = answers.readline()
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning from None
    except TimeoutError:
        raise CommandFailed(
            "timeout",
            f"The daemon has not answered for {_TIMEOUT_S:.0f} s.",
            "See `channeld logs`; then: channeld restart",
        ) from None
    except OSError as error:
        raise CommandFailed(
            "socket", f"The daemon cannot be asked: {error}.", f"Look at {paths.control_socket}."
        ) from None
    if not line:
        raise NotRunning
    reply = msgspec.json.decode(line, type=ControlReply)
    if reply.error is not None:
        raise CommandFailed(reply.error.code, reply.error.message, reply.error.hint)
    return reply.data


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
        fail("channeld is not running.", "channeld start", EXIT_NOT_RUNNING)
    except CommandFailed as error:
        fail(str(error), error.hint)


def read_token(paths: Paths, worker: str) -> str | None:
    """Return the token that the daemon made for a web worker, or None."""
    file: Path = paths.credentials / f"{worker}.token"
    try:
        return file.read_text("utf-8").strip() or None
    except OSError:
        return None
