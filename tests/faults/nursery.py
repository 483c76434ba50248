"""Daemon processes without the second that importing takes: one process imports, and forks a daemon whenever asked.

Each daemon is a process of its own that runs ``channeld.daemon.app.start``, with its own environment and lock.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self
from unittest import mock

from channeld import faultpoint
from channeld.daemon import __main__ as program
from channeld.daemon import app
from channeld.daemon.limits import Limits
from tests.doubles.daemon import TIMEOUT_S, Daemon


class Nursery:
    """The test's end."""

    def __init__(self) -> None:
        self._forks = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )  # fmt: skip

    def close(self) -> None:
        """End it; daemons that run live on."""
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()

    async def start(self, environment: Mapping[str, str], errors: Path, limits: Limits) -> Child:
        """Fork a daemon.

        Args:
            environment: the whole of it.
            errors: file that its standard error is appended to.
            limits: deadlines for its workers.
        """
        order = {"env": dict(environment), "errors": str(errors),
                 "limits": [limits.ready_s, limits.silent_s, limits.drain_s]}  # fmt: skip
        return Child(self, await asyncio.to_thread(self.ask, "fork", order))

    def ask(self, *order: Any) -> int:
        """Have something done and return its number."""
        with self._forks:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


class Child:
    """A forked process, with as much of ``asyncio.subprocess.Process`` as ``Daemon`` needs."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery, self.pid = nursery, pid
        self._pidfd = os.pidfd_open(pid)
        self._reaping: asyncio.Task[int] | None = None
        self.returncode: int | None = None

    def send_signal(self, number: int) -> None:
        """Signal it."""
        signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """Signal it with SIGKILL."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Return its exit status, negative for a signal."""
        if self._reaping is None:
            self._reaping = asyncio.create_task(self._reap())
        return await asyncio.shield(self._reaping)

    async def _reap(self) -> int:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._pidfd, ended.set)
        await ended.wait()
        loop.remove_reader(self._pidfd)
        self.returncode = await asyncio.to_thread(self._nursery.ask, "reap", self.pid)
        os.close(self._pidfd)
        return self.returncode


class QuickDaemon(Daemon):
    """A daemon of the nursery. The block ends with ``kill -9``: how a daemon ends nicely is tested elsewhere."""

    def __init__(self, nursery: Nursery, config: str, limits: Limits | None = None, **more: Any) -> None:
        super().__init__(config, **more)
        self._nursery, self._limits = nursery, limits or Limits()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.kill()
        self.remove()

    def remove(self) -> None:
        """Remove the folder, for a place without a block."""
        self._folder.cleanup()

    async def start(self, *, wait: bool = True) -> None:
        """Fork the process; with ``wait`` return when it answers."""
        await self.list_senders()
        self.process = await self._nursery.start(self.environment, self.error_log, self._limits)  # type: ignore[assignment]
        if wait:
            await self.status_where(lambda status: True)

    async def kill(self) -> None:
        """Kill it with no chance to say goodbye."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
            await asyncio.wait_for(self.process.wait(), TIMEOUT_S)


def _be_a_daemon(order: dict[str, Any]) -> int:
    """Do in a fresh child what ``python -m channeld.daemon`` does; return the exit status."""
    os.setsid()
    errors = os.open(order["errors"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    null = os.open(os.devnull, os.O_RDWR)
    for number, target in ((0, null), (1, null), (2, errors)):
        os.dup2(target, number)
    os.environ.clear()
    os.environ.update(order["env"])
    importlib.reload(faultpoint)  # it looks at the environment once
    limits, start = Limits(*order["limits"]), app.start
    with mock.patch.object(app, "start", lambda paths: start(paths, limits)):
        return program.main()


def _serve() -> None:
    """Fork and reap as told, until the input ends."""
    for line in sys.stdin:
        match json.loads(line):
            case ["fork", order]:
                answer = os.fork()
                if answer == 0:
                    sys.exit(_be_a_daemon(order))
            case ["reap", pid]:
                answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(answer, flush=True)


if __name__ == "__main__":
    importlib.import_module("uvloop")  # for those that are forked; the daemon imports it late
    _serve()
