"""What goes wrong between a client and a server of ours, on demand: whatever platform the server stands for."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from aiohttp import web

PAGE = "<!doctype html><title>Sign in</title><p>Please accept the terms of this network."
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
CallT = TypeVar("CallT")
CallT_contra = TypeVar("CallT_contra", contravariant=True)


class Where(StrEnum):
    """When a connection breaks."""

    BEFORE = "before"  # the request was carried out
    AFTER = "after"  # it was carried out, with no byte of the answer sent


class Garbage(StrEnum):
    """An answer that is none of the platform's."""

    PORTAL = "the HTML page of a captive portal"
    PROXY = "the HTML page of a proxy"
    TRUNCATED = "half of the right JSON, as a whole body"
    BROKEN_OFF = "half of the right JSON, then a closed connection"
    EMPTY = "no body"
    ANOTHER = "JSON of another service"


class Held(Generic[CallT]):
    """Requests that wait, before or after they are carried out."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.arrived: asyncio.Future[CallT] = loop.create_future()
        self.calls: list[CallT] = []
        self.decision: asyncio.Future[bool] = loop.create_future()

    async def wait(self, call: CallT) -> bool:
        """Wait for the decision on a request; return whether it goes on."""
        self.calls.append(call)
        if not self.arrived.done():
            self.arrived.set_result(call)
        return await asyncio.shield(self.decision)

    def release(self) -> None:
        """Answer it."""
        if not self.decision.done():
            self.decision.set_result(True)

    def cut(self) -> None:
        """Close the connection instead."""
        if not self.decision.done():
            self.decision.set_result(False)


class Trouble(Protocol[CallT_contra]):
    """One kind of trouble, a number of times; without a number for ever."""

    times: int | None
    met: int

    @property
    def held(self) -> Held[Any] | None:
        """What requests wait for, if it lets them wait."""

    def meets(self, call: CallT_contra) -> bool:
        """Tell whether this happens to a request."""


TroubleT = TypeVar("TroubleT", bound=Trouble[Any])


class Faults(Generic[TroubleT]):
    """The trouble that is to come, first told first met."""

    def __init__(self) -> None:
        self._coming: list[TroubleT] = []

    def add(self, fault: TroubleT) -> None:
        """Let something go wrong."""
        self._coming.append(fault)

    def take(self, call: Any) -> TroubleT | None:
        """Return what happens to a request, if anything."""
        for fault in self._coming:
            if fault.meets(call):
                fault.met += 1
                return fault
        return None

    @property
    def left(self) -> list[TroubleT]:
        """Those that have not happened as often as they were to; what holds for ever is not among them."""
        return [fault for fault in self._coming if fault.times is not None and fault.met < fault.times]

    def clear(self) -> None:
        """Let nothing go wrong any more, and answer what waits."""
        for fault in self._coming:
            if fault.held is not None:
                fault.held.release()
        self._coming.clear()


async def answer_garbage(
    request: web.Request, kind: Garbage, status: int, whole: bytes, portal: str
) -> web.StreamResponse:
    """Answer with something else than ``whole``, the right body; ``portal`` is where a portal's redirect leads."""
    match kind:
        case Garbage.PORTAL:
            headers = {"Location": portal} if status == 302 else {}
            return web.Response(status=status, text=PAGE, content_type="text/html", headers=headers)
        case Garbage.PROXY:
            return web.Response(status=502, text=BAD_GATEWAY, content_type="text/html")
        case Garbage.TRUNCATED:
            return web.Response(status=status, body=whole[: len(whole) // 2], content_type="application/json")
        case Garbage.BROKEN_OFF:
            response = web.StreamResponse(status=status)
            response.content_type = "application/json"
            response.content_length = len(whole)
            await response.prepare(request)
            await response.write(whole[: len(whole) // 2])
            if request.transport is not None:
                request.transport.close()  # what was written goes out first
            return await never()
        case Garbage.EMPTY:
            return web.Response(status=status)
        case Garbage.ANOTHER:
            body = json.dumps({"error": "not_found"}).encode()
            return web.Response(status=status, body=body, content_type="application/json")


async def reset(request: web.Request) -> web.StreamResponse:
    """Reset a request's connection."""
    if request.transport is not None:
        abort(request.transport)
    return await never()


def abort(transport: asyncio.BaseTransport) -> None:
    """Close a connection with a reset."""
    peer: socket.socket = transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()  # type: ignore[attr-defined]  # every stream's has it


async def never() -> web.StreamResponse:
    """Wait until the end of the connection ends the handler."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nothing ends that future")
