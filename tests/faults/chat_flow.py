"""A bot's worker with everything around it, whose parts can be killed, and what must hold whatever was killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import defaultdict
from typing import Any, NamedTuple

from tests.doubles.daemon import TIMEOUT_S
from tests.doubles.faultpoints import FaultPoints, Hit
from tests.doubles.mcp_client import McpClient
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


class Forked(QuickDaemon):
    """A daemon of a nursery that is given by name."""

    def __init__(self, config: str, *, nursery: Nursery, **more: Any) -> None:
        super().__init__(nursery, config, **more)


class ChatScene:
    """The daemon, its one worker and its sessions. ``expected`` are the events that Claude has to be told, in order."""

    def __init__(self, daemon: QuickDaemon, points: FaultPoints) -> None:
        self.daemon, self.points = daemon, points
        self.expected: list[Key] = []
        self.edits: set[Key] = set()
        self.clients: list[McpClient] = []
        self.worker_pid = 0
        self._heard = 0
        self._told: list[Telling] = []
        self.ending = contextlib.AsyncExitStack()

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
        status = await self.daemon.status_where(lambda s: s["workers"][0]["state"] == "ready")
        self.worker_pid = int(status["workers"][0]["pid"])

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
            await self.daemon.ask("restart", worker=status["workers"][0]["name"])

    async def stand(self, stop: asyncio.Future[Hit]) -> Hit:
        """Return when a process stands at a step that was armed."""
        return await asyncio.wait_for(stop, TIMEOUT_S)

    async def call(self, tool: str, tool_use_id: str, **arguments: Any) -> tuple[str, bool]:
        """Call a tool; return its text and whether it is an error."""
        result = await self.client.call_tool(tool, arguments, tool_use_id)
        return result["content"][0]["text"], result.get("isError", False)

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
        """Return when Claude was told all that is expected, and nothing waits."""
        missing = set(self.expected)
        while missing := missing - {telling.key for telling in self.told()}:
            await self.client.next_event()
        await self.daemon.status_where(lambda status: status["events"] and not WAITING & set(status["events"]))

    def check_inbound(self) -> None:
        """None lost, none doubled without its flag, first pushes of each chat in order."""
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


def telling_of(heard: dict[str, Any]) -> Telling | None:
    """Return what a message of the server tells of people, or nothing."""
    if heard.get("method") != "notifications/claude/channel" or heard["params"]["meta"]["user_id"] == "channeld":
        return None
    meta, text = heard["params"]["meta"], heard["params"]["content"]
    kind = meta.get("event", "message")
    key = (meta["chat_id"], meta["message_id"], kind if kind == "message" else f"{kind}:{text}")
    return Telling(key, text, meta["delivery_id"], meta.get("redelivered") == "true")
