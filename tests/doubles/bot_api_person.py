"""Somebody who writes to the bot, presses its buttons and reacts to what it says."""

from __future__ import annotations

import mimetypes
import random
import re
from typing import Any

from tests.doubles.bot_api_checks import picture_sides, units
from tests.doubles.bot_api_world import Chat, ChatKind, Message, StoredFile, World

MARKED = re.compile(r"(?<!\S)(?:(?P<bot_command>/\w{1,64}(?:@\w+)?)|(?P<mention>@\w{5,32}))")


class Person:
    """A person; what they do comes to the bot as updates, by the ids of the chat it happens in."""

    def __init__(self, world: World, person_id: int, first_name: str, username: str | None = None) -> None:
        self._world = world
        self.id = person_id
        self.raw: dict[str, Any] = {"id": person_id, "is_bot": False, "first_name": first_name, "language_code": "en"}
        if username is not None:
            self.raw["username"] = username

    def write(
        self, chat: Chat | int, text: str, *, reply_to: Message | None = None, thread: int | None = None, **extra: Any
    ) -> Message:
        """Write a text; ``extra`` are more fields of the message, such as ``forward_origin``."""
        entities = {"entities": found} if (found := marks(text)) else {}
        return self._say(chat, {"text": text} | entities | extra, reply_to, thread)

    def send_photo(
        self, chat: Chat | int, data: bytes, caption: str = "", *, thread: int | None = None, **extra: Any
    ) -> Message:
        """Send a picture, which Telegram offers in two sizes."""
        stored = self._world.store(data, "photo.jpg", "image/jpeg", "photos")
        return self._say(chat, photo(stored) | captioned(caption) | extra, None, thread, [stored])

    def send_document(
        self,
        chat: Chat | int,
        data: bytes,
        name: str,
        caption: str = "",
        *,
        size: int | None = None,
        thread: int | None = None,
        **extra: Any,
    ) -> Message:
        """Send a file; ``size`` in bytes lets it be larger than its data."""
        stored = self._world.store(data, name, mimetypes.guess_type(name)[0] or "", "documents", size)
        return self._say(chat, document(stored) | captioned(caption) | extra, None, thread, [stored])

    def send_album(
        self, chat: Chat | int, pictures: list[bytes], captions: list[str] | None = None, *, thread: int | None = None
    ) -> list[Message]:
        """Send pictures as one album: a message and an update each."""
        group = {"media_group_id": str(random.randrange(10**16, 10**17))}
        texts = captions or []
        texts = texts + [""] * (len(pictures) - len(texts))
        return [
            self.send_photo(chat, data, text, thread=thread, **group)
            for data, text in zip(pictures, texts, strict=True)
        ]

    def edit(self, message: Message, text: str) -> None:
        """Change the text of a message of theirs."""
        assert not message.by_bot, "nobody edits the bot's messages but the bot"
        key = "caption" if "caption" in message.raw else "text"
        marked = "caption_entities" if key == "caption" else "entities"
        message.raw.pop(marked, None)
        found = {marked: entities} if (entities := marks(text)) else {}
        message.raw |= {key: text, "edit_date": int(self._world.wall())} | found
        kind = "edited_channel_post" if self._chat(message.chat_id).kind is ChatKind.CHANNEL else "edited_message"
        self._world.queue({kind: dict(message.raw)})

    def react(self, message: Message, *emoji: str) -> None:
        """React to a message, or with no emoji take a reaction back."""
        new = [{"type": "emoji", "emoji": one} for one in emoji]
        old = message.reactions.get(self.id, [])
        message.reactions[self.id] = new
        change = {
            "chat": message.raw["chat"],
            "message_id": message.message_id,
            "user": self.raw,
            "date": int(self._world.wall()),
            "old_reaction": old,
            "new_reaction": new,
        }
        self._world.queue({"message_reaction": change})

    def press(self, message: Message, label: str) -> str:
        """Press an inline button; return the id of the query."""
        found = [button for row in message.buttons for button in row if button["text"] == label]
        assert found, f"there is no button {label!r}, but {message.labels}"
        assert "callback_data" in found[0], f"the button {label!r} opens a page"
        query_id = str(random.randrange(10**17, 10**18))
        self._world.queries[query_id] = True
        query = {
            "id": query_id,
            "from": self.raw,
            "message": dict(message.raw),
            "chat_instance": str(message.chat_id * 7919),
            "data": found[0]["callback_data"],
        }
        self._world.queue({"callback_query": query})
        return query_id

    def _chat(self, chat: Chat | int) -> Chat:
        return chat if isinstance(chat, Chat) else self._world.chats[chat]

    def _say(
        self,
        chat: Chat | int,
        parts: dict[str, Any],
        reply_to: Message | None,
        thread: int | None,
        files: list[StoredFile] | None = None,
    ) -> Message:
        """Put a message into a chat and queue its update."""
        chat = self._chat(chat)
        head: dict[str, Any] = {}
        if chat.kind is ChatKind.CHANNEL:
            head["sender_chat"] = chat.raw
        else:
            head["from"] = self.raw
            chat.started = True
            chat.members.setdefault(self.id, "member")
        if thread is None and reply_to is not None:
            thread = reply_to.thread_id
        if thread is not None:
            assert thread in chat.topics, f"there is no topic {thread}"
            head |= {"message_thread_id": thread, "is_topic_message": True}
        if reply_to is not None:
            head["reply_to_message"] = reply_to.quoted()
            if thread is None and chat.kind is ChatKind.SUPERGROUP:
                head["message_thread_id"] = reply_to.message_id  # of no topic: Telegram numbers threads of replies too
        elif thread is not None and chat.forum:
            head["reply_to_message"] = topic_start(chat, thread)
        message = self._world.new_message(chat, head | parts, files=files or [])
        self._world.queue({"channel_post" if chat.kind is ChatKind.CHANNEL else "message": dict(message.raw)})
        return message


def marks(text: str) -> list[dict[str, Any]]:
    """Return the entities that Telegram finds in a text by itself, commands and mentions."""
    return [
        {
            "type": found.lastgroup,
            "offset": units(text[: found.start()]),
            "length": units(found.group()),
        }
        for found in MARKED.finditer(text)
    ]


def topic_start(chat: Chat, thread: int) -> dict[str, Any]:
    """Return the message that a forum's topic began with: whatever is written there answers it."""
    return {
        "message_id": thread,
        "date": 1_700_000_000,
        "chat": chat.raw,
        "from": {"id": 136817688, "is_bot": False, "first_name": "Owner"},
        "message_thread_id": thread,
        "is_topic_message": True,
        "forum_topic_created": {"name": chat.topics[thread], "icon_color": 7322096},
    }


def captioned(caption: str) -> dict[str, Any]:
    """Return a caption's fields, none for an empty one."""
    return {"caption": caption} | ({"caption_entities": found} if (found := marks(caption)) else {}) if caption else {}


def photo(stored: StoredFile) -> dict[str, Any]:
    """Return a photo's field; its sizes share one file here."""
    width, height = picture_sides(stored.data) or (640, 480)
    small = {"width": max(width // 4, 1), "height": max(height // 4, 1)}
    return {"photo": [stored.raw | small, stored.raw | {"width": width, "height": height}]}


def document(stored: StoredFile) -> dict[str, Any]:
    """Return a document's field."""
    named = {"file_name": stored.name} if stored.name else {}
    return {"document": stored.raw | named | ({"mime_type": stored.mime} if stored.mime else {})}
