"""Which chat goes to the session of which name, as people have said: on disk, and at hand."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from channeld.core.ids import worker_of
from channeld.core.routing import bound_to
from channeld.store.bindings import BindingList

log = structlog.get_logger()


class Bindings:
    """The bindings. What is at hand changes after what is on disk: until then the old one rules."""

    def __init__(self, store: BindingList) -> None:
        self._store = store
        self._bound: dict[str, str] = {}
        self.changed: Callable[[], None] = lambda: None
        """Called when chats may go elsewhere now."""

    async def start(self) -> None:
        """Read them.

        Raises:
            StoreUnavailable: that is not possible.
        """
        self._bound = await self._store.all()

    def of(self, chat: str) -> str:
        """Return the name of the session that a chat is bound to, by itself or as a thread; "" for none."""
        return bound_to(chat, self._bound)

    def names(self) -> frozenset[str]:
        """Return the names to which any chat is bound."""
        return frozenset(self._bound.values())

    def chats(self) -> dict[str, str]:
        """Return the name of the session of each chat that is bound by itself."""
        return dict(sorted(self._bound.items()))

    def described(self) -> list[dict[str, str]]:
        """Return what ``channeld sessions`` shows of them."""
        return [{"chat": chat, "session": session} for chat, session in self.chats().items()]

    async def bind(self, chat: str, session: str, *, by: str) -> None:
        """Let the messages of a chat go to the session of a name, those that wait included.

        Raises:
            Refused: ``chat`` is no chat id.
            StoreUnavailable: nothing has changed.
        """
        worker_of(chat)
        await self._store.put(chat, session, by, time.time())
        self._bound = {**self._bound, chat: session}
        self._told("chat_bound", chat=chat, session=session, by=by)

    async def unbind(self, chat: str, *, by: str) -> str | None:
        """Let a chat go where chats without a binding go; returns the name it was bound to, None if it was not.

        Raises:
            StoreUnavailable: nothing has changed.
        """
        was = self._bound.get(chat)
        if was is not None:
            await self._store.remove(chat)
            self._bound = {other: name for other, name in self._bound.items() if other != chat}
            self._told("chat_unbound", chat=chat, session=was, by=by)
        return was

    async def moved(self) -> None:
        """Read them again: a group has got a new id, and with what waits in it they have come to belong to that.

        Raises:
            StoreUnavailable: that is not possible.
        """
        self._bound = await self._store.all()
        self.changed()

    def _told(self, event: str, **facts: str) -> None:
        log.info(event, **facts)
        self.changed()
