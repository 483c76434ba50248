"""The control socket: one request, one answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import structlog

from channeld.core.errors import ChanneldError, Refused
from channeld.daemon.guard import Guard
from channeld.daemon.sockets import Peer
from channeld.ipc.control import GUARDED, MAX_REQUEST_BYTES, ControlError, ControlReply, ControlRequest
from channeld.ipc.framing import FrameProtocol

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(ControlRequest).decode

Command = Callable[[dict[str, Any]], Awaitable[Any]]
A = TypeVar("A", bound=msgspec.Struct)


class ControlServer:
    """Answers the command line."""

    def __init__(self, commands: dict[str, Command], guard: Guard) -> None:
        self._commands, self._guard = commands, guard
        self._open: set[_Client] = set()

    async def accept(self, connection: socket.socket, peer: Peer) -> None:
        """Take over a connection."""
        client = _Client(lambda line: self._answer(line, peer), self._open.discard)
        self._open.add(client)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: client.protocol, connection)

    def close(self) -> None:
        """Close every connection after its answers have left."""
        for client in list(self._open):
            client.protocol.close()

    async def _answer(self, line: bytes, peer: Peer) -> ControlReply:
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
            if request.command in GUARDED:
                self._guard.check(request.command, peer)
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


def checked(args: dict[str, Any], kind: type[A]) -> A:
    """Return a command's arguments, checked.

    Raises:
        Refused: they are not those that it takes.
    """
    try:
        return msgspec.convert(args, kind, strict=True)
    except msgspec.ValidationError as error:
        raise Refused(f"{error}.", hint="Use a channeld of the daemon's version.", code="bad_arguments") from None
