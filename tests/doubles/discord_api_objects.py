"""What Discord's objects are: channels, guilds, messages, files, and how they look as JSON.

The shapes are those of https://docs.discord.com/developers (API v10). Nothing here speaks HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, IntFlag
from typing import Any

EPOCH_MS = 1_420_070_400_000
AUTO_ARCHIVE_MINUTES = 1440


class Kind(IntEnum):
    """A channel's type."""

    TEXT = 0
    DM = 1
    VOICE = 2
    CATEGORY = 4
    NEWS = 5
    NEWS_THREAD = 10
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    FORUM = 15


THREADS = {Kind.NEWS_THREAD, Kind.PUBLIC_THREAD, Kind.PRIVATE_THREAD}
WITHOUT_MESSAGES = {Kind.CATEGORY, Kind.FORUM}


class Permission(IntFlag):
    """What a member may do."""

    ADMINISTRATOR = 1 << 3
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    CREATE_PRIVATE_THREADS = 1 << 36
    SEND_MESSAGES_IN_THREADS = 1 << 38


USUAL = (
    Permission.ADD_REACTIONS
    | Permission.VIEW_CHANNEL
    | Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.READ_MESSAGE_HISTORY
    | Permission.CREATE_PUBLIC_THREADS
    | Permission.SEND_MESSAGES_IN_THREADS
)
EVERYTHING = Permission(sum(Permission))
NOTHING = Permission(0)


class Intent(IntFlag):
    """What a gateway session is told of."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15


PRIVILEGED = Intent.GUILD_MEMBERS | Intent.GUILD_PRESENCES | Intent.MESSAGE_CONTENT


class MessageFlag(IntFlag):
    """What is special about a message."""

    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    IS_VOICE_MESSAGE = 1 << 13
    HAS_SNAPSHOT = 1 << 14
    IS_COMPONENTS_V2 = 1 << 15


def timestamp(wall_s: float) -> str:
    """Return a time in seconds since the epoch as Discord writes it."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="microseconds")


def seconds(text: str) -> float:
    """Return a time that Discord has written in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


@dataclass
class StoredFile:
    """A file at Discord's CDN."""

    id: int
    channel_id: int
    data: bytes = field(repr=False)
    name: str
    mime: str
    size: int
    more: dict[str, Any] = field(default_factory=dict)  # of a voice message: duration_secs, waveform


@dataclass(eq=False)
class Guild:
    """A guild, with the bot in it."""

    id: int
    name: str
    owner_id: int
    permissions: Permission = USUAL  # of everyone
    roles: dict[int, dict[str, Any]] = field(default_factory=dict)
    members: dict[int, dict[str, Any]] = field(default_factory=dict, repr=False)
    channels: dict[int, Channel] = field(default_factory=dict, repr=False)
    boosts: int = 0  # the premium tier

    @property
    def raw(self) -> dict[str, Any]:
        """What GUILD_CREATE and GET have in common."""
        everyone = {"id": str(self.id), "name": "@everyone", "permissions": str(int(self.permissions)), "position": 0}
        looks = {"color": 0, "hoist": False, "managed": False, "mentionable": False, "flags": 0}
        return {
            "id": str(self.id),
            "name": self.name,
            "icon": None,
            "owner_id": str(self.owner_id),
            "roles": [looks | everyone, *(looks | role for role in self.roles.values())],
            "emojis": [],
            "stickers": [],
            "features": [],
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "mfa_level": 0,
            "nsfw_level": 0,
            "afk_timeout": 300,
            "afk_channel_id": None,
            "system_channel_id": None,
            "system_channel_flags": 0,
            "rules_channel_id": None,
            "public_updates_channel_id": None,
            "premium_tier": self.boosts,
            "premium_subscription_count": 0,
            "preferred_locale": "en-US",
            "description": None,
            "vanity_url_code": None,
        }

    def member(self, user_id: int) -> dict[str, Any]:
        """Return a member without its user, as in a message."""
        return {key: value for key, value in self.members[user_id].items() if key != "user"}

    def permissions_in(self, channel: Channel, user_id: int) -> Permission:
        """Return what a member may do in a channel; a thread's are its parent's."""
        if user_id == self.owner_id:
            return EVERYTHING
        place = channel.parent if channel.kind in THREADS and channel.parent else channel
        roles = [int(role) for role in self.members[user_id]["roles"]]
        allowed = self.permissions
        for role in roles:
            allowed |= Permission(int(self.roles[role]["permissions"]))
        if allowed & Permission.ADMINISTRATOR:
            return EVERYTHING
        for targets in ([self.id], roles, [user_id]):
            found = [one for one in place.overwrites if int(one["id"]) in targets]
            for overwrite in found:
                allowed &= ~Permission(int(overwrite["deny"]))
            for overwrite in found:
                allowed |= Permission(int(overwrite["allow"]))
        return allowed


@dataclass(eq=False)
class Channel:
    """A channel, a DM or a thread."""

    id: int
    kind: Kind
    name: str = ""
    guild: Guild | None = field(default=None, repr=False)
    parent: Channel | None = field(default=None, repr=False)
    recipient: dict[str, Any] | None = None
    blocked: bool = False  # its person takes no DMs of the bot
    shows_recipient: bool = True
    overwrites: list[dict[str, Any]] = field(default_factory=list)
    owner_id: int = 0
    created: str = ""
    archived: bool = False
    locked: bool = False
    archived_at: str = ""
    joined: set[int] = field(default_factory=set)
    messages: dict[int, Message] = field(default_factory=dict, repr=False)
    last_message_id: int | None = None

    @property
    def is_thread(self) -> bool:
        return self.kind in THREADS

    @property
    def texts(self) -> list[str]:
        """What is written in it, in order."""
        return [message.content for message in self.messages.values()]

    @property
    def raw(self) -> dict[str, Any]:
        """Return it as JSON."""
        last = None if self.last_message_id is None else str(self.last_message_id)
        head: dict[str, Any] = {"id": str(self.id), "type": int(self.kind), "last_message_id": last, "flags": 0}
        if self.guild is None:
            return head | ({"recipients": [self.recipient]} if self.recipient and self.shows_recipient else {})
        head |= {
            "guild_id": str(self.guild.id),
            "name": self.name,
            "parent_id": None if self.parent is None else str(self.parent.id),
            "rate_limit_per_user": 0,
        }
        if self.is_thread:
            return head | self._thread
        head |= {"position": 0, "permission_overwrites": self.overwrites, "topic": None, "nsfw": False}
        if self.kind is Kind.VOICE:
            head |= {"bitrate": 64000, "user_limit": 0}
        if self.kind is Kind.FORUM:
            head |= {"available_tags": [], "default_reaction_emoji": None, "default_sort_order": None}
            head |= {"default_forum_layout": 0}
        return head

    @property
    def _thread(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "archived": self.archived,
            "auto_archive_duration": AUTO_ARCHIVE_MINUTES,
            "archive_timestamp": self.archived_at or self.created,
            "locked": self.locked,
            "create_timestamp": self.created,
        }
        if self.kind is Kind.PRIVATE_THREAD:
            metadata["invitable"] = True
        return {
            "owner_id": str(self.owner_id),
            "message_count": len(self.messages),
            "total_message_sent": len(self.messages),
            "member_count": len(self.joined),
            "thread_metadata": metadata,
        }


@dataclass(eq=False)
class Message:
    """A message: its JSON, and what changes with who looks and when."""

    raw: dict[str, Any]
    channel: Channel
    by_bot: bool = False
    files: list[StoredFile] = field(default_factory=list, repr=False)
    reactions: dict[str, list[int]] = field(default_factory=dict)  # who reacted with an emoji
    pings: list[str] = field(default_factory=list)  # whom it notified: ids, "everyone", "here"
    nonce: str | None = None
    ephemeral: bool = False

    @property
    def id(self) -> int:
        return int(self.raw["id"])

    @property
    def channel_id(self) -> int:
        return self.channel.id

    @property
    def author_id(self) -> int:
        return int(self.raw["author"]["id"])

    @property
    def content(self) -> str:
        return str(self.raw["content"])

    @property
    def reply_to(self) -> int | None:
        """The id of the message it answers."""
        reference = self.raw.get("message_reference")
        return None if reference is None or reference["type"] != 0 else int(reference["message_id"])

    @property
    def components(self) -> list[dict[str, Any]]:
        """The buttons, selects and texts of its components, however deep, in order."""
        return list(flat(self.raw.get("components", [])))

    @property
    def labels(self) -> list[str]:
        """What is on the buttons that can be pressed."""
        return [one.get("label", "") for one in self.components if one["type"] == 2 and not one.get("disabled")]


def flat(components: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return components and those within them, a row before its buttons."""
    found = []
    for one in components:
        found.append(one)
        found += flat(one.get("components", []))
        inner = [one[key] for key in ("component", "accessory") if isinstance(one.get(key), dict)]
        found += flat(inner)
    return found


def withheld(data: dict[str, Any], bot_id: int) -> dict[str, Any]:
    """Return a message without what is not for a bot that lacks the Message Content intent, if it is not for it.

    It is for a bot in DMs, where it wrote or is mentioned, and it may see all of that.
    """
    author = data.get("author")
    mine = author is not None and author["id"] == str(bot_id)
    if "guild_id" not in data or mine or any(user["id"] == str(bot_id) for user in data.get("mentions", [])):
        return data
    emptied: dict[str, Any] = {"content": "", "embeds": [], "attachments": [], "components": []}
    return {key: emptied.get(key, value) for key, value in data.items() if key != "poll"}
