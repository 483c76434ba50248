"""What Discord knows: messages, files, reactions and what the bot did, in the places where they are."""

from __future__ import annotations

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

from tests.doubles.discord_api_checks import ApiError
from tests.doubles.discord_api_objects import (
    Channel,
    Intent,
    Message,
    StoredFile,
    timestamp,
    withheld,
)
from tests.doubles.discord_api_places import Places, guild_of

if TYPE_CHECKING:
    from tests.doubles.discord_api_interactions import Interaction

HAS_THREAD = 1 << 5
LINK_S = 24 * 3600.0
NONCE_S = 120.0
USER_MENTION = re.compile(r"<@!?(\d{15,20})>")
ROLE_MENTION = re.compile(r"<@&(\d{15,20})>")


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


class World(Places):
    """Everything behind the API of one bot."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        super().__init__(clock, wall)
        self.files: dict[int, StoredFile] = {}
        self.interactions: dict[str, Interaction] = {}  # by token
        self.commands: dict[int, list[dict[str, Any]]] = {}  # by guild, 0 for everywhere
        self.sent: list[Message] = []
        self.edits: list[Edit] = []
        self.deleted: list[tuple[int, int]] = []  # channel and message that the bot deleted
        self.reactions: list[Reaction] = []
        self.typings: list[Typing] = []
        self.repeats: list[Message] = []  # what a send under a known nonce was answered with
        self._nonces: dict[str, list[tuple[float, Message]]] = {}
        self._link_key = secrets.token_bytes(16)

    def new_message(
        self,
        channel: Channel,
        author_id: int,
        parts: dict[str, Any],
        *,
        announce: bool = True,
        ephemeral: bool = False,
        **more: Any,
    ) -> Message:
        """Put a message into a channel and tell the bot's sessions; one that is ephemeral is in no history."""
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
        message = Message(raw | parts, channel, author_id == self.bot_id, ephemeral=ephemeral, **more)
        if message.by_bot:
            self.sent.append(message)
        if ephemeral:
            self.changed()
            return message
        if channel.archived:
            self.archive(channel, False)
        channel.messages[message.id] = message
        channel.last_message_id = message.id
        if channel.is_thread:
            channel.joined.add(author_id)
        if announce:
            self.tell("MESSAGE_CREATE", message)
        self.changed()
        return message

    def thread_at(self, message: Message, name: str, by: int, *, joined: bool = False) -> Channel:
        """Start a thread at a message; its history begins with a message that refers to that one."""
        thread = self.add_thread(message.channel, name, by=by, at=message.id, joined=joined)
        message.raw = message.raw | {"flags": message.raw["flags"] | HAS_THREAD, "thread": thread.raw}
        place = {"channel_id": str(message.channel_id), "message_id": str(message.id)} | guild_of(message.channel)
        self.new_message(thread, message.author_id, {"type": 21, "message_reference": {"type": 0} | place})
        return thread

    def snapshot(self, message: Message) -> dict[str, Any]:
        """Return what a forward keeps of a message."""
        shown = self.shown(message)
        kept = ("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp", "flags", "mentions")
        more = ("mention_roles", "sticker_items", "components")
        return {"message": {key: shown[key] for key in kept + more if key in shown}}

    def unfurl(self, message: Message, title: str = "A page") -> None:
        """Add the preview of a link, as Discord does by itself soon after: an update that is no edit."""
        preview = {"type": "link", "url": "https://example.org/", "title": title}
        message.raw = message.raw | {"embeds": [*message.raw["embeds"], preview]}
        self.tell("MESSAGE_UPDATE", message)

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
        self.gateway.tell(name, self.told(name, message), message.channel)

    def told(self, name: str, message: Message) -> dict[str, Any]:
        """Return a message as a dispatch tells it: with its guild and its author's membership."""
        data = self.shown(message)
        if name == "MESSAGE_CREATE" and message.nonce is not None:
            data["nonce"] = message.nonce
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
    def unanswered(self) -> list[Interaction]:
        """What people did and the bot has not answered yet."""
        return [one for one in self.interactions.values() if one.answered is None]

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
