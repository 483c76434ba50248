"""What workers say and are told: each frame goes to whoever deals with it."""

from __future__ import annotations

import contextlib
import time
from typing import Final

import structlog

from channeld.core.errors import StoreUnavailable
from channeld.core.ids import is_chat_of
from channeld.daemon.access import Access
from channeld.daemon.bindings import Bindings
from channeld.daemon.link import Outcome, WorkerLink
from channeld.daemon.prompts import Prompts
from channeld.daemon.router import Router
from channeld.ipc import messages as m
from channeld.store.mailbox import Mailbox
from channeld.store.marks import Marks
from channeld.store.timeline import Timeline

log = structlog.get_logger()
_LONGEST_MARK: Final = 200
"""Characters of what a worker remembers, and of its name."""


class Switchboard:
    """Between the links of workers and the parts of the daemon; the hub of every link.

    Attributes:
        capabilities: what each worker said that it can do when it was last connected.
    """

    def __init__(
        self,
        router: Router,
        mailbox: Mailbox,
        timeline: Timeline,
        access: Access,
        prompts: Prompts,
        marks: Marks,
        bindings: Bindings,
    ) -> None:
        """Wire it.

        Args:
            router: takes what is offered, and knows who sends, fetches and tells.
            mailbox: received messages.
            timeline: history.
            access: who may speak.
            prompts: what people are asked.
            marks: what workers remember.
            bindings: which chat goes to which session.
        """
        self._router, self._mailbox, self._timeline = router, mailbox, timeline
        self._access, self._prompts, self._marks, self._bindings = access, prompts, marks, bindings
        self.capabilities: dict[str, m.Capabilities] = {}

    async def worker_ready(self, link: WorkerLink) -> None:
        """Begin to give a worker what waits for it."""
        self.capabilities[link.name] = link.capabilities
        self._router.notices.worker_ready(link)
        await self._prompts.worker_ready(link)
        if link.capabilities.groups:
            await self._access.tell_groups(link.name)
        self._router.notices.greet(link)
        await self._router.outbound.worker_ready(link)
        await self._router.fetching.worker_ready(link)

    async def worker_gone(self, link: WorkerLink) -> None:
        """Settle what it was doing."""
        self._router.notices.worker_gone(link)
        self._router.fetching.worker_gone(link)
        await self._router.outbound.worker_gone(link)

    async def offered(self, link: WorkerLink, offers: list[m.Offer]) -> None:
        """Put events into the mailbox and answer each."""
        await self._router.offered(link, offers)

    async def settled(self, link: WorkerLink, outcome: Outcome) -> None:
        """Record the outcome of a send."""
        await self._router.outbound.settled(link, outcome)

    async def fetched(self, link: WorkerLink, answer: m.Fetched | m.NotFetched) -> None:
        """Record what became of a file."""
        await self._router.fetching.answered(link, answer)

    async def told(self, link: WorkerLink, news: m.Albums | m.Shown | m.Withdrawn | m.Remember) -> None:
        """Take a fact that asks for no answer."""
        match news:
            case m.Albums(open=still_open):
                await self._router.fetching.albums(link, still_open)
            case m.Shown():
                await self._prompts.shown(link, news)
            case m.Withdrawn():
                await self._withdraw(link, news)
            case m.Remember(marks=marks):
                fine = {key: value for key, value in marks.items() if max(len(key), len(value)) <= _LONGEST_MARK}
                with contextlib.suppress(StoreUnavailable):  # the worker does some work again, at worst
                    await self._marks.put(link.name, fine)

    async def _withdraw(self, link: WorkerLink, news: m.Withdrawn) -> None:
        """Give up a message that waits and was deleted by its sender."""
        try:
            dropped = await self._mailbox.withdraw(link.name, news.chat, news.message_id, time.time())
        except StoreUnavailable:
            return  # then Claude is given it: nobody has promised otherwise
        if dropped:
            log.info("message_withdrawn", worker=link.name, chat=news.chat, message_id=news.message_id)
            await self._router.notices.events_changed(dropped)
            self._router.lookout.tell_who_waits()
            self._router.wake()

    async def moved(self, link: WorkerLink, news: m.Moved) -> None:
        """Let what belongs to a chat go to its new id."""
        if not (is_chat_of(link.name, news.chat) and is_chat_of(link.name, news.to)):
            link.send(
                m.Refused(ref=news.ref, code="foreign_chat", text=f"This worker's chats begin with {link.name}:.")
            )
            return
        try:
            await self._access.move_chat(link.name, news.chat, news.to)
            await self._bindings.moved()
        except StoreUnavailable as trouble:
            link.send(m.Refused(ref=news.ref, code=trouble.code, text=f"{trouble} {trouble.hint}", retry=True))
            return
        link.send(m.Accepted(ref=news.ref))
        self._router.wake()
        self._router.outbound.wake(link.name)

    async def asked(self, link: WorkerLink, question: m.AskHistory | m.AskMarks) -> None:
        """Answer a worker that asks for what it remembers, or for the history of one of its chats."""
        if isinstance(question, m.AskMarks):
            try:
                answer: m.Message = m.Marks(ref=question.ref, marks=await self._marks.of(link.name))
            except StoreUnavailable as trouble:
                answer = m.Refused(ref=question.ref, code=trouble.code, text=f"{trouble} {trouble.hint}", retry=True)
            link.send(answer)
            return
        if not is_chat_of(link.name, question.chat):
            link.send(m.Refused(ref=question.ref, code="foreign_chat", text="That is no chat of this worker."))
            return
        try:
            if question.only is not None:
                item = await self._timeline.item(question.chat, question.only)
                items, more = [item] if item is not None else [], False
            else:
                items, more = await self._timeline.history(
                    question.chat, after=question.after, before=question.before, limit=question.limit
                )
        except StoreUnavailable as trouble:
            link.send(m.Refused(ref=question.ref, code=trouble.code, text=f"{trouble} {trouble.hint}", retry=True))
            return
        kept = m.fit(items, newest=question.after is None)
        link.send(m.History(ref=question.ref, items=kept, more=more or len(kept) < len(items)))

    async def answered_prompt(self, link: WorkerLink, answer: m.AnswerPrompt) -> None:
        """Take the answer to a prompt."""
        await self._prompts.answered(link, answer)
