"""All that Claude Code and channeld ask of people: where hooks, sessions, workers and the terminal meet the prompts."""

from __future__ import annotations

from typing import Any

import structlog

from channeld.core.access import Role
from channeld.core.errors import ChanneldError, StoreUnavailable
from channeld.core.hooks import Report
from channeld.core.ids import worker_of
from channeld.core.model import Inbound
from channeld.core.permission import Request, read_verdict
from channeld.core.prompts import PromptState, Who
from channeld.core.text import clean_name
from channeld.daemon.interview import Interview
from channeld.daemon.link import WorkerLink
from channeld.daemon.notices import Notices
from channeld.daemon.prompts import Prompts
from channeld.daemon.relay import KIND, Relay
from channeld.daemon.session import Session
from channeld.ipc import messages as m

log = structlog.get_logger()


class Asking:
    """Hands each thing to whom it concerns; see ``daemon/hooks.py`` for what hooks expect."""

    def __init__(self, prompts: Prompts, relay: Relay, interview: Interview, notices: Notices) -> None:
        self._prompts, self._relay, self._interview, self._notices = prompts, relay, interview, notices

    async def start(self) -> None:
        """Take up what an earlier daemon left open."""
        await self._prompts.start()
        await self._interview.start()

    # -- hooks

    async def permission_hook(self, session: Session, report: Report) -> dict[str, Any]:
        """Return a decision on a tool call that needs one, or nothing to let the dialog appear."""
        return self._relay.hook(session, report)

    async def question_hook(self, session: Session, report: Report) -> dict[str, Any]:
        """Return the answer to a question or a plan, once there is one, or nothing to let the dialog appear."""
        return await self._interview.hook(session, report)

    def tool_ended(self, session: Session, report: Report) -> None:
        """Hear that a tool call has ended."""
        self._relay.tool_ended(session, report)

    def turn_ended(self, session: Session, prompt_id: str) -> None:
        """Hear that a turn has ended."""
        self._relay.turn_ended(session, prompt_id)

    # -- sessions

    def permission_requested(self, session: Session, request: Request) -> None:
        """Hear that a session shows a permission dialog."""
        self._relay.request(session, request)

    async def session_attached(self, session: Session) -> None:
        """Hear that a session is there, perhaps again."""
        try:
            await self._relay.session_attached(session)
        except StoreUnavailable as trouble:
            log.warning("verdicts_not_given", session=session.name, reason=str(trouble))

    async def session_ended(self, instance: str) -> None:
        """Hear that a session's process has ended."""
        self._relay.session_ended(instance)
        try:
            await self._prompts.session_ended(instance)
        except StoreUnavailable as trouble:
            log.warning("prompts_not_expired", instance=instance, reason=str(trouble))

    def has_dialog(self, session: Session) -> bool:
        """Tell whether a session waits at a dialog, so that it takes up nothing else."""
        return bool(self._prompts.open_ones(instance=session.instance))

    # -- chats

    async def worker_ready(self, link: WorkerLink) -> None:
        """Show a worker what is open."""
        await self._prompts.worker_ready(link)

    async def answered(self, link: WorkerLink, frame: m.AnswerPrompt) -> None:
        """Take somebody's answer."""
        await self._prompts.answered(link, frame)

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
            prompt for prompt in (*self._prompts.open_ones(kind=KIND), *self._prompts.settled)
            if prompt.kind == KIND and prompt.content.data["request_id"] == request_id
            and inbound.chat in prompt.content.chats
        ]  # fmt: skip
        if not shown or len([prompt for prompt in shown if prompt.state == PromptState.OPEN]) > 1:
            return False
        who = Who(worker_of(inbound.chat), inbound.sender_id, clean_name(inbound.sender, 60))
        try:
            told = await self._prompts.answer(shown[0].id, option, who)
        except StoreUnavailable:
            raise
        except ChanneldError as error:
            told = f"{error} {error.hint}".strip()
        self._notices.say(inbound.chat, told, inbound.message_id)
        return True

    def close(self) -> None:
        """Stop; what is open stays open on disk."""
        self._prompts.stop()
