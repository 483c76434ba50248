"""What may be lost: that Claude is typing, channeld's own words, the mark on a message."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from channeld.ipc.messages import Notice, Presence, Typing
from channeld_workers.discord.api import Api, DiscordError, Refusal, TooFast
from channeld_workers.discord.channels import channel_of, is_id, quoting
from channeld_workers.discord.markdown import with_commands
from channeld_workers.discord.reactions import emoji_of
from channeld_workers.discord.sending import NO_PREVIEWS, NOBODY, react
from channeld_workers.discord.settings import Settings
from channeld_workers.discord.splitting import split
from channeld_workers.runtime import Runtime

TYPING_EVERY_S: Final = 8.0
"""Discord shows it for 10 s (https://discord.com/developers/docs/resources/channel#trigger-typing-indicator)."""
ABSENT_AFTER_S: Final = 3.0
"""A session that only reconnects is back by then."""
_MOST_UNDER_WAY: Final = 200
"""Small things at once, of all chats; more than these are left out."""


class Courtesies:
    """Small things that a bot does by the way. None of them holds anything up, and none is repeated but typing."""

    def __init__(self, runtime: Runtime, api: Api, settings: Settings) -> None:
        self._runtime, self._api, self._settings = runtime, api, settings
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
        if presence.listening:
            self._told_absent.clear()

    def taken_in(self, chat: str, message_id: str) -> None:
        """A message is on disk: mark it, if the settings say so, and tell its chat once where nobody listens."""
        if self._settings.ack_reaction:
            self._start(self._react(chat, message_id))
        if not self._presence.listening and chat not in self._told_absent:
            self._told_absent.add(chat)
            self._start(self._tell_absent(chat, message_id))

    async def _tell_absent(self, chat: str, message_id: str) -> None:
        await asyncio.sleep(ABSENT_AFTER_S)
        if not self._presence.listening:
            await self._say(Notice(chat=chat, text=self._presence.text, reply_to=message_id))

    async def _keep_typing(self, chat: str) -> None:
        channel = channel_of(chat)
        while channel is not None:
            wait_s = TYPING_EVERY_S
            try:
                await self._api.call("POST", "/channels/{channel_id}/typing", channel_id=channel)
            except TooFast as error:
                wait_s = max(wait_s, error.delay_s)
            except Refusal:
                return  # it would be refused again every time
            except DiscordError:
                pass  # the next one may get through
            await asyncio.sleep(wait_s)

    async def _say(self, notice: Notice) -> None:
        channel = channel_of(notice.chat)
        texts = split(with_commands(notice.text))
        if channel is None or not texts:
            return
        body: dict[str, Any] = {"content": texts[0], "allowed_mentions": NOBODY, "flags": NO_PREVIEWS}
        if (quoted := quoting(notice.reply_to)) is not None:
            body["message_reference"] = quoted
        await self._api.call("POST", "/channels/{channel_id}/messages", json=body, channel_id=channel)

    async def _react(self, chat: str, message_id: str) -> None:
        channel = channel_of(chat)
        if channel is not None and is_id(message_id):
            await react(self._api, channel, message_id, emoji_of(self._settings.ack_reaction))

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
        except DiscordError as error:
            self._runtime.log.info("courtesy_failed", error=type(error).__name__, reason=error.message)
