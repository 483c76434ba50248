"""Puts prompts to people: stored, shown in chats, answered by whoever may, settled, and shown anew after a restart."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, Protocol

import structlog

from channeld.core.access import LONGEST_ID, Role
from channeld.core.errors import ChanneldError, Refused, StoreUnavailable
from channeld.core.ids import is_chat_of, worker_of
from channeld.core.model import Attachment, Inbound
from channeld.core.permission import read_verdict
from channeld.core.prompts import (
    APPROVERS,
    NOT_ALLOWED,
    OPERATOR,
    Content,
    PromptState,
    StoredPrompt,
    Who,
    check_answer,
    clipped_title,
    in_words,
    new_id,
)
from channeld.core.text import clean_name, unmasked
from channeld.daemon.link import WorkerLink
from channeld.faultpoint import reach
from channeld.ipc import messages as m
from channeld.store.prompts import PromptStore

log = structlog.get_logger()
_STORE_RETRY_S: Final = 1.0
_REMEMBERED: Final = 100
_SHOWN_ANEW: Final = 20
"""Settled prompts that a worker is told when it is ready: it may show them as open, or as settled somewhere else."""


class Access(Protocol):
    """Who may do what."""

    async def role_of(self, worker: str, sender_id: str) -> Role | None:
        """Return what a sender may do; None: nothing."""

    async def approver_chats(self) -> list[tuple[str, str, str]]:
        """Return ``(worker, sender_id, chat)`` of the approvers' private chats."""


class Screens(Protocol):
    """Where prompts are shown."""

    def can_ask(self, worker: str) -> bool:
        """Tell whether a worker is there that shows prompts."""

    def ask(self, prompt: m.Prompt) -> None:
        """Show a prompt in its chat, or what has become of it."""

    def say(self, chat: str, text: str, reply_to: str | None = None) -> None:
        """Tell a chat something."""


Handler = Callable[[StoredPrompt, str, Who], Awaitable[str]]
"""Carries an answer out and returns the outcome in words, empty for the answer itself and who gave it.

It raises ``Refused`` to leave the prompt open.
"""


class _Kind(NamedTuple):
    handler: Handler
    keeps: frozenset[str]
    confirms: bool


class Prompts:
    """Every open prompt."""

    def __init__(self, store: PromptStore, access: Access, screens: Screens) -> None:
        self._store, self._access, self._screens = store, access, screens
        self._kinds: dict[str, _Kind] = {}
        self._open: dict[str, StoredPrompt] = {}
        self.settled: deque[StoredPrompt] = deque(maxlen=_REMEMBERED)
        """The latest that were settled, oldest first, for those who answer them again or have not seen their end."""
        self.changed: Callable[[], None] = lambda: None
        """Called when another set of prompts is open."""
        self._arrivals = 0  # of workers that show prompts
        self._expiry: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- for those who ask

    def on(self, kind: str, handler: Handler, *, keeps: frozenset[str] = frozenset(), confirms: bool = False) -> None:
        """Say who carries out the answers to a kind of prompts.

        Args:
            kind: as in the frame ``Prompt``.
            handler: called with ``(prompt, answer, who)`` after the answer is on disk, and again after a crash.
            keeps: answers that do not settle a prompt; they are not recorded.
            confirms: the handler calls ``confirm`` later, when the answer has arrived.
        """
        self._kinds[kind] = _Kind(handler, keeps, confirms)

    async def open(
        self,
        kind: str,
        title: str,
        body: str,
        options: list[str],
        *,
        audience: str = APPROVERS,
        only: str = APPROVERS,
        instance: str = "",
        session: str = "",
        key: str | None = None,
        free: bool = False,
        multiple: bool = False,
        ttl_s: float | None = None,
        files: list[Attachment] | None = None,
        data: dict[str, Any] | None = None,
    ) -> str:
        """Ask people, and return the prompt's id.

        Args:
            kind: one that ``on`` was called for.
            title: one line that says what is asked.
            body: the rest.
            options: the answers to choose from.
            audience: ``APPROVERS``, in their private chats, or a chat; empty: the command line alone shows it.
            only: who may answer: ``APPROVERS`` or the id of a sender of that chat.
            instance: the session process that waits for the answer; empty: none.
            session: its name, for people.
            key: what it is about: while one with the same key is open, there is no second one.
            free: an answer in words is taken too.
            multiple: several options may be chosen.
            ttl_s: seconds until it expires; None: it does not by itself.
            files: at most one, in the spool: the whole of what ``body`` shows a part of.
            data: what the kind's handler needs to know.

        Raises:
            StoreUnavailable: nobody was asked.
        """
        if (known := self._about(key)) is not None:
            return known.id
        now = time.time()
        content = Content(
            title=clipped_title(unmasked(title)), body=unmasked(body), options=options, multiple=multiple, free=free,
            files=files or [], session=session, audience=audience, only=only, data=data or {},
        )  # fmt: skip
        arrivals = self._arrivals
        content.chats = await self._chats_for(content)
        expires_at = now + ttl_s if ttl_s is not None else None
        prompt = StoredPrompt(
            id=new_id(), kind=kind, content=content, asked_at=now, key=key, instance=instance, expires_at=expires_at
        )
        while not await self._store.put(prompt):
            if (known := self._about(key)) is not None:
                return known.id
            await asyncio.sleep(_STORE_RETRY_S)  # the last one about this is settled, and its end not yet on disk
        reach("prompts.stored")
        self._open[prompt.id] = prompt
        if self._arrivals != arrivals:
            await self._add_chats(prompt)
        log.info("prompt_opened", prompt=prompt.id, kind=kind, chats=content.chats, session=session)
        self._show(prompt)
        self._watch_expiry()
        self.changed()
        return prompt.id

    async def change(
        self, prompt_id: str, *, title: str | None = None, body: str | None = None, options: list[str] | None = None,
        files: list[Attachment] | None = None,
    ) -> None:  # fmt: skip
        """Change what an open prompt says, and show it anew."""
        if (prompt := self._open.get(prompt_id)) is None:
            return
        content = prompt.content
        content.title = content.title if title is None else clipped_title(unmasked(title))
        content.body = content.body if body is None else unmasked(body)
        content.options = content.options if options is None else options
        content.files = content.files if files is None else files
        await self._store.change(prompt)
        if prompt_id in self._open:
            self._show(prompt)

    async def note(self, prompt_id: str, data: dict[str, Any]) -> None:
        """Write down more of what a prompt's kind needs to know."""
        if (prompt := self._open.get(prompt_id)) is not None:
            prompt.content.data |= data
            await self._store.change(prompt)

    async def close(self, prompt_id: str, state: PromptState, outcome: str = "") -> None:
        """Settle a prompt that was not answered here; nothing happens where it is settled."""
        if (prompt := self._open.pop(prompt_id, None)) is None:
            return
        prompt.state, prompt.outcome = state, outcome
        self.settled.append(prompt)
        log.info("prompt_closed", prompt=prompt_id, kind=prompt.kind, state=str(state))
        self._show(prompt)
        self.changed()
        while True:
            try:
                await self._store.close(prompt_id, state, outcome, time.time())
                break
            except StoreUnavailable:  # people have been told already; the record follows
                await asyncio.sleep(_STORE_RETRY_S)

    def close_soon(self, prompt_id: str, state: PromptState, outcome: str = "") -> None:
        """Settle a prompt from where nothing can be awaited."""
        self.spawn(self.close(prompt_id, state, outcome))

    async def confirm(self, prompt_id: str) -> None:
        """Record that an answer has arrived where it was to go."""
        await self._store.carried_out(prompt_id)

    def spawn(self, work: Awaitable[None]) -> None:
        """Let something go on by itself; what it raises is logged."""

        async def run() -> None:
            try:
                await work
            except StoreUnavailable as trouble:
                log.warning("prompt_not_recorded", reason=str(trouble))

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    # -- facts

    def find(self, prompt_id: str) -> StoredPrompt | None:
        """Return an open prompt, or None."""
        return self._open.get(prompt_id)

    def open_ones(self, *, kind: str | None = None, instance: str | None = None) -> list[StoredPrompt]:
        """Return the open prompts, oldest first, perhaps only of a kind or of a session process."""
        return [
            prompt for prompt in self._open.values()
            if kind in {None, prompt.kind} and instance in {None, prompt.instance}
        ]  # fmt: skip

    async def latest(self, limit: int) -> list[StoredPrompt]:
        """Return the latest prompts, settled ones too, newest first."""
        return await self._store.latest(limit)

    # -- answers

    async def answer(self, prompt_id: str, answer: str, who: Who) -> str:
        """Take an answer and carry it out; return the outcome in words.

        Raises:
            Refused: it does not count, with the reason.
            StoreUnavailable: it was not taken and can be given again.
        """
        prompt = self._open.get(prompt_id)
        if prompt is None:
            raise await self._why_not(prompt_id)
        await self._check_right(prompt, who)
        answer = check_answer(prompt, answer)
        kind = self._kinds[prompt.kind]
        if answer in kind.keeps:
            return await kind.handler(prompt, answer, who)
        # From here on it is this answer: another one finds the prompt gone.
        if self._open.pop(prompt_id, None) is None:
            raise await self._why_not(prompt_id)
        words = in_words(prompt, answer, who)
        try:
            if not await self._store.answer(prompt_id, answer, words, who, time.time()):
                raise await self._why_not(prompt_id)
        except StoreUnavailable:
            self._open[prompt_id] = prompt
            raise
        reach("prompts.answered")
        try:
            outcome = await kind.handler(prompt, answer, who) or words
        except ChanneldError:
            await self._reopen(prompt)
            raise
        except Exception:
            log.exception("prompt_answer_failed", prompt=prompt_id, kind=prompt.kind)
            await self._reopen(prompt)
            raise Refused("channeld failed inside, and nothing was done.", hint="See `channeld logs`.") from None
        prompt.state, prompt.answer, prompt.outcome, prompt.by = PromptState.ANSWERED, answer, outcome, who
        log.info(
            "prompt_answered", prompt=prompt_id, kind=prompt.kind, session=prompt.content.session,
            worker=who.worker or None, sender_id=who.sender_id,
        )  # fmt: skip
        self.settled.append(prompt)
        self._show(prompt)
        self.changed()
        if not kind.confirms:
            await self._store.carried_out(prompt_id, outcome)
        return outcome

    async def answered(self, link: WorkerLink, frame: m.AnswerPrompt) -> None:
        """Take what a worker says that somebody answered, and tell it whether that counts."""
        who = Who(link.name, frame.sender_id, clean_name(frame.sender, 60))
        try:
            if frame.only_ask:
                await self._check_may_answer(frame.id, who)
            else:
                await self.answer(frame.id, frame.answer, who)
        except StoreUnavailable as trouble:
            link.send(m.Refused(ref=frame.ref, code=trouble.code, text=f"{trouble} {trouble.hint}", retry=True))
        except ChanneldError as error:
            link.send(m.Refused(ref=frame.ref, code=error.code, text=f"{error} {error.hint}".strip()))
        else:
            link.send(m.Accepted(ref=frame.ref))

    async def shown(self, link: WorkerLink, frame: m.Shown) -> None:
        """Note as which message a prompt stands in a chat: what a later process of the worker changes there."""
        prompt = self._open.get(frame.id) or next((each for each in self.settled if each.id == frame.id), None)
        if prompt is not None and is_chat_of(link.name, frame.chat) and frame.chat in prompt.content.chats:
            prompt.content.shown[frame.chat] = frame.message_id[:LONGEST_ID]
            try:
                await self._store.change(prompt)
            except StoreUnavailable as trouble:  # it is shown once more, at worst
                log.warning("shown_not_recorded", prompt=prompt.id, reason=str(trouble))

    async def take_text(self, inbound: Inbound, role: Role) -> bool:
        """Take a message that is a verdict, as ``yes abcde``; tell whether it was one.

        It is one only in a chat that was shown that very prompt, from an approver, in his own words.

        Raises:
            StoreUnavailable: it was one and could not be taken; it can come again.
        """
        if role != Role.APPROVER or inbound.kind != "message" or inbound.bot or inbound.forwarded_from is not None:
            return False
        if (verdict := read_verdict(inbound.text)) is None:
            return False
        option, request_id = verdict
        shown = [
            prompt for prompt in (*self.open_ones(kind="permission"), *self.settled)
            if prompt.kind == "permission" and prompt.content.data["request_id"] == request_id
            and inbound.chat in prompt.content.chats
        ]  # fmt: skip
        if not shown or len([prompt for prompt in shown if prompt.state == PromptState.OPEN]) > 1:
            return False
        who = Who(worker_of(inbound.chat), inbound.sender_id, clean_name(inbound.sender, 60))
        try:
            told = await self.answer(shown[0].id, option, who)
        except StoreUnavailable:
            raise
        except ChanneldError as error:
            told = f"{error} {error.hint}".strip()
        self._screens.say(inbound.chat, told, inbound.message_id)
        return True

    async def _check_may_answer(self, prompt_id: str, who: Who) -> None:
        if (prompt := self._open.get(prompt_id)) is None:
            raise await self._why_not(prompt_id)
        await self._check_right(prompt, who)

    async def _check_right(self, prompt: StoredPrompt, who: Who) -> None:
        content = prompt.content
        if who == OPERATOR:
            return
        role = await self._access.role_of(who.worker, who.sender_id)
        if content.only == APPROVERS:
            allowed = role == Role.APPROVER and any(is_chat_of(who.worker, chat) for chat in content.chats)
        else:
            allowed = role is not None and content.only == who.sender_id and is_chat_of(who.worker, content.audience)
        if not allowed:
            log.warning("prompt_answer_refused", prompt=prompt.id, worker=who.worker, sender_id=who.sender_id)
            raise Refused("You may not answer this.", hint="Ask the owner of this bot.", code=NOT_ALLOWED)

    async def _why_not(self, prompt_id: str) -> Refused:
        prompt = await self._store.find(prompt_id)
        if prompt is None:
            return Refused("No prompt with this id is open.", code="unknown_prompt")
        if prompt.state == PromptState.ANSWERED:
            by = f" by {prompt.by.name}" if prompt.by is not None else ""
            return Refused(f"That was answered already{by}.", hint="Nothing has to be done.", code="settled")
        if prompt.state == PromptState.ELSEWHERE:
            return Refused("That was settled elsewhere.", hint="Nothing has to be done.", code="settled")
        return Refused("Nobody waits for this answer any more.", hint="Nothing has to be done.", code="settled")

    # -- the daemon's life

    async def start(self) -> None:
        """Take up what an earlier daemon left open, and carry out what was answered and not done."""
        for prompt in await self._store.unsettled():
            if prompt.instance and not await self._store.lives(prompt.instance):
                await self._give_up(prompt)
            elif prompt.state == PromptState.OPEN:
                self._open[prompt.id] = prompt
            elif (kind := self._kinds.get(prompt.kind)) is not None and not kind.confirms and prompt.by is not None:
                try:
                    outcome = await kind.handler(prompt, prompt.answer, prompt.by) or prompt.outcome
                except ChanneldError as error:
                    outcome = str(error)
                await self._store.carried_out(prompt.id, outcome)
        self.settled.extend(reversed(await self._store.last_settled(_REMEMBERED)))
        self._watch_expiry()

    async def unconfirmed(self, instance: str) -> list[StoredPrompt]:
        """Return what was answered for a session process and has not arrived there for certain."""
        return [
            prompt for prompt in await self._store.unsettled()
            if prompt.instance == instance and prompt.state == PromptState.ANSWERED
        ]  # fmt: skip

    async def answered_so(self, instance: str, kind: str, answer: str) -> list[StoredPrompt]:
        """Return the prompts of a session process that were answered in one way."""
        return await self._store.answered_so(instance, kind, answer)

    async def session_ended(self, instance: str) -> None:
        """Nobody waits any more for what a session process asked."""
        for prompt in self.open_ones(instance=instance):
            await self.close(prompt.id, PromptState.EXPIRED, "The session has ended.")
        for prompt in await self.unconfirmed(instance):
            await self._give_up(prompt)

    async def worker_ready(self, link: WorkerLink) -> None:
        """Show a worker the open prompts of its chats, as to one that knows of none, and what was settled lately."""
        if not link.capabilities.prompts:
            return
        for prompt in list(self.settled)[-_SHOWN_ANEW:]:
            self._show(prompt, link.name)
        self._arrivals += 1
        for prompt in list(self._open.values()):
            await self._add_chats(prompt)
            if prompt.id in self._open:
                self._show(prompt, link.name)

    def stop(self) -> None:
        """Stop: the prompts stay open on disk."""
        if self._expiry is not None:
            self._expiry.cancel()
        for task in self._tasks:
            task.cancel()

    # -- inside

    async def _give_up(self, prompt: StoredPrompt) -> None:
        if prompt.state == PromptState.OPEN:
            await self._store.close(prompt.id, PromptState.EXPIRED, "The session has ended.", time.time())
        else:
            await self._store.carried_out(prompt.id, f"{prompt.outcome}. The session ended before that arrived.")

    async def _reopen(self, prompt: StoredPrompt) -> None:
        """Take an answer back with which nothing was done."""
        nothing = "Nothing was done: it is asked anew."
        while True:
            try:
                if not (reopened := await self._store.reopen(prompt.id)):  # the same has been asked anew meanwhile
                    await self._store.carried_out(prompt.id, nothing)
                break
            except StoreUnavailable:
                await asyncio.sleep(_STORE_RETRY_S)
        if reopened:
            self._open[prompt.id] = prompt
            self._watch_expiry()
        else:
            prompt.state, prompt.outcome = PromptState.ANSWERED, nothing
            self.settled.append(prompt)
            self._show(prompt)

    async def _add_chats(self, prompt: StoredPrompt) -> None:
        """Add the chats in which it can be shown only now."""
        try:
            chats = [chat for chat in await self._chats_for(prompt.content) if chat not in prompt.content.chats]
            if chats and prompt.id in self._open:
                prompt.content.chats += chats
                await self._store.change(prompt)
        except StoreUnavailable as trouble:
            log.warning("prompt_not_shown", prompt=prompt.id, reason=str(trouble))

    def was_asked(self, key: str) -> bool:
        """Tell whether a prompt about something is open or among the latest that were settled."""
        return self._about(key) is not None or any(settled.key == key for settled in self.settled)

    def _about(self, key: str | None) -> StoredPrompt | None:
        """Return the open prompt of a key."""
        return next((prompt for prompt in self._open.values() if key is not None and prompt.key == key), None)

    async def _chats_for(self, content: Content) -> list[str]:
        if content.audience != APPROVERS:
            return [content.audience] if content.audience else []
        chats = [chat for _, _, chat in await self._access.approver_chats()]
        return [chat for chat in dict.fromkeys(chats) if self._screens.can_ask(worker_of(chat))]

    def _show(self, prompt: StoredPrompt, worker: str | None = None) -> None:
        content = prompt.content
        for chat in content.chats:
            if worker is None or is_chat_of(worker, chat):
                self._screens.ask(
                    m.Prompt(
                        id=prompt.id, chat=chat, kind=prompt.kind, title=content.title, body=content.body,
                        options=content.options, state=prompt.state, answer=prompt.outcome,
                        multiple=content.multiple, free=content.free, file=prompt.file,
                        shown=content.shown.get(chat),
                    )
                )  # fmt: skip

    def _watch_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        next_at = min((p.expires_at for p in self._open.values() if p.expires_at is not None), default=None)
        if next_at is not None:
            self._expiry = asyncio.get_running_loop().call_later(max(0.0, next_at - time.time()), self._expire)

    def _expire(self) -> None:
        self._expiry = None
        now = time.time()
        for prompt in list(self._open.values()):
            if prompt.expires_at is not None and prompt.expires_at <= now:
                self.close_soon(prompt.id, PromptState.EXPIRED)
        self.spawn(self._later())

    async def _later(self) -> None:
        """Set the next alarm when those that are due have been taken out."""
        self._watch_expiry()

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("prompt_task_failed", exc_info=error)
