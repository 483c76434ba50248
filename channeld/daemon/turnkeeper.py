"""Keeps track of turns: what hooks say of them, when one is over, and what is then owed to whom."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from channeld.core.errors import ChanneldError, StoreUnavailable
from channeld.core.hooks import Report
from channeld.core.model import StoredEvent
from channeld.core.tag import delivery_of
from channeld.core.transcript import interrupted
from channeld.core.turns import Origin, Turn, Turns
from channeld.daemon.limits import Limits
from channeld.daemon.outgoing import Letter, Outgoing
from channeld.daemon.router import Router
from channeld.daemon.session import Session
from channeld.store.turns import Turnbook

log = structlog.get_logger()
_LOOK_EVERY_S: Final = 1.0
_TAIL_BYTES: Final = 256 * 1024
"""Of the transcript: one entry may hold a whole file that Claude has read."""
_FAILED: Final = "Claude's turn ended with an error, which stands in its terminal. Write again to try again."
_ENDED: Final = "The session ended before it had answered this. Write again when another one listens."
_OWED: Final = frozenset({"message", "edited", "button", "webhook"})
"""Kinds of events whose sender waits for an answer."""


class Turnkeeper:
    """The turns of every session. Its ``run`` is an essential task."""

    def __init__(
        self, router: Router, turnbook: Turnbook, outgoing: Outgoing, limits: Limits, *, sends_unreplied: bool
    ) -> None:
        """Wire it.

        Args:
            router: who pushes the next event.
            turnbook: the store's side.
            outgoing: takes what is sent in place of a reply.
            limits: deadlines.
            sends_unreplied: send what Claude wrote to the terminal, where a turn ends without a reply.
        """
        self._router, self._turnbook, self._outgoing = router, turnbook, outgoing
        self._limits, self._sends_unreplied = limits, sends_unreplied
        self._watch = asyncio.Event()
        self._suspects: set[str] = set()
        """Sessions that looked deaf at the last look."""
        self.has_dialog: Callable[[Session], bool] = lambda session: False
        """Whether a dialog of ours is open in a session's terminal: then it takes up nothing."""
        self.turn_over: Callable[[Session, str], None] = lambda session, prompt_id: None
        self.went_deaf: Callable[[Session, list[StoredEvent]], Awaitable[None]] = _nobody_to_tell

    # -- what hooks say

    async def take(self, session: Session, report: Report) -> None:
        """Follow one report; those of a session come one after the other."""
        now = time.time()
        turns = session.turns
        before = _written(turns)
        background = bool(report.agent_id)
        if turns.reported(report.permission_mode, report.transcript_path, now, background=background):
            self._router.hears_again(session)
        match report.event:
            case "UserPromptSubmit":
                await self._prompted(session, report, now)
            case "PreToolUse":
                turns.tool_began(report.prompt_id, report.tool_use_id, report.agent_id, now)
            case "PostToolUse" | "PostToolUseFailure":
                turns.tool_ended(report.tool_use_id)
            case "Stop" if (turn := turns.stopped(report.prompt_id)) is not None:
                await self._end(session, turn, report.last_assistant_message)
            case "StopFailure" if (turn := turns.stopped(report.prompt_id)) is not None:
                await self._end(session, turn, "")  # its words are the API's error
                await self._tell_unanswered(session.instance, turn.prompt_id, _FAILED)
            case "PreCompact":
                turns.excuse(now)
        if _written(turns) != before:
            await self._turnbook.say(session.instance, turns)
            self._router.lookout.look()
            self._router.wake()
        self._watch.set()

    async def _prompted(self, session: Session, report: Report, now: float) -> None:
        delivery_id = delivery_of(report.prompt)
        event = None
        if delivery_id is not None:
            note = session.turns.is_known(report.prompt_id)
            event = await self._turnbook.seen(session.instance, delivery_id, report.prompt_id, now, note=note)
        origin = Origin.of(event) if event is not None else None
        before = session.turns.prompted(report.prompt_id, origin, event.seq if event else None, now)
        if before is not None:
            await self._end(session, before, "")
        if event is not None:
            log.info("event_seen", session=session.name, delivery_id=event.delivery_id)
            await self._router.notices.events_changed([event])

    # -- the end of a turn

    async def _end(self, session: Session, turn: Turn, text: str) -> None:
        """Do what a turn leaves undone: an answer that was only written to the terminal, notes without a reply."""
        try:
            if text.strip() and self._sends_unreplied:
                await self._send_unreplied(session, turn, text)
            if self._router.lookout.by_turns(session):
                notes = await self._turnbook.requeue_notes(session.instance, turn.prompt_id, time.time())
                await self._router.notices.events_changed(notes)
        finally:
            self.turn_over(session, turn.prompt_id)

    async def _tell_unanswered(self, instance: str, prompt_id: str, text: str) -> None:
        """Tell a chat that the turn that its message began has come to nothing."""
        event = await self._turnbook.unanswered_origin(instance, prompt_id)
        if event is not None and event.inbound.kind in _OWED:
            self._router.notices.say(event.inbound.chat, text, event.inbound.message_id)

    async def session_ended(self, instance: str) -> None:
        """A session's process has ended, perhaps in the midst of a turn."""
        said = await self._turnbook.said(instance, 0.0)
        if said.prompt_id is not None:
            await self._tell_unanswered(instance, said.prompt_id, _ENDED)

    async def _send_unreplied(self, session: Session, turn: Turn, text: str) -> None:
        origin = turn.origin
        if origin is None or turn.typed or turn.chats != {origin.chat} or origin.kind not in _OWED:
            return
        if await self._turnbook.unanswered_origin(session.instance, turn.prompt_id) is None:
            return
        letter = Letter(origin.chat, self._outgoing.fitting(origin.chat, text))
        try:
            # The id makes it one message however often the report comes.
            await self._outgoing.reply(letter, session.instance, f"stop:{turn.prompt_id}")
        except StoreUnavailable:
            raise
        except ChanneldError as refusal:
            log.warning("unreplied_not_sent", session=session.name, chat=origin.chat, reason=str(refusal))
            return
        log.info("unreplied_sent", session=session.name, chat=origin.chat)
        await self._router.answered_without_reply(session, origin.chat)

    # -- what no hook says

    def look_soon(self, session: Session) -> None:
        """Something was pushed: its receipt may be missing."""
        self._watch.set()

    async def run(self) -> None:
        """Watch sessions while there is something that could go unreported. An essential task."""
        while True:
            await self._watch.wait()
            self._watch.clear()
            while any(not s.turns.is_free and s.turns.deaf_since is None for s in self._router.sessions.values()):
                for session in list(self._router.sessions.values()):
                    try:
                        await self._look(session)
                    except StoreUnavailable as trouble:
                        log.warning("turn_not_followed", session=session.name, code=trouble.code)
                await asyncio.sleep(_LOOK_EVERY_S)

    async def _look(self, session: Session) -> None:
        now, turns = time.time(), session.turns
        turn = turns.turn
        if turn is not None and await self._is_over(session, turn, now):
            if turns.turn is not turn:  # a hook has ended it meanwhile
                return
            log.info("turn_over_unreported", session=session.name)
            await self._end(session, turns.end(), "")
            await self._turnbook.say(session.instance, session.turns)
        elif turns.has_no_hooks(now, self._limits.first_hook_s):
            log.warning("session_without_hooks", session=session.name)
            turns.expect_none()
        elif turns.lost_receipt(now, self._limits.receipt_s) and not self.has_dialog(session):
            if (
                session.instance not in self._suspects
            ):  # after a sleep of this process, the report may just not be read yet
                self._suspects.add(session.instance)
                return
            turns.mark_deaf(now)
            log.warning("session_deaf", session=session.name)
            await self.went_deaf(session, await self._turnbook.unseen(session.instance))
        else:
            self._suspects.discard(session.instance)
            return
        self._suspects.discard(session.instance)
        self._router.lookout.look()
        self._router.wake()

    async def _is_over(self, session: Session, turn: Turn, now: float) -> bool:
        """Tell whether the turn that runs has ended without a word."""
        if session.turns.is_silent(now, self._limits.quiet_turn_s) and not self.has_dialog(session):
            return True
        return await asyncio.to_thread(self._was_interrupted, session.turns.transcript, turn)

    @staticmethod
    def _was_interrupted(path: str, turn: Turn) -> bool:
        """Look at the end of a transcript that has grown since the last look."""
        try:
            with open(path, "rb") as file:
                facts = os.fstat(file.fileno())
                if facts.st_size == turn.transcript_bytes:
                    return False
                turn.transcript_bytes = facts.st_size
                file.seek(max(0, facts.st_size - _TAIL_BYTES))
                return interrupted(file.read(_TAIL_BYTES), turn.prompt_id)
        except OSError:
            return False


async def _nobody_to_tell(session: Session, events: list[StoredEvent]) -> None:
    return


def _written(turns: Turns) -> tuple[object, ...]:
    """Return what is written down of turns, to see whether it has changed."""
    turn = turns.turn
    return turns.hooked, turns.permission_mode, turn and (turn.prompt_id, turn.typed, frozenset(turn.open_tools))
