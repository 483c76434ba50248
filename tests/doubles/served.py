"""A double that serves from a thread of its own, for tests and benchmarks that have no loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar


class Server(Protocol):
    """A double that can be started and stopped, and waited for."""

    async def start(self) -> None:
        """Listen."""

    async def stop(self) -> None:
        """Listen no more."""

    async def until(self, predicate: Callable[[], Result]) -> Result:
        """Return what a predicate returns as soon as that is true."""


Result = TypeVar("Result")
ServerT = TypeVar("ServerT", bound=Server)


class Served(Generic[ServerT]):
    """A server in a thread of its own."""

    def __init__(self, api: ServerT, loop: asyncio.AbstractEventLoop) -> None:
        self.api = api
        self._loop = loop

    def call(self, function: Callable[[ServerT], Result]) -> Result:
        """Return what a function of the server returns; what changes the server is called like this, in its loop."""

        async def in_loop() -> Result:
            return function(self.api)

        return self.run(in_loop())

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of something asynchronous, run in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def until(self, predicate: Callable[[ServerT], Result]) -> Result:
        """Return what a predicate of the server returns as soon as that is true."""
        return self.run(self.api.until(lambda: predicate(self.api)))


@contextmanager
def serve(api: ServerT) -> Iterator[Served[ServerT]]:
    """Run a server in a thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="server", daemon=True)
    thread.start()
    served = Served(api, loop)
    try:
        served.run(api.start())
        yield served
    finally:
        served.run(api.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
