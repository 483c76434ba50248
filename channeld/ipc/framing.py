"""Lines on a stream socket, as an asyncio protocol: bounded, tolerant of garbage, cheap in a burst."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol, cast

from channeld.ipc.messages import MAX_FRAME_BYTES


class FrameHandler(Protocol):
    """Who owns a connection."""

    def frames(self, lines: list[bytes]) -> None:
        """Take the whole lines of one read, without their newlines."""

    def oversized(self) -> None:
        """Hear that a line was longer than the limit; the rest of it is skipped."""

    def closed(self, half: bool) -> None:
        """Hear that the connection is gone; ``half`` if a line had begun."""


class FrameProtocol(asyncio.Protocol):
    """Cuts a byte stream into lines and writes lines, with a high-water mark that writers can wait for."""

    def __init__(self, handler: FrameHandler, limit: int = MAX_FRAME_BYTES) -> None:
        self._handler = handler
        self._limit = limit
        self._rest = bytearray()
        self._skipping = False
        self._transport: asyncio.Transport | None = None
        self._writable: asyncio.Future[None] | None = None
        self._closed = False

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:  # noqa: D102
        if self._skipping:
            _, newline, data = data.partition(b"\n")
            if not newline:
                return
            self._skipping = False
        if b"\n" not in data:
            self._keep(data)
            return
        lines = data.split(b"\n")
        if self._rest:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        self._keep(lines.pop())
        whole = [line for line in lines if line and len(line) <= self._limit]
        if any(len(line) > self._limit for line in lines):
            self._handler.oversized()
        if whole and not self._closed:
            self._handler.frames(whole)

    def _keep(self, data: bytes) -> None:
        self._rest += data
        if len(self._rest) > self._limit:
            self._rest.clear()
            self._skipping = True
            self._handler.oversized()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self._closed = True
        self.resume_writing()
        self._handler.closed(half=bool(self._rest) or self._skipping)

    def pause_writing(self) -> None:  # noqa: D102
        if self._writable is None:
            self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:  # noqa: D102
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # -- the owner's side

    @property
    def is_closed(self) -> bool:
        """Whether nothing can be written any more."""
        return self._closed or self._transport is None or self._transport.is_closing()

    def write(self, lines: bytes) -> None:
        """Write whole lines; on a closed connection they go nowhere, and ``closed`` has been or will be called."""
        if not self.is_closed:
            assert self._transport is not None
            self._transport.write(lines)

    def write_all(self, lines: Iterable[bytes]) -> None:
        """Write several lines with one call."""
        self.write(b"".join(lines))

    async def drain(self) -> None:
        """Wait while the peer reads more slowly than we write."""
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def pause_reading(self) -> None:
        """Stop taking lines: what the peer sends stays in its socket."""
        if not self.is_closed:
            assert self._transport is not None
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take lines again."""
        if not self.is_closed:
            assert self._transport is not None
            self._transport.resume_reading()

    def close(self) -> None:
        """Close after what was written has left."""
        if self._transport is not None:
            self._transport.close()
