"""What the API's thread routes do: list those that are active or archived, start, join, archive."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.doubles.discord_api_calls import Call, Fields, check_types
from tests.doubles.discord_api_checks import ApiError, Mistake, check_length, check_message, invalid
from tests.doubles.discord_api_messages import found
from tests.doubles.discord_api_objects import THREADS, Channel, Kind, Permission, seconds
from tests.doubles.discord_api_sending import CREATE, message_parts, pinged, stored_files
from tests.doubles.discord_api_world import World

ARCHIVE_MINUTES = {60, 1440, 4320, 10080}
PAGE = 100
START: Fields = {"name": str, "auto_archive_duration": int, "rate_limit_per_user": int}
START_ALONE: Fields = START | {"type": int, "invitable": bool, "message": dict, "applied_tags": list}
CHANGE: Fields = {
    "name": str,
    "archived": bool,
    "locked": bool,
    "invitable": bool,
    "auto_archive_duration": int,
    "rate_limit_per_user": int,
    "flags": int,
    "applied_tags": list,
}


def threads_of(world: World, threads: list[Channel]) -> dict[str, Any]:
    """Return threads, with the bot's membership of those it is in."""
    mine = [world.thread_raw(one)["member"] for one in threads if world.bot_id in one.joined]
    return {"threads": [world.thread_raw(one) for one in threads], "members": mine}


def active_threads(world: World, call: Call) -> dict[str, Any]:
    """Return a guild's threads that are not archived and that the bot sees, newest first."""
    guild = world.guilds.get(call.number("guild_id"))
    if guild is None:
        raise ApiError(404, 10004, "Unknown Guild")
    threads = [one for one in guild.channels.values() if one.is_thread and not one.archived and world.sees(one)]
    return threads_of(world, sorted(threads, key=lambda one: -one.id))


def archived_public(world: World, call: Call) -> dict[str, Any]:
    """Return a channel's archived public threads, those archived last first."""
    channel = world.reachable(call.number("channel_id"), Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY)
    return archived(world, call, channel, {Kind.PUBLIC_THREAD, Kind.NEWS_THREAD})


def archived_private(world: World, call: Call) -> dict[str, Any]:
    """Return all of its archived private threads."""
    needed = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY | Permission.MANAGE_THREADS
    return archived(world, call, world.reachable(call.number("channel_id"), needed), {Kind.PRIVATE_THREAD})


def archived(world: World, call: Call, channel: Channel, kinds: set[Kind]) -> dict[str, Any]:
    """Return a page of archived threads, by when they were archived."""
    limit = call.whole("limit", 50, 2, PAGE)
    threads = [one for one in channels_within(world, channel) if one.kind in kinds and one.archived]
    if "before" in call.query:
        before = checked_time(call.query["before"])
        threads = [one for one in threads if seconds(one.archived_at) < before]
    threads.sort(key=lambda one: -seconds(one.archived_at))
    return threads_of(world, threads[:limit]) | {"has_more": len(threads) > limit}


def archived_joined(world: World, call: Call) -> dict[str, Any]:
    """Return its archived private threads that the bot is in, newest first."""
    channel = world.reachable(call.number("channel_id"), Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY)
    limit = call.whole("limit", 50, 2, PAGE)
    before = call.whole("before", (1 << 63) - 1, 0, (1 << 63) - 1)
    threads = [
        one
        for one in channels_within(world, channel)
        if one.kind is Kind.PRIVATE_THREAD and one.archived and world.bot_id in one.joined and one.id < before
    ]
    threads.sort(key=lambda one: -one.id)
    return threads_of(world, threads[:limit]) | {"has_more": len(threads) > limit}


def channels_within(world: World, parent: Channel) -> list[Channel]:
    """Return a channel's threads."""
    return [one for one in world.channels.values() if one.is_thread and one.parent is parent]


def checked_time(text: str) -> float:
    """Return a time of the query in seconds since the epoch."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise invalid("before", f"Value {text!r} is not a valid ISO8601 timestamp") from None
    if when.tzinfo is None:
        raise invalid("before", "a timestamp without a zone")
    return when.timestamp()


def check_start(call: Call) -> None:
    """Refuse a thread without a name or with another duration."""
    check_length("name", call.get("name"), 100)
    if call.get("auto_archive_duration") not in ARCHIVE_MINUTES | {None}:
        raise invalid("auto_archive_duration", "Value must be one of {60, 1440, 4320, 10080}.")


def thread_from_message(world: World, call: Call) -> dict[str, Any]:
    """Start a thread at a message, whose id it gets."""
    message = found(world, call, Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY)
    check_start(call)
    if message.channel.kind not in (Kind.TEXT, Kind.NEWS):
        raise Mistake(400, 50024, "Cannot execute action on this channel type")
    if not world.permissions(message.channel) & Permission.CREATE_PUBLIC_THREADS:
        raise ApiError(403, 50013, "Missing Permissions")
    if message.id in world.channels:
        raise ApiError(400, 160004, "A thread has already been created for this message")
    return world.thread_raw(world.thread_at(message, call.body["name"], world.bot_id))


def create_thread(world: World, call: Call) -> dict[str, Any]:
    """Start a thread by itself, or a post of a forum with its first message."""
    channel = world.reachable(call.number("channel_id"))
    check_start(call)
    if channel.kind is Kind.FORUM:
        return create_post(world, call, channel)
    kind = Kind(call.get("type") or Kind.PRIVATE_THREAD)
    if channel.kind not in (Kind.TEXT, Kind.NEWS) or kind not in THREADS:
        raise Mistake(400, 50024, "Cannot execute action on this channel type")
    private = kind is Kind.PRIVATE_THREAD
    needed = Permission.CREATE_PRIVATE_THREADS if private else Permission.CREATE_PUBLIC_THREADS
    if not world.permissions(channel) & needed:
        raise ApiError(403, 50013, "Missing Permissions")
    thread = world.add_thread(channel, call.body["name"], by=world.bot_id, kind=kind)
    return world.thread_raw(thread)


def create_post(world: World, call: Call, channel: Channel) -> dict[str, Any]:
    """Start a post."""
    if not world.permissions(channel) & Permission.SEND_MESSAGES:
        raise ApiError(403, 50013, "Missing Permissions")
    inner = replace(call, body=call.get("message") or {})
    check_types("message.", inner.body, CREATE, call.complaints)
    check_message(inner.body, files=len(call.uploads), complaints=call.complaints)
    thread = world.add_thread(channel, call.body["name"], by=world.bot_id)
    files = stored_files(world, inner, thread)
    pings = pinged(world, inner.body, thread)
    message = world.new_message(
        thread, world.bot_id, message_parts(inner.body) | {"id": str(thread.id)}, files=files, pings=pings
    )
    return world.thread_raw(thread) | {"message": world.fetched(message)}


def edit_channel(world: World, call: Call) -> dict[str, Any]:
    """Change a thread: its name, whether it is archived."""
    channel = world.reachable(call.number("channel_id"))
    if not channel.is_thread or not may_change(world, call, channel):
        raise ApiError(403, 50013, "Missing Permissions")
    if channel.archived and call.body.get("archived", True):
        raise ApiError(400, 50083, "Thread is archived")
    if call.get("name") is not None:
        check_length("name", call.body["name"], 100)
        channel.name = call.body["name"]
    archived_now = call.body.get("archived", channel.archived)
    world.archive(channel, archived_now, locked=call.body.get("locked", channel.locked))
    return world.thread_raw(channel)


def may_change(world: World, call: Call, thread: Channel) -> bool:
    """Tell whether the bot may change a thread so: whoever may write there may open one that is not locked."""
    allowed = world.permissions(thread)
    if allowed & Permission.MANAGE_THREADS:
        return True
    if thread.locked or "locked" in call.body:
        return False
    writes = Permission.SEND_MESSAGES | Permission.SEND_MESSAGES_IN_THREADS  # the documentation names the first only
    only_opens = call.body.keys() == {"archived"} and not call.body["archived"]
    return thread.owner_id == world.bot_id or (only_opens and not writes & ~allowed)


def join_thread(world: World, call: Call) -> None:
    """Become a member of a thread."""
    thread = thread_of(world, call)
    if thread.archived:
        raise ApiError(400, 50083, "Thread is archived")
    thread.joined.add(world.bot_id)


def leave_thread(world: World, call: Call) -> None:
    """Be a member no more."""
    thread_of(world, call).joined.discard(world.bot_id)


def thread_of(world: World, call: Call) -> Channel:
    """Return the thread that a request names."""
    thread = world.reachable(call.number("channel_id"))
    if not thread.is_thread:
        raise Mistake(400, 50024, "Cannot execute action on this channel type")
    return thread
