"""The far side of the Telegram benchmark: as much of the Bot API as the worker needs, as fast as a server can be.

Run: python telegram_server.py BOSS. BOSS is a Unix socket. A line ``u N C`` from there makes N updates of C chats
available at once, each stamped with that moment. A ``sendMessage`` is told there as ``s NANOSECONDS`` (monotonic) as it
arrives.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import uvloop

CHAT, SENDER = 412587349, 412587349
_BATCH = 100
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "


class Bot:
    """What is there to fetch, and who waits for it."""

    def __init__(self, boss: asyncio.StreamWriter) -> None:
        self._boss = boss
        self._updates: list[tuple[int, bytes]] = []
        self._last = 1000
        self._waiting: list[tuple[Connection, int]] = []

    def make(self, number: int, chats: int) -> None:
        """Make updates available and answer whoever waits."""
        for n in range(number):
            self._last += 1
            chat = {"id": CHAT + n % chats, "type": "private", "first_name": "Bench"}
            message = {
                "message_id": self._last, "date": int(time.time()), "chat": chat,
                "from": {"id": SENDER, "is_bot": False, "first_name": "Bench"},
                "text": f"{time.monotonic_ns()} and a few words of a usual length",
            }  # fmt: skip
            self._updates.append((self._last, json.dumps({"update_id": self._last, "message": message}).encode()))
        waiting, self._waiting = self._waiting, []
        for connection, offset in waiting:
            self.poll(connection, offset)

    def poll(self, connection: Connection, offset: int) -> None:
        """Answer a poll now or as soon as there is something."""
        self._updates = [update for update in self._updates if update[0] >= offset]
        if self._updates:
            connection.answer(b'{"ok":true,"result":[' + b",".join(raw for _, raw in self._updates[:_BATCH]) + b"]}")
        else:
            self._waiting.append((connection, offset))

    def leave(self, connection: Connection) -> None:
        """Forget a client that has gone."""
        self._waiting = [waiting for waiting in self._waiting if waiting[0] is not connection]

    def sent(self, connection: Connection) -> None:
        """Tell of a message, and confirm it."""
        self._boss.write(f"s {time.monotonic_ns()}\n".encode())
        self._last += 1
        connection.answer(b'{"ok":true,"result":{"message_id":%d}}' % self._last)


class Connection(asyncio.Protocol):
    """One client; requests do not overlap."""

    def __init__(self, bot: Bot) -> None:
        self._bot, self._rest = bot, b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember whom to answer."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:
        """Wait no more for what it asked."""
        self._bot.leave(self)

    def data_received(self, data: bytes) -> None:
        """Take a request as soon as it is whole."""
        self._rest += data
        head, end, body = self._rest.partition(b"\r\n\r\n")
        if not end:
            return
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), 0)
        if len(body) < length:
            return
        self._rest = body[length:]
        self._take(head.split(b" ", 2)[1].rsplit(b"/", 1)[1].decode(), body[:length])

    def answer(self, body: bytes) -> None:
        """Answer the request."""
        assert self._transport is not None
        self._transport.write(_HEAD + str(len(body)).encode() + b"\r\n\r\n" + body)

    def _take(self, method: str, body: bytes) -> None:
        match method:
            case "getUpdates":
                asked: dict[str, Any] = json.loads(body)
                self._bot.poll(self, int(asked.get("offset") or 0))
            case "sendMessage":
                self._bot.sent(self)
            case "getMe":
                self.answer(b'{"ok":true,"result":{"id":77,"is_bot":true,"first_name":"B","username":"bench_bot"}}')
            case _:
                self.answer(b'{"ok":true,"result":true}')


async def main(path: str) -> None:
    """Serve until the benchmark hangs up."""
    orders, boss = await asyncio.open_unix_connection(path)
    bot = Bot(boss)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(bot), "127.0.0.1", 0)
    boss.write(f"{server.sockets[0].getsockname()[1]}\n".encode())
    while line := await orders.readline():
        bot.make(*map(int, line.split()[1:]))
    server.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
