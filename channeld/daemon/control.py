"""The control socket: one request, one answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from channeld.core.errors import ChanneldError
from channeld.daemon.sockets import Peer
from channeld.ipc.control import MAX_REQUEST_BYTES, ControlError, ControlReply, ControlRequest
from channeld.ipc.framing import FrameProtocol

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ControlRequest).decode

Command = Callable[[dict[str, Any]], Awaitable[Any]]


class ControlServer:
    """Answers the command line."""

    def __init__(self, commands: dict[str, Command]) -> None:
        self._commands = commands
        self._open: set[_Client] = set()

    async def accept(self, connection: socket.socket, peer: Peer) -> None:
        """Take over a connection."""
        client = _Client(self._answer, self._open.discard)
        self._open.add(client)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: client.protocol, connection)

    def close(self) -> None:
        """Close every connection after its answers have left."""
        for client in list(self._open):
            client.protocol.close()

    async def _answer(self, line: bytes) -> ControlReply:
        try:
            request = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return _error("malformed", f"That is no request: {error}.", "Use a channeld of the daemon's version.")
        command = self._commands.get(request.command)
        if command is None:
            known = ", ".join(sorted(self._commands))
            return _error("unknown_command", f"The running daemon does not know {request.command[:60]!r}.",
                          f"It knows: {known}. After an upgrade: channeld restart")  # fmt: skip
        try:
            return ControlReply(data=await command(request.args))
        except ChanneldError as error:
            return _error(error.code, str(error), error.hint)
        except Exception:
            log.exception("command_failed", command=request.command)
            return _error("internal", "The daemon failed to do that.", "See `channeld logs`.")


class _Client:
    def __init__(self, answer: Callable[[bytes], Awaitable[ControlReply]], forget: Callable[[_Client], None]) -> None:
        self.protocol = FrameProtocol(self, MAX_REQUEST_BYTES)
        self._answer, self._forget = answer, forget
        self._work: set[asyncio.Task[None]] = set()

    def frames(self, lines: list[bytes]) -> None:
        for line in lines:
            task = asyncio.create_task(self._serve(line))
            self._work.add(task)
            task.add_done_callback(self._work.discard)

    async def _serve(self, line: bytes) -> None:
        self.protocol.write(_encode(await self._answer(line)) + b"\n")

    def oversized(self) -> None:
        self.protocol.write(_encode(_error("oversized", "The request is too long.", "")) + b"\n")
        self.protocol.close()

    def closed(self, half: bool) -> None:
        self._forget(self)


def _error(code: str, message: str, hint: str) -> ControlReply:
    return ControlReply(error=ControlError(code=code, message=message, hint=hint))
