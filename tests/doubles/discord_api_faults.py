"""What goes wrong between a bot and Discord, on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.doubles.discord_api_calls import Call
from tests.doubles.http_faults import Garbage, Where
from tests.doubles.http_faults import Held as AnyHeld

__all__ = ["Fault", "Garbage", "Held", "Where"]

Held = AnyHeld[Call]


@dataclass
class Fault:
    """One kind of trouble, for a route and perhaps a channel, a number of times."""

    method: str
    channel: int | None
    times: int | None
    status: int = 0
    body: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    where: Where = Where.BEFORE
    garbage: Garbage | None = None
    held: Held | None = None
    met: int = field(default=0)

    def meets(self, call: Call) -> bool:
        """Tell whether this happens to a request."""
        if self.method not in ("*", call.method) or self.times == self.met:
            return False
        return self.channel is None or call.path.get("channel_id") == str(self.channel)
