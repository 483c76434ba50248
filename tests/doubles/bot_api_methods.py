"""The methods of the Bot API: what each takes, and what it does to the world."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from telegram.constants import ReactionEmoji

from tests.doubles.bot_api_calls import Call, Kind
from tests.doubles.bot_api_checks import DOWNLOAD_BYTES, mistake, refusal, units
from tests.doubles.bot_api_sending import (
    ABOVE,
    CAPTION,
    SENDING,
    SIDES,
    TEXT,
    edit_caption,
    edit_markup,
    edit_text,
    send_album,
    send_message,
    sender,
)
from tests.doubles.bot_api_world import GENERAL, Action, Answered, Reaction, World

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
COMMAND = re.compile(r"[a-z0-9_]{1,32}")
OLD_QUERY = "query is too old and response timeout expired or query ID is invalid"

ONE = {"business_connection_id": Kind.STRING, "chat_id": Kind.CHAT, "message_id": Kind.INTEGER}
COMMANDS = {"scope": Kind.OBJECT, "language_code": Kind.STRING}


@dataclass(frozen=True)
class Method:
    """A method: what it takes, and what carries it out."""

    takes: dict[str, Kind]
    carry_out: Callable[[World, Call], Any] | Callable[[World, Call], Awaitable[Any]]


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
