"""What Discord knows: people, guilds, channels, threads, messages and files. Nothing here speaks HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import mimetypes
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

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
    Message,
    Permission,
    StoredFile,
    timestamp,
    withheld,
)

if TYPE_CHECKING:
    from tests.doubles.discord_api_interactions import Interaction
    from tests.doubles.discord_api_person import Person

LINK_S = 24 * 3600.0
NONCE_S = 120.0
USER_MENTION = re.compile(r"<@!?(\d{15,20})>")
ROLE_MENTION = re.compile(r"<@&(\d{15,20})>")
CONTENT_LIMITED_FLAG = 1 << 19  # the application has the Message Content intent, as a bot in few guilds
MEMBERS_LIMITED_FLAG = 1 << 15
PRESENCE_LIMITED_FLAG = 1 << 13


@dataclass(frozen=True)
class Edit:
    """An edit of the bot's; ``content`` is nothing where the text stayed."""

    channel_id: int
    message_id: int
    content: str | None
    fields: dict[str, Any]


@dataclass(frozen=True)
class Reaction:
    """A reaction that the bot put or took back."""

    channel_id: int
    message_id: int
    emoji: str
    added: bool


@dataclass(frozen=True)
class Typing:
    """The bot said that it is typing."""

    channel_id: int
    at: float


class World(Awaited):
    """Everything behind the API of one bot."""

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
        self.files: dict[int, StoredFile] = {}
        self.interactions: dict[str, Interaction] = {}  # by token
        self.gateway = Gateway(self)
        self.address = ""  # of the server
        self.interactions_endpoint: str | None = None  # where interactions go instead of the gateway
        self.sent: list[Message] = []
        self.edits: list[Edit] = []
        self.deleted: list[tuple[int, int]] = []  # channel and message that the bot deleted
        self.reactions: list[Reaction] = []
        self.typings: list[Typing] = []
        self.repeats: list[Message] = []  # what a send under a known nonce was answered with
        self.violations: list[str] = []
        self._nonces: dict[str, list[tuple[float, Message]]] = {}
        self._link_key = secrets.token_bytes(16)

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

    def add_guild(self, name: str = "Workshop", *people: Person, permissions: Permission = USUAL) -> Guild:
        """Add a guild with the bot and people in it; ``permissions`` are everyone's."""
        guild = Guild(self.new_id(), name, int(self.owner["id"]), permissions)
        for user_id in (int(self.owner["id"]), self.bot_id, *(person.id for person in people)):
            self.join(guild, user_id, announce=False)
        self.guilds[guild.id] = guild
        self.gateway.tell("GUILD_CREATE", self.whole_guild(guild), None)
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

    # Messages and files

    def new_message(
        self, channel: Channel, author_id: int, parts: dict[str, Any], *, announce: bool = True, **more: Any
    ) -> Message:
        """Put a message into a channel and tell the bot's sessions."""
        content = parts.get("content", "")
        mentioned = [int(found) for found in dict.fromkeys(USER_MENTION.findall(content)) if int(found) in self.users]
        raw: dict[str, Any] = {
            "id": str(self.new_id()),
            "channel_id": str(channel.id),
            "type": 0,
            "author": self.users[author_id],
            "content": content,
            "timestamp": timestamp(self.wall()),
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [self.users[one] for one in mentioned],
            "mention_roles": ROLE_MENTION.findall(content),
            "embeds": [],
            "pinned": False,
            "flags": 0,
            "components": [],
        }
        message = Message(raw | parts, channel, by_bot=author_id == self.bot_id, **more)
        if channel.archived:
            self.archive(channel, False)
        channel.messages[message.id] = message
        channel.last_message_id = message.id
        if channel.is_thread:
            channel.joined.add(author_id)
        if message.by_bot:
            self.sent.append(message)
        if announce:
            self.tell("MESSAGE_CREATE", message)
        return message

    def delete(self, *messages: Message) -> None:
        """Delete messages of one channel; several at once are told as one."""
        channel = messages[0].channel
        for message in messages:
            del channel.messages[message.id]
        place = {"channel_id": str(channel.id)} | guild_of(channel)
        if len(messages) == 1:
            self.gateway.tell("MESSAGE_DELETE", place | {"id": str(messages[0].id)}, channel)
        else:
            self.gateway.tell("MESSAGE_DELETE_BULK", place | {"ids": [str(one.id) for one in messages]}, channel)

    def react(self, message: Message, user_id: int, emoji: str) -> None:
        """Add somebody's reaction, unless it is there."""
        who = message.reactions.setdefault(emoji, [])
        if user_id not in who:
            who.append(user_id)
            self._tell_reaction("MESSAGE_REACTION_ADD", message, user_id, emoji)

    def unreact(self, message: Message, user_id: int, emoji: str) -> None:
        """Take somebody's reaction back.

        Raises:
            ApiError: nobody reacted so.
        """
        who = message.reactions.get(emoji)
        if who is None:
            raise ApiError(404, 10014, "Unknown Emoji")
        if user_id in who:
            who.remove(user_id)
            if not who:
                del message.reactions[emoji]
            self._tell_reaction("MESSAGE_REACTION_REMOVE", message, user_id, emoji)

    def _tell_reaction(self, name: str, message: Message, user_id: int, emoji: str) -> None:
        channel = message.channel
        data: dict[str, Any] = {
            "user_id": str(user_id),
            "channel_id": str(channel.id),
            "message_id": str(message.id),
            "emoji": emoji_raw(emoji),
            "burst": False,
            "type": 0,
        }
        if name == "MESSAGE_REACTION_ADD":
            data["message_author_id"] = str(message.author_id)
            if channel.guild is not None and user_id in channel.guild.members:
                data["member"] = channel.guild.members[user_id]
        self.gateway.tell(name, data | guild_of(channel), channel)

    def tell(self, name: str, message: Message) -> None:
        """Tell the bot's sessions of a message."""
        self.gateway.tell(name, self.told(message), message.channel)

    def told(self, message: Message) -> dict[str, Any]:
        """Return a message as a dispatch tells it: with its guild and its author's membership."""
        data = self.shown(message)
        guild = message.channel.guild
        if guild is not None:
            data["guild_id"] = str(guild.id)
            if message.author_id in guild.members:
                data["member"] = guild.member(message.author_id)
            data["mentions"] = [
                user | ({"member": guild.member(int(user["id"]))} if int(user["id"]) in guild.members else {})
                for user in data["mentions"]
            ]
        return data

    def fetched(self, message: Message) -> dict[str, Any]:
        """Return a message as a request gets it: without what the application is not to read."""
        data = self.shown(message)
        if message.channel.guild is None or self.gateway.allowed_intents & Intent.MESSAGE_CONTENT:
            return data
        seen = withheld(data | {"guild_id": "0"}, self.bot_id)
        return {key: value for key, value in seen.items() if key != "guild_id"}

    def shown(self, message: Message) -> dict[str, Any]:
        """Return a message as JSON, its links fresh and the message it answers as that is now."""
        data = message.raw | {"attachments": [self.attachment(stored) for stored in message.files]}
        if message.reactions:
            data["reactions"] = [self._counted(emoji, who) for emoji, who in message.reactions.items()]
        if message.reply_to is not None:
            place = self.channels.get(int(message.raw["message_reference"]["channel_id"]))
            answered = place.messages.get(message.reply_to) if place else None
            data["referenced_message"] = None
            if answered is not None:
                inner = self.shown(answered)
                data["referenced_message"] = {key: inner[key] for key in inner if key != "referenced_message"}
        return data

    def _counted(self, emoji: str, who: list[int]) -> dict[str, Any]:
        return {
            "emoji": emoji_raw(emoji),
            "count": len(who),
            "count_details": {"burst": 0, "normal": len(who)},
            "me": self.bot_id in who,
            "me_burst": False,
            "burst_colors": [],
        }

    def first_under(self, nonce: str) -> Message | None:
        """Return the message that was sent under a nonce in the last two minutes, if one was."""
        now = self.clock()
        return next((message for at, message in self._nonces.get(nonce, []) if now - at < NONCE_S), None)

    def remember(self, nonce: str, message: Message) -> None:
        """Keep a message under its nonce."""
        self._nonces.setdefault(nonce, []).append((self.clock(), message))

    @property
    def duplicates(self) -> dict[str, list[Message]]:
        """Messages that share their nonce: sent again later than Discord remembers it."""
        return {nonce: [one for _, one in found] for nonce, found in self._nonces.items() if len(found) > 1}

    def store(
        self, channel: Channel, data: bytes, name: str, mime: str = "", *, size: int | None = None, **more: Any
    ) -> StoredFile:
        """Keep a file; ``size`` in bytes says it is larger than what is kept of it."""
        mime = mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
        stored = StoredFile(self.new_id(), channel.id, data, name, mime, len(data) if size is None else size, more)
        self.files[stored.id] = stored
        return stored

    def attachment(self, stored: StoredFile) -> dict[str, Any]:
        """Return an attachment with a link that is valid for a day."""
        until = f"{int(self.wall() + LINK_S):x}"
        path = f"attachments/{stored.channel_id}/{stored.id}/{quote(stored.name)}"
        link = f"{path}?ex={until}&is={int(self.wall()):x}&hm={self.signature(stored.id, until)}&"
        return {
            "id": str(stored.id),
            "filename": stored.name,
            "size": stored.size,
            "url": f"{self.address}/cdn/{link}",
            "proxy_url": f"{self.address}/media/{link}",
            "content_type": stored.mime,
        } | stored.more

    def signature(self, file_id: int, until: str) -> str:
        """Return what makes a link valid."""
        return hmac.new(self._link_key, f"{file_id} {until}".encode(), hashlib.sha256).hexdigest()

    def expire_links(self) -> None:
        """Let every link so far be valid no more."""
        self._link_key = secrets.token_bytes(16)


def emoji_raw(emoji: str) -> dict[str, Any]:
    """Return an emoji as JSON: one of Unicode's, or ``name:id``."""
    name, _, number = emoji.partition(":")
    return {"id": number, "name": name, "animated": False} if number else {"id": None, "name": emoji}


def guild_of(channel: Channel) -> dict[str, str]:
    """Return the field that names a channel's guild, none for a DM."""
    return {} if channel.guild is None else {"guild_id": str(channel.guild.id)}
