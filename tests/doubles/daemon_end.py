"""The daemon's end of the worker socket, for tests that run a real worker process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from channeld.ipc.messages import (
    PROTOCOL,
    Accepted,
    FromWorker,
    Hello,
    Message,
    Offer,
    Ready,
    ToWorker,
    Welcome,
    encode,
    from_worker,
)

M = TypeVar("M", bound=Message)


class DaemonEnd:
    """Speaks with one worker process that it has started.

    Frames are kept in the order they came; ``expect`` takes the first that fits and waits for one if there is none.
    ``on_frame`` may answer frames as they come; what it handles (returns True for) is not kept.
    """

    def __init__(self, process: asyncio.subprocess.Process, stderr: Path) -> None:
        self.process = process
        self.stderr = stderr
        self.on_frame: Callable[[FromWorker], bool] = lambda _: False
        self._kept: list[FromWorker] = []
        self._news = asyncio.Event()
        self._ended = False
        self._writer: asyncio.StreamWriter
        self._reading: asyncio.Task[None]

    async def attach(self, sock: socket.socket) -> None:
        """Start reading what the worker says."""
        reader, self._writer = await asyncio.open_unix_connection(sock=sock, limit=8 * 1024 * 1024)
        self._reading = asyncio.create_task(self._read(reader))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                frame = from_worker.decode(line)
                if not self.on_frame(frame):
                    self._kept.append(frame)
                    self._news.set()
        self._ended = True
        self._news.set()

    def send(self, message: ToWorker) -> None:
        """Say something to the worker."""
        self.send_raw(encode(message))

    def send_raw(self, raw: bytes) -> None:
        """Write bytes as they are."""
        self._writer.write(raw)

    async def expect(self, kind: type[M], where: Callable[[M], bool] = lambda _: True, within_s: float = 15) -> M:
        """Return the first frame of a kind that fits, taking it out; wait for it if need be."""
        async with asyncio.timeout(within_s):
            while True:
                for i, frame in enumerate(self._kept):
                    if isinstance(frame, kind) and where(frame):
                        del self._kept[i]
                        return frame
                if self._ended:
                    raise EOFError(f"the worker ended without {kind.__name__}; its log:\n{self.log()}")
                self._news.clear()
                await self._news.wait()

    def has(self, kind: type[Message]) -> bool:
        """Tell whether a frame of that kind is waiting to be taken."""
        return any(isinstance(frame, kind) for frame in self._kept)

    async def greet(self, settings: dict[str, Any], inbox: Path, beat_every_s: float = 10.0) -> Hello:
        """Take the worker's ``Hello`` and welcome it."""
        hello = await self.expect(Hello)
        self.send(Welcome(protocol=PROTOCOL, settings=settings, inbox=str(inbox), beat_every_s=beat_every_s))
        return hello

    async def ready(self, settings: dict[str, Any], inbox: Path, beat_every_s: float = 10.0) -> str:
        """Go through the greeting until the worker is ready, and return its account."""
        await self.greet(settings, inbox, beat_every_s)
        return (await self.expect(Ready)).account

    async def accept(self) -> Offer:
        """Accept the next offer and return it."""
        offer = await self.expect(Offer)
        self.send(Accepted(ref=offer.ref))
        return offer

    def log(self) -> str:
        """Return what the worker has written to stderr."""
        return self.stderr.read_text()

    def log_events(self) -> list[dict[str, Any]]:
        """Return the log as data."""
        return [msgspec.json.decode(line) for line in self.log().splitlines()]

    async def exit_code(self, within_s: float = 15) -> int:
        """Wait for the process to end."""
        async with asyncio.timeout(within_s):
            return await self.process.wait()

    async def hang_up(self) -> None:
        """Close this end, as the kernel does when a daemon dies."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    async def close(self) -> None:
        """End the worker, however it is, and this end."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGKILL)
            await self.process.wait()
        await self._reading
        await self.hang_up()


def worker_environ(worker: str, socket_fd: int, token_fd: int | None) -> dict[str, str]:
    """Return the allow-listed environment that the daemon gives to a worker."""
    environ = {"CHANNELD_WORKER": worker, "CHANNELD_SOCKET_FD": str(socket_fd), "PATH": os.environ["PATH"]}
    for name in ("LANG", "TZ", "CHANNELD_TEST_FAULTPOINTS"):
        if name in os.environ:
            environ[name] = os.environ[name]
    if token_fd is not None:
        environ["CHANNELD_TOKEN_FD"] = str(token_fd)
    return environ


def token_pipe(token: str | None) -> int | None:
    """Return the reading end of a pipe that holds a token."""
    if token is None:
        return None
    read, write = os.pipe()
    os.write(write, token.encode() + b"\n")
    os.close(write)
    return read


@contextlib.asynccontextmanager
async def running_worker(
    platform: str, stderr: Path, *, worker: str | None = None, token: str | None = None
) -> AsyncIterator[DaemonEnd]:
    """Start ``python -m channeld_workers.<platform>`` as the daemon does, and end it when the block is left."""
    ours, theirs = socket.socketpair()
    token_fd = await asyncio.to_thread(token_pipe, token)  # in a thread: blocking calls on the loop are errors
    log = await asyncio.to_thread(stderr.open, "wb")
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            f"channeld_workers.{platform}",
            env=worker_environ(worker or platform, theirs.fileno(), token_fd),
            pass_fds=[theirs.fileno()] if token_fd is None else [theirs.fileno(), token_fd],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
        )
    finally:
        log.close()
    theirs.close()
    if token_fd is not None:
        os.close(token_fd)
    daemon = DaemonEnd(process, stderr)
    await daemon.attach(ours)
    try:
        yield daemon
    finally:
        await daemon.close()
