"""Relays Claude Code's permission prompts to people, and their verdicts back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import structlog

from channeld.core import permission
from channeld.core.access import Role
from channeld.core.hooks import Report
from channeld.core.ids import worker_of
from channeld.core.permission import Option, Request
from channeld.core.prompts import APPROVERS, PromptState, StoredPrompt, Who, in_words
from channeld.core.turns import Origin
from channeld.daemon.prompts import Prompts, Screens
from channeld.daemon.session import Session
from channeld.daemon.spool import Spool

log = structlog.get_logger()
KIND: Final = "permission"
_REMEMBERED_S: Final = 10.0
"""How long a hook waits for its notification: for some dialogs there is none."""
_MOST_INPUT: Final = 1_000_000
"""Characters of an input that is kept and sent; a longer one is answered at the terminal."""
_NOBODY: Final = ""
_ALLOW: Final = {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": {"behavior": "allow"}}}


class _Hook:
    """What a ``PermissionRequest`` hook told."""

    def __init__(self, report: Report, now: float, *, allowed: bool) -> None:
        self.tool, self.input = report.tool_name, report.tool_input
        self.turn_id, self.agent_id = report.prompt_id, report.agent_id
        self.at, self.allowed = now, allowed
        self.is_matched = False
        """Whether its notification has been found."""
        self.prompt_id = ""
        """Of the prompt that was opened for the two of them."""


class _Ledger:
    """What is remembered of a session's process."""

    def __init__(self) -> None:
        self.hooks: list[_Hook] = []
        self.waiting: set[asyncio.Event] = set()
        self.again: set[str] = set()
        self.told: tuple[str, str] | None = None
        """The group, and the turn in which it was told that a permission is waited for."""


class Relay:
    """Permission prompts of all sessions."""

    def __init__(
        self,
        prompts: Prompts,
        screens: Screens,
        spool: Spool,
        *,
        mode: str,
        matching_s: float,
        session_of: Callable[[str], Session | None],
    ) -> None:
        """Wire it.

        Args:
            prompts: where people are asked.
            screens: where prompts can be shown.
            spool: where inputs that are too long for a message are put.
            mode: ``origin``, ``approvers`` or ``off``.
            matching_s: how long a notification waits for its hook.
            session_of: returns the attached session of a process.
        """
        self._prompts, self._screens, self._spool, self._mode = prompts, screens, spool, mode
        self._matching_s, self._session_of = matching_s, session_of
        self._ledgers: dict[str, _Ledger] = {}
        prompts.on(KIND, self._answered, keeps=frozenset({Option.DETAILS}), confirms=True)

    # -- what the session says

    def hook(self, session: Session, report: Report) -> dict[str, Any]:
        """Decide at once what needs nobody; else remember the input for the notification that comes along."""
        ledger = self._ledger(session.instance)
        turn = session.turns.turn
        mine = turn is not None and turn.origin is not None and turn.prompt_id == report.prompt_id
        chat = turn.origin.chat if mine and turn is not None and turn.origin is not None else None
        allowed = not report.late and (
            permission.lets_through(report.tool_name, report.input, chat)
            or permission.digest(report.tool_name, report.tool_input) in ledger.again
        )
        now = time.monotonic()
        ledger.hooks = [h for h in ledger.hooks if now - h.at < _REMEMBERED_S or self._is_open(h)]
        ledger.hooks.append(_Hook(report, now, allowed=allowed))
        for event in ledger.waiting:
            event.set()
        return _ALLOW if allowed else {}

    def request(self, session: Session, request: Request) -> None:
        """Relay a prompt."""
        self._prompts.spawn(self._relay(session, request))

    def tool_ended(self, session: Session, report: Report) -> None:
        """A call was carried out: whatever was asked about it, the terminal has answered."""
        for prompt in self._prompts.open_ones(kind=KIND, instance=session.instance):
            data = prompt.content.data
            if data["tool"] == report.tool_name and (
                data["input"] == report.tool_input
                if data["input"] is not None
                else permission.may_be(data["preview"], report.tool_input)
            ):
                self._prompts.close_soon(prompt.id, PromptState.ELSEWHERE, "Allowed at the terminal")
                return

    def turn_ended(self, session: Session, turn_id: str) -> None:
        """A turn is over: its dialogs are closed. One of a subagent in the background may stay."""
        for prompt in self._prompts.open_ones(kind=KIND, instance=session.instance):
            if prompt.content.data["turn_id"] in {"", turn_id} and not prompt.content.data["agent_id"]:
                self._prompts.close_soon(prompt.id, PromptState.ELSEWHERE, "Answered or closed at the terminal")

    async def session_attached(self, session: Session) -> None:
        """Give a session the verdicts that it may not have read, and recall what is allowed in it."""
        allowed = await self._prompts.answered_so(session.instance, KIND, Option.AGAIN)
        self._ledger(session.instance).again |= {prompt.content.data["digest"] for prompt in allowed}
        for prompt in await self._prompts.unconfirmed(session.instance):
            if prompt.kind == KIND:
                self._prompts.spawn(self._give(session, prompt, prompt.answer))

    def session_ended(self, instance: str) -> None:
        """Forget a session's process."""
        self._ledgers.pop(instance, None)

    # -- relaying

    async def _relay(self, session: Session, request: Request) -> None:
        hook = await self._hook_of(session, request)
        if hook is not None and hook.allowed:
            return
        turn = session.turns.turn
        running = turn.prompt_id if turn is not None else ""
        turn_id = hook.turn_id if hook is not None else running
        origin = turn.origin if turn is not None and turn_id == running else None
        tool_input = hook.input if hook is not None and len(hook.input) <= _MOST_INPUT else None
        card = permission.card(request, tool_input, session=session.name, full=False)
        prompt_id = await self._prompts.open(
            KIND, card.title, card.body, card.options,
            audience=self._audience(origin), instance=session.instance, session=session.name,
            key=f"{KIND}:{session.instance}:{request.request_id}",
            data={
                "request_id": request.request_id, "tool": request.tool, "description": request.description,
                "preview": request.preview, "input": tool_input, "turn_id": turn_id,
                "agent_id": hook.agent_id if hook is not None else "", "project": session.project,
                "digest": permission.digest(request.tool, tool_input) if tool_input is not None else "",
                "origin": origin.chat if origin is not None else "",
            },
        )  # fmt: skip
        if hook is not None:
            hook.prompt_id = prompt_id
        if self._mode != "off" and origin is not None and origin.group:
            self._tell_group(self._ledger(session.instance), origin.chat, turn_id)

    async def _hook_of(self, session: Session, request: Request) -> _Hook | None:
        """Return the hook that came with a notification, None where that is not certain."""
        if not session.turns.hooked:
            return None
        ledger = self._ledger(session.instance)
        news = asyncio.Event()
        ledger.waiting.add(news)
        try:
            async with asyncio.timeout(self._matching_s):
                while True:
                    hook = self._pick(ledger, request)
                    if hook is not None and permission.is_certain(request.preview, hook.input):
                        break
                    news.clear()
                    await news.wait()
        except TimeoutError:  # a part cannot be seen: only when no other call looks the same
            hook = self._pick(ledger, request)
        finally:
            ledger.waiting.discard(news)
        if hook is not None:
            hook.is_matched = True
        return hook

    def _pick(self, ledger: _Ledger, request: Request) -> _Hook | None:
        hooks = [hook for hook in ledger.hooks if hook.tool == request.tool]
        found = permission.pick(request.preview, (h.input for h in hooks if not h.is_matched or self._is_open(h)))
        return next((hook for hook in hooks if hook.input == found and not hook.is_matched), None)

    def _is_open(self, hook: _Hook) -> bool:
        """Tell whether its dialog stands in the terminal, as far as is known."""
        return hook.is_matched and (not hook.prompt_id or self._prompts.find(hook.prompt_id) is not None)

    def _audience(self, origin: Origin | None) -> str:
        if self._mode == "off":
            return _NOBODY
        private = origin is not None and not origin.group and origin.role == Role.APPROVER
        if self._mode == "origin" and origin is not None and private and self._screens.can_ask(worker_of(origin.chat)):
            return origin.chat
        return APPROVERS

    def _tell_group(self, ledger: _Ledger, chat: str, turn_id: str) -> None:
        if ledger.told != (chat, turn_id):  # once a turn
            ledger.told = (chat, turn_id)
            self._screens.say(chat, "Claude waits for a permission; whoever may give it is asked privately.")

    # -- verdicts

    async def _answered(self, prompt: StoredPrompt, answer: str, who: Who) -> str:
        if answer == Option.DETAILS:
            await self._show_all(prompt)
            return ""
        if answer == Option.AGAIN:
            self._ledger(prompt.instance).again.add(prompt.content.data["digest"])
        if (session := self._session_of(prompt.instance)) is not None:
            self._prompts.spawn(self._give(session, prompt, answer))
            return ""
        return f"{in_words(prompt, answer, who)}. The session is not connected now; it gets this as soon as it is."

    async def _give(self, session: Session, prompt: StoredPrompt, answer: str) -> None:
        if await session.give_verdict(prompt.content.data["request_id"], allow=answer != Option.DENY):
            await self._prompts.confirm(prompt.id)

    async def _show_all(self, prompt: StoredPrompt) -> None:
        data = prompt.content.data
        request = Request(data["request_id"], data["tool"], data["description"], data["preview"])
        facts = [
            f"Folder: {data['project']}" if data["project"] else "",
            f"Asked in a turn that began in {data['origin']}." if data["origin"] else "",
            "Asked by a subagent." if data["agent_id"] else "",
        ]
        card = permission.card(
            request, data["input"], session=prompt.content.session, full=True, facts="\n".join(filter(None, facts))
        )
        files = [await asyncio.to_thread(self._spool.put_text, "input.txt", card.text)] if card.text else []
        await self._prompts.change(prompt.id, body=card.body, options=card.options, files=files)

    def _ledger(self, instance: str) -> _Ledger:
        return self._ledgers.setdefault(instance, _Ledger())
