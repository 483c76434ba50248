"""The far side of the Discord benchmark: as much of its REST API and gateway as the worker needs.

Run: python discord_server.py BOSS. BOSS is a Unix socket. A line ``u N C`` from there has N messages written at once in
C direct chats, each stamped with that moment. A reply is told there as ``s NANOSECONDS`` (monotonic) as it arrives.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import zlib
from typing import Any

import uvloop
from aiohttp import WSMsgType, web

BOT, SENDER, CHAT = 77_000_000_000_000_000, 412_587_349_000_000_000, 500_000_000_000_000_000
_DISPATCH, _HELLO, _ACK = 0, 10, 11
_ME = {"id": str(BOT), "username": "bench", "discriminator": "0", "bot": True}


class Discord:
    """Who is connected, and the last id."""

    def __init__(self, boss: asyncio.StreamWriter) -> None:
        self._boss = boss
        self._socket: web.WebSocketResponse | None = None
        self._deflate = zlib.compressobj()
        self._sequence = 0
        self._connected = asyncio.Event()
        self._last = (int(time.time() * 1000) - 1_420_070_400_000) << 22
        self.address = ""

    async def make(self, number: int, chats: int) -> None:
        """Have messages written, as soon as there is somebody who is told of them."""
        await self._connected.wait()
        author = {"id": str(SENDER), "username": "ada", "discriminator": "0"}
        for n in range(number):
            self._last += 1
            message = {
                "id": str(self._last), "channel_id": str(CHAT + n % chats), "author": author, "mentions": [],
                "content": f"{time.monotonic_ns()} and a few words of a usual length", "type": 0, "attachments": [],
                "timestamp": "2026-01-01T00:00:00+00:00", "edited_timestamp": None, "embeds": [],
            }  # fmt: skip
            await self._say(_DISPATCH, message, "MESSAGE_CREATE")

    async def gateway(self, request: web.Request) -> web.WebSocketResponse:
        """Serve a connection."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._socket, self._deflate = socket, zlib.compressobj()
        await self._say(_HELLO, {"heartbeat_interval": 41250})
        async for frame in socket:
            if frame.type != WSMsgType.TEXT:
                continue
            match json.loads(frame.data)["op"]:
                case 1:  # a heartbeat
                    await self._say(_ACK, None)
                case 2:  # IDENTIFY
                    ready = {"session_id": "bench", "resume_gateway_url": self.address, "user": _ME, "guilds": []}
                    await self._say(_DISPATCH, ready, "READY")
                    self._connected.set()
        return socket

    async def rest(self, request: web.Request) -> web.Response:
        """Answer a call of the REST API."""
        if request.method == "POST" and request.path.endswith("/messages"):
            self._boss.write(f"s {time.monotonic_ns()}\n".encode())
            await request.read()
            self._last += 1
            return _json({"id": str(self._last)})
        if request.path.endswith("/gateway/bot"):
            limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
            return _json({"url": self.address, "shards": 1, "session_start_limit": limit})
        if request.path.endswith("/users/@me"):
            return _json(_ME)
        return _json([])

    async def _say(self, op: int, data: Any, event: str | None = None) -> None:
        if self._socket is None:
            return
        self._sequence += 1
        frame = json.dumps({"op": op, "d": data, "s": self._sequence if event else None, "t": event}).encode()
        await self._socket.send_bytes(self._deflate.compress(frame) + self._deflate.flush(zlib.Z_SYNC_FLUSH))


def _json(data: Any) -> web.Response:
    """Return an answer with the content type that the library reads, which names no charset."""
    return web.Response(body=json.dumps(data).encode(), headers={"Content-Type": "application/json"})


async def main(path: str) -> None:
    """Serve until the benchmark hangs up."""
    orders, boss = await asyncio.open_unix_connection(path)
    discord = Discord(boss)
    app = web.Application()
    app.router.add_get("/gateway/", discord.gateway)
    app.router.add_route("*", "/{tail:.*}", discord.rest)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    discord.address = f"ws://127.0.0.1:{port}/gateway/"
    boss.write(f"{port}\n".encode())
    while line := await orders.readline():
        await discord.make(*map(int, line.split()[1:]))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
