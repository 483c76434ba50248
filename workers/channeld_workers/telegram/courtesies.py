"""What may be lost: that Claude is typing, channeld's own words, the mark on a message, answers to taps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, Final

from telegram.error import TelegramError

from channeld.ipc.messages import Notice, Presence, Typing
from channeld_workers.runtime import Runtime
from channeld_workers.telegram.api import Client, TooFast
from channeld_workers.telegram.chats import quoting, read_chat
from channeld_workers.telegram.rendering import TEXT_LIMIT, plain, split, utf16_len

TYPING_EVERY_S: Final = 4.0
"""Telegram shows it for 5 s. Source: core.telegram.org/bots/api#sendchataction."""
ABSENT_AFTER_S: Final = 3.0
"""A session that only reconnects is back by then."""
_MOST_UNDER_WAY: Final = 200
"""Small things at once, of all chats; more than these are left out."""
_TAP_ANSWER_LIMIT: Final = 200
"""Characters. Source: core.telegram.org/bots/api#answercallbackquery."""
_COMMAND: Final = re.compile(r"`([^`\n]+)`")


class Courtesies:
    """Small things that a bot does by the way. None of them holds anything up, and none is repeated but typing."""

    def __init__(self, runtime: Runtime, client: Client) -> None:
        self._runtime, self._client = runtime, client
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

    def taken_in(self, chat: str, message_id: str, emoji: str) -> None:
        """A message is on disk: mark it with an emoji, if there is one, and tell its chat once where nobody listens."""
        if emoji:
            self._start(self._react(chat, message_id, emoji))
        if not self._presence.listening and chat not in self._told_absent:
            self._told_absent.add(chat)
            self._start(self._tell_absent(chat, message_id))

    def answer_tap(self, tap_id: str, text: str) -> None:
        """Answer a tap, perhaps with a line that is shown over the chat."""
        shown = text if len(text) <= _TAP_ANSWER_LIMIT else f"{text[: _TAP_ANSWER_LIMIT - 1]}…"
        work = self._client.call("answerCallbackQuery", callback_query_id=tap_id, text=shown or None)
        self._runtime.spawn(self._attempt(work), "tap")  # however much else is under way: somebody's client waits

    async def set_commands(self, commands: list[dict[str, str]]) -> None:
        """Name the commands that people can choose from in private chats."""
        await self._attempt(self._client.call("setMyCommands", commands=commands, scope={"type": "all_private_chats"}))

    async def _tell_absent(self, chat: str, message_id: str) -> None:
        await asyncio.sleep(ABSENT_AFTER_S)
        if not self._presence.listening:
            await self._say(Notice(chat=chat, text=self._presence.text, reply_to=message_id))

    async def _keep_typing(self, chat: str) -> None:
        target = read_chat(chat)
        while target is not None:
            wait_s = TYPING_EVERY_S
            try:
                await self._client.call(
                    "sendChatAction", chat_id=target.id, message_thread_id=target.thread, action="typing"
                )
            except TooFast as error:
                wait_s = max(wait_s, error.delay_s)
            except TelegramError:
                pass  # the next one may get through
            await asyncio.sleep(wait_s)

    async def _say(self, notice: Notice) -> None:
        chat = read_chat(notice.chat)
        if chat is None:
            return
        text, entities = with_commands(notice.text)
        await self._client.call(
            "sendMessage", chat_id=chat.id, message_thread_id=chat.thread, text=text, entities=entities or None,
            reply_parameters=quoting(notice.reply_to), link_preview_options={"is_disabled": True},
        )  # fmt: skip

    async def _react(self, chat: str, message_id: str, emoji: str) -> None:
        target = read_chat(chat)
        if target is not None:
            await self._client.call(
                "setMessageReaction", chat_id=target.id, message_id=int(message_id),
                reaction=[{"type": "emoji", "emoji": emoji}],
            )  # fmt: skip

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
        except TelegramError as error:
            self._runtime.log.info("courtesy_failed", reason=error.message)


def with_commands(text: str) -> tuple[str, list[dict[str, Any]]]:
    """Return a text of channeld's own with the commands in `backticks` as code, and not longer than a message."""
    shown, entities, at = "", [], 0
    for found in _COMMAND.finditer(text):
        shown += text[at : found.start()]
        entities.append({"type": "code", "offset": utf16_len(shown), "length": utf16_len(found[1])})
        shown, at = shown + found[1], found.end()
    shown += text[at:]
    if utf16_len(shown) > TEXT_LIMIT:
        return split(plain(text), TEXT_LIMIT)[0].text, []
    return shown, entities
