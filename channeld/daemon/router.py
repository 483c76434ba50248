"""Brings events to sessions and knows who is there: the one place where workers, sessions and mailbox meet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import structlog

from channeld.core import routing
from channeld.core.delivery import PartState
from channeld.core.errors import StoreUnavailable
from channeld.core.ids import is_chat_of
from channeld.core.listening import Listening
from channeld.core.model import Inbound, Lease, StoredEvent, StoredPart
from channeld.core.text import clip
from channeld.daemon.health import Health, Issue, Severity
from channeld.daemon.link import WorkerLink
from channeld.daemon.outbound import Outbound
from channeld.daemon.session import Session
from channeld.faultpoint import reach
from channeld.ipc import messages as m
from channeld.store.mailbox import Mailbox
from channeld.store.outbox import Outbox
from channeld.store.timeline import Timeline

log = structlog.get_logger()
_STORE_RETRY_S = 1.0


class Router:
    """The inbound flow between workers, mailbox and sessions."""

    def __init__(
        self, mailbox: Mailbox, outbox: Outbox, timeline: Timeline, health: Health, default_session: str | None
    ) -> None:
        self._mailbox, self._timeline, self._health = mailbox, timeline, health
        self._default = default_session
        self.outbound = Outbound(outbox, self._parts_changed, self._report_late_failure)
        self.sessions: dict[str, Session] = {}
        self.workers: dict[str, WorkerLink] = {}
        self.capabilities: dict[str, m.Capabilities] = {}
        """What each worker said that it can do when it was last connected."""
        self._wake = asyncio.Event()

    # -- sessions

    def target(self) -> Session | None:
        """Return the session that chats go to now, or None where they wait."""
        chosen = routing.choose((s.candidate for s in self.sessions.values() if s.is_attached), self._default)
        return self.sessions[chosen] if chosen is not None else None

    async def may_use(self, session: Session, chat: str) -> bool:
        """Tell whether a session may act in a chat: it is routed to it, or it was given a message of it."""
        if session is self.target() and await self._mailbox.knows_chat(chat):
            return True
        return await self._mailbox.knows_chat(chat, session.instance)

    async def session_attached(self, session: Session, written: frozenset[str]) -> None:
        """Take a session in: sort out what an earlier connection left open, then let events flow."""
        attachment = await self._mailbox.attach(
            session.instance, session.name, session.pid, session.pid_start, written, time.time()
        )
        if session.is_closed:
            return
        session.lease = attachment.lease
        self.sessions[session.instance] = session
        session.push(attachment.to_repush, already_read=attachment.to_ping)
        log.info(
            "session_attached", session=session.name, instance=session.instance, listening=session.verdict.listening,
            to_ping=len(attachment.to_ping), to_repush=[e.delivery_id for e in attachment.to_repush],
        )  # fmt: skip
        self._presence_changed()
        self.wake()

    def session_detached(self, session: Session) -> None:
        """A connection is gone; its process may still come back with another."""
        if self.sessions.get(session.instance) is session:
            del self.sessions[session.instance]
            log.info("session_detached", session=session.name, instance=session.instance)
            self._presence_changed()
            self.wake()

    async def session_ended(self, instance: str) -> None:
        """A session's process has ended: what it did not confirm goes back to the queue."""
        while True:
            try:
                events = await self._mailbox.give_back(instance, time.time())
                break
            except StoreUnavailable:
                await asyncio.sleep(_STORE_RETRY_S)
        log.info("session_ended", instance=instance, given_back=[event.delivery_id for event in events])
        self.wake()
        await self._events_changed(events)

    async def confirmed(self, session: Session, lease: Lease, seqs: list[int]) -> None:
        """A ping came back: the client has read these."""
        events = await self._mailbox.confirm(lease, seqs, time.time())
        reach("router.confirmed")
        self.wake()
        await self._events_changed(events)

    async def answered(self, session: Session, chat: str) -> None:
        """Claude replied to a chat."""
        await self._events_changed(await self._mailbox.answer(session.instance, chat, time.time()))

    # -- events

    def wake(self) -> None:
        """Look again for events that can be pushed."""
        self._wake.set()

    async def run(self) -> None:
        """Push what waits whenever something has changed. An essential task: its end is the daemon's."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            session = self.target()
            if session is None or session.lease is None or (room := session.room) == 0:
                continue
            session.reserved += room
            try:
                events = await self._mailbox.claim(session.lease, room, time.time())
            except StoreUnavailable:
                await asyncio.sleep(_STORE_RETRY_S)
                self.wake()
                continue
            finally:
                session.reserved -= room
            if events:
                reach("router.claimed")
                session.push(events)
                self.wake()
                await self._events_changed(events)

    async def offered(self, link: WorkerLink, offers: list[m.Offer]) -> None:
        """Accept events of a worker and, where a listening session is free, claim them in the same transaction."""
        fine = [offer for offer in offers if is_chat_of(link.name, offer.event.chat)]
        link.send(
            *(
                m.Refused(ref=offer.ref, code="foreign_chat", text=f"This worker's chats begin with {link.name}:.")
                for offer in offers
                if not is_chat_of(link.name, offer.event.chat)
            )
        )
        for offer in fine:
            offer.event.text = clip(offer.event.text)
        session = self.target()
        lease = session.lease if session is not None else None
        room = min(session.room, len(fine)) if session is not None and lease is not None else 0
        if session is not None:
            session.reserved += room
        try:
            results = await self._mailbox.accept(
                link.name, [offer.event for offer in fine], lease if room else None, room, time.time()
            )
        except StoreUnavailable as trouble:
            self._health.report(Issue(trouble.code, Severity.ERROR, str(trouble), trouble.hint), "store")
            text = f"{trouble} {trouble.hint}"
            link.send(*(m.Refused(ref=offer.ref, code=trouble.code, text=text, retry=True) for offer in fine))
            self.wake()
            return
        finally:
            if session is not None:
                session.reserved -= room
        self._health.clear_subject("store")
        claimed = [result.event for result in results if result.claimed and result.event is not None]
        if session is not None and claimed:
            session.push(claimed)
        reach("router.accepted")
        link.send(
            *(
                m.Accepted(ref=offer.ref, duplicate=result.event is None)
                for offer, result in zip(fine, results, strict=True)
            )
        )
        fresh = [result.event for result in results if result.event is not None]
        if len(claimed) < max(room, len(fresh)):
            self.wake()  # something waits, or the places that were kept for these are free again
        await self._events_changed(fresh)

    async def accept_own(self, event: Inbound, worker: str) -> None:
        """Put an event of channeld's own into the mailbox, for Claude to read."""
        await self._mailbox.accept(worker, [event], None, 0, time.time())
        self.wake()

    # -- workers (the supervisor's switchboard)

    async def worker_ready(self, link: WorkerLink) -> None:
        """Begin to give a worker what waits for it."""
        self.workers[link.name] = link
        self.capabilities[link.name] = link.capabilities
        link.send(self._presence())
        await self.outbound.worker_ready(link)

    async def worker_gone(self, link: WorkerLink) -> None:
        """Settle what it was doing."""
        if self.workers.get(link.name) is link:
            del self.workers[link.name]
        await self.outbound.worker_gone(link)

    async def settled(self, link: WorkerLink, outcome: m.Sent | m.RetryAfter | m.Failed | m.Uncertain) -> None:
        """Record the outcome of a send."""
        await self.outbound.settled(link, outcome)

    async def asked(self, link: WorkerLink, question: m.AskHistory) -> None:
        """Answer a worker that asks for the history of one of its chats."""
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

    # -- telling people

    def _presence(self) -> m.Presence:
        if self.target() is not None:
            return m.Presence(listening=True, text="")
        deaf = [s for s in self.sessions.values() if s.verdict.listening is not Listening.YES]
        if len(deaf) < len(self.sessions):
            text = f"Chats wait for a session named {self._default}, and none of that name listens. "
            text += "Start one with that name, or change [sessions] default."
        elif deaf:
            latest = deaf[-1]
            text = f"The session {latest.name} does not listen: {latest.verdict.reason}. {latest.verdict.mend}"
        else:
            text = "No Claude Code session is attached. Messages are kept and delivered when one is."
        return m.Presence(listening=False, text=text)

    def _presence_changed(self) -> None:
        presence = self._presence()
        for link in self.workers.values():
            if link.capabilities.presence:
                link.send(presence)

    async def _events_changed(self, events: Iterable[StoredEvent]) -> None:
        by_chat: dict[tuple[str, str], list[int]] = {}
        for event in events:
            log.debug("event_state", chat=event.inbound.chat, delivery_id=event.delivery_id, state=event.state)
            by_chat.setdefault((event.worker, event.inbound.chat), []).append(event.seq)
        await self._send_receipts(by_chat)

    async def _parts_changed(self, parts: list[StoredPart]) -> None:
        by_chat: dict[tuple[str, str], list[int]] = {}
        for part in parts:
            by_chat.setdefault((part.worker, part.chat), []).append(part.seq)
        await self._send_receipts(by_chat)
        for part in parts:
            if part.kind == "react" and part.state == PartState.SENT:
                await self._send_reaction_receipt(part)

    async def _send_receipts(self, by_chat: dict[tuple[str, str], list[int]]) -> None:
        for (worker, chat), seqs in by_chat.items():
            link = self.workers.get(worker)
            if link is None or not link.capabilities.receipts:
                continue
            try:
                items = await self._timeline.items(chat, seqs)
            except StoreUnavailable:
                continue  # a receipt is a courtesy: the page asks again
            link.send(*(m.Receipt(item=item) for item in items))

    async def _send_reaction_receipt(self, part: StoredPart) -> None:
        link = self.workers.get(part.worker)
        if link is not None and link.capabilities.receipts and part.message_id is not None:
            try:
                item = await self._timeline.item(part.chat, part.message_id)
            except StoreUnavailable:
                return
            if item is not None:
                link.send(m.Receipt(item=item))

    async def _report_late_failure(self, parts: list[StoredPart]) -> None:
        """Tell Claude of a reply that failed after its tool call had been answered."""
        for part in parts:
            what = {"message": "reply", "edit": "edit", "react": "reaction"}[part.kind]
            outcome = "may or may not have been sent" if part.state == PartState.UNCERTAIN else "was not sent"
            event = Inbound(
                event_key=f"outcome:{part.send_id}:{part.attempts}", chat=part.chat, kind="send_failed",
                message_id=f"out-{part.seq}", sender_id="channeld", sender="channeld", sent_at=time.time(),
                text=f"Your {what} to this chat {outcome}: {part.error or 'unknown reason'}. It began: "
                f"{part.text[:80]!r}. Check fetch_messages before you repeat it.",
            )  # fmt: skip
            try:
                await self.accept_own(event, part.worker)
            except StoreUnavailable as trouble:  # the history shows the part's state; whoever called us must go on
                log.error("late_failure_not_told", worker=part.worker, part=part.seq, reason=str(trouble))
