"""The routes of Discord's API: their paths, the fields they take, and what they do."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from tests.doubles.discord_api_calls import Call, Fields
from tests.doubles.discord_api_checks import ApiError, invalid
from tests.doubles.discord_api_interactions import (
    CALLBACK,
    answer_interaction,
    delete_response,
    edit_response,
    follow_up,
    get_commands,
    get_response,
    set_commands,
)
from tests.doubles.discord_api_messages import (
    add_reaction,
    create_message,
    delete_message,
    edit_message,
    get_message,
    get_messages,
    remove_reaction,
    start_typing,
)
from tests.doubles.discord_api_objects import Guild
from tests.doubles.discord_api_sending import CREATE, EDIT, MESSAGE
from tests.doubles.discord_api_threads import (
    CHANGE,
    START,
    START_ALONE,
    active_threads,
    archived_joined,
    archived_private,
    archived_public,
    create_thread,
    edit_channel,
    join_thread,
    leave_thread,
    thread_from_message,
)
from tests.doubles.discord_api_world import World


@dataclass(frozen=True)
class Route:
    """One route; ``result`` nothing is an answer without a body."""

    method: str
    path: str
    carry_out: Callable[[World, Call], Any]
    takes: Fields = field(default_factory=dict)
    with_token: bool = True  # whether the bot's token is needed; another token may be in the path

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What its paths look like, quoted as they are sent."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path))

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the parameters of a path, or nothing if it is not one of these."""
        found = self.pattern.fullmatch(path) if method == self.method else None
        return None if found is None else {key: unquote(value) for key, value in found.groupdict().items()}


def get_gateway(world: World, _: Call) -> dict[str, Any]:
    """Return the gateway's address."""
    return {"url": world.gateway.address}


def get_gateway_bot(world: World, _: Call) -> dict[str, Any]:
    """Return it with how many sessions may still be begun."""
    gateway = world.gateway
    used = len([at for at in gateway.identifies if at > world.clock() - 86400])
    left = {"total": gateway.identify_limit, "remaining": max(gateway.identify_limit - used, 0)}
    limit = left | {"reset_after": 86_400_000, "max_concurrency": 1}
    return {"url": gateway.address, "shards": 1, "session_start_limit": limit}


def get_me(world: World, _: Call) -> dict[str, Any]:
    """Return the bot's user."""
    more = {"email": None, "verified": True, "mfa_enabled": True, "locale": "en-US", "flags": 0, "premium_type": 0}
    return world.bot | more


def get_application(world: World, _: Call) -> dict[str, Any]:
    """Return the application, whose flags tell the privileged intents."""
    return {
        "id": str(world.application_id),
        "name": world.bot["global_name"],
        "icon": None,
        "description": "",
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "owner": world.owner,
        "team": None,
        "flags": world.application_flags,
        "bot": world.bot,
        "interactions_endpoint_url": world.interactions_endpoint,
        "redirect_uris": [],
        "approximate_guild_count": len(world.guilds),
    }


def get_my_guilds(world: World, call: Call) -> list[dict[str, Any]]:
    """Return the guilds that the bot is in, in short."""
    limit = call.whole("limit", 200, 1, 200)
    after = int(call.query.get("after", 0))
    kept = ("id", "name", "icon", "features")
    short = [{key: guild.raw[key] for key in kept} for guild in world.guilds.values() if guild.id > after]
    return [one | {"owner": False, "permissions": "0"} for one in short[:limit]]


def get_user(world: World, call: Call) -> dict[str, Any]:
    """Return a user."""
    user = world.users.get(call.number("user_id"))
    if user is None:
        raise ApiError(404, 10013, "Unknown User")
    return user


def open_dm(world: World, call: Call) -> dict[str, Any]:
    """Return the DM channel with a user."""
    recipient = str(call.get("recipient_id"))
    if not recipient.isdecimal():
        raise invalid("recipient_id", f'Value "{recipient}" is not snowflake.')
    if int(recipient) not in world.users:
        raise ApiError(404, 10013, "Unknown User")
    if int(recipient) == world.bot_id:
        raise ApiError(400, 50033, "Invalid Recipient(s)")
    return world.dm(int(recipient)).raw


def get_channel(world: World, call: Call) -> dict[str, Any]:
    """Return a channel or a thread."""
    channel = world.reachable(call.number("channel_id"))
    return world.thread_raw(channel) if channel.is_thread else channel.raw


def get_guild(world: World, call: Call) -> dict[str, Any]:
    """Return a guild."""
    return known_guild(world, call).raw


def get_guild_channels(world: World, call: Call) -> list[dict[str, Any]]:
    """Return a guild's channels, without threads."""
    return [one.raw for one in known_guild(world, call).channels.values() if not one.is_thread]


def get_member(world: World, call: Call) -> dict[str, Any]:
    """Return a guild's member."""
    member = known_guild(world, call).members.get(call.number("user_id"))
    if member is None:
        raise ApiError(404, 10007, "Unknown Member")
    return member


def known_guild(world: World, call: Call) -> Guild:
    """Return the guild that a request names.

    Raises:
        ApiError: the bot is in none of that id.
    """
    guild = world.guilds.get(call.number("guild_id"))
    if guild is None:
        raise ApiError(404, 10004, "Unknown Guild")
    return guild


CHANNEL = "/channels/{channel_id}"
ONE = f"{CHANNEL}/messages/{{message_id}}"
ARCHIVED = f"{CHANNEL}/threads/archived"
HOOK = "/webhooks/{webhook_id}/{token}"
RESPONSE = f"{HOOK}/messages/{{message_id}}"
APPLICATION = "/applications/{application_id}"
MINE = f"{ONE}/reactions/{{emoji}}/@me"
ROUTES = {
    "get_gateway": Route("GET", "/gateway", get_gateway, with_token=False),
    "get_gateway_bot": Route("GET", "/gateway/bot", get_gateway_bot),
    "get_me": Route("GET", "/users/@me", get_me),
    "get_my_guilds": Route("GET", "/users/@me/guilds", get_my_guilds),
    "get_user": Route("GET", "/users/{user_id}", get_user),
    "open_dm": Route("POST", "/users/@me/channels", open_dm, {"recipient_id": (str, int)}),
    "get_application": Route("GET", "/oauth2/applications/@me", get_application),
    "get_my_application": Route("GET", "/applications/@me", get_application),
    "get_guild": Route("GET", "/guilds/{guild_id}", get_guild),
    "get_guild_channels": Route("GET", "/guilds/{guild_id}/channels", get_guild_channels),
    "get_member": Route("GET", "/guilds/{guild_id}/members/{user_id}", get_member),
    "get_channel": Route("GET", CHANNEL, get_channel),
    "get_messages": Route("GET", f"{CHANNEL}/messages", get_messages),
    "create_message": Route("POST", f"{CHANNEL}/messages", create_message, CREATE),
    "get_message": Route("GET", ONE, get_message),
    "edit_message": Route("PATCH", ONE, edit_message, EDIT),
    "delete_message": Route("DELETE", ONE, delete_message),
    "add_reaction": Route("PUT", MINE, add_reaction),
    "remove_reaction": Route("DELETE", MINE, remove_reaction),
    "start_typing": Route("POST", f"{CHANNEL}/typing", start_typing),
    "edit_channel": Route("PATCH", CHANNEL, edit_channel, CHANGE),
    "active_threads": Route("GET", "/guilds/{guild_id}/threads/active", active_threads),
    "archived_public": Route("GET", f"{ARCHIVED}/public", archived_public),
    "archived_private": Route("GET", f"{ARCHIVED}/private", archived_private),
    "archived_joined": Route("GET", f"{CHANNEL}/users/@me/threads/archived/private", archived_joined),
    "thread_from_message": Route("POST", f"{ONE}/threads", thread_from_message, START),
    "create_thread": Route("POST", f"{CHANNEL}/threads", create_thread, START_ALONE),
    "join_thread": Route("PUT", f"{CHANNEL}/thread-members/@me", join_thread),
    "leave_thread": Route("DELETE", f"{CHANNEL}/thread-members/@me", leave_thread),
    "answer_interaction": Route(
        "POST", "/interactions/{interaction_id}/{token}/callback", answer_interaction, CALLBACK, with_token=False
    ),
    "follow_up": Route("POST", HOOK, follow_up, MESSAGE, with_token=False),
    "get_response": Route("GET", RESPONSE, get_response, with_token=False),
    "edit_response": Route("PATCH", RESPONSE, edit_response, EDIT, with_token=False),
    "delete_response": Route("DELETE", RESPONSE, delete_response, with_token=False),
    "set_commands": Route("PUT", f"{APPLICATION}/commands", set_commands, {"": list}),
    "get_commands": Route("GET", f"{APPLICATION}/commands", get_commands),
    "set_guild_commands": Route("PUT", f"{APPLICATION}/guilds/{{guild_id}}/commands", set_commands, {"": list}),
}
