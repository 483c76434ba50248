"""What the bot sends and edits: where it goes, its text, its buttons and its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.doubles.bot_api_calls import Call, Kind, check_parameters
from tests.doubles.bot_api_checks import (
    PHOTO_BYTES,
    UPLOAD_BYTES,
    ApiError,
    Mistake,
    check_picture,
    checked_markup,
    checked_text,
    mistake,
    refusal,
)
from tests.doubles.bot_api_person import document, photo
from tests.doubles.bot_api_world import Chat, ChatKind, Edit, Message, StoredFile, World

ALBUM = range(2, 11)
ALBUM_KINDS = ("photo", "video", "document", "audio")
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)

SENDING = {
    "business_connection_id": Kind.STRING,
    "chat_id": Kind.CHAT,
    "message_thread_id": Kind.INTEGER,
    "direct_messages_topic_id": Kind.INTEGER,
    "disable_notification": Kind.FLAG,
    "protect_content": Kind.FLAG,
    "allow_paid_broadcast": Kind.FLAG,
    "message_effect_id": Kind.STRING,
    "suggested_post_parameters": Kind.OBJECT,
    "reply_parameters": Kind.OBJECT,
    "reply_markup": Kind.OBJECT,
}
CAPTION = {"caption": Kind.STRING, "parse_mode": Kind.STRING, "caption_entities": Kind.ARRAY}
ABOVE = {"show_caption_above_media": Kind.FLAG}
TEXT = {"text": Kind.STRING, "parse_mode": Kind.STRING, "entities": Kind.ARRAY, "link_preview_options": Kind.OBJECT}
SIDES = {"duration": Kind.INTEGER, "width": Kind.INTEGER, "height": Kind.INTEGER, "thumbnail": Kind.FILE}
ITEM = {
    "type": Kind.STRING,
    "media": Kind.FILE,
    **CAPTION,
    **ABOVE,
    **SIDES,
    "has_spoiler": Kind.FLAG,
    "supports_streaming": Kind.FLAG,
    "cover": Kind.FILE,
    "start_timestamp": Kind.INTEGER,
    "performer": Kind.STRING,
    "title": Kind.STRING,
    "disable_content_type_detection": Kind.FLAG,
}


# Where a message goes


@dataclass(frozen=True)
class Target:
    """A chat, and the head of a message that goes there."""

    chat: Chat
    head: dict[str, Any]
    silent: bool


def target(world: World, call: Call, messages: int = 1) -> Target:
    """Return where messages go.

    Raises:
        ApiError: they cannot go there, or not now.
    """
    chat = world.reachable(call.get("chat_id"))
    head: dict[str, Any] = {"sender_chat": chat.raw} if chat.kind is ChatKind.CHANNEL else {"from": world.bot}
    thread = call.get("message_thread_id")
    replied = replied_message(world, chat, call.get("reply_parameters"))
    if thread is not None and thread not in chat.topics:
        raise refusal("message thread not found")
    if thread is None and replied is not None and replied.thread_id in chat.topics:
        thread = replied.thread_id
    if thread is not None:
        head |= {"message_thread_id": thread, "is_topic_message": True}
    if replied is not None:
        head["reply_to_message"] = replied.quoted()
    if chat.limit is not None and (wait_s := chat.limit.wait_s(world.clock(), messages)):
        raise ApiError(429, f"Too Many Requests: retry after {wait_s}", {"retry_after": wait_s})
    return Target(chat, head, bool(call.get("disable_notification")))


def replied_message(world: World, chat: Chat, reply: dict[str, Any] | None) -> Message | None:
    """Return the message that is answered, or nothing."""
    if reply is None:
        return None
    known = {"message_id", "chat_id", "allow_sending_without_reply", "quote", "quote_parse_mode", "quote_entities"}
    if unknown := reply.keys() - known - {"quote_position", "checklist_task_id", "poll_option_id"}:
        raise mistake(f"can't parse reply parameters: unknown {', '.join(sorted(unknown))}")
    number = reply.get("message_id")
    if not isinstance(number, int) or number <= 0:
        raise mistake("can't parse reply parameters: message_id is wrong")
    other = world.reachable(reply["chat_id"]) if "chat_id" in reply else chat
    message = other.messages.get(number)
    if message is None:
        if reply.get("allow_sending_without_reply"):
            return None
        raise refusal("message to be replied not found")
    if "quote" in reply and reply["quote"] not in message.text:
        raise refusal("QUOTE_TEXT_INVALID")
    return message


# Texts


def text_of(call: Call, *, caption: bool = False) -> dict[str, Any]:
    """Return a text's or a caption's fields of a message."""
    key, marked = ("caption", "caption_entities") if caption else ("text", "entities")
    given = call.get(key)
    text, entities = checked_text(given or "", call.get(marked), call.get("parse_mode"), caption=caption)
    return ({key: text} if text else {}) | ({marked: entities} if entities else {})


def markup_of(call: Call, *, inline_only: bool = False) -> dict[str, Any]:
    """Return a markup's field of a message."""
    markup = checked_markup(call.get("reply_markup"), inline_only=inline_only)
    return {} if markup is None else {"reply_markup": markup}


def put(world: World, call: Call, where: Target, parts: dict[str, Any], files: list[StoredFile]) -> dict[str, Any]:
    """Put a message of the bot's into a chat; return its Bot API form."""
    parse_mode = call.get("parse_mode")
    more = {"by_bot": True, "silent": where.silent, "parse_mode": parse_mode, "method": call.method, "files": files}
    return dict(world.new_message(where.chat, where.head | parts, **more).raw)


def send_message(world: World, call: Call) -> dict[str, Any]:
    """Send a text."""
    parts = text_of(call) | markup_of(call)
    return put(world, call, target(world, call), parts, [])


def edited_message(world: World, call: Call) -> Message:
    """Return the message of the bot's that is edited."""
    chat = world.reachable(call.get("chat_id"))
    message = chat.messages.get(call.needed("message_id"))
    if message is None:
        raise refusal("message to edit not found")
    if not message.by_bot:
        raise refusal("message can't be edited")
    return message


def change(world: World, message: Message, parts: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    """Give a message other parts instead of what it had under some keys; return its Bot API form."""
    if all(message.raw.get(key) == parts.get(key) for key in keys):
        raise refusal(NOT_MODIFIED)
    for key in keys:
        message.raw.pop(key, None)
    message.raw |= parts | {"edit_date": int(world.wall())}
    text = message.text if keys != ("reply_markup",) else None
    world.edits.append(Edit(message.chat_id, message.message_id, text, message.entities, message.buttons))
    return dict(message.raw)


def edit_text(world: World, call: Call) -> dict[str, Any]:
    """Change a text; without a keyboard there is none afterwards."""
    parts = text_of(call) | markup_of(call, inline_only=True)
    message = edited_message(world, call)
    if "text" not in message.raw:
        raise refusal("there is no text in the message to edit")
    return change(world, message, parts, ("text", "entities", "reply_markup"))


def edit_caption(world: World, call: Call) -> dict[str, Any]:
    """Change a caption."""
    parts = text_of(call, caption=True) | markup_of(call, inline_only=True)
    message = edited_message(world, call)
    if "text" in message.raw:
        raise refusal("there is no caption in the message to edit")
    return change(world, message, parts, ("caption", "caption_entities", "reply_markup"))


def edit_markup(world: World, call: Call) -> dict[str, Any]:
    """Change or take away the buttons."""
    return change(world, edited_message(world, call), markup_of(call, inline_only=True), ("reply_markup",))


# Files


def stored_file(world: World, call: Call, value: object, kind: str) -> StoredFile:
    """Return the file that a parameter names: an upload, or one that Telegram has."""
    if not isinstance(value, str) or not value:
        raise mistake(f"there is no {kind} in the request")
    if not value.startswith("attach://"):
        if value not in world.files:
            raise refusal("wrong file identifier/HTTP URL specified")
        return world.files[value]
    upload = call.uploads.get(value.removeprefix("attach://"))
    if upload is None:
        raise mistake("can't parse InputMedia: media not found")
    upload.used = True
    if not upload.data:
        raise refusal("file must be non-empty")
    if len(upload.data) > UPLOAD_BYTES:
        raise Mistake(413, "Request Entity Too Large")
    if kind == "photo" and len(upload.data) > PHOTO_BYTES:
        reason = f"file of size {len(upload.data)} bytes is too big for a photo"
        raise mistake(f"{reason}; the maximum size is {PHOTO_BYTES} bytes")
    if kind == "photo":
        check_picture(upload.data)
    return world.store(upload.data, upload.name, upload.mime, f"{kind}s")


def media(stored: StoredFile, kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return the field that a message has for a file of some kind."""
    if kind == "photo":
        return photo(stored)
    if kind == "document":
        return document(stored)
    named = {"file_name": stored.name} if stored.name and kind != "voice" else {}
    mime = {"mime_type": stored.mime} if stored.mime else {}
    sides = {"width": given.get("width", 320), "height": given.get("height", 240)}
    moving = sides if kind in ("video", "animation") else {}
    field = {kind: stored.raw | named | mime | moving | {"duration": given.get("duration", 0)}}
    return field | (document(stored) if kind == "animation" else {})


def sender(kind: str) -> Callable[[World, Call], dict[str, Any]]:
    """Return what sends one file of a kind."""

    def send(world: World, call: Call) -> dict[str, Any]:
        parts = text_of(call, caption=True) | markup_of(call)
        stored = stored_file(world, call, call.get(kind), kind)
        if call.get("thumbnail") is not None:
            stored_file(world, call, call.get("thumbnail"), "thumbnail")
        return put(world, call, target(world, call), media(stored, kind, call.parameters) | parts, [stored])

    return send


def send_album(world: World, call: Call) -> list[dict[str, Any]]:
    """Send an album: all of it, or nothing."""
    items = call.needed("media")
    if len(items) not in ALBUM:
        raise mistake("too many messages to send as an album" if items else "there are no messages to send")
    parts = []
    for item in items:
        kind = item.get("type") if isinstance(item, dict) else None
        if kind not in ALBUM_KINDS:
            raise mistake(f"can't parse InputMedia: type {kind} is unsupported")
        if kind in ("document", "audio") and any(other.get("type") != kind for other in items):
            raise mistake(f"{kind} can't be mixed with other media types")
        of_item = Call(call.method, call.at, item, call.uploads)
        check_parameters(of_item, ITEM)
        call.complaints += of_item.complaints
        parts.append((kind, item, text_of(of_item, caption=True)))
    stored = [stored_file(world, call, item.get("media"), kind) for kind, item, _ in parts]
    where = target(world, call, len(items))
    group = {"media_group_id": str(10**16 + where.chat.next_message_id)}
    return [
        put(world, call, where, media(one, kind, item) | caption | group, [one])
        for one, (kind, item, caption) in zip(stored, parts, strict=True)
    ]
