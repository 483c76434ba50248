"""One child process: how it is started, what it is given, and how it is ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from channeld.core.lifecycle import ABORT_GRACE_S
from channeld.environment import bare_environment

_ROTATE_BYTES: Final = 10 * 1024 * 1024


def worker_argv(platform: str, command: Sequence[str] | None) -> list[str]:
    """Return the command line of a worker: its own command, or the package of its platform."""
    return list(command) if command else [sys.executable, "-m", f"channeld_workers.{platform}"]


def worker_environment(worker: str, socket_fd: int, token_fd: int | None, *, bundled: bool) -> dict[str, str]:
    """Return the whole environment of a worker; a bundled one must find our packages, as this process did."""
    environment = bare_environment(bundled=bundled)
    environment |= {"CHANNELD_WORKER": worker, "CHANNELD_SOCKET_FD": str(socket_fd)}
    if token_fd is not None:
        environment["CHANNELD_TOKEN_FD"] = str(token_fd)
    return environment


class Process:
    """A running worker process and our end of its socket."""

    def __init__(self, child: asyncio.subprocess.Process, connection: socket.socket) -> None:
        self._child = child
        self.connection = connection

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    @classmethod
    async def start(cls, worker: str, argv: list[str], token: str | None, log_file: Path, *, bundled: bool) -> Process:
        """Start a worker with one end of a socket pair, its token on a descriptor, and its log as stderr.

        Raises:
            OSError: it cannot be started.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        token_fd = _secret_descriptor(token) if token is not None else None
        _rotate(log_file)
        logged = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            child = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=logged,
                stderr=logged,
                env=worker_environment(worker, theirs.fileno(), token_fd, bundled=bundled),
                pass_fds=[theirs.fileno(), *([token_fd] if token_fd is not None else [])],
                start_new_session=True,  # a Ctrl-C in our terminal is ours to handle
                cwd="/",
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(logged)
            if token_fd is not None:
                os.close(token_fd)
        ours.setblocking(False)
        return cls(child, ours)

    async def wait(self) -> int:
        """Return the exit status; negative for a signal."""
        return await self._child.wait()

    def terminate(self) -> None:
        """Ask it to end."""
        self._signal(signal.SIGTERM)

    async def abort(self) -> int:
        """Make it dump its stacks into its log, then kill it if that was not the end of it."""
        self._signal(signal.SIGABRT)
        self._signal(signal.SIGCONT)  # a stopped process dumps nothing before it goes on
        try:
            return await asyncio.wait_for(asyncio.shield(self._child.wait()), ABORT_GRACE_S)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            return await self._child.wait()

    def _signal(self, number: int) -> None:
        if self._child.returncode is None:
            try:
                self._child.send_signal(number)
            except ProcessLookupError:
                pass


def _rotate(log_file: Path) -> None:
    """Begin a new log at the start of a worker if the old one has grown large; one old one is kept."""
    if log_file.exists() and log_file.stat().st_size > _ROTATE_BYTES:
        log_file.replace(log_file.with_suffix(".log.1"))


def _secret_descriptor(token: str) -> int:
    """Return a descriptor from which the token can be read once it is inherited; nothing touches a disk."""
    reading, writing = os.pipe()
    os.write(writing, token.encode())  # far below a pipe's capacity
    os.close(writing)
    os.set_inheritable(reading, True)
    return reading
