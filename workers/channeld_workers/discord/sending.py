"""Carries out what the daemon asks for: messages, edits, reactions. Every error becomes one of the outcomes.

A message has the id of its part as nonce, under which Discord makes no second one for some minutes. Within those what
nobody can tell the outcome of is simply tried again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import discord

from channeld.ipc.messages import Failed, RetryAfter, Send, Sent, Split, Uncertain
from channeld_workers.backoff import pause_s
from channeld_workers.discord import letters, refusals, uploads
from channeld_workers.discord.api import Api, DiscordError, NotReached, Refusal, TooFast, Unknown
from channeld_workers.discord.channels import channel_of, is_id, quoting
from channeld_workers.discord.components import reply_rows
from channeld_workers.discord.reactions import emoji_of, in_other_style
from channeld_workers.discord.settings import Settings
from channeld_workers.discord.splitting import TEXT_LIMIT
from channeld_workers.graphemes import is_blank
from channeld_workers.raw import table
from channeld_workers.runtime import Outcome
from channeld_workers.units import utf16_len

PROTECTED_S: Final = 100.0
"""How long after the first attempt a nonce is relied on. Discord says "some minutes"; two were measured."""
NOBODY: Final[dict[str, Any]] = {"parse": [], "replied_user": False}
"""The ``allowed_mentions`` that ping nobody."""
NO_PREVIEWS: Final = 1 << 2
SILENT: Final = 1 << 12
"""Flags of a message (https://discord.com/developers/docs/resources/message#message-object-message-flags)."""
_AGAIN_S: Final = (0.5, 2.0, 5.0, 10.0, 20.0, 30.0)
"""The waits before what nobody can tell the outcome of is tried again."""
_RETRY_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_CREDENTIALS_S: Final = 30.0
_MORE_S: Final = 15.0
"""How much later a repetition that waits for its turn may leave."""
_ANSWER: Final = "answer.md"


class Impossible(DiscordError):
    """What is asked for cannot be on Discord, or the copy of a file cannot be read: nothing was done."""


class Sender:
    """Sends through a bot.

    Args:
        api: the bot's.
        settings: of the worker.
        clock: unix time, seconds.
        doubt_credentials: called when Discord refuses the token.
        sleep: waits for so many seconds.
        file_limit: how many bytes a file in a channel may have; None: Discord will say.
    """

    def __init__(
        self,
        api: Api,
        settings: Settings,
        clock: Callable[[], float] = time.time,
        doubt_credentials: Callable[[], None] = lambda: None,
        sleep: Callable[[float], Any] = asyncio.sleep,
        file_limit: Callable[[int], int | None] = lambda channel: None,
    ) -> None:
        self._api, self._settings, self._clock = api, settings, clock
        self._doubt_credentials, self._sleep = doubt_credentials, sleep
        self._file_limit = file_limit
        self._failures: dict[int, int] = {}
        """By channel, how often in a row Discord was not reached."""

    async def send(self, part: Send) -> Outcome:
        """Carry out a part."""
        channel = channel_of(part.chat)
        if channel is None:
            return Failed(ref=part.ref, reason=f"{part.chat} is no chat of Discord's")
        if part.kind == "message" and part.format not in {letters.READY, letters.AS_FILE}:
            limits = (self._settings.max_upload_bytes, self._file_limit(channel))
            if (why := uploads.refusal(part.files, *limits)) is not None:
                return Failed(ref=part.ref, reason=why)
            pieces = letters.pieces_of(part, self._settings)
            if len(pieces) > 1:
                return Split(ref=part.ref, pieces=pieces)
            if not pieces:
                return Failed(ref=part.ref, reason="there is nothing in it that Discord could show")
            (first,) = pieces
            part.text, part.format, part.reply_to = first.text, first.format, first.reply_to
        if part.kind == "message" and part.tried_at is not None and self._clock() - part.tried_at > PROTECTED_S:
            return Uncertain(
                ref=part.ref, reason="an earlier attempt may have been sent, too long ago for Discord to tell it apart"
            )
        return await self._attempt(part, channel)

    async def _attempt(self, part: Send, channel: int) -> Outcome:
        """Carry out a part, again where nobody can tell whether it was: a repetition does no harm for a while."""
        since = part.tried_at if part.tried_at is not None else self._clock()
        is_message = part.kind == "message"
        repeated, problem = part.tried_at is not None, ""
        doubted = False
        for again_s in (*_AGAIN_S, None):
            wait_s = again_s
            # What waits longer for its turn, or what the library itself repeats later, would not be protected any more.
            # Only the first attempt with files takes as long as it does: it may be the line that is slow.
            is_bound = is_message and (repeated or not part.files)
            left_s = max(0.0, since + PROTECTED_S + _MORE_S - self._clock()) if is_bound else None
            try:
                async with asyncio.timeout(left_s):
                    message_id = await self._carry_out(part, channel)
            except (Unknown, TimeoutError) as error:
                repeated, doubted = True, is_message
                problem = error.message if isinstance(error, Unknown) else "there was no answer in time"
            except (NotReached, TooFast) as error:
                if not doubted:
                    return self._put_off(part.ref, channel, error)
                problem = error.message
                if wait_s is not None and isinstance(error, TooFast):
                    wait_s = max(wait_s, error.delay_s)
            except Refusal as error:
                return self._refused(part, error, doubtful=doubted or (is_message and part.tried_at is not None))
            except Impossible as error:
                return Failed(ref=part.ref, reason=error.message)
            else:
                self._failures.pop(channel, None)
                return Sent(ref=part.ref, message_id=message_id)
            if wait_s is None or self._clock() + wait_s - since > PROTECTED_S:
                break
            await self._sleep(wait_s)
        return Uncertain(ref=part.ref, reason=problem)

    async def _carry_out(self, part: Send, channel: int) -> str:
        match part.kind:
            case "message":
                return await self._send_message(part, channel)
            case "edit":
                return await self._reopening(channel, lambda: self._edit(part, channel))
            case "react":
                return await self._reopening(channel, lambda: self._react(part, channel))
            case _:
                raise Impossible(f"Discord cannot do {part.kind}")

    async def _send_message(self, part: Send, channel: int) -> str:
        body: dict[str, Any] = {"nonce": part.send_id, "enforce_nonce": True, "allowed_mentions": NOBODY}
        if flags := (0 if self._settings.link_previews else NO_PREVIEWS) | (SILENT if self._settings.silent else 0):
            body["flags"] = flags
        if part.text and part.format != letters.AS_FILE:
            body["content"] = part.text
        if (quoted := quoting(part.reply_to)) is not None:
            body["message_reference"] = quoted
        if rows := reply_rows(part.send_id, part.buttons):
            body["components"] = rows
        if part.format == letters.AS_FILE:
            with uploads.text_file(part.text, _ANSWER) as files:
                return await self._post(channel, body, files)
        if not part.files:
            return await self._post(channel, body, [])
        try:
            with uploads.opened(part.files) as files:
                return await self._post(channel, body, files)
        except OSError as error:  # of the files: those of the network come as errors of the API
            raise Impossible(f"the copy of a file cannot be read: {error.strerror}") from None

    async def _post(self, channel: int, body: dict[str, Any], files: list[discord.File]) -> str:
        if files:
            body = body | {"attachments": uploads.listed(files)}
        answer = await self._api.call(
            "POST", "/channels/{channel_id}/messages", json=body, uploads=files, channel_id=channel
        )
        number = table(answer).get("id")
        return number if type(number) is str else ""

    async def _edit(self, part: Send, channel: int) -> str:
        text = letters.rendered(part)
        if utf16_len(text) > TEXT_LIMIT:
            raise Impossible(f"an edited message may have {TEXT_LIMIT} characters: send what is new as a reply")
        if is_blank(text):
            raise Impossible("there is nothing in it that Discord could show")
        message_id = _id(part)
        await self._api.call(
            "PATCH", "/channels/{channel_id}/messages/{message_id}",
            json={"content": text, "allowed_mentions": {"parse": []}}, channel_id=channel, message_id=message_id,
        )  # fmt: skip
        return message_id

    async def _react(self, part: Send, channel: int) -> str:
        message_id, emoji = _id(part), emoji_of(part.text)
        if not emoji:
            raise Impossible("a reaction is an emoji, and there is none in it")
        await react(self._api, channel, message_id, emoji)
        return message_id

    async def _reopening(self, channel: int, change: Callable[[], Awaitable[str]]) -> str:
        """Change something, in an archived thread once it is open again: only a message opens it by itself.

        Source: https://docs.discord.com/developers/topics/threads#active-archived-threads.
        """
        try:
            return await change()
        except Refusal as error:
            if error.code != refusals.ARCHIVED:
                raise
            archived = error
        try:
            await self._api.call("PATCH", "/channels/{channel_id}", json={"archived": False}, channel_id=channel)
        except Refusal as error:
            raise archived if error.code == refusals.NO_PERMISSION else error from None
        return await change()

    # -- errors

    def _put_off(self, ref: int, channel: int, error: NotReached | TooFast) -> Outcome:
        if isinstance(error, TooFast):
            return RetryAfter(ref=ref, delay_s=error.delay_s)
        number = self._failures[channel] = self._failures.get(channel, -1) + 1
        return RetryAfter(ref=ref, delay_s=pause_s(_RETRY_S, number))

    def _refused(self, part: Send, error: Refusal, *, doubtful: bool) -> Outcome:
        if error.status == refusals.BAD_TOKEN:
            self._doubt_credentials()
            if not doubtful or part.tried_at is not None:  # with it comes again that it was tried
                return RetryAfter(ref=part.ref, delay_s=_CREDENTIALS_S)
        reason = refusals.meaning(error, _needed(part))
        if doubtful:
            return Uncertain(ref=part.ref, reason=f"an earlier attempt may have been sent; now {reason}")
        return Failed(ref=part.ref, reason=reason)


async def react(api: Api, channel: int, message_id: str, emoji: str) -> None:
    """Put an emoji on a message.

    Raises:
        DiscordError: it is not there.
    """
    path = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me"
    try:
        await api.call("PUT", path, channel_id=channel, message_id=message_id, emoji=emoji)
    except Refusal as error:
        other = in_other_style(emoji)
        if error.code != refusals.UNKNOWN_EMOJI or other is None:
            raise
        await api.call("PUT", path, channel_id=channel, message_id=message_id, emoji=other)


def _id(part: Send) -> str:
    if part.message_id is None or not is_id(part.message_id):
        raise Impossible(f"{(part.message_id or '')[:40]!r} is no message id of Discord's")
    return part.message_id


def _needed(part: Send) -> str:
    """Return the permissions that a part takes."""
    if part.kind == "react":
        return "Add Reactions (and Read Message History)"
    if part.kind == "edit":
        return "View Channel (and Send Messages)"
    needed = "Send Messages in Threads" if "/" in part.chat else "Send Messages"
    return f"{needed} (and Attach Files)" if part.files or part.format == letters.AS_FILE else needed
