"""Somebody who writes to the bot, presses its buttons and reacts to what it says."""

from __future__ import annotations

from typing import Any

from tests.doubles.discord_api_checks import SELECTS
from tests.doubles.discord_api_interactions import Asked, Interaction, interact
from tests.doubles.discord_api_objects import Channel, Guild, Message, MessageFlag, StoredFile, timestamp
from tests.doubles.discord_api_places import guild_of
from tests.doubles.discord_api_sending import poll_of
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

    def attach(
        self, channel: Channel, data: bytes, name: str = "notes.txt", mime: str = "", *, size: int | None = None
    ) -> StoredFile:
        """Upload a file for a message; ``size`` in bytes lets it be larger than its data."""
        return self._world.store(channel, data, name, mime, size=size)

    def speak(self, channel: Channel, data: bytes = b"OggS", seconds: float = 2.5) -> Message:
        """Send a voice message."""
        more: dict[str, Any] = {"duration_secs": seconds, "waveform": "FzYACgAAAAAAACQAAAAAAAA="}
        stored = self._world.store(channel, data, "voice-message.ogg", "audio/ogg", **more)
        return self.write(channel, files=[stored], flags=int(MessageFlag.IS_VOICE_MESSAGE))

    def forward(self, channel: Channel, message: Message) -> Message:
        """Pass a message on."""
        place = {"channel_id": str(message.channel_id), "message_id": str(message.id)} | guild_of(message.channel)
        snapshots = [self._world.snapshot(message)]
        more: dict[str, Any] = {"message_reference": {"type": 1} | place, "message_snapshots": snapshots}
        return self.write(channel, flags=int(MessageFlag.HAS_SNAPSHOT), **more)

    def send_sticker(self, channel: Channel, name: str = "Wave", text: str = "") -> Message:
        """Send a sticker."""
        return self.write(
            channel, text, sticker_items=[{"id": str(self._world.new_id()), "name": name, "format_type": 1}]
        )

    def ask(self, channel: Channel, question: str, *answers: str) -> Message:
        """Start a poll."""
        media = [{"poll_media": {"text": answer}} for answer in answers]
        return self.write(channel, poll=poll_of({"question": {"text": question}, "answers": media}))

    def start_thread(self, place: Channel | Message, name: str) -> Channel:
        """Start a thread in a channel or at a message."""
        if isinstance(place, Message):
            return self._world.thread_at(place, name, self.id)
        return self._world.add_thread(place, name, by=self.id)

    def post(self, forum: Channel, title: str, text: str, **more: Any) -> tuple[Channel, Message]:
        """Start a post of a forum; its first message has its id."""
        thread = self._world.add_thread(forum, title, by=self.id)
        return thread, self.write(thread, text, id=str(thread.id), **more)

    # Interactions; to be called in the server's loop

    def press(self, message: Message, label: str, *, must_answer: bool = True) -> Interaction:
        """Press a button, by what is on it or by its custom id."""
        found = [
            one for one in message.components if one["type"] == 2 and label in (one.get("label"), one.get("custom_id"))
        ]
        assert found, f"there is no button {label!r}, but {message.labels}"
        assert "custom_id" in found[0], f"the button {label!r} opens a page"
        assert not found[0].get("disabled"), f"the button {label!r} cannot be pressed"
        data = {"custom_id": found[0]["custom_id"], "component_type": 2, "id": found[0].get("id", 0)}
        return self._interact(Asked.COMPONENT, message.channel, data, message, must_answer)

    def choose(
        self, message: Message, *choices: str, custom_id: str | None = None, must_answer: bool = True
    ) -> Interaction:
        """Choose from a select, by labels or values."""
        found = [one for one in message.components if one["type"] == 3 and custom_id in (None, one["custom_id"])]
        assert found, f"there is no select {custom_id or ''}"
        options = {one["value"]: one["value"] for one in found[0]["options"]}
        options |= {one["label"]: one["value"] for one in found[0]["options"]}
        values = [options[choice] for choice in choices]
        assert found[0].get("min_values", 1) <= len(values) <= found[0].get("max_values", 1), "so many cannot be chosen"
        data = {"custom_id": found[0]["custom_id"], "component_type": 3, "values": values}
        return self._interact(Asked.COMPONENT, message.channel, data, message, must_answer)

    def submit(self, asked: Interaction, *, must_answer: bool = True, **values: str | list[str]) -> Interaction:
        """Fill the modal that answered an interaction, each field by its custom id, and send it."""
        assert asked.modal is not None, "no modal was shown"
        left = dict(values)
        rows = [filled(row, left) for row in asked.modal["components"]]
        assert not left, f"the modal has no {', '.join(left)}"
        data = {"custom_id": asked.modal["custom_id"], "components": rows}
        return self._interact(Asked.MODAL, asked.channel, data, asked.message, must_answer)

    def command(self, channel: Channel, name: str, *, must_answer: bool = True, **options: str) -> Interaction:
        """Use a slash command, with texts as its options."""
        given = [{"name": key, "type": 3, "value": value} for key, value in options.items()]
        known = [one for commands in self._world.commands.values() for one in commands if one["name"] == name]
        number = known[0]["id"] if known else str(self._world.new_id())
        data = {"id": number, "name": name, "type": 1, "options": given}
        return self._interact(Asked.COMMAND, channel, data, None, must_answer)

    def _interact(
        self, kind: Asked, channel: Channel, data: dict[str, Any], message: Message | None, must_answer: bool
    ) -> Interaction:
        return interact(self._world, kind, self.id, channel, data, message=message, must_answer=must_answer)


def filled(row: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return a part of a modal as it is sent, with values taken for those it holds."""
    if "custom_id" in row:
        value = values.pop(row["custom_id"], [] if row["type"] in SELECTS else row.get("value", ""))
        key = "values" if row["type"] in SELECTS else "value"
        return {"type": row["type"], "id": row.get("id", 0), "custom_id": row["custom_id"], key: value}
    inner: dict[str, Any] = {key: filled(row[key], values) for key in ("component",) if key in row}
    if "components" in row:
        inner["components"] = [filled(one, values) for one in row["components"]]
    return {"type": row["type"], "id": row.get("id", 0)} | inner
