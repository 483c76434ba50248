"""Somebody who writes to the bot, presses its buttons and reacts to what it says."""

from __future__ import annotations

from typing import Any

from tests.doubles.discord_api_objects import Channel, Guild, Message, StoredFile, timestamp
from tests.doubles.discord_api_places import guild_of
from tests.doubles.discord_api_world import World


class Person:
    """A person, or another bot; what they do comes to the bot over the gateway."""

    def __init__(
        self, world: World, username: str = "ada", name: str | None = None, *, bot: bool = False, user_id: int = 0
    ) -> None:
        self._world = world
        self.id = user_id or world.new_id()
        self.raw = world.add_user(self.id, username, name, bot=bot)

    @property
    def dm(self) -> Channel:
        """The DM channel with the bot."""
        return self._world.dm(self.id)

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"

    def join(self, guild: Guild, nick: str | None = None) -> None:
        """Become a member of a guild."""
        self._world.join(guild, self.id, nick=nick)

    def block(self) -> None:
        """Take no DMs of the bot any more."""
        self.dm.blocked = True

    def write(
        self,
        channel: Channel,
        text: str = "",
        *,
        reply_to: Message | None = None,
        files: list[StoredFile] | None = None,
        announce: bool = True,
        **extra: Any,
    ) -> Message:
        """Write a message.

        Args:
            channel: Where.
            text: Mentions are written as ``<@id>``.
            reply_to: What it answers; its author is mentioned.
            files: What is attached, from ``attach``.
            announce: Whether the bot's sessions are told; what they are not is only in the history.
            extra: More fields of the message, such as ``poll`` or ``embeds``.
        """
        parts: dict[str, Any] = {"content": text}
        if reply_to is not None:
            place = {"channel_id": str(reply_to.channel_id), "message_id": str(reply_to.id)}
            parts |= {"type": 19, "message_reference": {"type": 0} | place | guild_of(reply_to.channel)}
        message = self._world.new_message(channel, self.id, parts | extra, files=files or [], announce=False)
        if reply_to is not None and reply_to.raw["author"] not in message.raw["mentions"]:
            message.raw["mentions"].append(reply_to.raw["author"])
        if announce:
            self._world.tell("MESSAGE_CREATE", message)
        return message

    def edit(self, message: Message, text: str) -> None:
        """Change the text of a message of theirs."""
        assert message.author_id == self.id, "nobody edits another's message"
        message.raw = message.raw | {"content": text, "edited_timestamp": timestamp(self._world.wall())}
        self._world.tell("MESSAGE_UPDATE", message)

    def delete(self, *messages: Message) -> None:
        """Delete messages, several at once."""
        self._world.delete(*messages)

    def react(self, message: Message, emoji: str) -> None:
        """React to a message."""
        self._world.react(message, self.id, emoji)

    def unreact(self, message: Message, emoji: str) -> None:
        """Take a reaction back."""
        self._world.unreact(message, self.id, emoji)

    def type(self, channel: Channel) -> None:
        """Begin to type."""
        data: dict[str, Any] = {
            "channel_id": str(channel.id),
            "user_id": str(self.id),
            "timestamp": int(self._world.wall()),
        }
        if channel.guild is not None:
            data |= guild_of(channel) | {"member": channel.guild.members[self.id]}
        self._world.gateway.tell("TYPING_START", data, channel)
