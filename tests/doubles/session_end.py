"""A stand-in for the daemon's end of the session socket: reads only when told to, so a test decides every step."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TIMEOUT_S = 20.0
INITIALIZE_RESULT = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"experimental": {"claude/channel": {}}, "tools": {}},
    "serverInfo": {"name": "channeld", "version": "double"},
}


def encode(message: dict[str, Any] | bytes) -> bytes:
    """Return a message as a line; bytes are taken as they are."""
    return message if isinstance(message, bytes) else json.dumps(message, separators=(",", ":")).encode() + b"\n"


def event(delivery_id: str, content: str = "hello") -> dict[str, Any]:
    """Return a channel event as the daemon pushes it."""
    params = {"content": content, "meta": {"chat_id": "web:main", "delivery_id": delivery_id}}
    return {"jsonrpc": "2.0", "method": "notifications/claude/channel", "params": params}


class SessionConnection:
    """One shim's connection. ``hello`` is its first line."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._rest = b""
        self.hello: dict[str, Any] = {}

    async def next_line(self, timeout_s: float = TIMEOUT_S) -> bytes | None:
        """Return the next line without its newline, None at the end of the stream."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(timeout_s):
            while b"\n" not in self._rest:
                data = await loop.sock_recv(self._sock, 1 << 20)
                if not data:
                    return None
                self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    async def next(self, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """Return the next message."""
        line = await self.next_line(timeout_s)
        assert line is not None, "the shim closed the connection"
        message: dict[str, Any] = json.loads(line)
        return message

    async def send(self, *messages: dict[str, Any] | bytes) -> None:
        """Send messages with one write."""
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.get_running_loop().sock_sendall(self._sock, b"".join(map(encode, messages)))

    async def answer(self, request: dict[str, Any], result: dict[str, Any]) -> None:
        """Answer a request."""
        await self.send({"jsonrpc": "2.0", "id": request["id"], "result": result})

    async def shake(self, result: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take ``initialize``, answer it, take ``notifications/initialized``; return the first."""
        request = await self.next()
        assert request["method"] == "initialize"
        await self.answer(request, result or INITIALIZE_RESULT)
        initialized = await self.next()
        assert initialized["method"] == "notifications/initialized"
        return request

    def close(self) -> None:
        """Close as a process does that ends: bytes not read by then reset the connection."""
        self._sock.close()

    async def reset(self) -> None:
        """Reset the connection: on a Unix socket that is closing it with bytes unread, so wait for some."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._sock, readable.set)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                await readable.wait()
        finally:
            loop.remove_reader(self._sock)
        self._sock.close()


class SessionEnd:
    """Listens where shims look for the daemon; can go away and come back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener: socket.socket | None = None
        self.connections: list[SessionConnection] = []

    async def __aenter__(self) -> Self:
        self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.die()

    def listen(self) -> None:
        """Start to listen."""
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.setblocking(False)
        self._listener.bind(str(self.path))
        self._listener.listen()

    async def accept(self, timeout_s: float = TIMEOUT_S) -> SessionConnection:
        """Wait for a shim and its first line."""
        assert self._listener is not None
        async with asyncio.timeout(timeout_s):
            sock, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        sock.setblocking(False)
        connection = SessionConnection(sock)
        self.connections.append(connection)
        connection.hello = await connection.next()
        return connection

    def die(self, connections: Iterable[SessionConnection] = ()) -> None:
        """Stop to listen and close every connection, as the kernel does for a daemon that was killed."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            self.path.unlink(missing_ok=True)
        for connection in [*connections, *self.connections]:
            connection.close()
        self.connections.clear()
