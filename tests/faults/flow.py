"""A whole installation whose parts can be killed, and what must hold whatever was killed."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from channeld.daemon.limits import Limits
from channeld.ipc import messages as m
from tests.doubles.daemon import TIMEOUT_S
from tests.doubles.faultpoints import FaultPoints, Hit
from tests.doubles.mcp_client import McpClient
from tests.doubles.stores import message
from tests.doubles.worker_end import CAPABILITIES, Pager, WorkerEnd
from tests.faults.nursery import Nursery, QuickDaemon

_LOOK_EVERY_S = 0.02


class Telling(NamedTuple):
    """A message as Claude was told it."""

    key: str
    chat: str
    delivery_id: str
    redelivered: bool


class Platform:
    """A platform that, as real ones do, offers again whatever was not accepted, over all lives of its worker."""

    def __init__(self, pager: Pager, capabilities: m.Capabilities = CAPABILITIES) -> None:
        self._pager, self.capabilities = pager, capabilities
        self.said: list[str] = []
        self.unaccepted: dict[str, str] = {}  # key to chat, in order
        self.refusals: list[m.Refused] = []
        self.sends: list[m.Send] = []
        self.posted: dict[str, list[str]] = {}  # send_id to texts: more than one is a message that people see twice
        self.answers_sends = True
        self.life: WorkerEnd | None = None
        self._last_ref = 0
        self._refs: dict[int, str] = {}  # of this life
        self._changed = asyncio.Condition()

    def say(self, *keys: str) -> None:
        """Have people write messages; the first letter of each key names the chat."""
        for key in keys:
            self.said.append(key)
            self.unaccepted[key] = f"pager:{key[0]}"
        if self.life is not None:
            self._offer(self.life, keys)

    async def until(self, holds: Callable[[], object]) -> None:
        """Return when something holds, looked at after every frame."""
        async with asyncio.timeout(TIMEOUT_S), self._changed:
            await self._changed.wait_for(lambda: bool(holds()))

    async def run(self) -> None:
        """Serve one life of the worker after the other."""
        while True:
            life = await self._pager.life()
            try:
                await self._serve(life)
            except ConnectionError:
                self.life = None
                await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, life: WorkerEnd) -> None:
        await life.begin(self.capabilities)
        self.life, self._refs = life, {}
        self._offer(life, tuple(self.unaccepted))
        while True:
            await self._notify()
            self._take(life, await life.expect(m.Message))

    def _offer(self, life: WorkerEnd, keys: tuple[str, ...]) -> None:
        """Offer with one write, so that the daemon takes all of it at once: tests count its steps."""
        frames = []
        for key in keys:
            self._last_ref += 1
            self._refs[self._last_ref] = key
            event = message(key, chat=f"pager:{key[0]}", text=f"text of {key}")
            frames.append(m.Offer(ref=self._last_ref, event=event))
        life.send(*frames)

    def offer_again(self) -> None:
        """Offer what was refused."""
        assert self.life is not None
        self._offer(self.life, tuple(self.unaccepted))

    def _take(self, life: WorkerEnd, frame: m.Message) -> None:
        match frame:
            case m.Accepted(ref=ref):
                self.unaccepted.pop(self._refs.pop(ref), None)
            case m.Refused():
                self.refusals.append(frame)
            case m.Send():
                self.sends.append(frame)
                if self.answers_sends:
                    self.carry_out(life, frame)

    def carry_out(self, life: WorkerEnd, part: m.Send) -> None:
        """Post a message where people see it and say so; one that is idempotent knows a repeated ``send_id``."""
        texts = self.posted.setdefault(part.send_id, [])
        if not (texts and self.capabilities.idempotent):
            texts.append(part.text)
        life.send(m.Sent(ref=part.ref, message_id=f"p-{part.send_id}"))

    def times_posted(self, text: str) -> int:
        """Return how often people see a text."""
        return sum(texts.count(text) for texts in self.posted.values())


@dataclass
class Scene:
    """Everything together."""

    points: FaultPoints
    daemon: QuickDaemon
    platform: Platform
    _stack: contextlib.AsyncExitStack
    clients: list[McpClient] = field(default_factory=list)
    _open: list[contextlib.AsyncExitStack] = field(default_factory=list)

    @property
    def client(self) -> McpClient:
        """The session of now."""
        return self.clients[-1]

    async def attach(self, *, initialize: bool = True, **environment: str) -> McpClient:
        """Attach a session in the place of the last one; ``environment`` is its shim's."""
        stack = await self._stack.enter_async_context(contextlib.AsyncExitStack())
        client = await stack.enter_async_context(self.daemon.client(initialize=initialize, **environment))
        self.clients.append(client)
        self._open.append(stack)
        return client

    async def kill(self, victim: str, at: Hit | None = None) -> None:
        """Kill a part while the daemon stands somewhere, let the daemon go on, and start again what has died."""
        if victim == "daemon":
            await self.daemon.restart_after_kill()
            return
        life = self.platform.life
        if victim == "shim":
            self.client.kill()
            await self._open[-1].aclose()
        else:
            assert life is not None
            life.kill()
            await self.platform.until(lambda: self.platform.life is not life)
        if at is not None:
            at.release()
        if victim == "shim":
            await self.attach()
        elif life is not None:
            await self._skip_backoff(life)

    async def _skip_backoff(self, dead: WorkerEnd) -> None:
        """Spare a test the pause before a worker's next start, which is drawn by lot."""
        status = await self.daemon.status_where(lambda status: status["workers"][0]["pid"] != dead.pid)
        if status["workers"][0]["state"] == "backoff":
            await self.daemon.ask("restart", worker="pager")

    async def call(self, tool: str, tool_use_id: str, **arguments: Any) -> tuple[str, bool]:
        """Call a tool; return its text and whether it is an error."""
        result = await self.client.call_tool(tool, arguments, tool_use_id)
        return result["content"][0]["text"], result.get("isError", False)

    def told(self) -> list[Telling]:
        """Return what people's messages Claude was told, in order."""
        found = []
        for heard in (heard for client in self.clients for heard in client.received):
            meta = heard.get("params", {}).get("meta", {})
            if heard.get("method") == "notifications/claude/channel" and meta["message_id"] in self.platform.said:
                flagged = meta.get("redelivered") == "true"
                found.append(Telling(meta["message_id"], meta["chat_id"], meta["delivery_id"], flagged))
        return found

    async def settle(self) -> None:
        """Return when every message was accepted and has been read."""
        await self.platform.until(lambda: not self.platform.unaccepted)
        wanted = set(self.platform.said)
        while not wanted <= {telling.key for telling in self.told()}:
            await self.client.next_event()
        waiting = {"held", "queued", "pushed"}
        await self.daemon.status_where(lambda status: status["events"] and not waiting & set(status["events"]))

    async def check_inbound(self) -> None:
        """None lost, none doubled without its flag, and first pushes of each chat in order."""
        told = self.told()
        assert {telling.key for telling in told} == set(self.platform.said)
        ids: dict[str, set[str]] = defaultdict(set)
        for n, telling in enumerate(told):
            ids[telling.key].add(telling.delivery_id)
            repeated = any(earlier.key == telling.key for earlier in told[:n])
            assert telling.redelivered or not repeated, f"{telling.key} came twice without its flag"
        assert all(len(of_one) == 1 for of_one in ids.values()), ids
        order = {key: n for n, key in enumerate(self.platform.said)}
        alone = len(self.clients) == 1  # in one session flagged events, too, first appear in order
        for chat in {telling.chat for telling in told}:
            firsts: list[int] = []
            for telling in told:
                number = order[telling.key]
                if telling.chat == chat and number not in firsts and (alone or not telling.redelivered):
                    firsts.append(number)
            assert firsts == sorted(firsts), f"first pushes of {chat} are out of order: {told}"
        stored = [text for text, _ in await self.daemon.states() if text.startswith("text of ")]
        assert sorted(stored) == sorted(f"text of {key}" for key in self.platform.said)

    async def check_one_session(self) -> None:
        """The session that was there at first is the only one, and attached."""
        assert len(self.clients) == 1
        pid = self.client.process.pid
        assert self.client.process.returncode is None
        async with asyncio.timeout(TIMEOUT_S):  # a call that is sent again may be answered before it counts as attached
            while True:  # not by `status`: that asks the store, where a test may have armed a step
                found = [(s["pid"], s["state"]) for s in (await self.daemon.ask("sessions"))["sessions"]]
                if found != [(pid, "connecting")]:
                    break
                await asyncio.sleep(_LOOK_EVERY_S)
        assert found == [(pid, "attached")]


@contextlib.asynccontextmanager
async def scene(
    nursery: Nursery,
    capabilities: m.Capabilities = CAPABILITIES,
    kind: type[QuickDaemon] = QuickDaemon,
    limits: Limits | None = None,
    more_config: str = "",
) -> AsyncIterator[Scene]:
    """Start a platform, its worker and a daemon."""
    async with contextlib.AsyncExitStack() as stack:
        points = await stack.enter_async_context(FaultPoints())
        pager = await stack.enter_async_context(Pager())
        platform = Platform(pager, capabilities)
        daemon = await stack.enter_async_context(kind(nursery, pager.config + more_config, limits, points=points))
        running = asyncio.create_task(platform.run())
        try:
            await platform.until(lambda: platform.life)
            yield Scene(points, daemon, platform, stack)
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
