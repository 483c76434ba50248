"""The stream object between a session's socket and the MCP library: lines in, lines out.

The library's memory streams cost four to five times as much, and hide back-pressure.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from types import TracebackType
from typing import Final, Self

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage
from pydantic import TypeAdapter, ValidationError

from channeld.ipc.framing import FrameProtocol

_PAUSE_AT: Final = 1024
"""Lines of one session that wait for their turn, before we stop reading from it."""
_PARSE_ERROR: Final = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}\n'
_message: Final[TypeAdapter[JSONRPCMessage]] = TypeAdapter(JSONRPCMessage)


def _read(line: bytes) -> JSONRPCMessage | None:
    """Return the message of a line, or None if it has none.

    Half a surrogate pair, as JavaScript writes it when it cuts a string in an emoji, is no valid Unicode and refused by
    the library; but the call that carries it must be answered, so it is replaced by U+FFFD and read again.
    """
    try:
        return _message.validate_json(line)
    except ValidationError:
        pass
    try:
        text = json.dumps(json.loads(line), ensure_ascii=False)
        return _message.validate_json(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except (ValidationError, ValueError, RecursionError):
        return None


class McpStream:
    """Both halves of a session's stream, as ``JSONRPCDispatcher`` wants them."""

    def __init__(self, protocol: FrameProtocol) -> None:
        self._protocol = protocol
        self._lines: deque[bytes] = deque()
        self._fed: asyncio.Future[None] | None = None
        self._ended = False
        self.garbage = 0
        """Lines that were no JSON-RPC."""

    # -- the socket's side

    def feed(self, lines: list[bytes]) -> None:
        """Take lines that came in."""
        self._lines.extend(lines)
        if len(self._lines) >= _PAUSE_AT:
            self._protocol.pause_reading()
        self._wake()

    def end(self) -> None:
        """Hear that no line follows."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._fed is not None and not self._fed.done():
            self._fed.set_result(None)

    # -- the library's side

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message.

        Raises:
            anyio.EndOfStream: there is none any more.
        """
        # One message a turn of the loop: a flooding session must not starve the others.
        await asyncio.sleep(0)
        while True:
            while not self._lines:
                if self._ended:
                    raise anyio.EndOfStream
                self._fed = asyncio.get_running_loop().create_future()
                await self._fed
            line = self._lines.popleft()
            if len(self._lines) == _PAUSE_AT // 2:
                self._protocol.resume_reading()
            message = _read(line)
            if message is not None:
                return SessionMessage(message)
            self.garbage += 1
            self._protocol.write(_PARSE_ERROR)

    async def send(self, item: SessionMessage) -> None:
        """Write a message.

        Raises:
            anyio.ClosedResourceError: the session is gone.
        """
        if self._protocol.is_closed:
            raise anyio.ClosedResourceError
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        self._protocol.write(line.encode() + b"\n")
        await self._protocol.drain()

    async def aclose(self) -> None:
        """End the stream; the socket is closed by its owner."""
        self.end()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
