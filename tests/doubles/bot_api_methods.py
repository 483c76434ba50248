"""The methods of the Bot API: what each takes, and what it does to the world."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from telegram.constants import ReactionEmoji

from tests.doubles.bot_api_calls import Call, Kind, check_parameters
from tests.doubles.bot_api_checks import (
    DOWNLOAD_BYTES,
    PHOTO_BYTES,
    UPLOAD_BYTES,
    ApiError,
    Mistake,
    check_picture,
    checked_markup,
    checked_text,
    mistake,
    refusal,
    units,
)
from tests.doubles.bot_api_person import document, photo
from tests.doubles.bot_api_world import (
    GENERAL,
    Action,
    Answered,
    Chat,
    ChatKind,
    Edit,
    Message,
    Reaction,
    StoredFile,
    World,
)

EMOJI = {str(emoji) for emoji in ReactionEmoji}
ACTIONS = {
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "upload_document",
    "choose_sticker",
    "find_location",
    "record_video_note",
    "upload_video_note",
}
ALBUM = range(2, 11)
ALBUM_KINDS = ("photo", "video", "document", "audio")
COMMAND = re.compile(r"[a-z0-9_]{1,32}")
NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
OLD_QUERY = "query is too old and response timeout expired or query ID is invalid"

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
ONE = {"business_connection_id": Kind.STRING, "chat_id": Kind.CHAT, "message_id": Kind.INTEGER}
COMMANDS = {"scope": Kind.OBJECT, "language_code": Kind.STRING}


@dataclass(frozen=True)
class Method:
    """A method: what it takes, and what carries it out."""

    takes: dict[str, Kind]
    carry_out: Callable[[World, Call], Any] | Callable[[World, Call], Awaitable[Any]]


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


def get_file(world: World, call: Call) -> dict[str, Any]:
    """Give a file a link."""
    stored = world.files.get(call.needed("file_id"))
    if stored is None:
        raise refusal("wrong file_id or the file is temporarily unavailable")
    if stored.size > DOWNLOAD_BYTES:
        raise refusal("file is too big")
    ending = stored.name.rpartition(".")[2] if "." in stored.name else "bin"
    number = list(world.files).index(stored.file_id)
    stored.path = f"{stored.folder}/file_{number}.{re.sub(r'[^0-9A-Za-z]', '', ending) or 'bin'}"
    return stored.raw | {"file_path": stored.path}


# The rest


def set_reaction(world: World, call: Call) -> bool:
    """React to a message, or take the reaction back."""
    chat = world.reachable(call.get("chat_id"))
    message = chat.messages.get(call.needed("message_id"))
    if message is None:
        raise refusal("message to react not found")
    given = call.get("reaction") or []
    if len(given) > 1:
        raise mistake("REACTIONS_TOO_MANY")
    emoji = [one.get("emoji") for one in given if isinstance(one, dict) and one.get("type") == "emoji"]
    if len(emoji) != len(given) or not EMOJI.issuperset(emoji):
        raise refusal("REACTION_INVALID")
    message.reactions[world.bot["id"]] = given
    world.reactions.append(Reaction(chat.id, message.message_id, emoji[0] if emoji else None))
    return True


def send_action(world: World, call: Call) -> bool:
    """Show what the bot is doing; only here General has an id."""
    chat = world.reachable(call.get("chat_id"))
    thread, action = call.get("message_thread_id"), call.needed("action")
    if action not in ACTIONS:
        raise mistake("wrong parameter action in request")
    if thread is not None and thread not in chat.topics and not (chat.forum and thread == GENERAL):
        raise refusal("message thread not found")
    world.actions.append(Action(chat.id, thread, action, call.at))
    return True


def answer_query(world: World, call: Call) -> bool:
    """Answer the press of a button, once."""
    query_id, text = call.needed("callback_query_id"), call.get("text")
    if units(text or "") > 200:
        raise mistake("MESSAGE_TOO_LONG")
    if not world.queries.get(query_id):
        raise refusal(OLD_QUERY)
    world.queries[query_id] = False
    world.callbacks_answered.append(Answered(query_id, text, bool(call.get("show_alert"))))
    return True


async def get_updates(world: World, call: Call) -> list[dict[str, Any]]:
    """Confirm updates and return the next."""
    offset, limit = call.get("offset") or 0, call.get("limit")
    if offset < 0:
        world.violations.append("getUpdates: a negative offset forgets everything before it")
    if limit is not None and limit not in range(1, 101):
        raise mistake("limit is out of range")
    return await world.updates.poll(offset, limit or 100, call.get("timeout") or 0, call.get("allowed_updates"))


def get_webhook(world: World, _call: Call) -> dict[str, Any]:
    """Tell whether a webhook is set."""
    updates = world.updates
    info: dict[str, Any] = {"url": updates.webhook, "has_custom_certificate": False}
    info["pending_update_count"] = len(updates.waiting)
    return info | ({"allowed_updates": updates.allowed} if updates.allowed else {})


def delete_webhook(world: World, call: Call) -> bool:
    """Take the webhook away."""
    if call.get("drop_pending_updates"):
        world.violations.append("deleteWebhook: drop_pending_updates loses messages")
        world.updates.waiting.clear()
    world.updates.webhook = ""
    return True


def get_chat(world: World, call: Call) -> dict[str, Any]:
    """Describe a chat."""
    gifts = dict.fromkeys(
        ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"), True
    )
    more = {"accent_color_id": 3, "max_reaction_count": 11, "accepted_gift_types": gifts}
    return world.reachable(call.get("chat_id")).raw | more


def get_member(world: World, call: Call) -> dict[str, Any]:
    """Describe somebody's place in a chat."""
    chat, user_id = world.reachable(call.get("chat_id")), call.needed("user_id")
    status = chat.members.get(user_id)
    if status is None:
        raise refusal("PARTICIPANT_ID_INVALID")
    is_bot = user_id == world.bot["id"]
    user = world.bot if is_bot else {"id": user_id, "is_bot": False, "first_name": "Somebody"}
    return {"user": user, "status": status} | ({"is_anonymous": False} if status == "creator" else {})


def set_commands(world: World, call: Call) -> bool:
    """Say which commands the bot has."""
    given = call.needed("commands")
    for command in given:
        if not COMMAND.fullmatch(command.get("command", "")) or not 1 <= len(command.get("description", "")) <= 256:
            raise mistake("BOT_COMMAND_INVALID")
    if len(given) > 100:
        raise mistake("BOT_COMMANDS_TOO_MUCH")
    world.commands = given
    return True


def media_method(kind: str, **more: Kind) -> Method:
    """Return the method that sends one file of a kind."""
    return Method(SENDING | CAPTION | {kind: Kind.FILE} | more, sender(kind))


METHODS = {
    "getMe": Method({}, lambda world, _: world.bot | world.abilities),
    "getUpdates": Method(
        {"offset": Kind.INTEGER, "limit": Kind.INTEGER, "timeout": Kind.INTEGER, "allowed_updates": Kind.ARRAY},
        get_updates,
    ),
    "sendMessage": Method(SENDING | TEXT, send_message),
    "sendPhoto": media_method("photo", **ABOVE, has_spoiler=Kind.FLAG),
    "sendDocument": media_method("document", thumbnail=Kind.FILE, disable_content_type_detection=Kind.FLAG),
    "sendVideo": media_method(
        "video", **ABOVE, **SIDES, has_spoiler=Kind.FLAG, supports_streaming=Kind.FLAG, cover=Kind.FILE
    ),
    "sendAnimation": media_method("animation", **ABOVE, **SIDES, has_spoiler=Kind.FLAG),
    "sendAudio": media_method(
        "audio", duration=Kind.INTEGER, performer=Kind.STRING, title=Kind.STRING, thumbnail=Kind.FILE
    ),
    "sendVoice": media_method("voice", duration=Kind.INTEGER),
    "sendMediaGroup": Method(
        {key: kind for key, kind in SENDING.items() if key != "reply_markup"} | {"media": Kind.ARRAY}, send_album
    ),
    "editMessageText": Method(ONE | TEXT | {"reply_markup": Kind.OBJECT}, edit_text),
    "editMessageCaption": Method(ONE | CAPTION | ABOVE | {"reply_markup": Kind.OBJECT}, edit_caption),
    "editMessageReplyMarkup": Method(ONE | {"reply_markup": Kind.OBJECT}, edit_markup),
    "setMessageReaction": Method(
        {"chat_id": Kind.CHAT, "message_id": Kind.INTEGER, "reaction": Kind.ARRAY, "is_big": Kind.FLAG}, set_reaction
    ),
    "sendChatAction": Method(
        {
            "business_connection_id": Kind.STRING,
            "chat_id": Kind.CHAT,
            "message_thread_id": Kind.INTEGER,
            "action": Kind.STRING,
        },
        send_action,
    ),
    "answerCallbackQuery": Method(
        {
            "callback_query_id": Kind.STRING,
            "text": Kind.STRING,
            "show_alert": Kind.FLAG,
            "url": Kind.STRING,
            "cache_time": Kind.INTEGER,
        },
        answer_query,
    ),
    "getFile": Method({"file_id": Kind.STRING}, get_file),
    "setMyCommands": Method({"commands": Kind.ARRAY} | COMMANDS, set_commands),
    "getMyCommands": Method(COMMANDS, lambda world, _: world.commands),
    "getWebhookInfo": Method({}, get_webhook),
    "deleteWebhook": Method({"drop_pending_updates": Kind.FLAG}, delete_webhook),
    "getChat": Method({"chat_id": Kind.CHAT}, get_chat),
    "getChatMember": Method({"chat_id": Kind.CHAT, "user_id": Kind.INTEGER}, get_member),
}
NAMES = {name.lower(): name for name in METHODS}  # Telegram takes any case
