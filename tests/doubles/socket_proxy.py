"""A proxy between a shim and the daemon that counts lines, stops at one, and cuts the connection as it is told."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

TIMEOUT_S = 20.0


class Way(StrEnum):
    """A direction."""

    UP = "to the daemon"
    DOWN = "to Claude"


class Cut(StrEnum):
    """How the shim's connection ends."""

    END = "an end of file"
    HALF = "half a line, then an end of file"
    RESET = "a reset"  # on a Unix socket that is closing it with bytes unread: it waits for the shim to write some


class Held:
    """A line that waits in the proxy, and everything behind it."""

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.decision: asyncio.Future[Cut | None] = asyncio.get_running_loop().create_future()
        self.deaf = asyncio.Event()
        self.done = asyncio.Event()

    def release(self) -> None:
        """Pass it on."""
        self.decision.set_result(None)

    async def cut(self, how: Cut, provoke: Callable[[], Awaitable[None]]) -> None:
        """End the connection instead of passing it on; return when that has happened.

        Args:
            how: it ends.
            provoke: makes the shim write something, for a reset.
        """
        self.decision.set_result(how)
        await asyncio.wait_for(self.deaf.wait(), TIMEOUT_S)
        if how is Cut.RESET:
            await provoke()
        await asyncio.wait_for(self.done.wait(), TIMEOUT_S)


class SocketProxy:
    """Listens in a ``CHANNELD_HOME`` of its own for shims, and passes lines between them and the daemon."""

    def __init__(self, daemon_socket: Path) -> None:
        self._daemon_socket = str(daemon_socket)
        self._folder = tempfile.TemporaryDirectory(prefix="px")
        self.home = Path(self._folder.name)
        self.connections = 0
        self._connected = asyncio.Event()
        self._counts: dict[Way, int] = dict.fromkeys(Way, 0)
        self._armed: dict[tuple[Way, int], asyncio.Future[Held]] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        (self.home / "run").mkdir(mode=0o700)
        self._listener.bind(str(self.home / "run" / "session.sock"))
        self._listener.listen()
        self._start(self._accept())
        return self

    async def __aexit__(self, *error: object) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()
        self._folder.cleanup()

    def arm(self, way: Way, nth: int = 1) -> asyncio.Future[Held]:
        """Hold the ``nth`` line from now in a direction; await the result to have it."""
        future: asyncio.Future[Held] = asyncio.get_running_loop().create_future()
        self._armed[(way, self._counts[way] + nth)] = future
        return future

    async def until_connections(self, number: int) -> None:
        """Return when shims have connected so many times in all."""
        async with asyncio.timeout(TIMEOUT_S):
            while self.connections < number:
                self._connected.clear()
                await self._connected.wait()

    # -- inside

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        while True:
            shim, _ = await asyncio.get_running_loop().sock_accept(self._listener)
            shim.setblocking(False)
            self.connections += 1
            self._connected.set()
            self._start(self._connect(shim))

    async def _connect(self, shim: socket.socket) -> None:
        """Serve one connection to its end; where the daemon is away that is at once."""
        with shim, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as daemon:
            try:
                await asyncio.get_running_loop().sock_connect(daemon, self._daemon_socket)
            except OSError:
                return
            ways = {
                asyncio.create_task(self._pass(Way.UP, shim, daemon)),
                asyncio.create_task(self._pass(Way.DOWN, daemon, shim)),
            }
            try:
                done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
            cut = next((held for way in done if (held := way.result())), None)
            if cut is not None:
                cut.deaf.set()
                if cut.decision.result() is Cut.RESET:
                    await _readable(shim)
        if cut is not None:
            cut.done.set()

    async def _pass(self, way: Way, source: socket.socket, target: socket.socket) -> Held | None:
        """Pass lines on until an end; return the line that the connection is to be cut at, if one is."""
        loop = asyncio.get_running_loop()
        try:
            async for line in _lines(source):
                self._counts[way] += 1
                armed = self._armed.pop((way, self._counts[way]), None)
                if armed is not None:
                    held = Held(line)
                    armed.set_result(held)
                    how = await held.decision
                    if how is Cut.HALF:
                        await loop.sock_sendall(target, line[: len(line) // 2])
                    if how is not None:
                        return held
                await loop.sock_sendall(target, line)
        except ConnectionError:
            pass
        return None


async def _lines(source: socket.socket) -> AsyncIterator[bytes]:
    loop, rest = asyncio.get_running_loop(), b""
    while data := await loop.sock_recv(source, 1 << 16):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            yield line + b"\n"


async def _readable(source: socket.socket) -> None:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(source, readable.set)
    try:
        await asyncio.wait_for(readable.wait(), TIMEOUT_S)
    finally:
        loop.remove_reader(source)
