"""What the API's message routes do: read, write, edit, delete, react, say that one is typing."""

from __future__ import annotations

from typing import Any

from tests.doubles.discord_api_calls import Call, Fields, check_types
from tests.doubles.discord_api_checks import (
    FILE_BYTES,
    FILES,
    NONCE,
    ApiError,
    Mistake,
    check_length,
    check_message,
    invalid,
    is_forward,
)
from tests.doubles.discord_api_objects import (
    WITHOUT_MESSAGES,
    Channel,
    Kind,
    Message,
    MessageFlag,
    Permission,
    StoredFile,
    timestamp,
)
from tests.doubles.discord_api_world import ROLE_MENTION, USER_MENTION, Edit, Reaction, Typing, World

PAGE = 100
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


def found(world: World, call: Call, needed: Permission = Permission.VIEW_CHANNEL) -> Message:
    """Return the message that a request names.

    Raises:
        ApiError: there is none, or the bot may not.
    """
    channel = world.reachable(call.number("channel_id"), needed)
    message = channel.messages.get(call.number("message_id"))
    if message is None:
        raise ApiError(404, 10008, "Unknown Message")
    return message


def get_messages(world: World, call: Call) -> list[dict[str, Any]]:
    """Return a page of a channel, newest first.

    ``after`` gives those directly after an id, ``before`` those directly before it, ``around`` both, with it.
    """
    channel = world.reachable(call.number("channel_id"))
    limit = call.whole("limit", 50, 1, PAGE)
    if channel.kind in WITHOUT_MESSAGES:
        raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
    points = {key: anchor(call, key) for key in ("around", "before", "after") if key in call.query}
    if len(points) > 1:
        raise invalid("around", "before, after and around are mutually exclusive")
    if unknown := call.query.keys() - points.keys() - {"limit"}:
        call.complaints.append(f"unknown in the query: {', '.join(unknown)}")
    if not world.permissions(channel) & Permission.READ_MESSAGE_HISTORY:
        return []
    messages = list(channel.messages.values())
    match points:
        case {"after": point}:
            page = [one for one in messages if one.id > point][:limit]
        case {"before": point}:
            page = [one for one in messages if one.id < point][-limit:]
        case {"around": point}:
            older = [one for one in messages if one.id < point]
            newer = [one for one in messages if one.id >= point]
            page = older[-(limit // 2) :] + newer[: limit - limit // 2]
        case _:
            page = messages[-limit:]
    return [world.fetched(one) for one in reversed(page)]


def anchor(call: Call, key: str) -> int:
    """Return a snowflake of the query."""
    value = call.query[key]
    if not value.isdecimal() or int(value) >= 1 << 63:
        raise invalid(key, f'Value "{value}" is not snowflake.')
    return int(value)


def get_message(world: World, call: Call) -> dict[str, Any]:
    """Return one message."""
    return world.fetched(found(world, call, Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY))


def create_message(world: World, call: Call) -> dict[str, Any]:
    """Send a message, or return the one that was sent under the same nonce in the last two minutes."""
    channel = writable(world, call)
    nonce = checked_nonce(call)
    check_message(call.body, files=len(call.uploads), complaints=call.complaints)
    if nonce is not None and call.get("enforce_nonce"):
        first = world.first_under(nonce)
        if first is not None:
            if first.channel is not channel or first.raw["content"] != (call.get("content") or "").strip():
                call.complaints.append("another message under a nonce that was used")
            world.repeats.append(first)
            for upload in call.uploads.values():
                upload.used = True
            return world.fetched(first)
    files = stored_files(world, call, channel)
    parts = message_parts(call.body)
    parts |= reference(world, call, channel)
    if call.get("sticker_ids"):
        parts["sticker_items"] = [
            {"id": str(one), "name": "sticker", "format_type": 1} for one in call.body["sticker_ids"]
        ]
    if nonce is not None:
        parts["nonce"] = call.body["nonce"]
    message = world.new_message(
        channel,
        world.bot_id,
        parts,
        files=files,
        nonce=nonce,
        pings=pinged(world, call.body, channel),
    )
    if nonce is not None:
        world.remember(nonce, message)
    return world.fetched(message)


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
        parts["components"] = body["components"]
    if body.get("tts"):
        parts["tts"] = True
    if body.get("poll"):
        parts["poll"] = body["poll"]
    return parts


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
        snapshot = {"message": snapshot_of(world, target)}
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


UNKNOWN_REFERENCE = {"code": "MESSAGE_REFERENCE_UNKNOWN_MESSAGE", "message": "Unknown message"}


def snapshot_of(world: World, message: Message) -> dict[str, Any]:
    """Return what a forward keeps of a message."""
    shown = world.shown(message)
    kept = ("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp", "flags", "mentions")
    more = ("mention_roles", "sticker_items", "components")
    return {key: shown[key] for key in kept + more if key in shown}


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


def edit_message(world: World, call: Call) -> dict[str, Any]:
    """Change a message of the bot's."""
    message = found(world, call)
    if not message.by_bot:
        raise Mistake(403, 50005, "Cannot edit a message authored by another user")
    if message.channel.archived:
        raise ApiError(400, 50083, "Thread is archived")
    return change(world, call, message)


def change(world: World, call: Call, message: Message, *, logged: bool = True) -> dict[str, Any]:
    """Apply an edit's fields to a message of the bot's and tell its sessions."""
    kept = len(message.files) if call.get("attachments") is None else len(call.body["attachments"])
    check_message(call.body, files=kept + len(call.uploads), complaints=call.complaints, edited=True)
    after = message.raw | {key: call.body[key] or [] for key in ("embeds", "components") if key in call.body}
    if "content" in call.body:
        after["content"] = (call.body["content"] or "").strip()
    files = message.files if call.get("attachments") is None else stored_files(world, call, message.channel)
    if call.get("flags") is not None:
        after["flags"] = (message.raw["flags"] & ~MessageFlag.LOADING) | call.body["flags"]
    after["flags"] &= ~MessageFlag.LOADING
    if not (after["content"] or after["embeds"] or files or after["components"] or after.get("poll")):
        raise Mistake(400, 50006, "Cannot send an empty message")
    message.raw, message.files = after | {"edited_timestamp": timestamp(world.wall())}, files
    if logged:
        content = after["content"] if "content" in call.body else None
        world.edits.append(Edit(message.channel_id, message.id, content, dict(call.body)))
    if not message.ephemeral:
        world.tell("MESSAGE_UPDATE", message)
    return world.fetched(message)


def delete_message(world: World, call: Call) -> None:
    """Delete a message of the bot's, or another's with the permission to."""
    message = found(world, call)
    if not message.by_bot and not world.permissions(message.channel) & Permission.MANAGE_MESSAGES:
        raise ApiError(403, 50013, "Missing Permissions")
    if not message.by_bot and message.channel.kind is Kind.DM:
        raise ApiError(403, 50003, "Cannot execute action on a DM channel")
    world.deleted.append((message.channel_id, message.id))
    world.delete(message)


def add_reaction(world: World, call: Call) -> None:
    """React to a message."""
    message = found(world, call, Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY)
    emoji = checked_emoji(call)
    if message.channel.archived:
        raise ApiError(400, 50083, "Thread is archived")
    if emoji not in message.reactions:
        if not world.permissions(message.channel) & Permission.ADD_REACTIONS:
            raise ApiError(403, 50013, "Missing Permissions")
        if len(message.reactions) >= 20:
            raise ApiError(400, 30010, "Maximum number of reactions reached (20)")
    if message.channel.blocked:
        raise ApiError(403, 90001, "Reaction was blocked")
    world.react(message, world.bot_id, emoji)
    world.reactions.append(Reaction(message.channel_id, message.id, emoji, True))


def remove_reaction(world: World, call: Call) -> None:
    """Take a reaction of the bot's back."""
    message = found(world, call)
    emoji = checked_emoji(call)
    world.unreact(message, world.bot_id, emoji)
    world.reactions.append(Reaction(message.channel_id, message.id, emoji, False))


def checked_emoji(call: Call) -> str:
    """Return the emoji that a path names: one of Unicode's or ``name:id``."""
    emoji = call.path["emoji"]
    name, colon, number = emoji.partition(":")
    if (colon and not (name and number.isdecimal())) or (not colon and (not emoji or emoji.isascii())):
        raise ApiError(400, 10014, "Unknown Emoji")
    return emoji


def start_typing(world: World, call: Call) -> None:
    """Show for ten seconds that the bot is typing."""
    channel = writable(world, call)
    world.typings.append(Typing(channel.id, call.at))
