"""Telegram's worker with everything around it, whose parts can be killed, and what must hold whatever was killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

from channeld_workers.telegram.keyboards import REPLY, read_data
from tests.doubles.bot_api import BotApi
from tests.doubles.bot_api_person import Person
from tests.doubles.bot_api_updates import UpdateQueue
from tests.doubles.bot_api_world import Chat, Message
from tests.doubles.daemon import TIMEOUT_S
from tests.doubles.faultpoints import FaultPoints, Hit
from tests.doubles.mcp_client import McpClient
from tests.doubles.telegram import ANN_ID, TelegramDaemon
from tests.faults.nursery import Nursery, QuickDaemon

Key = tuple[str, str, str]
"""Chat, message id and kind of an event; of all but messages with its text."""
WAITING = frozenset({"held", "queued", "pushed"})


class Telling(NamedTuple):
    """An event as Claude was told it."""

    key: Key
    text: str
    delivery_id: str
    redelivered: bool


class _Forked(QuickDaemon):
    """A daemon of a nursery that is given by name."""

    def __init__(self, config: str, *, nursery: Nursery, **more: Any) -> None:
        super().__init__(nursery, config, **more)


class QuickTelegram(TelegramDaemon, _Forked):
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


class BotScene:
    """Everything together. ``expected`` are the events that Claude has to be told, in their order."""

    def __init__(self, api: BotApi, ann: Person, chat: Chat, daemon: QuickTelegram, points: FaultPoints) -> None:
        self.api, self.ann, self.chat, self.daemon, self.points = api, ann, chat, daemon, points
        self.people: dict[int, Person] = {ann.id: ann}
        self.expected: list[Key] = []
        self.edits: set[Key] = set()
        self.clients: list[McpClient] = []
        self.worker_pid = 0
        self._heard = 0
        self._told: list[Telling] = []
        self.ending = contextlib.AsyncExitStack()

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

    # -- processes

    async def attach(self) -> McpClient:
        """Attach a session; that the daemon has taken it in is not waited for."""
        self.clients.append(await self.ending.enter_async_context(self.daemon.client(initialize=False)))
        await self.client.initialize()
        return self.client

    @property
    def client(self) -> McpClient:
        """The session."""
        return self.clients[-1]

    async def ready(self) -> None:
        """Return when the worker has connected."""
        await self.daemon.ready()
        status = await self.daemon.status_where(lambda s: s["workers"][0]["state"] == "ready")
        self.worker_pid = self.daemon.worker_pid(status)

    async def kill(self, victim: str, at: Hit | None = None) -> None:
        """Kill the worker or the daemon while one of them stands somewhere, let go who stands, and start what died."""
        dead = self.worker_pid
        if victim == "daemon":
            await self.daemon.kill()
            if at is not None:
                at.release()
            await self.daemon.start()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(dead, signal.SIGKILL)
            if at is not None:
                at.release()
            await self.skip_backoff(dead)
        await self.ready()

    async def skip_backoff(self, dead: int) -> None:
        """Spare a test the pause before the worker's next start, which is drawn by lot."""
        status = await self.daemon.status_where(lambda status: status["workers"][0]["pid"] != dead)
        if status["workers"][0]["state"] in {"backoff", "failed"}:
            await self.daemon.ask("restart", worker="telegram")

    async def stand(self, stop: asyncio.Future[Hit]) -> Hit:
        """Return when a process stands at a step that was armed."""
        return await asyncio.wait_for(stop, TIMEOUT_S)

    async def call(self, tool: str, tool_use_id: str, **arguments: Any) -> tuple[str, bool]:
        """Call a tool; return its text and whether it is an error."""
        result = await self.client.call_tool(tool, arguments, tool_use_id)
        return result["content"][0]["text"], result.get("isError", False)

    def reply(self, text: str, chat: Chat | None = None, **more: Any) -> asyncio.Task[tuple[str, bool]]:
        """Have Claude reply, each text once."""
        chat_id = f"telegram:{(chat or self.chat).id}"
        return asyncio.create_task(self.call("reply", f"toolu_{text[:40]}", chat_id=chat_id, text=text, **more))

    # -- what Claude was told

    def told(self) -> list[Telling]:
        """Return what Claude was told of people, in order."""
        heard = [message for client in self.clients for message in client.received]  # only the last one hears
        fresh, self._heard = heard[self._heard :], len(heard)
        self._told += [telling for message in fresh if (telling := telling_of(message)) is not None]
        return self._told

    async def until_told(self, number: int) -> None:
        """Return when Claude was told so much."""
        while len(self.told()) < number:
            await self.client.next_event()

    async def settle(self) -> None:
        """Return when Claude was told all that is expected, and nothing waits at Telegram or here."""
        missing = set(self.expected)
        while missing := missing - {telling.key for telling in self.told()}:
            await self.client.next_event()
        await self.api.until(lambda: not self.api.updates.waiting)
        await self.daemon.status_where(lambda status: status["events"] and not WAITING & set(status["events"]))

    def check_inbound(self) -> None:
        """None lost, none doubled without its flag, first pushes of each chat in order, none confirmed too early."""
        firsts: dict[str, list[Key]] = defaultdict(list)
        ids: dict[Key, set[str]] = defaultdict(set)
        chats = {chat for chat, _, _ in self.expected}
        for telling in self.told():
            if telling.key[0] not in chats:
                continue
            repeated = telling.key in ids
            assert telling.redelivered or not repeated, f"{telling.key} came twice without its flag"
            ids[telling.key].add(telling.delivery_id)
            if not repeated and telling.key not in self.edits:
                firsts[telling.key[0]].append(telling.key)
        assert all(len(of_one) == 1 for of_one in ids.values()), ids
        wanted: dict[str, list[Key]] = defaultdict(list)
        for key in self.expected:
            wanted[key[0]].append(key)
        assert firsts == wanted
        as_edited = {(*telling.key[:2], f"edited:{telling.text}") for telling in self.told()}
        assert self.edits <= as_edited, "an edit was lost"
        self.check_confirmed()

    def check_confirmed(self) -> None:
        """Nothing was confirmed before it was on disk."""
        queue = self.api.updates
        assert isinstance(queue, WitnessedQueue)
        assert queue.too_early == []


def telling_of(heard: dict[str, Any]) -> Telling | None:
    """Return what a message of the server tells of people, or nothing."""
    if heard.get("method") != "notifications/claude/channel" or heard["params"]["meta"]["user_id"] == "channeld":
        return None
    meta, text = heard["params"]["meta"], heard["params"]["content"]
    kind = meta.get("event", "message")
    key = (meta["chat_id"], meta["message_id"], kind if kind == "message" else f"{kind}:{text}")
    return Telling(key, text, meta["delivery_id"], meta.get("redelivered") == "true")


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
