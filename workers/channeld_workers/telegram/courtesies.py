"""Courtesies on Telegram, answers to taps among them."""

from __future__ import annotations

import re
from typing import Any, Final

from telegram.error import TelegramError

from channeld.ipc.messages import Notice
from channeld_workers import courtesies
from channeld_workers.runtime import Runtime
from channeld_workers.telegram.api import Client, TooFast
from channeld_workers.telegram.chats import quoting, read_chat
from channeld_workers.telegram.rendering import TEXT_LIMIT, plain, split, utf16_len

TYPING_EVERY_S: Final = 4.0
"""Telegram shows it for 5 s. Source: core.telegram.org/bots/api#sendchataction."""
_TAP_ANSWER_LIMIT: Final = 200
"""Characters. Source: core.telegram.org/bots/api#answercallbackquery."""
_COMMAND: Final = re.compile(r"`([^`\n]+)`")


class Courtesies(courtesies.Courtesies):
    """What a bot does by the way."""

    def __init__(self, runtime: Runtime, client: Client, ack_reaction: str) -> None:
        super().__init__(runtime, ack_reaction)
        self._client = client

    def answer_tap(self, tap_id: str, text: str) -> None:
        """Answer a tap, perhaps with a line that is shown over the chat."""
        shown = text if len(text) <= _TAP_ANSWER_LIMIT else f"{text[: _TAP_ANSWER_LIMIT - 1]}…"
        work = self._client.call("answerCallbackQuery", callback_query_id=tap_id, text=shown or None)
        self._runtime.spawn(self._attempt(work), "tap")  # however much else is under way: somebody's client waits

    async def set_commands(self, commands: list[dict[str, str]]) -> None:
        """Name the commands that people can choose from in private chats."""
        await self._attempt(self._client.call("setMyCommands", commands=commands, scope={"type": "all_private_chats"}))

    async def _show_typing(self, chat: str) -> float | None:
        target = read_chat(chat)
        if target is None:
            return None
        try:
            await self._client.call(
                "sendChatAction", chat_id=target.id, message_thread_id=target.thread, action="typing"
            )
        except TooFast as error:
            return max(TYPING_EVERY_S, error.delay_s)
        except TelegramError:
            pass  # the next one may get through
        return TYPING_EVERY_S

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
