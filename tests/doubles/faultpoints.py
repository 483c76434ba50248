"""The test's end of ``channeld.faultpoint``: a process stops at a named step until it is let go or killed."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections import Counter
from pathlib import Path
from typing import Self

TIMEOUT_S = 20.0


class Hit:
    """A process that stands at a step."""

    def __init__(self, step: str, pid: int, writer: asyncio.StreamWriter) -> None:
        self.step, self.pid, self._writer = step, pid, writer

    def release(self) -> None:
        """Let it go on."""
        self._writer.close()

    def kill(self) -> None:
        """Kill it where it stands."""
        os.kill(self.pid, signal.SIGKILL)
        self._writer.close()


class FaultPoints:
    """Listens for processes that reach steps. Steps that are not armed are passed at once."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fp")
        self.path = str(Path(self._folder.name) / "s")
        self._armed: dict[tuple[str, int], asyncio.Future[Hit]] = {}
        self._seen: Counter[str] = Counter()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._reached, self.path)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._server is not None
        self._server.close()
        for armed in self._armed.values():
            if armed.done() and not armed.cancelled():
                armed.result().release()
        self._folder.cleanup()

    def arm(self, step: str, nth: int = 1) -> asyncio.Future[Hit]:
        """Stop the process that is the ``nth`` from now to reach a step; await the result to be there with it."""
        future: asyncio.Future[Hit] = asyncio.get_running_loop().create_future()
        self._armed[(step, self._seen[step] + nth)] = future
        return future

    async def wait(self, step: str, nth: int = 1) -> Hit:
        """Arm a step and return when a process stands there."""
        return await asyncio.wait_for(self.arm(step, nth), TIMEOUT_S)

    async def _reached(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        step, _, pid = (await reader.readline()).decode().strip().partition(" ")
        self._seen[step] += 1
        armed = self._armed.get((step, self._seen[step]))
        if armed is None or armed.done():
            writer.close()
        else:
            armed.set_result(Hit(step, int(pid), writer))
