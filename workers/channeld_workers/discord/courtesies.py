"""Courtesies on Discord."""

from __future__ import annotations

from typing import Any, Final

from channeld.ipc.messages import Notice
from channeld_workers import courtesies
from channeld_workers.discord.api import Api, DiscordError, Refusal, TooFast
from channeld_workers.discord.channels import channel_of, is_id, quoting
from channeld_workers.discord.markdown import with_commands
from channeld_workers.discord.reactions import emoji_of
from channeld_workers.discord.sending import NO_PREVIEWS, NOBODY, react
from channeld_workers.discord.splitting import split
from channeld_workers.runtime import Runtime

TYPING_EVERY_S: Final = 8.0
"""Discord shows it for 10 s (https://discord.com/developers/docs/resources/channel#trigger-typing-indicator)."""


class Courtesies(courtesies.Courtesies):
    """What a bot does by the way."""

    def __init__(self, runtime: Runtime, api: Api, ack_reaction: str) -> None:
        super().__init__(runtime, ack_reaction)
        self._api = api

    async def _show_typing(self, chat: str) -> float | None:
        channel = channel_of(chat)
        if channel is None:
            return None
        try:
            await self._api.call("POST", "/channels/{channel_id}/typing", channel_id=channel)
        except TooFast as error:
            return max(TYPING_EVERY_S, error.delay_s)
        except Refusal:
            return None  # it would be refused again every time
        except DiscordError:
            pass  # the next one may get through
        return TYPING_EVERY_S

    async def _say(self, notice: Notice) -> None:
        channel = channel_of(notice.chat)
        texts = split(with_commands(notice.text))
        if channel is None or not texts:
            return
        body: dict[str, Any] = {"content": texts[0], "allowed_mentions": NOBODY, "flags": NO_PREVIEWS}
        if (quoted := quoting(notice.reply_to)) is not None:
            body["message_reference"] = quoted
        await self._api.call("POST", "/channels/{channel_id}/messages", json=body, channel_id=channel)

    async def _react(self, chat: str, message_id: str, emoji: str) -> None:
        channel = channel_of(chat)
        if channel is not None and is_id(message_id):
            await react(self._api, channel, message_id, emoji_of(emoji))
