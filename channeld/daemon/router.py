"""Brings events to sessions and knows who is there: the one place where workers, sessions and mailbox meet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

import structlog

from channeld.core.activity import PATIENCE_S
from channeld.core.chat_commands import may_be_command
from channeld.core.delivery import EventState, PartState
from channeld.core.errors import StoreUnavailable
from channeld.core.health import STORE
from channeld.core.ids import is_chat_of
from channeld.core.model import Inbound, Lease, StoredEvent, StoredPart
from channeld.core.text import clip
from channeld.core.turns import RECEIPT_S
from channeld.daemon.access import Access
from channeld.daemon.chat_desk import ChatDesk
from channeld.daemon.fetching import Fetching
from channeld.daemon.health import Health
from channeld.daemon.link import WorkerLink
from channeld.daemon.lookout import Lookout
from channeld.daemon.notices import Notices
from channeld.daemon.outbound import Outbound
from channeld.daemon.procwatch import start_time
from channeld.daemon.session import Session
from channeld.daemon.waiting import Waiting
from channeld.faultpoint import reach
from channeld.ipc import messages as m
from channeld.store.incomplete import Incomplete
from channeld.store.mailbox import Acceptance, Mailbox, Taker, own
from channeld.store.outbox import Outbox
from channeld.store.turns import Turnbook

log = structlog.get_logger()
_STORE_RETRY_S = 1.0


class Router:
    """The inbound flow between workers, mailbox and sessions."""

    def __init__(
        self,
        mailbox: Mailbox,
        outbox: Outbox,
        turnbook: Turnbook,
        health: Health,
        lookout: Lookout,
        notices: Notices,
        access: Access,
        desk: ChatDesk,
        waiting: Waiting,
        incomplete: Incomplete,
    ) -> None:
        """Wire it.

        Args:
            mailbox: received messages.
            outbox: what is sent.
            turnbook: what hooks said of sessions.
            health: where trouble is reported.
            lookout: knows who listens.
            notices: tells workers.
            access: the gate.
            desk: takes what is said to channeld itself.
            waiting: what waits for more than a free session.
            incomplete: events that are not complete.
        """
        self._mailbox, self._turnbook, self._health = mailbox, turnbook, health
        self._served: dict[str, int] = {}
        """Chats by when they had their last turn, as a number that grows with each."""
        self.notices, self._access, self._desk, self._waiting = notices, access, desk, waiting
        waiting.wake = self.wake
        self.fetching = Fetching(incomplete, lambda events: self.wake())
        self.outbound = Outbound(outbox, self.notices.parts_changed, self._report_late_failure)
        self.lookout = lookout
        self.sessions = lookout.sessions
        self._wake = asyncio.Event()
        self.session_pushed: Callable[[Session], None] = lambda session: None
        """Called when events were pushed to a session."""
        self.session_gone: Callable[[str], Awaitable[None]] = _ignore
        """Called when a session's process has ended, before what it leaves is given back."""

    # -- sessions

    async def may_use(self, session: Session, chat: str) -> bool:
        """Tell whether a session may act in a chat: it is routed to it, or it was given a message of it."""
        if session is self.lookout.target(chat) and await self._mailbox.knows_chat(chat):
            return True
        if not self.lookout.is_bound(chat):
            return await self._mailbox.knows_chat(chat, session.instance)
        # It belongs to another session now; what this one was given before may still be answered.
        turn = session.turns.turn
        in_turn = turn is not None and chat in turn.chats
        return in_turn or await self._mailbox.owes_chat(chat, session.instance)

    async def session_attached(self, session: Session, written: frozenset[str]) -> None:
        """Take a session in: sort out what an earlier connection left open, then let events flow."""
        async with session.reporting:  # what the shim kept of its hooks follows at once, and comes after what is known
            await self._take_in(session, written)

    async def _take_in(self, session: Session, written: frozenset[str]) -> None:
        connected = frozenset(self.sessions)
        attachment = await self._mailbox.attach(
            session.instance, session.given_name, session.pid, session.pid_start, written, time.time(),
            lambda instance, pid, pid_start: instance in connected or start_time(pid) == pid_start,
        )  # fmt: skip
        session.own_name, session.since = attachment.name, attachment.since
        for chat, kind, since in await self._mailbox.in_work(session.instance, time.time() - PATIENCE_S):
            session.activity.began(chat, kind, since)
        said = await self._turnbook.said(session.instance, time.time() - 2 * RECEIPT_S)
        if session.is_closed:
            return
        session.turns.resume(said, time.time())
        session.lease = attachment.lease
        self.sessions[session.instance] = session
        self.lookout.away.pop(session.instance, None)
        session.push(attachment.to_repush, already_read=attachment.to_ping, begins_turn=self.lookout.by_turns(session))
        log.info(
            "session_attached", session=session.name, instance=session.instance, listening=session.verdict.listening,
            to_ping=len(attachment.to_ping), to_repush=[e.delivery_id for e in attachment.to_repush],
        )  # fmt: skip
        self.session_pushed(session)  # what goes on from before has to be watched too
        self.lookout.look()
        self.wake()
        await self.notices.events_changed(attachment.given_back)

    def session_detached(self, session: Session, *, lives: bool) -> None:
        """A connection is gone; its process may still come back with another, as far as it ``lives``."""
        if self.sessions.get(session.instance) is session:
            del self.sessions[session.instance]
            if lives:
                self.lookout.away[session.instance] = session.name
            log.info("session_detached", session=session.name, instance=session.instance)
            self.lookout.look()
            self.wake()

    async def session_ended(self, instance: str) -> None:
        """A session's process has ended: what it did not confirm goes back to the queue."""
        while True:
            try:
                await self.session_gone(instance)
                events = await self._mailbox.give_back(instance, time.time())
                break
            except StoreUnavailable:
                await asyncio.sleep(_STORE_RETRY_S)
        log.info("session_ended", instance=instance, given_back=[event.delivery_id for event in events])
        self.lookout.tell_who_waits()
        self.wake()
        await self.notices.events_changed(events)

    async def confirmed(self, session: Session, lease: Lease, seqs: list[int]) -> None:
        """A ping came back: the client has read these."""
        now = time.time()
        session.turns.delivered(seqs, now)
        events = await self._mailbox.confirm(lease, seqs, now, seen_only=session.turns.turn is not None)
        reach("router.confirmed")
        for event in events:
            if event.state == EventState.DELIVERED:
                session.activity.began(event.inbound.chat, event.inbound.kind, now)
            else:  # its reply was faster than the ping: no hook's report of it is owed any more
                session.turns.given_up(event.seq)
        self.lookout.look()
        self.wake()
        await self.notices.events_changed(events)

    async def answered(self, session: Session, chat: str) -> None:
        """Claude replied to a chat."""
        session.replied = True
        await self.answered_without_reply(session, chat)

    async def answered_without_reply(self, session: Session, chat: str) -> None:
        """A chat has got its answer."""
        session.activity.answered(chat)
        self.lookout.look()
        seen_only = session.turns.turn is not None
        events = await self._mailbox.answer(session.instance, chat, time.time(), seen_only=seen_only)
        self.await_no_more(events)
        await self.notices.events_changed(events)

    def await_no_more(self, events: Iterable[StoredEvent]) -> None:
        """Forget that receipts of events are awaited: they were answered, or taken back by hand."""
        for session in self.sessions.values():
            for event in events:
                session.turns.given_up(event.seq)
        self.wake()

    def heard_of(self, session: Session) -> None:
        """A session calls a tool: it is still at work, and hears."""
        now = time.time()
        session.activity.sign(now)
        if session.turns.sign(now):
            self.hears_again(session)
        self.lookout.look()

    def hears_again(self, session: Session) -> None:
        """A session that was taken to be deaf has done something."""
        log.info("session_hears_again", session=session.name)
        self.lookout.look()
        self.wake()

    def bindings_changed(self) -> None:
        """Chats may go elsewhere now."""
        self.lookout.look()
        self.wake()

    # -- events

    def _room(self, session: Session) -> int:
        """Return how many events may be pushed to a session now."""
        if not self.lookout.by_turns(session):
            return session.room
        return 1 if session.turns.is_free and not session.reserved and session.room else 0

    def wake(self) -> None:
        """Look again for events that can be pushed."""
        self._wake.set()

    async def run(self) -> None:
        """Push what waits whenever something has changed. An essential task: its end is the daemon's."""
        self.lookout.look()
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._push_what_waits()
            except StoreUnavailable:
                await asyncio.sleep(_STORE_RETRY_S)
                self.wake()

    async def _push_what_waits(self) -> None:
        for session, names in self.lookout.shares():
            if session.lease is not None:
                await self._push_to(session, session.lease, names)
                # Afterwards: what must be held is not claimed, and what is pushed is not late.
                await self._waiting.hold(session, names)

    async def _push_to(self, session: Session, lease: Lease, names: frozenset[str]) -> None:
        now = time.time()
        terms = self._waiting.terms(session, names, now)
        if self.lookout.by_turns(session) and session.turns.turn is not None:
            # Awaited like the start of a turn: if this turn ends before Claude is given them, they do begin one.
            await self._push(session, await self._mailbox.claim_notes(lease, now, terms), begins_turn=True)
        if (room := self._room(session)) == 0:
            return
        begins_turn = self.lookout.by_turns(session)
        session.reserved += room
        try:
            events = (
                await self._mailbox.claim_turn(lease, self._served, now, terms)
                if begins_turn
                else await self._mailbox.claim(lease, room, now, terms)
            )
        finally:
            session.reserved -= room
        await self._push(session, events, begins_turn=begins_turn)

    async def _push(self, session: Session, events: list[StoredEvent], *, begins_turn: bool) -> None:
        if events:
            reach("router.claimed")
            self._serve(session, events, begins_turn=begins_turn)
            self.wake()
            self.lookout.tell_who_waits()
            await self.notices.events_changed(events)

    def _serve(self, session: Session, events: list[StoredEvent], *, begins_turn: bool) -> None:
        session.push(events, begins_turn=begins_turn)
        if begins_turn:
            number = max(self._served.values(), default=0) + 1
            self._served |= {event.inbound.chat: number for event in events}
        self.session_pushed(session)

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
        messages: list[m.Offer] = []
        for offer in fine:
            offer.event.text = clip(offer.event.text)
            if may_be_command(offer.event):
                await self._accept(link, messages)  # a command is about what was written before it
                messages = []
                if not _passes(link, offer) and await self._took_command(link, offer):
                    continue
            if _passes(link, offer):
                text = "What was offered before it must be offered again first."
                link.send(m.Refused(ref=offer.ref, code="order", text=text, retry=True, number=link.refusals))
            else:
                messages.append(offer)
        await self._accept(link, messages)

    async def _accept(self, link: WorkerLink, fine: list[m.Offer]) -> None:
        if not fine:
            return
        now = time.time()
        free = self._free_sessions(fine, now)
        reserved = {session: taker.room for session, taker in free.values()}
        for session, room in reserved.items():
            session.reserved += room
        takers = {chat: taker for chat, (_, taker) in free.items()}
        try:
            results = await self._mailbox.accept(
                link.name, [offer.event for offer in fine], now, self._access.gate, takers
            )
        except StoreUnavailable as trouble:
            self._health.report_store(trouble)
            _refuse_for_now(link, fine, trouble)
            self.wake()
            return
        finally:
            for session, room in reserved.items():
                session.reserved -= room
        self._health.clear_subject(STORE)
        claimed = [result.event for result in results if result.claimed and result.event is not None]
        for session in reserved:
            theirs = [event for event in claimed if free[event.inbound.chat][0] is session]
            if theirs:
                self._serve(session, theirs, begins_turn=self.lookout.by_turns(session))
        reach("router.accepted")
        link.send(*(_answer(offer.ref, result) for offer, result in zip(fine, results, strict=True)))
        for offer, result in zip(fine, results, strict=True):
            if not result.ruling.admitted:
                self._access.not_admitted(link.name, offer.event, result.ruling)
            if result.ruling.notice:
                self.notices.say(offer.event.chat, result.ruling.notice, offer.event.message_id)
        fresh = [result.event for result in results if result.event is not None]
        self.fetching.accepted(link, fresh)
        if len(claimed) < max(sum(reserved.values()), len(fresh)):
            self.wake()  # something waits, or the places that were kept for these are free again
            self.lookout.tell_who_waits()
        await self.notices.events_changed(fresh)

    def _free_sessions(self, offers: list[m.Offer], now: float) -> dict[str, tuple[Session, Taker]]:
        """Return the session of each chat that something is offered of, where that is free: what it may be given."""
        targets = {chat: self.lookout.target(chat) for chat in {offer.event.chat for offer in offers}}
        found: dict[str, tuple[Session, Taker]] = {}
        for session in {session for session in targets.values() if session is not None}:
            chats = [chat for chat, target in targets.items() if target is session]
            if session.lease is not None and (room := min(self._room(session), len(offers))):
                names = frozenset(map(self.lookout.bound_to, chats))
                taker = Taker(session.lease, room, self._waiting.terms(session, names, now))
                found |= dict.fromkeys(chats, (session, taker))
        return found

    async def _took_command(self, link: WorkerLink, offer: m.Offer) -> bool:
        """Have what a listed sender says to channeld itself carried out; returns whether it was that."""
        try:
            if not await self._desk.take(link, offer.event):
                return False
        except StoreUnavailable as trouble:
            _refuse_for_now(link, [offer], trouble)
            return True
        link.send(m.Accepted(ref=offer.ref, command=True))
        return True

    async def accept_own(self, event: Inbound, worker: str) -> None:
        """Put an event of channeld's own into the mailbox, for Claude to read."""
        await self._mailbox.accept(worker, [event], time.time(), own)
        self.wake()

    # -- telling Claude

    async def _report_late_failure(self, parts: list[StoredPart]) -> None:
        """Tell Claude of a reply that failed after its tool call had been answered."""
        for part in parts:
            if part.detail.author:
                continue  # not Claude's: whoever sent it was told, and `status` shows it
            what = {"message": "reply", "edit": "edit", "react": "reaction"}[part.kind]
            outcome = "may or may not have been sent" if part.state == PartState.UNCERTAIN else "was not sent"
            event = Inbound(
                event_key=f"outcome:{part.send_id}:{part.attempts}", chat=part.chat, kind="send_failed",
                message_id=f"out-{part.seq}", sender_id="channeld", sender="channeld", sent_at=time.time(),
                text=f"Your {what} to this chat {outcome}: {(part.error or 'unknown reason').rstrip('.')}. It began: "
                f"{part.text[:80]!r}. Check fetch_messages before you repeat it.",
            )  # fmt: skip
            try:
                await self.accept_own(event, part.worker)
            except StoreUnavailable as trouble:  # the history shows the part's state; whoever called us must go on
                log.error("late_failure_not_told", worker=part.worker, part=part.seq, reason=str(trouble))


async def _ignore(instance: str) -> None:
    return


def _passes(link: WorkerLink, offer: m.Offer) -> bool:
    """Tell whether an offer would pass one that was refused for now, as it was sent before the worker knew of that."""
    return offer.heard is not None and offer.heard < link.refusals


def _refuse_for_now(link: WorkerLink, offers: list[m.Offer], trouble: StoreUnavailable) -> None:
    link.refusals += 1
    text = f"{trouble} {trouble.hint}"
    link.send(
        *(m.Refused(ref=offer.ref, code=trouble.code, text=text, retry=True, number=link.refusals) for offer in offers)
    )


def _answer(ref: int, result: Acceptance) -> m.Accepted | m.Refused:
    """Return what a worker is told of its offer; one that was not admitted is done with, and nobody is told why."""
    if result.ruling.admitted:
        return m.Accepted(ref=ref, duplicate=result.event is None)
    if result.ruling.code == "group_closed":
        return m.Refused(ref=ref, code="closed_chat", text="This group was not opened: nothing of it is wanted.")
    return m.Refused(ref=ref, code="not_admitted", text="The sender is not on the access list.")
