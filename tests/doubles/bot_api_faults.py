"""What goes wrong between a bot and Telegram, on demand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.doubles.bot_api_calls import Call


class Where(StrEnum):
    """When a connection breaks."""

    BEFORE = "before"  # the request was carried out
    AFTER = "after"  # it was carried out, with no byte of the answer sent


class Garbage(StrEnum):
    """An answer that is none of Telegram's."""

    PORTAL = "the HTML page of a captive portal"
    PROXY = "the HTML page of a proxy"
    TRUNCATED = "half of the right JSON, as a whole body"
    BROKEN_OFF = "half of the right JSON, then a closed connection"
    EMPTY = "no body"
    ANOTHER = "JSON of another service"


class Held:
    """Requests that wait, before or after they are carried out."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.arrived: asyncio.Future[Call] = loop.create_future()
        self.calls: list[Call] = []
        self.decision: asyncio.Future[bool] = loop.create_future()

    async def wait(self, call: Call) -> bool:
        """Wait for the decision on a request; return whether it goes on."""
        self.calls.append(call)
        if not self.arrived.done():
            self.arrived.set_result(call)
        return await asyncio.shield(self.decision)

    def release(self) -> None:
        """Answer it."""
        if not self.decision.done():
            self.decision.set_result(True)

    def cut(self) -> None:
        """Close the connection instead."""
        if not self.decision.done():
            self.decision.set_result(False)


@dataclass
class Fault:
    """One kind of trouble, for a method and perhaps a chat, a number of times."""

    method: str
    chat: int | None
    times: int | None
    status: int = 0
    description: str = ""
    parameters: dict[str, Any] | None = None
    where: Where = Where.BEFORE
    garbage: Garbage | None = None
    held: Held | None = None
    met: int = field(default=0)

    def meets(self, call: Call) -> bool:
        """Tell whether this happens to a request."""
        return self.method in ("*", call.method) and self.chat in (None, call.chat) and self.times != self.met


class Faults:
    """The trouble that is to come, first told first met."""

    def __init__(self) -> None:
        self._coming: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Let something go wrong."""
        self._coming.append(fault)

    def take(self, call: Call) -> Fault | None:
        """Return what happens to a request, if anything."""
        for fault in self._coming:
            if fault.meets(call):
                fault.met += 1
                return fault
        return None

    @property
    def left(self) -> list[Fault]:
        """Those that have not happened as often as they were to; what holds for ever is not among them."""
        return [fault for fault in self._coming if fault.times is not None and fault.met < fault.times]

    def clear(self) -> None:
        """Let nothing go wrong any more, and answer what waits."""
        for fault in self._coming:
            if fault.held is not None:
                fault.held.release()
        self._coming.clear()
