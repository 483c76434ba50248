"""What the command line can say about which chat goes to which session."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Final

import msgspec

from channeld.core.errors import Refused
from channeld.core.ids import worker_of
from channeld.daemon.bindings import Bindings
from channeld.daemon.control import Command, checked
from channeld.daemon.lookout import Lookout

_BY: Final = "terminal"


class BindArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``bind``."""

    chat: str
    session: Annotated[str, msgspec.Meta(min_length=1, max_length=150)]


class UnbindArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``unbind``."""

    chat: str


class BindingCommands:
    """Carries them out. A mistake is a ``ChanneldError``, whose sentence and hint reach the person who typed."""

    def __init__(self, bindings: Bindings, lookout: Lookout, workers: Collection[str]) -> None:
        self._bindings, self._lookout, self._workers = bindings, lookout, workers

    def table(self) -> dict[str, Command]:
        """Return the commands by name."""
        return {"bind": self.bind, "unbind": self.unbind}

    async def bind(self, args: dict[str, Any]) -> dict[str, Any]:
        """Bind a chat to a session, which need not be there yet."""
        wanted = checked(args, BindArguments)
        if (worker := worker_of(wanted.chat)) not in self._workers:
            raise Refused(f"There is no worker {worker[:40]!r}.", hint=f"There are: {', '.join(self._workers)}.")
        await self._bindings.bind(wanted.chat, wanted.session, by=_BY)
        return self._outcome(wanted.chat)

    async def unbind(self, args: dict[str, Any]) -> dict[str, Any]:
        """Let a chat go where chats without a binding go."""
        wanted = checked(args, UnbindArguments)
        if await self._bindings.unbind(wanted.chat, by=_BY) is None:
            bound = ", ".join(self._bindings.chats()) or "none"
            raise Refused(f"{wanted.chat[:80]} is not bound to a session.", hint=f"Bound are: {bound}.")
        return self._outcome(wanted.chat)

    def _outcome(self, chat: str) -> dict[str, Any]:
        target = self._lookout.target(chat)
        return {"chat": chat, "session": self._bindings.of(chat) or None, "goes_to": target.name if target else None}
