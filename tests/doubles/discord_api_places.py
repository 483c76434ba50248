"""Where Discord's messages are: people, guilds with their roles and channels, threads, DMs, and who may do what."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.doubles.awaited import Awaited
from tests.doubles.discord_api_checks import ApiError
from tests.doubles.discord_api_gateway import Gateway
from tests.doubles.discord_api_objects import (
    EPOCH_MS,
    EVERYTHING,
    NOTHING,
    USUAL,
    Channel,
    Guild,
    Intent,
    Kind,
    Permission,
    timestamp,
)

if TYPE_CHECKING:
    from tests.doubles.discord_api_person import Person

CONTENT_LIMITED_FLAG = 1 << 19  # the application has the Message Content intent, as a bot in few guilds
MEMBERS_LIMITED_FLAG = 1 << 15
PRESENCE_LIMITED_FLAG = 1 << 13


class Places(Awaited):
    """The people, guilds, channels and threads that one bot can meet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        super().__init__()
        self.clock = clock
        self.wall = wall
        self._last_id = 0
        self.bot_id = self.new_id()
        self.application_id = self.bot_id  # as of every application made since 2016
        part = base64.urlsafe_b64encode(str(self.bot_id).encode()).decode().rstrip("=")
        self.token = f"{part}.{secrets.token_urlsafe(5)[:6]}.{secrets.token_urlsafe(30)[:38]}"
        self.revoked = False
        self.users: dict[int, dict[str, Any]] = {}
        self.bot = self.add_user(self.bot_id, "courier", "Courier", bot=True)
        self.owner = self.add_user(self.new_id(), "owner", "Owner")
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.gateway = Gateway(self)
        self.address = ""  # of the server
        self.interactions_endpoint: str | None = None  # where interactions go instead of the gateway
        self.violations: list[str] = []

    def new_id(self) -> int:
        """Return a snowflake, greater than all before."""
        made = int(self.wall() * 1000 - EPOCH_MS) << 22
        self._last_id = max(made, self._last_id + 1)
        return self._last_id

    def revoke_token(self) -> None:
        """Let the token be valid no more."""
        self.revoked = True

    def restore_token(self) -> None:
        """Let it be valid again."""
        self.revoked = False

    @property
    def application_flags(self) -> int:
        """Which privileged intents the application has, as its flags say."""
        flags = {
            Intent.MESSAGE_CONTENT: CONTENT_LIMITED_FLAG,
            Intent.GUILD_MEMBERS: MEMBERS_LIMITED_FLAG,
            Intent.GUILD_PRESENCES: PRESENCE_LIMITED_FLAG,
        }
        return sum(flag for intent, flag in flags.items() if intent & self.gateway.allowed_intents)

    # People and places

    def add_user(self, user_id: int, username: str, name: str | None = None, *, bot: bool = False) -> dict[str, Any]:
        """Add a user; return its JSON."""
        raw: dict[str, Any] = {
            "id": str(user_id),
            "username": username,
            "global_name": name,
            "discriminator": "0",
            "avatar": None,
            "public_flags": 0,
        }
        self.users[user_id] = raw | ({"bot": True} if bot else {})
        return self.users[user_id]

    def add_guild(
        self, name: str = "Workshop", *people: Person, permissions: Permission = USUAL, boosts: int = 0
    ) -> Guild:
        """Add a guild with the bot and people in it; ``permissions`` are everyone's, ``boosts`` its premium tier."""
        guild = Guild(self.new_id(), name, int(self.owner["id"]), permissions, boosts=boosts)
        for user_id in (int(self.owner["id"]), self.bot_id, *(person.id for person in people)):
            self.join(guild, user_id, announce=False)
        self.guilds[guild.id] = guild
        joined = {key: value for key, value in self.whole_guild(guild).items() if key != "unavailable"}
        self.gateway.tell("GUILD_CREATE", joined, None)  # one that comes back from an outage says that it does
        return guild

    def join(self, guild: Guild, user_id: int, *, nick: str | None = None, announce: bool = True) -> None:
        """Let a user be a member."""
        guild.members[user_id] = {
            "user": self.users[user_id],
            "nick": nick,
            "avatar": None,
            "roles": [],
            "joined_at": timestamp(self.wall()),
            "premium_since": None,
            "deaf": False,
            "mute": False,
            "pending": False,
            "flags": 0,
        }
        if announce and any(session.intents & Intent.GUILD_MEMBERS for session in self.gateway.live):
            self.gateway.dispatch("GUILD_MEMBER_ADD", guild.members[user_id] | {"guild_id": str(guild.id)})

    def add_role(self, guild: Guild, name: str, permissions: Permission = NOTHING) -> int:
        """Add a role; return its id."""
        role = self.new_id()
        guild.roles[role] = {
            "id": str(role),
            "name": name,
            "permissions": str(int(permissions)),
            "position": len(guild.roles) + 1,
        }
        raw = next(one for one in guild.raw["roles"] if one["id"] == str(role))
        self.gateway.tell("GUILD_ROLE_CREATE", {"guild_id": str(guild.id), "role": raw}, None)
        return role

    def whole_guild(self, guild: Guild) -> dict[str, Any]:
        """Return a guild as GUILD_CREATE tells it."""
        seen = [channel for channel in guild.channels.values() if self.sees(channel)]
        return guild.raw | {
            "unavailable": False,
            "large": False,
            "joined_at": guild.members[self.bot_id]["joined_at"],
            "member_count": len(guild.members),
            "members": list(guild.members.values()),
            "channels": [channel.raw for channel in seen if not channel.is_thread],
            "threads": [channel.raw for channel in seen if channel.is_thread and not channel.archived],
            "voice_states": [],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

    def add_channel(self, guild: Guild, name: str = "general", kind: Kind = Kind.TEXT) -> Channel:
        """Add a channel to a guild."""
        channel = self._add(Channel(self.new_id(), kind, name, guild))
        self.gateway.tell("CHANNEL_CREATE", channel.raw, channel)
        return channel

    def add_thread(
        self,
        parent: Channel,
        name: str,
        *,
        by: int | None = None,
        kind: Kind = Kind.PUBLIC_THREAD,
        at: int | None = None,
        joined: bool = False,
    ) -> Channel:
        """Add a thread; ``at`` is the message that it begins at, whose id it has, ``joined`` whether the bot is in."""
        made = timestamp(self.wall())
        thread = Channel(at or self.new_id(), kind, name, parent.guild, parent, owner_id=by or int(self.owner["id"]))
        thread.created = made
        thread.joined = {thread.owner_id} | ({self.bot_id} if joined else set())
        self._add(thread)
        self.gateway.tell("THREAD_CREATE", self.thread_raw(thread) | {"newly_created": True}, thread)
        return thread

    def thread_raw(self, thread: Channel) -> dict[str, Any]:
        """Return a thread as the bot sees it."""
        if self.bot_id not in thread.joined:
            return thread.raw
        member = {"id": str(thread.id), "user_id": str(self.bot_id), "join_timestamp": thread.created, "flags": 0}
        return thread.raw | {"member": member}

    def archive(self, thread: Channel, archived: bool = True, *, locked: bool = False) -> None:
        """Archive a thread, or take it out again."""
        thread.archived, thread.locked, thread.archived_at = archived, locked, timestamp(self.wall())
        self.gateway.tell("THREAD_UPDATE", self.thread_raw(thread), thread)

    def remove(self, channel: Channel) -> None:
        """Delete a channel with its threads."""
        for thread in [one for one in self.channels.values() if one.parent is channel and one.is_thread]:
            self.remove(thread)
        raw = channel.raw
        what = "THREAD_DELETE" if channel.is_thread else "CHANNEL_DELETE"
        told = {key: raw.get(key) for key in ("id", "guild_id", "parent_id", "type")} if channel.is_thread else raw
        self.gateway.tell(what, told, channel)
        del self.channels[channel.id]
        if channel.guild is not None:
            del channel.guild.channels[channel.id]

    def leave_guild(self, guild: Guild) -> None:
        """Throw the bot out."""
        self.gateway.dispatch("GUILD_DELETE", {"id": str(guild.id)})
        for channel in list(guild.channels.values()):
            self.channels.pop(channel.id, None)
        del self.guilds[guild.id]

    def fail_guild(self, guild: Guild) -> None:
        """Let a guild have an outage, until ``restore_guild``."""
        self.gateway.dispatch("GUILD_DELETE", {"id": str(guild.id), "unavailable": True})

    def restore_guild(self, guild: Guild) -> None:
        """Let a guild's outage end."""
        self.gateway.tell("GUILD_CREATE", self.whole_guild(guild), None)

    def dm(self, user_id: int) -> Channel:
        """Return the DM channel with a user, made at first."""
        for channel in self.channels.values():
            if channel.recipient is not None and channel.recipient["id"] == str(user_id):
                return channel
        return self._add(Channel(self.new_id(), Kind.DM, recipient=self.users[user_id]))

    def overwrite(
        self,
        channel: Channel,
        *,
        deny: Permission = NOTHING,
        allow: Permission = NOTHING,
        target: int | None = None,
    ) -> None:
        """Deny or allow something in a channel, to the bot or to whom ``target`` names."""
        assert channel.guild is not None, "a DM has no permissions"
        target = self.bot_id if target is None else target
        is_role = target == channel.guild.id or target in channel.guild.roles
        kept = [one for one in channel.overwrites if one["id"] != str(target)]
        entry = {"id": str(target), "type": 0 if is_role else 1, "allow": str(int(allow)), "deny": str(int(deny))}
        channel.overwrites = [*kept, entry]
        self.gateway.tell("CHANNEL_UPDATE", channel.raw, channel)

    def _add(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        if channel.guild is not None:
            channel.guild.channels[channel.id] = channel
        return channel

    def permissions(self, channel: Channel, user_id: int | None = None) -> Permission:
        """Return what the bot, or another member, may do in a channel."""
        if channel.guild is None:
            return EVERYTHING
        return channel.guild.permissions_in(channel, self.bot_id if user_id is None else user_id)

    def sees(self, channel: Channel) -> bool:
        """Tell whether the bot is told of a channel."""
        allowed = self.permissions(channel)
        if channel.kind is Kind.PRIVATE_THREAD and self.bot_id not in channel.joined:
            return bool(allowed & Permission.MANAGE_THREADS)
        return bool(allowed & Permission.VIEW_CHANNEL)

    def reachable(self, channel_id: int, needed: Permission = Permission.VIEW_CHANNEL) -> Channel:
        """Return a channel in which the bot may do something.

        Raises:
            ApiError: there is none, or it may not.
        """
        channel = self.channels.get(channel_id)
        if channel is None:
            raise ApiError(404, 10003, "Unknown Channel")
        if not self.sees(channel):
            raise ApiError(403, 50001, "Missing Access")
        if needed & ~self.permissions(channel):
            raise ApiError(403, 50013, "Missing Permissions")
        return channel


def guild_of(channel: Channel) -> dict[str, str]:
    """Return the field that names a channel's guild, none for a DM."""
    return {} if channel.guild is None else {"guild_id": str(channel.guild.id)}
