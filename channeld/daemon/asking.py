"""All that Claude Code and channeld ask of people: where hooks, sessions, workers and the terminal meet the prompts."""

from __future__ import annotations

from typing import Any

import structlog

from channeld.core.errors import StoreUnavailable
from channeld.core.hooks import Report
from channeld.core.permission import Request
from channeld.daemon.interview import Interview
from channeld.daemon.pairing_dialog import PairingDialog
from channeld.daemon.prompts import Prompts
from channeld.daemon.relay import Relay
from channeld.daemon.session import Session

log = structlog.get_logger()


class Asking:
    """Hands each thing to whom it concerns; see ``daemon/hooks.py`` for what hooks expect."""

    def __init__(self, prompts: Prompts, relay: Relay, interview: Interview, pairing: PairingDialog) -> None:
        self._prompts, self._relay, self._interview, self._pairing = prompts, relay, interview, pairing

    async def start(self) -> None:
        """Take up what an earlier daemon left open."""
        await self._prompts.start()
        await self._interview.start()
        await self._pairing.start()

    # -- hooks

    async def permission_hook(self, session: Session, report: Report) -> dict[str, Any]:
        """Return a decision on a tool call that needs one, or nothing to let the dialog appear."""
        decision = await self._relay.hook(session, report)
        self._pairing.look()
        return decision

    async def question_hook(self, session: Session, report: Report) -> dict[str, Any]:
        """Return the answer to a question or a plan, once there is one, or nothing to let the dialog appear."""
        return await self._interview.hook(session, report)

    def tool_ended(self, session: Session, report: Report) -> None:
        """Hear that a tool call has ended."""
        self._relay.tool_ended(session, report)
        self._pairing.look()

    def turn_began(self, session: Session, turn_id: str) -> None:
        """Hear that a prompt reached Claude, perhaps within a turn."""
        self._relay.turn_began(session, turn_id)

    def turn_ended(self, session: Session, turn_id: str) -> None:
        """Hear that a turn has ended."""
        self._relay.turn_ended(session, turn_id)
        self._pairing.look()

    # -- sessions

    def permission_requested(self, session: Session, request: Request) -> None:
        """Hear that a session shows a permission dialog."""
        self._relay.request(session, request)

    def tool_called(self, session: Session) -> None:
        """Hear that Claude calls one of the tools."""
        self._relay.tool_called(session)

    async def session_attached(self, session: Session) -> None:
        """Hear that a session is there, perhaps again."""
        try:
            await self._relay.session_attached(session)
            await self._pairing.session_attached(session)
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
        return (
            bool(self._prompts.open_ones(instance=session.instance))
            or self._interview.holds(session)
            or self._pairing.is_on(session)
        )

    def close(self) -> None:
        """Stop; what is open stays open on disk."""
        self._pairing.stop()
        self._prompts.stop()
