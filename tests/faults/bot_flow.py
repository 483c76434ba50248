"""Telegram's worker with everything around it, whose parts can be killed, and what must hold whatever was killed."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from channeld_workers.telegram.keyboards import REPLY, read_data
from tests.doubles.bot_api import BotApi
from tests.doubles.bot_api_person import Person
from tests.doubles.bot_api_updates import UpdateQueue
from tests.doubles.bot_api_world import Chat, Message
from tests.doubles.faultpoints import FaultPoints
from tests.doubles.telegram import ANN_ID, TelegramDaemon
from tests.faults.chat_flow import ChatScene, Forked
from tests.faults.nursery import Nursery


class QuickTelegram(TelegramDaemon, Forked):
    """The daemon with Telegram's worker, forked."""


class WitnessedQueue(UpdateQueue):
    """The updates that wait, and a witness who looks into the database whenever some are confirmed."""

    def __init__(self, api: BotApi, database: Path) -> None:
        super().__init__(api.changed)
        self._database = database
        self.too_early: list[str] = []

    def _confirm(self, offset: int) -> int:
        before = list(self.waiting)
        start = super()._confirm(offset)
        kept = {update["update_id"] for update in self.waiting}
        keys = {key for update in before if update["update_id"] not in kept and (key := event_key(update)) is not None}
        if keys:
            self.too_early += sorted(keys - keys_on_disk(self._database))
        return start


class BotScene(ChatScene):
    """Everything together. ``expected`` are the events that Claude has to be told, in their order."""

    def __init__(self, api: BotApi, ann: Person, chat: Chat, daemon: QuickTelegram, points: FaultPoints) -> None:
        super().__init__(daemon, points)
        self.api, self.ann, self.chat = api, ann, chat
        self.people: dict[int, Person] = {ann.id: ann}

    # -- people

    async def add_person(self, person_id: int, name: str) -> tuple[Person, Chat]:
        """Add somebody who is listed, and their private chat."""
        person = self.people[person_id] = self.api.person(person_id, name)
        await self.daemon.list_sender("telegram", str(person_id), "approver")
        return person, self.api.add_private_chat(person)

    def write(self, *texts: str, chat: Chat | None = None) -> list[Message]:
        """Have the person of a private chat write messages, Ann if nothing is said."""
        chat = chat or self.chat
        return [self.wrote(self.people[chat.id].write(chat, text)) for text in texts]

    def wrote(self, message: Message) -> Message:
        """Expect that Claude is told a message."""
        self.expected.append((f"telegram:{message.chat_id}", str(message.message_id), "message"))
        return message

    def edit(self, message: Message, text: str) -> None:
        """Have the author of a message change it: Claude is told either of that or only of what it became."""
        self.people[message.chat_id].edit(message, text)
        self.edits.add((f"telegram:{message.chat_id}", str(message.message_id), f"edited:{text}"))

    def press(self, message: Message, label: str) -> None:
        """Have the person of a private chat tap a button of a reply."""
        self.people[message.chat_id].press(message, label)
        self.expected.append((f"telegram:{message.chat_id}", str(message.message_id), f"button:{label}"))

    def reply(self, text: str, chat: Chat | None = None, **more: Any) -> asyncio.Task[tuple[str, bool]]:
        """Have Claude reply, each text once."""
        chat_id = f"telegram:{(chat or self.chat).id}"
        return asyncio.create_task(self.call("reply", f"toolu_{text[:40]}", chat_id=chat_id, text=text, **more))

    # -- what Claude was told

    async def settle(self) -> None:
        """Return when Claude was told all that is expected, and nothing waits at Telegram or here."""
        await super().settle()
        await self.api.until(lambda: not self.api.updates.waiting)

    def check_inbound(self) -> None:
        """As for every bot; and none was confirmed too early."""
        super().check_inbound()
        self.check_confirmed()

    def check_confirmed(self) -> None:
        """Nothing was confirmed before it was on disk."""
        queue = self.api.updates
        assert isinstance(queue, WitnessedQueue)
        assert queue.too_early == []


def event_key(update: dict[str, Any]) -> str | None:
    """Return under which key an update that is for Claude must be on disk before it is confirmed."""
    match update:
        case {"hostile": True}:  # whether it is for Claude is not for us to say
            return None
        case {"message": {"chat": {"id": chat}, "message_id": number}}:
            return f"message:{chat}:{number}"
        case {"edited_message": {"chat": {"id": chat}, "message_id": number, "edit_date": date}, "update_id": serial}:
            return f"edited:{chat}:{number}:{date}:{serial}"
        case {"callback_query": {"id": str(query), "data": str(data)}} if (read_data(data) or ("",))[0] == REPLY:
            return f"button:{query}"
        case _:
            return None


def keys_on_disk(database: Path) -> set[str]:
    """Return the keys of all events that are committed."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT event_key FROM event UNION ALL SELECT event_key FROM album_key")
        return {key for (key,) in found}


@contextlib.asynccontextmanager
async def bot_scene(
    nursery: Nursery, *, attach: bool = True, kind: type[QuickTelegram] = QuickTelegram, **options: Any
) -> AsyncIterator[BotScene]:
    """Run all of it; whatever the test does, the worker must not have done what a good client never does."""
    async with contextlib.AsyncExitStack() as stack:
        points = await stack.enter_async_context(FaultPoints())
        api = await stack.enter_async_context(BotApi())
        ann = api.person(ANN_ID, "Ann")
        chat = api.add_private_chat(ann)
        daemon = kind(api, nursery=nursery, points=points, **options)
        api.updates = WitnessedQueue(api, daemon.paths.database)
        await stack.enter_async_context(daemon)
        scene = BotScene(api, ann, chat, daemon, points)
        await scene.ready()
        await api.until(lambda: api.updates.polling)  # a first poll confirms nothing, so a test would hold it in vain
        await stack.enter_async_context(scene.ending)
        if attach:
            await daemon.attached(await scene.attach())
        yield scene
        assert not api.violations
