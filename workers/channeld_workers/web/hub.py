"""Who is listening to ``GET /api/events``, and what they are told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import msgspec

KEEP_ALIVE_S: Final = 15.0
MAX_LISTENERS: Final = 32
BACKLOG: Final = 256
"""Events that may wait for a slow listener; it is dropped at the next one and comes back for the history."""
_KEEP_ALIVE: Final = b": here\n\n"


class Hub:
    """Hands every event to every listener, without ever waiting for one."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[bytes | None]] = set()
        self._state: dict[str, bytes] = {}  # what whoever comes later is told first

    def presence(self, data: dict[str, Any]) -> None:
        """Tell everybody whether a session listens, and whoever comes later."""
        self._keep("presence", _event("presence", data))

    def typing(self, working: bool) -> None:
        """Tell everybody whether Claude works on a message, and whoever comes later."""
        self._keep("typing", _event("typing", {"working": working}))

    def prompt(self, data: dict[str, Any]) -> None:
        """Tell everybody of a prompt; whoever comes later asks which are open."""
        self._publish(_event("prompt", data))

    def notice(self, data: dict[str, Any]) -> None:
        """Tell everybody who is there something that is not kept."""
        self._publish(_event("notice", data))

    def message(self, data: dict[str, Any]) -> None:
        """Tell everybody of a message that is new or has changed."""
        self._publish(_event("message", data))

    def close(self) -> None:
        """End every stream."""
        for queue in list(self._listeners):
            self._drop(queue)

    @property
    def full(self) -> bool:
        """Whether one more listener would be too many."""
        return len(self._listeners) >= MAX_LISTENERS

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Queue[bytes | None]]:
        """Yield a queue of events that begins with the present state; None in it says that the stream is over."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        for event in self._state.values():
            queue.put_nowait(event)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    async def stream(self, keep_alive_s: float = KEEP_ALIVE_S) -> AsyncIterator[bytes]:
        """Yield server-sent events as they happen, and a comment when nothing does."""
        with self.listening() as queue:
            yield _KEEP_ALIVE
            while True:
                try:
                    async with asyncio.timeout(keep_alive_s):
                        event = await queue.get()
                except TimeoutError:
                    event = _KEEP_ALIVE
                if event is None:
                    return
                yield event

    def _keep(self, key: str, event: bytes) -> None:
        self._state[key] = event
        self._publish(event)

    def _publish(self, event: bytes) -> None:
        for queue in list(self._listeners):
            if queue.qsize() >= BACKLOG:
                self._drop(queue)
            else:
                queue.put_nowait(event)

    def _drop(self, queue: asyncio.Queue[bytes | None]) -> None:
        self._listeners.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
