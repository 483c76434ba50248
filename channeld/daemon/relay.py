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
from channeld.core.pairing import shown_name
from channeld.core.permission import Option, Request
from channeld.core.prompts import APPROVERS, OPERATOR, PromptState, StoredPrompt, Who, in_words
from channeld.core.text import clean_name
from channeld.core.turns import Origin
from channeld.daemon.prompts import Access, Prompts, Screens
from channeld.daemon.session import Session
from channeld.daemon.spool import Spool

log = structlog.get_logger()
KIND: Final = "permission"
_REMEMBERED_S: Final = 10.0
"""How long a hook waits for its notification: for some dialogs there is none."""
_MOST_INPUT: Final = 1_000_000
"""Characters of an input that is kept and sent; a longer one is answered at the terminal."""
TTL_S: Final = 600.0
"""How long a session without hooks is taken to wait: nothing tells when the terminal is answered."""
_NOBODY: Final = ""
_DIALOGS: Final = frozenset({KIND, "question", "plan"})
_ANSWERED_IN_INPUT: Final = frozenset({"AskUserQuestion", "ExitPlanMode"})
"""Tools whose input is another one when their call ends."""
_TURN_OVER: Final = "Answered or closed at the terminal"
_GONE_ON: Final = "Claude has gone on: it may have been answered at the terminal"
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


class _Relayed:
    """A notification on its way to people."""

    def __init__(self, request: Request, running: str) -> None:
        self.request, self.turn = request, running
        self.hook: _Hook | None = None
        self.over = ""
        """How the dialog ended meanwhile, in words; empty: it has not."""

    @property
    def data(self) -> dict[str, Any]:
        """What of it the prompt keeps, to be recognised when its call or its turn ends."""
        hook = self.hook
        return {
            "tool": self.request.tool, "preview": self.request.preview, "turn": self.turn,
            "input": hook.input if hook is not None and len(hook.input) <= _MOST_INPUT else None,
            "turn_id": hook.turn_id if hook is not None else self.turn,
            "agent_id": hook.agent_id if hook is not None else "",
        }  # fmt: skip


class _Ledger:
    """What is remembered of a session's process."""

    def __init__(self) -> None:
        self.hooks: list[_Hook] = []
        self.dialogs: list[_Hook] = []
        """Those that may be the terminal's dialog now, whether or not a notification came along."""
        self.relayed: list[_Relayed] = []
        self.waiting: set[asyncio.Event] = set()
        self.again: dict[str, Who | None] = {}
        """Calls that are allowed for good, by digest, and who said so."""
        self.told: tuple[str, str] | None = None
        """The group, and the turn in which it was told that a permission is waited for."""


class Relay:
    """Permission prompts of all sessions."""

    def __init__(
        self,
        prompts: Prompts,
        screens: Screens,
        access: Access,
        spool: Spool,
        *,
        mode: str,
        inbox: str,
        matching_s: float,
        session_of: Callable[[str], Session | None],
    ) -> None:
        """Wire it.

        Args:
            prompts: where people are asked.
            screens: where prompts can be shown.
            access: who may do what.
            spool: where inputs that are too long for a message are put.
            mode: ``origin``, ``approvers`` or ``off``.
            inbox: the folder of received files, an absolute path.
            matching_s: how long a notification waits for its hook.
            session_of: returns the attached session of a process.
        """
        self._prompts, self._screens, self._spool, self._mode = prompts, screens, spool, mode
        self._inbox = inbox
        self._access, self._matching_s, self._session_of = access, matching_s, session_of
        self._ledgers: dict[str, _Ledger] = {}
        prompts.on(KIND, self._answered, keeps=frozenset({Option.DETAILS}), confirms=True)

    # -- what the session says

    async def hook(self, session: Session, report: Report) -> dict[str, Any]:
        """Decide at once what needs nobody; else remember the input for the notification that comes along."""
        ledger = self._ledger(session.instance)
        turn = session.turns.turn
        mine = turn is not None and turn.origin is not None and turn.prompt_id == report.prompt_id
        chat = turn.origin.chat if mine and turn is not None and turn.origin is not None else None
        allowed = not report.late and (
            permission.lets_through(report.tool_name, report.input, chat, self._inbox)
            or await self._may_again(ledger, permission.digest(report.tool_name, report.tool_input))
        )
        now = time.monotonic()
        ledger.hooks = [h for h in ledger.hooks if now - h.at < _REMEMBERED_S or self._is_open(h)]
        hook = _Hook(report, now, allowed=allowed)
        ledger.hooks.append(hook)
        if not allowed:
            ledger.dialogs.append(hook)
        for event in ledger.waiting:
            event.set()
        return _ALLOW if allowed else {}

    async def _may_again(self, ledger: _Ledger, digest: str) -> bool:
        """Tell whether a call is allowed for good, by somebody who is an approver still."""
        who = ledger.again.get(digest)
        return who is not None and (who == OPERATOR or await self._is_approver(who.worker, who.sender_id))

    async def _is_approver(self, worker: str, sender_id: str) -> bool:
        return await self._access.role_of(worker, sender_id) == Role.APPROVER

    def request(self, session: Session, request: Request) -> None:
        """Relay a prompt."""
        self._prompts.spawn(self._relay(session, request))

    def at_dialog(self, session: Session) -> bool:
        """Tell whether the terminal shows a dialog of Claude Code's, as far as that is known."""
        if any(p.kind in _DIALOGS for p in self._prompts.open_ones(instance=session.instance)):
            return True
        ledger, turn = self._ledger(session.instance), session.turns.turn
        if ledger.relayed:
            return True
        return bool(turn is not None and turn.open_tools and any(not h.is_matched for h in ledger.dialogs))

    def tool_ended(self, session: Session, report: Report) -> None:
        """A call was carried out: whatever was asked about it, the terminal has answered."""
        ledger = self._ledger(session.instance)
        for hook in ledger.dialogs:
            if hook.tool == report.tool_name and (hook.input == report.tool_input or hook.tool in _ANSWERED_IN_INPUT):
                ledger.dialogs.remove(hook)
                break
        for data, close in self._asked(session):
            if data["tool"] == report.tool_name and (
                data["input"] == report.tool_input
                if data["input"] is not None
                else permission.may_be(data["preview"], report.tool_input)
            ):
                close("Allowed at the terminal")
                return

    def turn_began(self, session: Session, turn_id: str) -> None:
        """A prompt reached Claude: no dialog of an earlier turn is open. One of a subagent may be."""
        for data, close in self._asked(session):
            if data["turn_id"] != turn_id and not data["agent_id"]:
                close(_TURN_OVER)

    def turn_ended(self, session: Session, turn_id: str) -> None:
        """A turn is over, and with it all dialogs. One of a subagent stays, until a later turn is over too."""
        ledger = self._ledger(session.instance)
        ledger.dialogs = [hook for hook in ledger.dialogs if hook.agent_id and hook.turn_id == turn_id]
        for data, close in self._asked(session):
            if not data["agent_id"] or turn_id not in {data["turn_id"], data.get("turn")}:
                close(_TURN_OVER)

    def tool_called(self, session: Session) -> None:
        """Claude calls a tool of ours: without hooks that is all that tells that it has gone on."""
        if not session.turns.hooked:
            for _, close in self._asked(session):
                close(_GONE_ON)

    def _asked(self, session: Session) -> list[tuple[dict[str, Any], Callable[[str], None]]]:
        """Return what is known of each dialog that people are or will be asked about, and how to close that."""

        def close(prompt: StoredPrompt) -> Callable[[str], None]:
            return lambda why: self._prompts.close_soon(prompt.id, PromptState.ELSEWHERE, why)

        def mark(relayed: _Relayed) -> Callable[[str], None]:
            return lambda why: setattr(relayed, "over", why)

        asked = self._prompts.open_ones(kind=KIND, instance=session.instance)
        return [
            *((prompt.content.data, close(prompt)) for prompt in asked),
            *((each.data, mark(each)) for each in self._ledger(session.instance).relayed if not each.over),
        ]

    async def session_attached(self, session: Session) -> None:
        """Give a session the verdicts that it may not have read, and recall what is allowed in it."""
        allowed = await self._prompts.answered_so(session.instance, KIND, Option.AGAIN)
        self._ledger(session.instance).again |= {prompt.content.data["digest"]: prompt.by for prompt in allowed}
        for prompt in await self._prompts.unconfirmed(session.instance):
            if prompt.kind == KIND:
                self._prompts.spawn(self._give(session, prompt, prompt.answer))

    def session_ended(self, instance: str) -> None:
        """Forget a session's process."""
        self._ledgers.pop(instance, None)

    # -- relaying

    async def _relay(self, session: Session, request: Request) -> None:
        async with session.reporting:  # what was reported before it is of earlier dialogs
            if self._prompts.was_asked(_key(session, request)):
                return  # the shim tells a new daemon again what the one before may have died of
            ledger = self._ledger(session.instance)
            turn = session.turns.turn
            relayed = _Relayed(request, turn.prompt_id if turn is not None else "")
            if not session.turns.hooked:
                self.tool_called(session)
            ledger.relayed.append(relayed)
        opened = ""
        try:
            hook = relayed.hook = await self._hook_of(session, request)
            if relayed.over or (hook is not None and hook.allowed):
                return
            opened = await self._open(session, relayed)
        finally:
            ledger.relayed.remove(relayed)
            if opened and relayed.over:
                self._prompts.close_soon(opened, PromptState.ELSEWHERE, relayed.over)
            self._prompts.changed()

    async def _open(self, session: Session, relayed: _Relayed) -> str:
        request, hook, data = relayed.request, relayed.hook, relayed.data
        turn = session.turns.turn
        origin = turn.origin if turn is not None and data["turn_id"] == turn.prompt_id else None
        doubtful = hook is None and any(
            other.tool == request.tool and not other.is_matched for other in self._ledger(session.instance).hooks
        )
        audience = await self._audience(origin)
        asked_for = _whose(origin) if origin is not None and audience != origin.chat else ""
        card = permission.card(
            request, data["input"], session=session.name, full=False, facts=asked_for, doubtful=doubtful
        )
        opened = await self._prompts.open(
            KIND, card.title, card.body, card.options,
            audience=audience, instance=session.instance, session=session.name,
            key=_key(session, request), ttl_s=None if session.turns.hooked else TTL_S,
            data=data | {
                "request_id": request.request_id, "description": request.description, "project": session.project,
                "digest": permission.digest(request.tool, data["input"]) if data["input"] is not None else "",
                "origin": origin.chat if origin is not None else "", "asked_for": asked_for, "doubtful": doubtful,
            },
        )  # fmt: skip
        if hook is not None:
            hook.prompt_id = opened
        prompt = self._prompts.find(opened)
        if (
            self._mode != "off"
            and origin is not None
            and prompt is not None
            and origin.chat not in prompt.content.chats
        ):
            self._tell_asker(self._ledger(session.instance), origin.chat, data["turn_id"])
        return opened

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

    async def _audience(self, origin: Origin | None) -> str:
        if self._mode == "off":
            return _NOBODY
        if self._mode == "origin" and origin is not None and not origin.group:
            worker = worker_of(origin.chat)
            if self._screens.can_ask(worker) and await self._is_approver(worker, origin.sender_id):
                return origin.chat
        return APPROVERS

    def _tell_asker(self, ledger: _Ledger, chat: str, turn_id: str) -> None:
        """Tell the chat that the turn came from why nothing happens, where it was not asked itself."""
        if ledger.told != (chat, turn_id):  # once a turn
            ledger.told = (chat, turn_id)
            self._screens.say(chat, "Claude waits for a permission; whoever may give it is asked privately.")

    # -- verdicts

    async def _answered(self, prompt: StoredPrompt, answer: str, who: Who) -> str:
        if answer == Option.DETAILS:
            await self._show_all(prompt)
            return ""
        if answer == Option.AGAIN:
            self._ledger(prompt.instance).again[prompt.content.data["digest"]] = who
        if (session := self._session_of(prompt.instance)) is not None:
            self._prompts.spawn(self._give(session, prompt, answer))
            if session.turns.hooked:
                return ""
            return f"{in_words(prompt, answer, who)}. Sent to Claude, which does not say whether it still waited."
        return f"{in_words(prompt, answer, who)}. The session is not connected now; it gets this as soon as it is."

    async def _give(self, session: Session, prompt: StoredPrompt, answer: str) -> None:
        if await session.give_verdict(prompt.content.data["request_id"], allow=answer != Option.DENY):
            await self._prompts.confirm(prompt.id)

    async def _show_all(self, prompt: StoredPrompt) -> None:
        data = prompt.content.data
        request = Request(data["request_id"], data["tool"], data["description"], data["preview"])
        began = f"Asked in a turn that began in {data['origin']}." if data["origin"] else ""
        facts = [
            f"Folder: {data['project']}" if data["project"] else "",
            data.get("asked_for") or began,
            "Asked by a subagent." if data["agent_id"] else "",
        ]
        card = permission.card(
            request, data["input"], session=prompt.content.session, full=True, facts="\n".join(filter(None, facts)),
            doubtful=data.get("doubtful", False),
        )  # fmt: skip
        files = [await asyncio.to_thread(self._spool.put_text, "input.txt", card.text)] if card.text else []
        await self._prompts.change(prompt.id, body=card.body, options=card.options, files=files)

    def _ledger(self, instance: str) -> _Ledger:
        return self._ledgers.setdefault(instance, _Ledger())


def _key(session: Session, request: Request) -> str:
    return f"{KIND}:{session.instance}:{request.request_id}"


def _whose(origin: Origin) -> str:
    """Say for whom a permission is asked, to people who have not read what he wrote."""
    who = f"{shown_name(origin.sender)} ({clean_name(origin.sender_id, 60)})"
    return f"Asked for a message of {who} in {origin.chat}."
