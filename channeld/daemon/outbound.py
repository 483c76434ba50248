"""Sends what the outbox holds: per chat in order, every outcome recorded, callers told."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable

import structlog

from channeld.core.delivery import PartState, after_worker_loss
from channeld.core.errors import StoreUnavailable
from channeld.core.model import NewPart, StoredPart
from channeld.daemon.link import Outcome, WorkerLink
from channeld.faultpoint import reach
from channeld.ipc import messages as m
from channeld.store.outbox import AcceptedCall, Outbox

log = structlog.get_logger()
_DONE = frozenset({PartState.SENT, PartState.FAILED, PartState.UNCERTAIN, PartState.DROPPED})
_STORE_RETRY_S = 1.0
_CALLER_S = 5.0
"""How long a caller may take from the acceptance of its call to waiting for the outcome."""
SEND_DEADLINE_S = 600.0
"""How long a worker may take to say what became of a part; a large file on a slow line takes minutes."""
_LONGEST_WAIT_S = 86400.0
_MOST_PIECES = 200
_TOOLS = {"message": "reply", "edit": "edit_message", "react": "react"}

Listener = Callable[[list[StoredPart]], Awaitable[None]]


class Outbound:
    """The outbound flow between the outbox and the workers."""

    def __init__(self, outbox: Outbox, on_change: Listener, on_late_failure: Listener) -> None:
        """Wire the flow.

        Args:
            outbox: where parts are.
            on_change: told of every part whose state changed.
            on_late_failure: told of parts that failed when no caller waited for them any more.
        """
        self._outbox = outbox
        self._on_change, self._on_late_failure = on_change, on_late_failure
        self._links: dict[str, WorkerLink] = {}
        self._sending: dict[int, StoredPart] = {}
        self._waiters: dict[int, list[asyncio.Event]] = defaultdict(list)
        self._callers: dict[
            int, float
        ] = {}  # accepted calls whose caller is about to wait, and until when to believe it
        self._wakes: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._pumps: dict[str, asyncio.Task[None]] = {}

    # -- callers

    async def accept(
        self, instance: str, tool_use_id: str | None, worker: str, chat: str, parts: list[NewPart]
    ) -> AcceptedCall:
        """Put a call on disk and begin to send it."""
        accepted = await self._outbox.accept(instance, tool_use_id, worker, chat, parts, time.time())
        reach("outbound.accepted")
        # From here on: a failure that is faster than the caller's wait must not be told to Claude twice.
        now = time.monotonic()
        self._callers = {call: until for call, until in self._callers.items() if until > now}  # of cancelled calls
        self._callers[accepted.call] = now + _CALLER_S
        if accepted.fresh:
            await self._on_change(accepted.parts)
        self.wake(worker)
        return accepted

    async def wait(self, call: int, timeout_s: float) -> list[StoredPart]:
        """Return the parts of a call as soon as all have an outcome, or as they are after the timeout."""
        event = asyncio.Event()
        self._waiters[call].append(event)
        self._callers.pop(call, None)
        end = time.monotonic() + timeout_s
        try:
            while True:
                event.clear()
                parts = await self._outbox.parts(call)
                if all(part.state in _DONE for part in parts):
                    return parts
                left = end - time.monotonic()
                if left <= 0:
                    return parts
                try:
                    await asyncio.wait_for(event.wait(), left)
                except TimeoutError:
                    continue
        finally:
            self._waiters[call].remove(event)
            if not self._waiters[call]:
                del self._waiters[call]

    async def dropped(self, parts: list[StoredPart]) -> None:
        """Tell whoever waits for parts that they were given up while they waited, and Claude if nobody does."""
        await self._tell(parts)

    def wake(self, worker: str) -> None:
        """Look again for something to send."""
        self._wakes[worker].set()

    # -- workers

    async def worker_ready(self, link: WorkerLink) -> None:
        """Begin to send through a worker."""
        self._links[link.name] = link
        self._pumps[link.name] = asyncio.create_task(self._pump(link))

    async def worker_gone(self, link: WorkerLink) -> None:
        """Stop sending through a worker and settle what it was sending."""
        if self._links.get(link.name) is not link:
            return
        del self._links[link.name]
        self._pumps.pop(link.name).cancel()
        lost = after_worker_loss(idempotent=link.capabilities.idempotent)
        try:
            _, parts = await self._outbox.begin_worker(link.name, lost, time.time())
        except StoreUnavailable:
            return  # settled when the worker is back
        for part in parts:
            self._sending.pop(part.seq, None)
        await self._tell(parts)

    async def settled(self, link: WorkerLink, outcome: Outcome) -> None:
        """Record what a worker reports of a part."""
        part = self._sending.get(outcome.ref)
        if part is None or self._links.get(link.name) is not link:
            log.warning("unknown_outcome", worker=link.name, ref=outcome.ref)
            return
        if isinstance(outcome, m.Split) and (wrong := _wrong_with(outcome.pieces, part)):
            log.error("bad_split", worker=link.name, part=part.seq, reason=wrong)
            outcome = m.Failed(ref=outcome.ref, reason=f"the worker split it in a way that cannot be used: {wrong}")
        now = time.time()
        while True:
            try:
                match outcome:
                    case m.Split(pieces=pieces):
                        parts = await self._outbox.split(part, link.epoch, pieces, now)
                    case m.Sent():
                        parts = await self._outbox.settle(
                            part, link.epoch, PartState.SENT, now, platform_id=outcome.message_id
                        )
                    case m.RetryAfter():
                        parts = await self._outbox.settle(
                            part,
                            link.epoch,
                            PartState.QUEUED,
                            now,
                            not_before=now + min(max(0.0, outcome.delay_s), _LONGEST_WAIT_S),
                        )
                    case m.Failed():
                        parts = await self._outbox.settle(
                            part, link.epoch, PartState.FAILED, now, error=outcome.reason[:500]
                        )
                    case m.Uncertain():
                        parts = await self._outbox.settle(
                            part, link.epoch, PartState.UNCERTAIN, now, error=outcome.reason[:500]
                        )
                break
            except StoreUnavailable:
                await asyncio.sleep(_STORE_RETRY_S)  # the disk may have room again; the outcome must not be forgotten
        self._sending.pop(part.seq, None)
        self.wake(link.name)  # before anything that may fail: the chat's next part must not wait for it
        await self._tell(parts)

    # -- inside

    async def _begin(self, link: WorkerLink) -> None:
        """Settle what an earlier process of a worker left open, as soon as the store can record it."""
        lost = after_worker_loss(idempotent=link.capabilities.idempotent)
        while True:
            try:
                link.epoch, parts = await self._outbox.begin_worker(link.name, lost, time.time())
                break
            except StoreUnavailable:
                await asyncio.sleep(_STORE_RETRY_S)
        await self._tell(parts)

    async def _pump(self, link: WorkerLink) -> None:
        await self._begin(link)
        wake = self._wakes[link.name]
        wake.set()
        due: float | None = None
        while True:
            timeout = None if due is None else max(0.0, due - time.time())
            try:
                await asyncio.wait_for(wake.wait(), timeout)
            except TimeoutError:
                pass
            wake.clear()
            try:
                parts, due = await self._outbox.claim(link.name, link.epoch, time.time())
            except StoreUnavailable:
                due = time.time() + _STORE_RETRY_S
                continue
            able = []
            for part in parts:
                self._sending[part.seq] = part
                if _TOOLS[part.kind] in link.capabilities.tools:
                    able.append(part)
                else:  # accepted while nobody knew what this worker can do
                    refusal = m.Failed(ref=part.seq, reason=f"{link.name} cannot do {_TOOLS[part.kind]}")
                    await self.settled(link, refusal)
            reach("outbound.claimed")
            link.send(*(_frame(part) for part in able))
            if able:
                asyncio.get_running_loop().call_later(SEND_DEADLINE_S, self._expire, link, able)

    def _expire(self, link: WorkerLink, parts: list[StoredPart]) -> None:
        """End a worker that does not say what became of a part: its chat would wait for ever."""
        if self._links.get(link.name) is link and any(self._sending.get(p.seq) is p for p in parts):
            log.error("outcome_overdue", worker=link.name, limit_s=SEND_DEADLINE_S)
            link.protocol.close()

    async def _tell(self, parts: list[StoredPart]) -> None:
        if not parts:
            return
        unheard = []
        for part in parts:
            log.info("part_state", worker=part.worker, chat=part.chat, part=part.seq, state=part.state)
            waiting = self._waiters.get(part.call)
            for event in waiting or ():
                event.set()
            awaited = waiting or self._callers.get(part.call, 0.0) > time.monotonic()
            if not awaited and part.state in {PartState.FAILED, PartState.UNCERTAIN, PartState.DROPPED}:
                unheard.append(part)
        await self._on_change(parts)
        if unheard:
            await self._on_late_failure(unheard)


def _wrong_with(pieces: list[m.Piece], part: StoredPart) -> str:
    """Return what is wrong with the pieces of a part, in words; empty if nothing is."""
    if not 0 < len(pieces) <= _MOST_PIECES:
        return f"{len(pieces)} pieces"
    known = {file.path for file in part.detail.files}
    if any(file.path not in known for piece in pieces for file in piece.files):
        return "a file that the reply does not have"
    return ""


def _frame(part: StoredPart) -> m.Send:
    return m.Send(
        ref=part.seq, send_id=part.send_id, chat=part.chat, kind=part.kind, text=part.text,
        format=part.detail.format, message_id=part.message_id, reply_to=part.detail.reply_to,
        files=part.detail.files, buttons=part.detail.buttons, entities=part.detail.entities, tried_at=part.tried_at,
    )  # fmt: skip
