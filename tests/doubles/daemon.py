"""A real daemon process in a place of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from channeld.cli.client import CommandFailed, NotRunning, ask
from channeld.core.access import Role
from channeld.daemon.limits import Limits
from channeld.paths import Paths, find_paths
from channeld.store.access import AccessList
from channeld.store.db import Database
from tests.doubles.faultpoints import FaultPoints
from tests.doubles.mcp_client import McpClient
from tests.doubles.stores import SENDER
from tests.doubles.terminal import on_terminal

TIMEOUT_S = 40.0
_POLL_S = 0.02
SHIM = [sys.executable, "-m", "channeld.cli.entry", "mcp"]


def _scripted_workers(config: str) -> dict[str, str]:
    """Return the sender of ``message`` for each worker that has a command of its own."""
    try:
        workers = tomllib.loads(config).get("workers", {})
    except tomllib.TOMLDecodeError:
        return {}
    return {name: SENDER for name, table in workers.items() if isinstance(table, dict) and "command" in table}


class Daemon:
    """``channeld run`` under a ``CHANNELD_HOME`` of its own, which outlives the process."""

    def __init__(
        self,
        config: str,
        *,
        points: FaultPoints | None = None,
        limits: Limits | None = None,
        listed: Mapping[str, str] | None = None,
    ) -> None:
        """Make its place.

        Args:
            config: what stands in its config.toml.
            points: the steps at which the test may stop it.
            limits: deadlines for its workers.
            listed: sender ids by worker who are approvers from the start; by default ``SENDER`` on each worker
                that has a command of its own.
        """
        # Not pytest's tmp_path: a Unix socket's path must be short.
        self._folder = tempfile.TemporaryDirectory(prefix="cd")
        self.home = Path(self._folder.name)
        self.paths: Paths = find_paths({"CHANNELD_HOME": str(self.home)})
        self.paths.config_file.write_text(config)
        self._to_list = _scripted_workers(config) if listed is None else listed
        self.environment = {**os.environ, "CHANNELD_HOME": str(self.home)}
        if points is not None:
            self.environment["CHANNELD_TEST_FAULTPOINTS"] = points.path
        self._program = ["-m", "channeld.daemon"]
        if limits is not None:  # a test's deadlines are no setting of the product
            start = f"start(find_paths(), {limits!r})"
            imports = "from channeld.paths import find_paths; from channeld.daemon.app import Limits, start"
            self._program = ["-c", f"{imports}; {start}"]
        self.process: asyncio.subprocess.Process | None = None
        self.error_log = self.home / "stderr"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.kill()  # at once: what a test wants to see of the end, it asks for
        self._folder.cleanup()

    @contextlib.asynccontextmanager
    async def place_alone(self) -> AsyncIterator[Self]:
        """Have the place without a process; what a command starts in it is stopped at the end."""
        try:
            yield self
        finally:
            await asyncio.to_thread(self.cli, "stop")
            self._folder.cleanup()

    @property
    def pid(self) -> int:
        """Of the running daemon."""
        assert self.process is not None
        return self.process.pid

    async def start(self, *, wait: bool = True) -> None:
        """Start the process; with ``wait`` return when it answers."""
        await self.list_senders()
        with self.error_log.open("ab") as errors:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", *self._program, env=self.environment, stderr=errors
            )
        if wait:
            await self.status_where(lambda status: True)

    async def list_senders(self) -> None:
        """Put the senders that this test begins with on the list, before the first start."""
        listed, self._to_list = self._to_list, {}
        if not listed:
            return
        self.paths.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        database = Database(self.paths.database)
        await database.open()
        for worker, sender_id in listed.items():
            await AccessList(database).put_person(worker, sender_id, Role.APPROVER, "test", time.time())
        await database.close()

    async def list_sender(self, worker: str, sender_id: str, role: str) -> None:
        """Put somebody on the list while the daemon runs."""
        database = Database(self.paths.database)
        await database.open()
        await AccessList(database).put_person(worker, sender_id, role, "test", time.time())
        await database.close()

    async def stop(self) -> int:
        """Ask it to end and return its exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), TIMEOUT_S)

    async def kill(self) -> None:
        """Kill it with no chance to say goodbye."""
        assert self.process is not None
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        await asyncio.wait_for(self.process.wait(), TIMEOUT_S)

    async def restart_after_kill(self) -> None:
        """Kill it and start another."""
        await self.kill()
        await self.start()

    async def ask(self, command: str, **args: Any) -> Any:
        """Ask over the control socket."""
        return await asyncio.to_thread(ask, self.paths, command, **args)

    async def status_where(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first status for which something holds."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                with contextlib.suppress(NotRunning, CommandFailed):
                    status: dict[str, Any] = await self.ask("status")
                    if holds(status):
                        return status
                assert self.process is None or self.process.returncode is None, self.error_log.read_text()
                await asyncio.sleep(_POLL_S)

    async def address(self, worker: str = "web") -> str:
        """Return the address of a web chat once it is up, without its token."""
        status = await self.status_where(lambda s: any(w["name"] == worker and w["account"] for w in s["workers"]))
        return next(str(w["account"]) for w in status["workers"] if w["name"] == worker)

    async def events_where(self, **counts: int) -> dict[str, Any]:
        """Return the status once exactly so many events are in each state."""
        return await self.status_where(lambda status: status["events"] == counts)

    async def states(self, chat: str | None = None) -> list[tuple[str, str]]:
        """Return ``(text, state)`` of all messages, oldest first."""
        found = await self.ask("messages", chat=chat, limit=500)
        return [(message["text"], message["state"]) for message in found["messages"]]

    @contextlib.asynccontextmanager
    async def client(self, *arguments: str, initialize: bool = True, **environment: str) -> AsyncIterator[McpClient]:
        """Attach an MCP client through the real shim, by default one that listens."""
        told = arguments or ("--listening", "yes")
        env = {**self.environment, **environment}
        async with McpClient.spawn([*SHIM, "--name", "main", "--no-start", *told], env=env) as client:
            if initialize:
                await client.initialize()
                await self.attached(client)
            yield client

    async def attached(self, client: McpClient) -> None:
        """Return when the daemon has taken a client in: only then does it count for routing."""
        pid = client.process.pid
        await self.status_where(
            lambda status: any(s["pid"] == pid and s["state"] == "attached" for s in status["sessions"])
        )

    def cli(self, *arguments: str, timeout_s: float = 30.0) -> subprocess.CompletedProcess[str]:
        """Run the channeld command."""
        return subprocess.run(
            [sys.executable, "-m", "channeld.cli.entry", *arguments],
            env=self.environment, capture_output=True, text=True, timeout=timeout_s, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def piped(self, given: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the channeld command with something on its input, and with no terminal far and wide."""
        return subprocess.run(
            [sys.executable, "-m", "channeld.cli.entry", *arguments],
            env={**self.environment, **environment}, capture_output=True, text=True, timeout=TIMEOUT_S, input=given,
            start_new_session=True,
        )  # fmt: skip

    def terminal(
        self, *arguments: str, typed: Sequence[tuple[str, str]] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the channeld command as a person does: on a terminal, with nothing of the test above it."""
        words = (sys.executable, "-m", "channeld.cli.entry", *arguments)
        return on_terminal({**self.environment, **environment}, *words, typed=typed)

    def log(self) -> str:
        """Return the daemon's log."""
        return (self.paths.log / "channeld.log").read_text()
