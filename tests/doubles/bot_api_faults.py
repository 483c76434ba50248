"""What goes wrong between a bot and Telegram, on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.doubles.bot_api_calls import Call
from tests.doubles.http_faults import Garbage, Where
from tests.doubles.http_faults import Held as AnyHeld

__all__ = ["Fault", "Garbage", "Held", "Where"]

Held = AnyHeld[Call]


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
