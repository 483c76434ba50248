"""Puts Claude's questions and plans to the chat that a turn came from, while Claude Code waits."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from channeld.core import questions
from channeld.core.access import Role
from channeld.core.errors import Refused
from channeld.core.hooks import Report
from channeld.core.ids import worker_of
from channeld.core.model import Attachment
from channeld.core.prompts import APPROVERS, PromptState, StoredPrompt, Who
from channeld.core.turns import Origin
from channeld.daemon.prompts import Access, Prompts, Screens
from channeld.daemon.session import Session
from channeld.daemon.spool import Spool

log = structlog.get_logger()
_KINDS: Final = ("question", "plan")


class Interview:
    """Questions and plans of all sessions."""

    def __init__(self, prompts: Prompts, screens: Screens, access: Access, spool: Spool, timeout_s: float) -> None:
        self._prompts, self._screens, self._access, self._spool = prompts, screens, access, spool
        self._timeout_s = timeout_s
        self._waiting: dict[str, asyncio.Future[str]] = {}
        self._held: list[str] = []  # the instance of each hook that waits
        for kind in _KINDS:
            prompts.on(kind, self._answered)

    async def start(self) -> None:
        """Close what an earlier daemon had asked: its end has put that to the terminal."""
        for kind in _KINDS:
            for prompt in self._prompts.open_ones(kind=kind):
                await self._prompts.close(prompt.id, PromptState.EXPIRED, "It is asked at the terminal now")

    def holds(self, session: Session) -> bool:
        """Tell whether Claude Code waits in a session for what people say to a question or a plan."""
        return session.instance in self._held

    async def hook(self, session: Session, report: Report) -> dict[str, Any]:
        """Ask, where the turn came from a chat, and return the answer; nothing lets the terminal's dialog appear."""
        turn = session.turns.turn
        if (
            report.late or turn is None or turn.origin is None or turn.typed or turn.prompt_id != report.prompt_id
            or self._timeout_s <= 0 or not self._screens.can_ask(worker_of(turn.origin.chat))
        ):  # fmt: skip
            return {}
        self._held.append(session.instance)
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            match report.tool_name:
                case "AskUserQuestion":
                    return await self._ask(session, turn.origin, report.input, deadline)
                case "ExitPlanMode":
                    return await self._show_plan(session, turn.origin, report.input, deadline)
        except TimeoutError:
            log.info("question_not_answered", session=session.name, tool=report.tool_name)
        finally:
            self._held.remove(session.instance)
        return {}

    async def _ask(self, session: Session, origin: Origin, fields: dict[str, Any], deadline: float) -> dict[str, Any]:
        if not origin.group and await self._role_now(origin) is None:
            return {}  # whoever was asked could not answer any more
        asked = questions.read_questions(fields)
        answers = {}
        for question in asked:  # one after the other: a phone shows one card well
            said = await self._put(
                session, deadline, "question", question.title, question.body, list(question.labels),
                audience=origin.chat, only=APPROVERS if origin.group else origin.sender_id, multiple=question.multiple,
            )  # fmt: skip
            answers[question.asked] = questions.answer_of(question, said)
        return questions.answered(fields, answers) if asked else {}

    async def _show_plan(
        self, session: Session, origin: Origin, fields: dict[str, Any], deadline: float
    ) -> dict[str, Any]:
        plan = questions.read_plan(fields)
        if plan is None:
            return {}
        files = [await asyncio.to_thread(self._spool.put_text, "plan.md", plan.text)] if plan.text else []
        # Where the sender may not approve, or may no longer, the approvers are asked.
        audience = origin.chat if origin.group or await self._role_now(origin) == Role.APPROVER else APPROVERS
        said = await self._put(
            session, deadline, "plan", plan.title, plan.body, [questions.APPROVE, questions.KEEP_PLANNING],
            audience=audience, files=files,
        )  # fmt: skip
        return questions.plan_answered(fields, said)

    async def _role_now(self, origin: Origin) -> Role | None:
        return await self._access.role_of(worker_of(origin.chat), origin.sender_id)

    async def _put(
        self, session: Session, deadline: float, kind: str, title: str, body: str, options: list[str], *,
        audience: str, only: str = APPROVERS, multiple: bool = False, files: list[Attachment] | None = None,
    ) -> str:  # fmt: skip
        """Ask one thing and return the answer.

        Raises:
            TimeoutError: there was none by the deadline.
        """
        prompt_id = await self._prompts.open(
            kind, title, body, options, audience=audience, only=only, instance=session.instance, session=session.name,
            free=True, multiple=multiple, files=files,
        )  # fmt: skip
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[prompt_id] = answer
        state, outcome = PromptState.ELSEWHERE, "Closed at the terminal"  # by Escape, which cancels this
        try:
            async with asyncio.timeout_at(deadline):
                return await answer
        except TimeoutError:
            state, outcome = PromptState.EXPIRED, "Not answered in time: it is asked at the terminal now"
            raise
        finally:
            del self._waiting[prompt_id]
            self._prompts.close_soon(prompt_id, state, outcome)  # nothing happens where it was answered

    async def _answered(self, prompt: StoredPrompt, answer: str, who: Who) -> str:
        waiting = self._waiting.get(prompt.id)
        if waiting is None or waiting.done():
            raise Refused("Claude does not wait for this answer any more.", hint="Look at the terminal.")
        waiting.set_result(answer)
        return ""
