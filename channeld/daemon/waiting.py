"""Messages that wait: for Claude's turn, for their sender's word, for an approver's. And who is told of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from channeld.core import waiting
from channeld.core.errors import StoreUnavailable
from channeld.core.model import Inbound, StoredEvent
from channeld.core.prompts import APPROVERS, PromptState, StoredPrompt, Who
from channeld.core.waiting import Card
from channeld.daemon.access import Access
from channeld.daemon.notices import Notices
from channeld.daemon.prompts import Prompts
from channeld.daemon.session import Session
from channeld.store.holds import Hold, Holds
from channeld.store.mailbox import Terms

log = structlog.get_logger()
_DEAF = (
    "Claude Code has taken your message, but Claude was not given it: a dialog may be open in its terminal. Somebody "
    "has to look there. The message is kept."
)
_GONE = "The session that was to get your message has gone. {}"
_ASKS = ("permission", "question", "plan")
_HELD = "Your message waits for the owner's word, because Claude may act here without asking. The owner was asked."
_DEAF_TO_APPROVERS = "The session {} does not listen any more: {}. {}"


class Waiting:
    """Holds what needs a person's word, asks for it, and tells senders that they wait.

    Args:
        holds: the store's side.
        prompts: where people are asked.
        notices: where they are told.
        access: who the approvers are.
        stale_after_s: what was written longer ago waits for its sender's word.
        holds_chatters: what non-approvers wrote waits for an approver's word while a session asks nobody.
        told_after_s: a sender is told that his message waits for its turn after so long.
        gone_after_s: and after so long that the session has gone that was to get it.
    """

    def __init__(
        self,
        holds: Holds,
        prompts: Prompts,
        notices: Notices,
        access: Access,
        *,
        stale_after_s: float,
        holds_chatters: bool,
        told_after_s: float,
        gone_after_s: float,
    ) -> None:
        self._holds, self._prompts, self._notices, self._access = holds, prompts, notices, access
        self._stale_after_s, self._holds_chatters = stale_after_s, holds_chatters
        self._told_after_s, self.gone_after_s = told_after_s, gone_after_s
        self._to_ask: set[Hold] = {"stale", "unattended"}
        """What was held and perhaps not asked about: by this daemon, or by one that was killed in between."""
        self._news = asyncio.Event()
        self._alarm: asyncio.TimerHandle | None = None
        prompts.on("waiting", self._send_in)
        prompts.on("stale", self._still_wanted)
        prompts.on("unattended", self._let_in)
        self.wake: Callable[[], None] = lambda: None
        """Called when something that was held may go."""
        self.target: Callable[[str], Session | None] = lambda chat: None
        """Returns the session that a chat goes to."""
        self.busy: Callable[[str], Session | None] = lambda chat: None
        """Returns the session whose turn a chat waits for; None where it waits for no turn."""
        self.gone_since: Callable[[str], float | None] = lambda chat: None
        """Returns since when a chat has no session to go to any more; None where it has one, or never had."""
        self._matters = False
        self._told_gone: dict[str, float] = {}
        """Chats that were told so, by since when."""

    # -- holding, before anything is claimed

    def terms(self, session: Session, names: frozenset[str], now: float) -> Terms:
        """Return what may go to a session, and without a person's word; ``names``: to which its chats are bound."""
        return Terms(
            sessions=names,
            chatters=not self._holds_chatters or session.turns.asks,
            fresh_after=now - self._stale_after_s,
            askable=self._notices.askable,
        )

    async def hold(self, session: Session, names: frozenset[str]) -> None:
        """Hold what must not go to a session, ask for the word that it needs, and let go what needs none any more."""
        now = time.time()
        terms = self.terms(session, names, now)
        self._to_ask |= await self._holds.hold(terms, now)
        if terms.chatters and (self._prompts.open_ones(kind="unattended") or "unattended" in self._to_ask):
            await self._release(session)
        for hold in list(self._to_ask):
            for (chat, sender_id), events in await self._held(hold):
                if hold == "stale":
                    await self._ask(hold, chat, sender_id, waiting.gone_stale(events, now), chat, sender_id)
                else:
                    whose = self.target(chat) or session
                    card = waiting.unattended(events, whose.name, known=bool(whose.turns.permission_mode))
                    if await self._ask(hold, chat, sender_id, card, APPROVERS, APPROVERS):
                        self._notices.say(chat, _HELD, events[-1].inbound.message_id)
            self._to_ask.discard(hold)  # only now: what went wrong on the way is done again

    async def _held(self, hold: Hold) -> list[tuple[tuple[str, str], list[StoredEvent]]]:
        """Return what is held, by chat and sender, and tell of it."""
        held = await self._holds.held(hold)
        await self._notices.events_changed(held)
        found: dict[tuple[str, str], list[StoredEvent]] = {}
        for event in held:
            found.setdefault((event.inbound.chat, event.inbound.sender_id), []).append(event)
        return list(found.items())

    async def _ask(self, hold: Hold, chat: str, sender_id: str, card: Card, audience: str, only: str) -> bool:
        """Ask once about the messages of a sender; what he writes meanwhile is added, and that is told as False."""
        key = f"{hold}:{chat}:{sender_id}"
        known = next((prompt for prompt in self._prompts.open_ones(kind=hold) if prompt.key == key), None)
        if known is not None:
            await self._prompts.change(known.id, body=card.body)
            return False
        await self._prompts.open(
            hold, card.title, card.body, card.options, audience=audience, only=only, key=key,
            data={"chat": chat, "sender_id": sender_id},
        )  # fmt: skip
        return True

    async def _release(self, session: Session) -> None:
        """The session asks again: what non-approvers wrote to it may go, and nobody has to say so."""
        held = [event for event in await self._holds.held("unattended") if self.target(event.inbound.chat) is session]
        if held:
            seqs = [event.seq for event in held]
            await self._notices.events_changed(await self._holds.clear("unattended", seqs, time.time(), by_word=False))
        for prompt in self._prompts.open_ones(kind="unattended"):
            if self.target(prompt.content.data["chat"]) is session:
                await self._prompts.close(prompt.id, PromptState.ELSEWHERE, "The session asks again: it was let in.")

    # -- answers

    async def _still_wanted(self, prompt: StoredPrompt, answer: str, who: Who) -> str:
        return await self._decide("stale", prompt, wanted=answer == waiting.STILL_WANTED)

    async def _let_in(self, prompt: StoredPrompt, answer: str, who: Who) -> str:
        return await self._decide("unattended", prompt, wanted=answer == waiting.LET_IN)

    async def _decide(self, hold: Hold, prompt: StoredPrompt, *, wanted: bool) -> str:
        whose = prompt.content.data["chat"], prompt.content.data["sender_id"]
        held = [e.seq for e in await self._holds.held(hold) if (e.inbound.chat, e.inbound.sender_id) == whose]
        now = time.time()
        if wanted:
            moved = await self._holds.clear(hold, held, now, by_word=True)
        else:
            moved = await self._holds.drop(hold, held, now)
        await self._notices.events_changed(moved)
        self.wake()
        if not moved:
            return "Nothing waited any more."
        them = "It is" if len(moved) == 1 else f"{len(moved)} messages are"
        return f"{them} {'on the way' if wanted else 'dropped'}."

    async def _send_in(self, prompt: StoredPrompt, answer: str, who: Who) -> str:
        return await self.send_in(prompt.content.audience)

    async def send_in(self, chat: str) -> str:
        """Let what waits in a chat go into the turn that runs; returns what to tell its sender."""
        if self.busy(chat) is None:  # kept for later, it would go into a turn that it has nothing to do with
            return "Nothing waits for Claude's turn to end."
        wanted = await self._holds.want_as_notes(chat)
        self.wake()
        return "It goes in as a note." if wanted else "Nothing of yours is waiting."

    async def command(self, inbound: Inbound) -> None:
        """Carry out ``/now``."""
        outcome = await self.send_in(inbound.chat)
        for prompt in self._prompts.open_ones(kind="waiting"):
            if prompt.content.audience == inbound.chat:
                await self._prompts.close(prompt.id, PromptState.ELSEWHERE, outcome)
        if not inbound.group:  # what people of a group say to each other may look like it
            self._notices.say(inbound.chat, outcome, inbound.message_id)

    # -- telling senders that they wait

    def changed(self, *, matters: bool) -> None:
        """Something was accepted, pushed or answered, a turn began or ended, or a session came or went.

        Args:
            matters: a session is busy or has just gone, so that somebody may have to be told. While that is not so,
                what waits is not read, however much that is.
        """
        self._matters = matters
        self._news.set()

    async def run(self) -> None:
        """Tell senders whose messages wait for their turn, and take it back when they do not. An essential task."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._look()
            except StoreUnavailable as trouble:
                log.warning("waiting_not_told", reason=str(trouble))

    async def _look(self) -> None:
        now = time.time()
        by_chat: dict[str, list[StoredEvent]] = {}
        for event in await self._holds.queued() if self._matters else []:
            by_chat.setdefault(event.inbound.chat, []).append(event)
        self._tell_gone(by_chat, now)
        sessions = {chat: session for chat in by_chat if (session := self.busy(chat)) is not None}
        for prompt in self._prompts.open_ones(kind="waiting"):
            if prompt.content.audience not in sessions:
                await self._prompts.close(prompt.id, PromptState.ELSEWHERE, "It waits for that no more.")
        told = {prompt.content.audience for prompt in self._prompts.open_ones(kind="waiting")}
        for chat, session in sessions.items():
            events = by_chat[chat]
            due = events[0].accepted_at + self._told_after_s
            if chat in told:
                continue
            if due <= now:
                asked = self._is_asked(session, chat)
                card = waiting.waits_for_turn(session.turns.turn, chat, len(events), now, asked=asked)
                await self._tell(chat, events, card)
            else:
                self._look_at(due, now)

    def _tell_gone(self, by_chat: dict[str, list[StoredEvent]], now: float) -> None:
        """Tell those whose messages wait for a session that has gone since; who wrote later is told by the worker."""
        gone = {chat: since for chat in by_chat if (since := self.gone_since(chat)) is not None}
        self._told_gone = {chat: since for chat, since in self._told_gone.items() if gone.get(chat) == since}
        for chat, since in gone.items():
            waits = [event for event in by_chat[chat] if event.accepted_at < since]
            if not waits or chat in self._told_gone:
                continue
            if since + self.gone_after_s <= now:
                self._told_gone[chat] = since
                self._notices.say(
                    chat, _GONE.format(self._notices.presence.of(chat).text), waits[-1].inbound.message_id
                )
            else:
                self._look_at(since + self.gone_after_s, now)

    def _is_asked(self, session: Session, chat: str) -> bool:
        """Tell whether the session waits for an answer that it has asked for in a chat."""
        return any(
            chat in prompt.content.chats
            for kind in _ASKS
            for prompt in self._prompts.open_ones(kind=kind, instance=session.instance)
        )

    def _look_at(self, moment: float, now: float) -> None:
        """Look again at a moment, unless that is done earlier anyhow."""
        loop = asyncio.get_running_loop()
        when = loop.time() + moment - now + 0.01
        if self._alarm is None or self._alarm.cancelled() or not loop.time() < self._alarm.when() <= when:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = loop.call_at(when, self._news.set)

    async def _tell(self, chat: str, events: list[StoredEvent], card: Card) -> None:
        await self._prompts.open(
            "waiting", card.title, card.body, card.options, audience=chat, only=events[0].inbound.sender_id,
            key=f"waiting:{chat}",
        )  # fmt: skip

    # -- a session that went deaf

    async def went_deaf(self, session: Session, unseen: list[StoredEvent]) -> None:
        """Tell those whose messages were read and not given to Claude, and the approvers."""
        for event in unseen:
            self._notices.say(event.inbound.chat, _DEAF, event.inbound.message_id)
        told = {event.inbound.chat for event in unseen}
        verdict = session.verdict
        for _, _, chat in await self._access.approver_chats():
            if chat not in told:
                self._notices.say(chat, _DEAF_TO_APPROVERS.format(session.name, verdict.reason, verdict.mend))
