"""uvicorn's HTTP, less patient: a connection that asks for nothing must not take the place of one that does."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

FIRST_REQUEST_S: Final = 5.0
"""How long a new connection may take over the head of its first request. Later idling is uvicorn's own keep-alive."""


class ImpatientHttp(H11Protocol):
    """Closes a connection whose first request does not come."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn is stricter here than asyncio
        self._patience = self.loop.call_later(FIRST_REQUEST_S, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        if self._patience is not None:
            self._patience.cancel()
        super().connection_lost(exc)

    def _give_up(self) -> None:
        if self.cycle is None:
            self.transport.close()
