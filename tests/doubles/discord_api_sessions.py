"""A gateway's connections, and the sessions that outlive them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import zlib
from collections import deque
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from aiohttp import web

from tests.doubles.discord_api_objects import Intent
from tests.doubles.http_faults import abort


class Op(IntEnum):
    """What a payload is."""

    DISPATCH = 0
    HEARTBEAT = 1
    IDENTIFY = 2
    PRESENCE_UPDATE = 3
    VOICE_STATE_UPDATE = 4
    RESUME = 6
    RECONNECT = 7
    REQUEST_MEMBERS = 8
    INVALID_SESSION = 9
    HELLO = 10
    HEARTBEAT_ACK = 11


class Closed(Exception):
    """The server ends a connection."""

    def __init__(self, code: int, reason: str, *, fault: bool = True) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.fault = fault  # whether a good client never gets it


@dataclass(eq=False)
class Session:
    """What an IDENTIFY began; it outlives its connection until it is resumed or expires."""

    id: str
    intents: Intent
    sequence: int = 0
    dispatches: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    connection: Connection | None = None
    expired: bool = False
    resumed: int = 0

    def tell(self, name: str, data: Any) -> None:
        """Send a dispatch, now or when it is resumed."""
        self.sequence += 1
        payload = {"op": Op.DISPATCH, "t": name, "s": self.sequence, "d": data}
        self.dispatches.append((self.sequence, payload))
        if self.connection is not None:
            self.connection.send(payload)


class Connection:
    """One WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, compressed: bool) -> None:
        self.socket = socket
        self.request = request
        self.session: Session | None = None
        self.closing = False
        self.commands: deque[float] = deque()
        self._deflate = zlib.compressobj() if compressed else None
        self._outgoing: asyncio.Queue[dict[str, Any] | tuple[int, bytes]] = asyncio.Queue()
        self.beaten = asyncio.Event()

    def send(self, payload: dict[str, Any]) -> None:
        """Send a payload after those that wait."""
        self._outgoing.put_nowait(payload)

    def close(self, code: int, reason: str = "") -> None:
        """Close it once what waits is sent."""
        self.closing = True
        self._outgoing.put_nowait((code, reason.encode()))

    def reset(self) -> None:
        """Break it off without a close frame."""
        if self.request.transport is not None:
            abort(self.request.transport)

    async def write(self) -> None:
        """Send what is to be sent until it is closed."""
        with contextlib.suppress(ConnectionError):
            while True:
                item = await self._outgoing.get()
                if isinstance(item, tuple):
                    await self.socket.close(code=item[0], message=item[1])
                    return
                text = json.dumps(item)
                if self._deflate is None:
                    await self.socket.send_str(text)
                else:
                    data = self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                    await self.socket.send_bytes(data)
