"""What Telegram knows: chats, people, messages and files. Nothing here speaks HTTP."""

from __future__ import annotations

import hashlib
import itertools
import math
import random
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from tests.doubles.awaited import Awaited
from tests.doubles.bot_api_checks import ApiError, mistake, refusal
from tests.doubles.bot_api_updates import UpdateQueue

if TYPE_CHECKING:
    from tests.doubles.bot_api_person import Person

GENERAL = 1


class ChatKind(StrEnum):
    """A chat's type."""

    PRIVATE = "private"
    GROUP = "group"
    SUPERGROUP = "supergroup"
    CHANNEL = "channel"


@dataclass
class StoredFile:
    """A file at Telegram."""

    file_id: str
    data: bytes
    name: str
    mime: str
    folder: str
    size: int
    sha256: str
    path: str | None = None  # of its link, once there is one

    @property
    def raw(self) -> dict[str, Any]:
        """What every object with a file has."""
        unique = hashlib.sha1(self.file_id.encode(), usedforsecurity=False).hexdigest()[:14]
        return {"file_id": self.file_id, "file_unique_id": unique, "file_size": self.size}


@dataclass(eq=False)
class Message:
    """A message in a chat: its Bot API form, and what that leaves out."""

    raw: dict[str, Any]
    by_bot: bool = False
    files: list[StoredFile] = field(default_factory=list)
    silent: bool = False
    parse_mode: str | None = None
    method: str = ""
    reactions: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def chat_id(self) -> int:
        return int(self.raw["chat"]["id"])

    @property
    def message_id(self) -> int:
        return int(self.raw["message_id"])

    @property
    def thread_id(self) -> int | None:
        return self.raw.get("message_thread_id") if self.raw.get("is_topic_message") else None

    @property
    def text(self) -> str:
        """The text, or the caption."""
        return str(self.raw.get("text", self.raw.get("caption", "")))

    @property
    def entities(self) -> list[dict[str, Any]]:
        return list(self.raw.get("entities", self.raw.get("caption_entities", [])))

    @property
    def reply_to(self) -> int | None:
        """The id of the message it answers."""
        replied = self.raw.get("reply_to_message")
        return None if replied is None or "forum_topic_created" in replied else int(replied["message_id"])

    @property
    def buttons(self) -> list[list[dict[str, Any]]]:
        """The rows of inline buttons."""
        return list(self.raw.get("reply_markup", {}).get("inline_keyboard", []))

    @property
    def labels(self) -> list[str]:
        """What is on the inline buttons."""
        return [button["text"] for button in itertools.chain.from_iterable(self.buttons)]

    def quoted(self) -> dict[str, Any]:
        """Return it as it is in an answer to it."""
        return {key: value for key, value in self.raw.items() if key != "reply_to_message"}


@dataclass
class Limit:
    """So many messages a period."""

    messages: int
    period_s: float
    times: deque[float] = field(default_factory=deque)

    def wait_s(self, now: float, messages: int) -> int:
        """Count messages that come together, or return how long they are to wait in whole seconds."""
        while self.times and self.times[0] <= now - self.period_s:
            self.times.popleft()
        if len(self.times) >= self.messages:
            return max(1, math.ceil(self.times[0] + self.period_s - now))
        self.times.extend([now] * messages)
        return 0


@dataclass(eq=False)
class Chat:
    """A chat."""

    id: int
    kind: ChatKind
    names: dict[str, str]
    topics: dict[int, str] = field(default_factory=dict)
    forum: bool = False
    started: bool = True  # a private chat begins with its person
    refused: str | None = None  # why the bot cannot write here
    migrated_to: int | None = None
    limit: Limit | None = None
    members: dict[int, str] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    next_message_id: int = field(default_factory=lambda: random.randrange(100, 90_000))

    @property
    def raw(self) -> dict[str, Any]:
        """Return it as it is in a message."""
        forum = {"is_forum": True} if self.forum else {}
        return {"id": self.id, "type": str(self.kind)} | self.names | forum


@dataclass(frozen=True)
class Edit:
    """An edit that was carried out; ``text`` is nothing where only the keyboard was."""

    chat_id: int
    message_id: int
    text: str | None
    entities: list[dict[str, Any]]
    buttons: list[list[dict[str, Any]]]


@dataclass(frozen=True)
class Reaction:
    """A reaction of the bot's; no emoji takes it back."""

    chat_id: int
    message_id: int
    emoji: str | None


@dataclass(frozen=True)
class Action:
    """What the bot said it is doing, such as typing."""

    chat_id: int
    thread_id: int | None
    action: str
    at: float


@dataclass(frozen=True)
class Answered:
    """A press that was answered."""

    query_id: str
    text: str | None
    alert: bool


class World(Awaited):
    """Everything behind the Bot API of one bot."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        super().__init__()
        number = random.randrange(10**9, 9 * 10**9)
        self.token = f"{number}:AA{secrets.token_urlsafe(25)[:33]}"
        self.bot: dict[str, Any] = {
            "id": number,
            "is_bot": True,
            "first_name": "Courier",
            "username": "courier_test_bot",
        }
        self.abilities = {
            "can_join_groups": True,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
            "can_connect_to_business": False,
            "has_main_web_app": False,
            "has_topics_enabled": False,
            "allows_users_to_create_topics": False,
        }
        self.clock = clock
        self.wall = wall
        self.updates = UpdateQueue(self.changed)
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, StoredFile] = {}
        self.queries: dict[str, bool] = {}  # whether a press may still be answered
        self.commands: list[dict[str, str]] = []
        self.sent: list[Message] = []
        self.edits: list[Edit] = []
        self.reactions: list[Reaction] = []
        self.actions: list[Action] = []
        self.callbacks_answered: list[Answered] = []
        self.violations: list[str] = []

    # Chats

    def _add(self, chat: Chat) -> Chat:
        assert chat.id not in self.chats, f"there is a chat {chat.id} already"
        self.chats[chat.id] = chat
        return chat

    def add_private_chat(self, person: Person, *, started: bool = True, topics: dict[int, str] | None = None) -> Chat:
        """Add a person's chat with the bot; one that is not started the bot cannot write to."""
        names = {key: value for key, value in person.raw.items() if key in ("first_name", "username")}
        return self._add(Chat(person.id, ChatKind.PRIVATE, names, topics or {}, started=started))

    def add_group(
        self, chat_id: int, title: str = "Workshop", *, supergroup: bool = True, topics: dict[int, str] | None = None
    ) -> Chat:
        """Add a group; with topics it is a forum, whose General topic has no id of its own."""
        kind = ChatKind.SUPERGROUP if supergroup else ChatKind.GROUP
        chat = Chat(chat_id, kind, {"title": title}, topics or {}, forum=topics is not None)
        chat.members[self.bot["id"]] = "member"
        return self._add(chat)

    def add_channel(self, chat_id: int, title: str = "News") -> Chat:
        """Add a channel with the bot as an administrator."""
        chat = self._add(Chat(chat_id, ChatKind.CHANNEL, {"title": title}))
        chat.members[self.bot["id"]] = "administrator"
        return chat

    def chat(self, chat_id: int) -> list[Message]:
        """Return a chat's messages, in order."""
        return [message for _, message in sorted(self.chats[chat_id].messages.items())]

    def block(self, chat_id: int) -> None:
        """Let a person block the bot, or a group throw it out."""
        chat = self.chats[chat_id]
        chat.refused = {
            ChatKind.PRIVATE: "Forbidden: bot was blocked by the user",
            ChatKind.GROUP: "Forbidden: bot was kicked from the group chat",
            ChatKind.SUPERGROUP: "Forbidden: bot was kicked from the supergroup chat",
            ChatKind.CHANNEL: "Forbidden: bot is not a member of the channel chat",
        }[chat.kind]

    def unblock(self, chat_id: int) -> None:
        """Let the bot write again."""
        self.chats[chat_id].refused = None

    def migrate(self, chat_id: int, new_id: int, *, announce: bool = True) -> Chat:
        """Make a group a supergroup; both chats say so in a message of their own, unless that is not wanted."""
        old = self.chats[chat_id]
        new = self.add_group(new_id, old.names["title"])
        old.migrated_to = new_id
        if announce:
            for chat, hint in ((old, {"migrate_to_chat_id": new_id}), (new, {"migrate_from_chat_id": chat_id})):
                message = self.new_message(chat, {"from": self.bot} | hint)
                self.queue({"message": message.raw})
        return new

    def limit(self, chat_id: int, messages: int, period_s: float) -> None:
        """Answer 429 to what the bot sends to a chat beyond so many messages a period."""
        self.chats[chat_id].limit = Limit(messages, period_s)

    def reachable(self, chat_id: object) -> Chat:
        """Return a chat that the bot may see.

        Raises:
            ApiError: there is none, or it may not.
        """
        if chat_id is None or chat_id == "":
            raise mistake("chat_id is empty")
        if isinstance(chat_id, str) and chat_id.removeprefix("-").isdecimal():
            chat_id = int(chat_id)
        chat = self.chats.get(chat_id) if isinstance(chat_id, int) else None
        if chat is None:
            raise refusal("chat not found")
        if chat.migrated_to is not None:
            reason = "group chat was upgraded to a supergroup chat"
            raise refusal(reason, {"migrate_to_chat_id": chat.migrated_to})
        if chat.refused is not None:
            raise ApiError(403, chat.refused)
        if not chat.started:
            raise ApiError(403, "Forbidden: bot can't initiate conversation with a user")
        return chat

    # Messages and files

    def new_message(self, chat: Chat, parts: dict[str, Any], **more: Any) -> Message:
        """Put a message into a chat, under its next id."""
        head = {"message_id": chat.next_message_id, "date": int(self.wall()), "chat": chat.raw}
        message = Message(head | parts, **more)
        chat.messages[chat.next_message_id] = message
        chat.next_message_id += 1
        if message.by_bot:
            self.sent.append(message)
        self.changed()
        return message

    def store(self, data: bytes, name: str, mime: str, folder: str, size: int | None = None) -> StoredFile:
        """Keep a file; ``size`` in bytes says it is larger than what is kept of it."""
        file_id = f"BQAC{secrets.token_urlsafe(40)}"
        size = len(data) if size is None else size
        stored = StoredFile(file_id, data, name, mime, folder, size, hashlib.sha256(data).hexdigest())
        self.files[file_id] = stored
        return stored

    def expire_links(self) -> None:
        """Let the links of files end, as they do after an hour."""
        for stored in self.files.values():
            stored.path = None

    def expire_presses(self) -> None:
        """Let no press so far be answered any more."""
        self.queries = dict.fromkeys(self.queries, False)

    # Updates and people

    def queue(self, update: dict[str, Any]) -> int | None:
        """Queue an update of any shape; return its id, or nothing if the bot does not want its kind."""
        return self.updates.add(update)

    @property
    def confirmed(self) -> int:
        """The last update that was confirmed, 0 for none."""
        return self.updates.confirmed[-1] if self.updates.confirmed else 0

    def is_confirmed(self, update_id: int) -> bool:
        """Tell whether an update was given to the bot for good."""
        return update_id in self.updates.confirmed

    def renumber(self, next_id: int | None = None) -> None:
        """Number the next update at random."""
        self.updates.renumber(next_id)

    def set_webhook(self, url: str) -> None:
        """Set a webhook from elsewhere, or none with an empty address."""
        self.updates.webhook = url
