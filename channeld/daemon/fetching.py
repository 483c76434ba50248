"""Completes events: has workers fetch the files of messages, and lets albums go when they are whole."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from channeld.core.completeness import missing
from channeld.core.errors import Refused, StoreUnavailable
from channeld.core.model import Attachment, StoredEvent
from channeld.daemon.link import WorkerLink
from channeld.faultpoint import reach
from channeld.ipc import messages as m
from channeld.store.incomplete import Incomplete

log = structlog.get_logger()
_STORE_RETRY_S: Final = 1.0
ON_DEMAND_S: Final = 50.0
"""How long a tool call waits for a file; a client may give a call up after a minute."""


class _Wanted:
    """A file that a worker was asked for; ``token`` is the platform's handle of it, no secret."""

    def __init__(self, worker: str, seq: int, token: str) -> None:
        self.worker, self.seq, self.token = worker, seq, token
        self.done: asyncio.Future[m.Fetched | m.NotFetched] = asyncio.get_running_loop().create_future()


class Fetching:
    """Every event that is not complete, and every file that is being fetched.

    Args:
        store: where events are.
        completed: told of events that are complete now.
    """

    def __init__(self, store: Incomplete, completed: Callable[[list[StoredEvent]], None]) -> None:
        self._store, self._completed = store, completed
        self._links: dict[str, WorkerLink] = {}
        self._wanted: dict[int, _Wanted] = {}
        self._refs = 0
        self._news = asyncio.Event()

    # -- workers

    async def worker_ready(self, link: WorkerLink) -> None:
        """Ask a worker for everything that an earlier process of it did not fetch."""
        self._links[link.name] = link
        try:
            self.accepted(link, await self._store.of_worker(link.name))
        except StoreUnavailable as trouble:  # they go without their files in a while
            log.warning("files_not_asked_for", worker=link.name, reason=str(trouble))

    def worker_gone(self, link: WorkerLink) -> None:
        """Forget what was asked of a worker; its next process is asked anew."""
        if self._links.get(link.name) is not link:
            return
        del self._links[link.name]
        for ref, wanted in list(self._wanted.items()):
            if wanted.worker == link.name:
                del self._wanted[ref]
                wanted.done.cancel()

    def accepted(self, link: WorkerLink, events: Iterable[StoredEvent]) -> None:
        """Ask for the files of events that are not complete without them.

        Of a worker that has ended by the time they are stored nothing is asked: its next process is, when it is ready.
        """
        is_there = self._links.get(link.name) is link
        for event in events:
            for place in missing(event.inbound) if is_there else []:
                self._ask(link, event, event.inbound.attachments[place])
            if event.state == "held":
                self._news.set()

    async def answered(self, link: WorkerLink, answer: m.Fetched | m.NotFetched) -> None:
        """Record what became of a file."""
        wanted = self._wanted.pop(answer.ref, None)
        if wanted is None or wanted.worker != link.name:
            log.warning("unknown_file", worker=link.name, ref=answer.ref)
            return
        reach("fetching.answered")
        while True:
            try:
                events = await self._store.put_file(
                    wanted.seq, wanted.token, lambda file: _note(file, answer), time.time()
                )
                break
            except StoreUnavailable:
                await asyncio.sleep(_STORE_RETRY_S)
        if not wanted.done.done():
            wanted.done.set_result(answer)
        self._tell(events)

    async def albums(self, link: WorkerLink, still_open: list[str]) -> None:
        """Let the albums go that are whole."""
        self._tell(await self._store.close_albums(link.name, still_open, time.time()))

    # -- tools

    async def fetch(self, event: StoredEvent, token: str) -> None:
        """Have a file of a message fetched, and return when that is recorded.

        Raises:
            Refused: it cannot be had, or not now.
        """
        file = next(file for file in event.inbound.attachments if file.token == token)
        wanted = self._asked(event, token)
        link = self._links.get(event.worker)
        if wanted is None:
            if link is None:
                raise Refused(f"{event.worker} is not connected now.", hint="Try again in a minute.")
            wanted = self._ask(link, event, file)
        try:
            answer = await asyncio.wait_for(asyncio.shield(wanted.done), ON_DEMAND_S)
        except (TimeoutError, asyncio.CancelledError):
            if wanted.done.cancelled():
                raise Refused(f"{event.worker} has ended meanwhile.", hint="Try again in a minute.") from None
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise Refused(f"{file.name} is still being fetched.", hint="Try again in a minute.") from None
        if isinstance(answer, m.NotFetched):
            raise Refused(f"{file.name} cannot be had: {answer.reason}", hint="Ask the sender for it in another way.")

    # -- the passing of time

    async def run(self) -> None:
        """Let events go that have waited long enough. An essential task: its end is the daemon's."""
        while True:
            try:
                self._tell(await self._store.expire(time.time()))
                due = await self._store.next_due()
            except StoreUnavailable:
                due = time.time() + _STORE_RETRY_S
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), None if due is None else max(0.05, due - time.time()))
            except TimeoutError:
                continue

    # -- inside

    def _ask(self, link: WorkerLink, event: StoredEvent, file: Attachment) -> _Wanted:
        """Ask a worker for a file, unless it was asked already."""
        if (known := self._asked(event, file.token)) is not None:
            return known
        self._refs += 1
        wanted = self._wanted[self._refs] = _Wanted(link.name, event.seq, file.token or "")
        link.send(
            m.Fetch(
                ref=self._refs, chat=event.inbound.chat, message_id=event.inbound.message_id, token=file.token or "",
                name=file.name,
            )
        )  # fmt: skip
        return wanted

    def _asked(self, event: StoredEvent, token: str | None) -> _Wanted | None:
        """Return what a worker was asked for and has not answered; None where it was not asked."""
        return next((w for w in self._wanted.values() if (w.seq, w.token) == (event.seq, token)), None)

    def _tell(self, events: list[StoredEvent]) -> None:
        if events:
            log.info("events_complete", seqs=[event.seq for event in events])
            self._completed(events)


def _note(file: Attachment, answer: m.Fetched | m.NotFetched) -> None:
    """Put down in a file of an event what became of it."""
    if isinstance(answer, m.NotFetched):
        file.note = answer.reason[:200]
    else:
        file.path, file.mime, file.size, file.note = answer.path, answer.mime, answer.size, ""
