"""Carries out what senders say to channeld itself: ``/status``, ``/use NAME``, ``/stop``, answers in words."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from channeld.core.access import Role
from channeld.core.chat_commands import (
    OF_APPROVERS,
    USUAL,
    Asked,
    Choice,
    Command,
    help_text,
    pick,
    read_command,
    sessions_text,
    status_text,
)
from channeld.core.listening import Listening
from channeld.core.model import Inbound
from channeld.core.text import short_name
from channeld.daemon.access import Access
from channeld.daemon.bindings import Bindings
from channeld.daemon.interrupt import interrupt
from channeld.daemon.link import WorkerLink
from channeld.daemon.lookout import Lookout
from channeld.daemon.notices import Notices
from channeld.daemon.prompts import Prompts
from channeld.daemon.session import Session
from channeld.daemon.waiting import Waiting
from channeld.store.mailbox import Mailbox

_NOT_YOURS = "Only an approver can do that. The owner makes one with `channeld access approver`."

_STOPS_S: Final = 60.0
"""An older ``/stop`` was kept by the platform or offered again: it is not about what Claude is at now."""


class ChatDesk:
    """Takes commands of listed senders, and says in their chat what has become of them."""

    def __init__(
        self,
        mailbox: Mailbox,
        notices: Notices,
        access: Access,
        prompts: Prompts,
        waiting: Waiting,
        lookout: Lookout,
        bindings: Bindings,
    ) -> None:
        """Wire it.

        Args:
            mailbox: knows what waits.
            notices: tells chats.
            access: who may say what.
            prompts: takes answers that are written in words.
            waiting: lets what waits go into the turn that runs.
            lookout: knows the sessions.
            bindings: which chat goes to which of them.
        """
        self._mailbox, self._notices, self._access, self._prompts = mailbox, notices, access, prompts
        self._waiting, self._lookout, self._bindings = waiting, lookout, bindings
        self._stopping: set[asyncio.Task[None]] = set()
        self._interrupting: dict[Session, asyncio.Task[str]] = {}

    async def take(self, link: WorkerLink, event: Inbound) -> bool:
        """Carry out what a listed sender says to channeld itself; returns whether it was that.

        Raises:
            StoreUnavailable: it cannot be done now.
        """
        role = await self._access.role_in(link.name, event)
        if role is None:
            return False
        asked = read_command(event, role)
        if asked is None:
            return await self._prompts.take_text(event, role)
        if asked.command is Command.NOW:
            await self._waiting.command(event)
            return True
        if not link.capabilities.notices:
            return False  # nobody would see the answer
        if asked.command in OF_APPROVERS and role != Role.APPROVER:
            told = _NOT_YOURS
        else:
            told = await self._carry_out(asked, event, role)
        if told:
            self._notices.say(event.chat, told, event.message_id if event.group else None)
        return True

    async def _carry_out(self, asked: Asked, event: Inbound, role: Role) -> str:
        match asked.command:
            case Command.STATUS:
                waiting = {chat: count for chat, count, _ in await self._mailbox.waiting()}
                return status_text(self._notices.presence.of(event.chat).text, waiting.get(event.chat, 0))
            case Command.SESSIONS:
                return self._sessions_text(event.chat)
            case Command.USE:
                return await self._use(asked.argument, event)
            case Command.STOP:
                task = asyncio.create_task(self._stop(event))  # what is offered next does not wait for Claude to end
                self._stopping.add(task)
                task.add_done_callback(self._stopping.discard)
                return ""
            case _:
                return help_text(role)

    async def _use(self, wanted: str, event: Inbound) -> str:
        choices = self._choices()
        choice = pick(choices, wanted)
        by = f"{event.chat.partition(':')[0]}:{event.sender_id}"
        if choice is not None:
            await self._bindings.bind(event.chat, choice.name, by=by)
            deaf = "" if choice.listens else " It does not listen yet: what you write waits until it does."
            return f"This chat goes to the session {choice.name} now.{deaf}"
        if wanted.casefold() == USUAL:  # a phone begins it with a capital
            await self._bindings.unbind(event.chat, by=by)
            if group := self._bindings.of(event.chat):
                return f"This thread goes as its group does now, to the session {group}."
            target = self._lookout.target(event.chat)
            goes = f"which is {target.name} now" if target is not None else "and none listens now"
            return f"This chat goes to the usual session again, {goes}."
        unknown = f"There is no session {short_name(wanted)}.\n" if wanted else ""
        return unknown + self._sessions_text(event.chat)

    async def _stop(self, event: Inbound) -> None:
        session, now = self._lookout.target(event.chat), time.time()
        if now - event.written_at(now) > _STOPS_S:
            told = "Your /stop came late, and Claude may be at something else by now. Send it again to stop that."
        elif session is None:
            told = self._notices.presence.of(event.chat).text
        else:  # said twice, it is the same key: pressed twice, it opens a dialog
            if session not in self._interrupting:
                self._interrupting[session] = pressing = asyncio.create_task(interrupt(session))
                pressing.add_done_callback(lambda _: self._interrupting.pop(session, None))
            told = await self._interrupting[session]
        self._notices.say(event.chat, told, event.message_id)

    def _sessions_text(self, chat: str) -> str:
        target = self._lookout.target(chat)
        return sessions_text(self._choices(), target.name if target else None, self._bindings.of(chat))

    def _choices(self) -> list[Choice]:
        return [
            Choice(session.name, session.verdict.listening is Listening.YES, session.project, session.is_working)
            for session in self._lookout.sessions.values()
        ]
