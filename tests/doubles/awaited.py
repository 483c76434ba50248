"""Waiting for what becomes true of a double, woken by what happens to it instead of by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

UNTIL_S = 20.0
Result = TypeVar("Result")


class Awaited:
    """Something that says when it has changed."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []

    def changed(self) -> None:
        """Wake who waits for what has just become true."""
        for entry in list(self._waiting):
            predicate, future = entry
            if future.done():
                continue
            try:
                value = predicate()
            except Exception as error:  # it is the test's, not the request's
                future.set_exception(error)
            else:
                if value:
                    future.set_result(value)

    async def until(self, predicate: Callable[[], Result], timeout_s: float = UNTIL_S) -> Result:
        """Return what a predicate returns as soon as that is true.

        Raises:
            TimeoutError: it did not become so.
        """
        if value := predicate():
            return value
        entry = (predicate, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(timeout_s):
                return await entry[1]  # type: ignore[no-any-return]  # what the predicate returned
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)
