"""What the API's message routes do: read, write, edit, delete, react, say that one is typing."""

from __future__ import annotations

from typing import Any

from tests.doubles.discord_api_calls import Call
from tests.doubles.discord_api_checks import (
    ApiError,
    Mistake,
    check_message,
    invalid,
)
from tests.doubles.discord_api_objects import (
    WITHOUT_MESSAGES,
    Kind,
    Message,
    MessageFlag,
    Permission,
    timestamp,
)
from tests.doubles.discord_api_sending import (
    checked_nonce,
    message_parts,
    numbered,
    pinged,
    reference,
    stored_files,
    writable,
)
from tests.doubles.discord_api_world import Edit, Reaction, Typing, World

PAGE = 100


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
            return sent(world, first)
    files = stored_files(world, call, channel)
    parts = message_parts(call.body)
    parts |= reference(world, call, channel)
    if call.get("sticker_ids"):
        parts["sticker_items"] = [
            {"id": str(one), "name": "sticker", "format_type": 1} for one in call.body["sticker_ids"]
        ]
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
    return sent(world, message)


def sent(world: World, message: Message) -> dict[str, Any]:
    """Return a message as its sender gets it: with the nonce, which no history has."""
    return world.fetched(message) | ({} if message.nonce is None else {"nonce": message.nonce})


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
    after = dict(message.raw)
    if "embeds" in call.body:
        after["embeds"] = [{"type": "rich"} | embed for embed in call.body["embeds"] or []]
    if "components" in call.body:
        after["components"] = numbered(call.body["components"] or [])
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
