"""How a message of the bot's comes to be: its fields, what it answers, its files and whom it notifies."""

from __future__ import annotations

import copy
import time
from typing import Any

from tests.doubles.discord_api_calls import Call, Fields, check_types
from tests.doubles.discord_api_checks import (
    FILE_BYTES,
    FILES,
    NONCE,
    ApiError,
    check_length,
    invalid,
    is_forward,
)
from tests.doubles.discord_api_objects import (
    WITHOUT_MESSAGES,
    Channel,
    MessageFlag,
    Permission,
    StoredFile,
    flat,
    timestamp,
)
from tests.doubles.discord_api_world import ROLE_MENTION, USER_MENTION, World

MESSAGE: Fields = {
    "content": str,
    "tts": bool,
    "embeds": list,
    "allowed_mentions": dict,
    "components": list,
    "attachments": list,
    "flags": int,
    "poll": dict,
}
CREATE: Fields = MESSAGE | {
    "nonce": (str, int),
    "enforce_nonce": bool,
    "message_reference": dict,
    "sticker_ids": list,
}
EDIT: Fields = {key: kind for key, kind in MESSAGE.items() if key != "poll"}
REFERENCE: Fields = {
    "type": int,
    "message_id": (str, int),
    "channel_id": (str, int),
    "guild_id": (str, int),
    "fail_if_not_exists": bool,
}
ATTACHMENT: Fields = {
    "id": (int, str),
    "filename": str,
    "description": str,
    "title": str,
    "is_spoiler": bool,
    "duration_secs": (int, float),
    "waveform": str,
    **dict.fromkeys(("size", "height", "width"), int),
    **dict.fromkeys(("url", "proxy_url", "content_type"), str),
    "spoiler": bool,
    "flags": int,
}
UNKNOWN_REFERENCE = {"code": "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "message": "Unknown message"}


def writable(world: World, call: Call) -> Channel:
    """Return a channel that the bot may write to.

    Raises:
        ApiError: it may not.
    """
    channel = world.reachable(call.number("channel_id"))
    if channel.kind in WITHOUT_MESSAGES:
        raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
    if channel.blocked:
        raise ApiError(403, 50007, "Cannot send messages to this user")
    needed = Permission.SEND_MESSAGES_IN_THREADS if channel.is_thread else Permission.SEND_MESSAGES
    if call.uploads:
        needed |= Permission.ATTACH_FILES
    if call.get("embeds"):
        needed |= Permission.EMBED_LINKS
    if needed & ~world.permissions(channel):
        raise ApiError(403, 50013, "Missing Permissions")
    if channel.locked and not world.permissions(channel) & Permission.MANAGE_THREADS:
        raise ApiError(400, 50083, "Thread is archived")
    return channel


def checked_nonce(call: Call) -> str | None:
    """Return the nonce of a message, as text."""
    nonce = call.get("nonce")
    if nonce is None:
        if call.get("enforce_nonce"):
            call.complaints.append("enforce_nonce without a nonce")
        return None
    check_length("nonce", str(nonce), NONCE)
    if not call.get("enforce_nonce"):
        call.complaints.append("a nonce without enforce_nonce keeps nothing from being sent twice")
    return str(nonce)


def message_parts(body: dict[str, Any]) -> dict[str, Any]:
    """Return what a message's fields become in it."""
    parts: dict[str, Any] = {"content": (body.get("content") or "").strip(), "flags": body.get("flags") or 0}
    if body.get("embeds"):
        parts["embeds"] = [{"type": "rich"} | embed for embed in body["embeds"]]
    if body.get("components"):
        parts["components"] = numbered(body["components"])
    if body.get("tts"):
        parts["tts"] = True
    if body.get("poll"):
        parts["poll"] = poll_of(body["poll"])
    return parts


def numbered(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return components with the numbers that Discord gives them."""
    copies: list[dict[str, Any]] = copy.deepcopy(components)
    for number, one in enumerate(flat(copies), 1):
        one.setdefault("id", number)
    return copies


def poll_of(asked: dict[str, Any]) -> dict[str, Any]:
    """Return a poll as a message has it."""
    hours = asked.get("duration", 24)
    answers = asked.get("answers") or []
    check_length("poll.question.text", (asked.get("question") or {}).get("text"), 300)
    if not 1 <= len(answers) <= 10 or not 1 <= hours <= 768:
        raise invalid("poll", "between 1 and 10 answers and 1 and 768 hours")
    for number, one in enumerate(answers):
        check_length(f"poll.answers.{number}.poll_media.text", one["poll_media"].get("text"), 55)
    return {
        "question": asked["question"],
        "answers": [{"answer_id": number, "poll_media": one["poll_media"]} for number, one in enumerate(answers, 1)],
        "expiry": timestamp(time.time() + 3600 * hours),
        "allow_multiselect": asked.get("allow_multiselect", False),
        "layout_type": 1,
        "results": {"is_finalized": False, "answer_counts": []},
    }


def reference(world: World, call: Call, channel: Channel) -> dict[str, Any]:
    """Return the fields of a reply or of a forward.

    Raises:
        ApiError: the message is not there.
    """
    given = call.get("message_reference")
    if not given:
        return {}
    check_types("message_reference.", given, REFERENCE, call.complaints)
    place = world.reachable(int(given["channel_id"])) if given.get("channel_id") else channel
    target = place.messages.get(int(given.get("message_id") or 0))
    raw = {"type": given.get("type", 0), "channel_id": str(place.id), "message_id": str(given.get("message_id"))}
    if place.guild is not None:
        raw["guild_id"] = str(place.guild.id)
    if is_forward(call.body):
        if target is None:
            raise ApiError(404, 10008, "Unknown Message")
        snapshot = world.snapshot(target)
        return {"message_reference": raw, "message_snapshots": [snapshot], "flags": int(MessageFlag.HAS_SNAPSHOT)}
    if place is not channel:
        raise invalid("message_reference.channel_id", "Cannot reply to a message of another channel")
    if not world.permissions(channel) & Permission.READ_MESSAGE_HISTORY:
        raise ApiError(403, 160002, "You cannot reply without permission to read message history")
    if target is None:
        if given.get("fail_if_not_exists", True):
            raise ApiError(
                400, 50035, "Invalid Form Body", errors={"message_reference": {"_errors": [UNKNOWN_REFERENCE]}}
            )
        return {}
    return {"message_reference": raw, "type": 19}


def stored_files(world: World, call: Call, channel: Channel) -> list[StoredFile]:
    """Keep the files that came with a message, in the order of its ``attachments``.

    Raises:
        ApiError: one is too large, there are too many, or one that is named did not come.
    """
    named = call.get("attachments") or []
    if len(named) > FILES or len(call.uploads) > FILES:
        raise invalid("attachments", f"Must be {FILES} or fewer in length")
    largest = FILE_BYTES[channel.guild.boosts if channel.guild else 0]
    files = []
    for place, one in enumerate(named):
        check_types(f"attachments.{place}.", one, ATTACHMENT, call.complaints)
        upload = call.uploads.get(f"files[{one.get('id')}]")
        if upload is None:
            kept = world.files.get(int(one.get("id", 0)))
            if kept is None or kept.channel_id != channel.id:
                raise invalid(f"attachments.{place}.id", "Unknown attachment")
            files.append(kept)
            continue
        upload.used = True
        if len(upload.data) > largest:
            raise ApiError(413, 40005, "Request entity too large")
        if one.get("description") is not None:
            check_length(f"attachments.{place}.description", one["description"], 1024, 0)
        files.append(world.store(channel, upload.data, one.get("filename") or upload.name))
    return files


def pinged(world: World, body: dict[str, Any], channel: Channel) -> list[str]:
    """Return whom a message notifies: what its text names and its ``allowed_mentions`` let through."""
    text = body.get("content") or ""
    allowed = body.get("allowed_mentions")
    kinds = {"users", "roles", "everyone"} if allowed is None else set(allowed.get("parse") or [])
    chosen = allowed or {}
    users, roles = USER_MENTION.findall(text), ROLE_MENTION.findall(text)
    named = [one for one in users if "users" in kinds or one in map(str, chosen.get("users") or [])]
    named += [one for one in roles if "roles" in kinds or one in map(str, chosen.get("roles") or [])]
    may = world.permissions(channel) & Permission.MENTION_EVERYONE
    named += [word for word in ("everyone", "here") if f"@{word}" in text and "everyone" in kinds and may]
    answered = body.get("message_reference")
    if answered and not is_forward(body) and (allowed is None or chosen.get("replied_user")):
        target = channel.messages.get(int(answered.get("message_id") or 0))
        if target is not None and target.author_id != world.bot_id:
            named.append(str(target.author_id))
    return list(dict.fromkeys(named))
