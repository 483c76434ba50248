"""What a bot does by the way and may be lost: that Claude is typing, channeld's own words, the mark on a message."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any, Final

from channeld.ipc.messages import Notice, Presence, Typing
from channeld_workers.runtime import Runtime

ABSENT_AFTER_S: Final = 3.0
"""A session that only reconnects is back by then."""
_MOST_UNDER_WAY: Final = 200
"""Small things at once, of all chats; more than these are left out."""


class Courtesies(ABC):
    """Small things that a bot does by the way. None of them holds anything up, and none is repeated but typing.

    Args:
        runtime: the daemon.
        ack_reaction: what marks a message that is on disk; empty: nothing does.
    """

    def __init__(self, runtime: Runtime, ack_reaction: str) -> None:
        self._runtime, self._ack_reaction = runtime, ack_reaction
        self._typing: dict[str, asyncio.Task[None]] = {}
        self._under_way = 0
        self._presence = Presence(listening=True, text="")
        self._told_absent: set[str] = set()

    def typing(self, typing: Typing) -> None:
        """Show that Claude works on a message of a chat, until it ceases to."""
        if (task := self._typing.pop(typing.chat, None)) is not None:
            task.cancel()
        if typing.working:
            self._typing[typing.chat] = self._runtime.spawn(self._keep_typing(typing.chat), "typing")

    def say(self, notice: Notice) -> None:
        """Send channeld's own words to a chat."""
        self._start(self._say(notice))

    def presence(self, presence: Presence) -> None:
        """Hear whether a session listens."""
        self._presence = presence
        self._told_absent = {chat for chat in self._told_absent if not presence.of(chat).listening}

    def taken_in(self, chat: str, message_id: str) -> None:
        """A message is on disk: mark it, if the settings say so, and tell its chat once where nobody listens."""
        if self._ack_reaction:
            self._start(self._react(chat, message_id, self._ack_reaction))
        if not self._presence.of(chat).listening and chat not in self._told_absent:
            self._told_absent.add(chat)
            self._start(self._tell_absent(chat, message_id))

    # -- what each platform does in its own way; whatever these raise is logged and forgotten

    @abstractmethod
    async def _show_typing(self, chat: str) -> float | None:
        """Show once that Claude works; return after how many seconds it is to be shown again, None for never."""

    @abstractmethod
    async def _say(self, notice: Notice) -> None:
        """Send a message that nobody waits for."""

    @abstractmethod
    async def _react(self, chat: str, message_id: str, emoji: str) -> None:
        """Put an emoji on a message."""

    # -- inside

    async def _keep_typing(self, chat: str) -> None:
        while True:
            wait_s = await self._show_typing(chat)
            if wait_s is None:
                return
            await asyncio.sleep(wait_s)

    async def _tell_absent(self, chat: str, message_id: str) -> None:
        await asyncio.sleep(ABSENT_AFTER_S)
        standing = self._presence.of(chat)
        if not standing.listening:
            await self._say(Notice(chat=chat, text=standing.text, reply_to=message_id))

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something by the way; where too much of that is under way already, it is left out."""
        if self._under_way >= _MOST_UNDER_WAY:
            work.close()
            return
        self._under_way += 1
        self._runtime.spawn(self._attempt(work), "courtesy").add_done_callback(self._one_less)

    def _one_less(self, task: object) -> None:
        self._under_way -= 1

    async def _attempt(self, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except Exception as error:  # a spawned task that raises would cost the process
            self._runtime.log.info("courtesy_failed", error=type(error).__name__, reason=getattr(error, "message", ""))
