"""The daemon's end of a worker's socket: reads frames, answers garbage, hands on what was said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

import msgspec
import structlog

from channeld.ipc import messages as m
from channeld.ipc.framing import FrameProtocol

log = structlog.get_logger()
Outcome = m.Sent | m.RetryAfter | m.Failed | m.Uncertain | m.Split
"""What may become of a part that a worker was told to send."""
_MOST_PENDING_OFFERS: Final = 4096
"""Offers of one worker that wait for their commit, before we stop reading from it."""


class Hub(Protocol):
    """What a worker's frames are handed to."""

    async def offered(self, link: WorkerLink, offers: list[m.Offer]) -> None:
        """Put events into the mailbox and answer each."""

    async def asked(self, link: WorkerLink, question: m.AskHistory | m.AskMarks) -> None:
        """Answer a question about a chat's history."""

    async def answered_prompt(self, link: WorkerLink, answer: m.AnswerPrompt) -> None:
        """Take somebody's answer to a prompt, and say whether it counts."""

    async def settled(self, link: WorkerLink, outcome: Outcome) -> None:
        """Record the outcome of a send."""

    async def fetched(self, link: WorkerLink, answer: m.Fetched | m.NotFetched) -> None:
        """Record what became of a file."""

    async def told(self, link: WorkerLink, news: m.Albums | m.Shown | m.Withdrawn | m.Remember) -> None:
        """Take a fact that asks for no answer."""

    async def moved(self, link: WorkerLink, news: m.Moved) -> None:
        """Let what belongs to a chat go to its new id, and say that it is done."""


class WorkerLink:
    """One connection of one worker process."""

    def __init__(
        self,
        name: str,
        settings: dict[str, Any],
        inbox: str,
        hub: Hub,
        *,
        on_change: Callable[[], None],
        on_ready: Callable[[], None],
        on_trouble: Callable[[m.Trouble], None],
        beat_every_s: float,
    ) -> None:
        self.name = name
        self.epoch = 0
        """Of the outbox; set before anything is sent to this worker."""
        self.refusals = 0
        """How often its offers were refused for now."""
        self.hello: m.Hello | None = None
        self.account: str | None = None
        self.refusal = ""
        """Why this worker cannot be used, in words; empty while it can."""
        self._heard_at = time.monotonic()
        self.protocol = FrameProtocol(self)
        self._settings, self._inbox, self._hub, self._beat_every_s = settings, inbox, hub, beat_every_s
        self._on_change, self._on_ready, self._on_trouble = on_change, on_ready, on_trouble
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending_offers = 0
        self._offers: list[m.Offer] = []
        """Read, and not handed on yet: one list after the other is, or some would pass those before them."""
        self._offering = False
        self._garbage_logged = False
        self.gone = asyncio.Event()

    @property
    def capabilities(self) -> m.Capabilities:
        """What the worker's platform can do."""
        return self.hello.capabilities if self.hello else m.Capabilities()

    @property
    def heard_at(self) -> float:
        """When the worker was last heard of, on the monotonic clock: now, while it is we who do not listen."""
        return time.monotonic() if self._pending_offers > _MOST_PENDING_OFFERS else self._heard_at

    @property
    def is_ready(self) -> bool:
        """Connected to its platform and to us."""
        return self.account is not None and not self.protocol.is_closed

    def send(self, *frames: m.Message) -> None:
        """Write frames; on a closed link they go nowhere, which the supervisor sees."""
        self.protocol.write_all(map(m.encode, frames))

    # -- FrameHandler

    def frames(self, lines: list[bytes]) -> None:
        """Take the lines of one read."""
        self._heard_at = time.monotonic()
        offers: list[m.Offer] = []
        for line in lines:
            try:
                frame = m.from_worker.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self._garbage("malformed", f"This line is no frame of the worker protocol: {error}.")
                continue
            if self.hello is None and not isinstance(frame, m.Hello):
                self._refuse("It did not begin with hello.")
                return
            match frame:
                case m.Offer():
                    offers.append(frame)
                case m.Beat():
                    pass
                case m.Hello():
                    self._greet(frame)
                case m.Ready():
                    self.account = frame.account
                    self._on_ready()  # before any trouble that follows it
                    self._on_change()
                case m.Trouble():
                    self._on_trouble(frame)
                case m.Sent() | m.RetryAfter() | m.Failed() | m.Uncertain() | m.Split():
                    self._start(self._hub.settled(self, frame))
                case m.Fetched() | m.NotFetched():
                    self._start(self._hub.fetched(self, frame))
                case m.Albums() | m.Shown() | m.Withdrawn() | m.Remember():
                    self._start(self._hub.told(self, frame))
                case m.Moved():
                    self._start(self._hub.moved(self, frame))
                case m.AskHistory() | m.AskMarks():
                    self._start(self._hub.asked(self, frame))
                case m.AnswerPrompt():
                    self._start(self._hub.answered_prompt(self, frame))
                case m.Drained():
                    pass  # its end tells as much
                case m.Fault():
                    log.warning("worker_complains", worker=self.name, code=frame.code, text=frame.text[:200])
        if offers:
            self._pending_offers += len(offers)
            if self._pending_offers > _MOST_PENDING_OFFERS:
                self.protocol.pause_reading()
            self._offers += offers
            if not self._offering:
                self._offering = True
                self._start(self._hand_on_offers())

    def oversized(self) -> None:
        """A line was too long."""
        self._garbage("oversized", f"A frame may have {m.MAX_FRAME_BYTES} bytes at the most.")

    def closed(self, half: bool) -> None:
        """The socket is gone."""
        if half:
            log.warning("half_frame", worker=self.name)
        self.account = None
        self.gone.set()
        self._on_change()

    # -- inside

    async def _hand_on_offers(self) -> None:
        """Hand on what was offered, and then together what was meanwhile."""
        try:
            while self._offers:
                offers, self._offers = self._offers, []
                try:
                    await self._hub.offered(self, offers)
                finally:
                    self._pending_offers -= len(offers)
                    if self._pending_offers <= _MOST_PENDING_OFFERS // 2:
                        self._heard_at = time.monotonic()
                        self.protocol.resume_reading()
        finally:
            self._offering = False

    def _greet(self, hello: m.Hello) -> None:
        if hello.protocol != m.PROTOCOL:
            self._refuse(f"It speaks protocol {hello.protocol}, this daemon speaks {m.PROTOCOL}.")
        elif hello.worker != self.name:
            self._refuse(f"It calls itself {hello.worker[:40]!r}.")
        elif self.hello is None:
            self.hello = hello
            self.send(
                m.Welcome(
                    protocol=m.PROTOCOL, settings=self._settings, inbox=self._inbox, beat_every_s=self._beat_every_s
                )
            )

    def _refuse(self, why: str) -> None:
        log.error("worker_refused", worker=self.name, reason=why)
        self.refusal = why
        self.send(m.Fault(code="refused", text=why))
        self.protocol.close()

    def _garbage(self, code: str, text: str) -> None:
        if not self._garbage_logged:  # once: a broken peer can produce it for ever
            self._garbage_logged = True
            log.warning("bad_frame", worker=self.name, code=code, text=text[:200])
        self.send(m.Fault(code=code, text=text[:500]))

    def _start(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("worker_frame_failed", worker=self.name, exc_info=error)
            self.protocol.close()  # it waits for an answer that does not come: better a new process and its offers
