"""Carries out what the daemon asks for: messages, edits, reactions. Every error becomes one of the outcomes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from telegram import InputFile, InputMediaAudio, InputMediaDocument, InputMediaPhoto, InputMediaVideo, MessageEntity
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, TelegramError

from channeld.core.model import Attachment
from channeld.ipc.messages import Failed, RetryAfter, Send, Sent, Split, Uncertain
from channeld_workers.backoff import pause_s
from channeld_workers.files import safe_name
from channeld_workers.runtime import Outcome
from channeld_workers.telegram import letters, media, reactions
from channeld_workers.telegram.api import Client, NotReached, TooFast
from channeld_workers.telegram.chats import Chat, quoting, read_chat
from channeld_workers.telegram.keyboards import reply_keyboard
from channeld_workers.telegram.pace import Pace
from channeld_workers.telegram.rendering import TEXT_LIMIT, utf16_len
from channeld_workers.telegram.settings import Settings

_RETRY_S: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
_CREDENTIALS_S: Final = 30.0
_MEDIA: Final = {
    "photo": InputMediaPhoto, "video": InputMediaVideo, "audio": InputMediaAudio, "document": InputMediaDocument,
}  # fmt: skip
_UNCHANGED: Final = "message is not modified"
_PARSE: Final = ("parse entities", "entity", "entities")
_NO_TEXT: Final = "there is no text in the message to edit"


class Sender:
    """Sends through a bot.

    Args:
        client: the bot.
        settings: of the worker.
        moved: called with Telegram's ids of a group, before and after, and awaited until that is recorded.
        doubt_credentials: called when the server refuses the token.
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        moved: Callable[[int, int], Awaitable[None]],
        doubt_credentials: Callable[[], None],
    ) -> None:
        self._client, self._settings = client, settings
        self._moved, self._doubt_credentials = moved, doubt_credentials
        self._pace = Pace()
        self._failures: dict[int, int] = {}
        """By chat, how often in a row the server was not reached."""

    async def send(self, part: Send) -> Outcome:
        """Carry out a part."""
        chat = read_chat(part.chat)
        if chat is None:
            return Failed(ref=part.ref, reason=f"{part.chat} is no chat of Telegram's")
        if part.kind == "message" and part.format not in {letters.ENTITIES, letters.AS_FILE}:
            if (why := media.refusal(part.files, self._settings.max_upload_bytes)) is not None:
                return Failed(ref=part.ref, reason=why)
            pieces = letters.pieces_of(part, self._settings)
            if len(pieces) > 1:
                return Split(ref=part.ref, pieces=pieces)
            if not pieces:
                return Failed(ref=part.ref, reason="there is nothing in it that Telegram could show")
            (first,) = pieces  # its files and buttons are those that the part has
            part.text, part.format, part.entities, part.reply_to = (
                first.text, first.format, first.entities, first.reply_to,
            )  # fmt: skip
        if part.kind == "message" and (wait_s := self._pace.take(chat.id, time.monotonic())) > 0:
            return RetryAfter(ref=part.ref, delay_s=wait_s)
        try:
            message_id = await self._carry_out(part, chat)
        except TelegramError as error:
            return await self._outcome(part.ref, chat, error)
        self._failures.pop(chat.id, None)
        return Sent(ref=part.ref, message_id=message_id)

    async def _carry_out(self, part: Send, chat: Chat) -> str:
        match part.kind:
            case "message":
                return await self._send_message(part, chat)
            case "edit":
                return await self._edit(part, chat)
            case "react":
                return await self._react(part, chat)
            case _:
                raise BadRequest(f"Telegram cannot do {part.kind}")

    # -- messages

    async def _send_message(self, part: Send, chat: Chat) -> str:
        common: dict[str, Any] = {
            "chat_id": chat.id, "message_thread_id": chat.thread,
            "disable_notification": self._settings.silent or None,
            "reply_parameters": quoting(part.reply_to),
            "reply_markup": reply_keyboard(part.send_id, part.buttons),
        }  # fmt: skip
        if part.format == letters.AS_FILE:
            answer = InputFile(part.text.encode("utf-8", "replace"), filename="answer.md")
            return _id_of(await self._client.call("sendDocument", document=answer, **common))
        if part.files:
            return await self._send_files(part, common)
        return await self._with_entities(
            part,
            lambda entities: self._client.call(
                "sendMessage", text=part.text, entities=entities or None,
                link_preview_options=None if self._settings.link_previews else {"is_disabled": True}, **common,
            ),
        )  # fmt: skip

    async def _send_files(self, part: Send, common: dict[str, Any]) -> str:
        (batch,) = media.plan(part.files)
        with _opened(batch.files) as files:

            async def send(entities: list[dict[str, Any]]) -> Any:
                for _, handle in files:
                    handle.seek(0)
                if batch.method != "album":
                    file, handle = files[0]
                    upload = _upload(file, handle)
                    content: dict[str, Any] = {
                        batch.method: upload, "caption": part.text or None, "caption_entities": entities or None,
                    }  # fmt: skip
                    return await self._client.call(f"send{batch.method.capitalize()}", **content, **common)
                uploads = [_upload(file, handle, attach=True) for file, handle in files]
                album = [_MEDIA[method](upload) for upload, method in zip(uploads, batch.methods, strict=True)]
                if part.text:
                    formatted = [MessageEntity.de_json(entity, None) for entity in entities]
                    album[0] = _MEDIA[batch.methods[0]](uploads[0], caption=part.text, caption_entities=formatted)
                return await self._client.call("sendMediaGroup", media=album, **common)

            return await self._with_entities(part, send)

    @staticmethod
    async def _with_entities(part: Send, send: Callable[[list[dict[str, Any]]], Awaitable[Any]]) -> str:
        """Send a text with its formatting, or without where Telegram does not understand that."""
        try:
            return _id_of(await send(part.entities))
        except BadRequest as error:
            if not part.entities or not any(sign in error.message.lower() for sign in _PARSE):
                raise
            return _id_of(await send([]))

    # -- changes

    async def _edit(self, part: Send, chat: Chat) -> str:
        text = letters.rendered(part)
        if utf16_len(text.text) > TEXT_LIMIT:
            raise BadRequest(f"an edited message may have {TEXT_LIMIT} characters: send what is new as a reply")
        if not text.text.strip():
            raise BadRequest("there is nothing in it that Telegram could show")
        target = {"chat_id": chat.id, "message_id": _number(part.message_id)}
        part.text, part.entities = text.text, text.entities
        preview = None if self._settings.link_previews else {"is_disabled": True}

        async def edit(entities: list[dict[str, Any]]) -> Any:
            try:
                return await self._client.call(
                    "editMessageText", text=part.text, entities=entities or None, link_preview_options=preview, **target
                )
            except BadRequest as error:
                if _UNCHANGED in error.message.lower():
                    return target
                if _NO_TEXT not in error.message.lower():
                    raise
            return await self._client.call(
                "editMessageCaption", caption=part.text, caption_entities=entities or None, **target
            )

        await self._with_entities(part, edit)
        return part.message_id or ""

    async def _react(self, part: Send, chat: Chat) -> str:
        emoji = reactions.nearest(part.text) if part.text else ""
        if emoji is None:
            raise BadRequest(f"a bot cannot react with that on Telegram; it can with {' '.join(reactions.SOME)}")
        await self._client.call(
            "setMessageReaction", chat_id=chat.id, message_id=_number(part.message_id),
            reaction=[{"type": "emoji", "emoji": emoji}] if emoji else [],
        )  # fmt: skip
        return part.message_id or ""

    # -- errors

    async def _outcome(self, ref: int, chat: Chat, error: TelegramError) -> Outcome:
        """Return what an error means. Every unknown one may have been sent."""
        match error:
            case TooFast(delay_s=delay_s):
                self._pace.closed(chat.id, delay_s, time.monotonic())
                return RetryAfter(ref=ref, delay_s=delay_s)
            case NotReached():
                number = self._failures[chat.id] = self._failures.get(chat.id, -1) + 1
                return RetryAfter(ref=ref, delay_s=pause_s(_RETRY_S, number))
            case ChatMigrated(new_chat_id=new):
                await self._moved(chat.id, new)
                return RetryAfter(ref=ref, delay_s=0.0)
            case InvalidToken():
                self._doubt_credentials()
                return RetryAfter(ref=ref, delay_s=_CREDENTIALS_S)
            case Forbidden() | BadRequest():
                return Failed(ref=ref, reason=_sentence(error.message))
            case _:
                return Uncertain(ref=ref, reason=_sentence(error.message))


@contextmanager
def _opened(files: list[Attachment]) -> Iterator[list[tuple[Attachment, Any]]]:
    """Open copies in the spool for the time of a call."""
    with ExitStack() as stack:
        try:
            yield [(file, stack.enter_context(Path(file.path or "").open("rb"))) for file in files]
        except OSError as error:
            raise BadRequest(f"the copy of a file cannot be read: {error.strerror}") from None


def _upload(file: Attachment, handle: Any, *, attach: bool = False) -> InputFile:
    return InputFile(handle, filename=safe_name(file.name), read_file_handle=False, attach=attach)


def _number(message_id: str | None) -> int:
    if message_id is None or not message_id.isascii() or not message_id.isdecimal():
        raise BadRequest(f"{(message_id or '')[:40]!r} is no message id of Telegram's")
    return int(message_id)


def _id_of(result: Any) -> str:
    """Return the id of a message, or of the first one of an album."""
    message = result[0] if isinstance(result, list) and result else result
    number = message.get("message_id") if isinstance(message, dict) else None
    return str(number) if isinstance(number, int) else ""


def _sentence(message: str) -> str:
    """Return Telegram's words without the class of error that they begin with, as the rest of a sentence."""
    words = message.removeprefix("Forbidden: ")
    return words[:1].lower() + words[1:]
