"""The middle of the floor: JSON in, one fsynced commit, JSON out. What any durable relay must at least do.

Run: python hop.py LISTEN NEXT DATABASE. Lines that arrive together share a commit, as in the daemon.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys

import msgspec
import uvloop

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Hop(asyncio.Protocol):
    """Takes lines from one side, commits, passes them on, and tells the sender which."""

    def __init__(self, connection: sqlite3.Connection, onward: asyncio.Transport) -> None:
        self._connection, self._onward, self._rest = connection, onward, b""
        self._sender: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember whom to answer."""
        self._sender = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Commit and pass on."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not lines or self._sender is None:
            return
        messages = [_decode(line) for line in lines]
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO m (body) VALUES (?)", [(_encode(m),) for m in messages])
        self._connection.execute("COMMIT")
        self._onward.write(b"".join(_encode(m) + b"\n" for m in messages))
        self._sender.write(b"".join(_encode({"ok": m["id"]}) + b"\n" for m in messages))


async def main(listen: str, onward: str, database: str) -> None:
    """Serve until the sender hangs up."""
    connection = sqlite3.connect(database, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE m (id INTEGER PRIMARY KEY, body BLOB)")
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_unix_connection(asyncio.Protocol, onward)
    server = await loop.create_unix_server(lambda: Hop(connection, transport), listen)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:4]))
