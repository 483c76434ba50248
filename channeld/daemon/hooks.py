"""Takes what the plugin's hooks report, and answers those that Claude Code waits for."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec
import structlog

from channeld.core.errors import StoreUnavailable
from channeld.core.forbidden import forbidden
from channeld.core.hooks import Report
from channeld.daemon.session import Session
from channeld.daemon.turnkeeper import Turnkeeper

log = structlog.get_logger()
_encode: Final = msgspec.json.Encoder().encode
NOTHING: Final = "{}"
"""Anything else would show in the terminal, enter Claude's context, or decide for the user."""


class Asker(Protocol):
    """Who puts Claude Code's questions to people."""

    async def permission_hook(self, session: Session, report: Report) -> dict[str, Any]:
        """Return a decision on a tool call that needs one, or nothing to let the dialog appear."""

    async def question_hook(self, session: Session, report: Report) -> dict[str, Any]:
        """Return the answer to a question or a plan, once there is one, or nothing to let the dialog appear."""

    def tool_ended(self, session: Session, report: Report) -> None:
        """Hear that a tool call has ended: whatever was asked about it was answered."""

    def turn_began(self, session: Session, turn_id: str) -> None:
        """Hear that a prompt reached Claude, perhaps within a turn."""

    def turn_ended(self, session: Session, turn_id: str) -> None:
        """Hear that a turn has ended."""


class Hooks:
    """Everything that hooks report comes through here."""

    def __init__(self, keeper: Turnkeeper, asker: Asker) -> None:
        self._keeper, self._asker = keeper, asker

    async def report(self, session: Session, arguments: dict[str, Any]) -> str:
        """Take one report and return the hook's output; nothing is raised."""
        try:
            report = msgspec.convert(arguments, Report, strict=True)
        except msgspec.ValidationError as error:
            log.warning("bad_report", session=session.name, error=str(error)[:200])
            return NOTHING
        try:
            async with session.reporting:  # in the order in which they came, as far as turns go
                await self._keeper.take(session, report)
        except StoreUnavailable as trouble:
            log.warning("report_not_kept", session=session.name, code=trouble.code)
        except Exception:
            log.exception("report_failed", session=session.name, hook=report.event)
        try:
            return _encode(await self._ask(session, report)).decode()
        except StoreUnavailable as trouble:  # then the terminal asks, as without us
            log.warning("not_asked", session=session.name, code=trouble.code)
        except Exception:
            log.exception("hook_failed", session=session.name, hook=report.event)
        return NOTHING

    async def _ask(self, session: Session, report: Report) -> dict[str, Any]:
        match report.event:
            case "PermissionRequest":
                return await self._asker.permission_hook(session, report)
            case "PreToolUse" if report.tool_name == "Bash" and (reason := forbidden(str(report.input.get("command")))):
                return _denied(reason)
            case "PreToolUse" if report.hold:
                return await self._asker.question_hook(session, report)
            case "PostToolUse" | "PostToolUseFailure":
                self._asker.tool_ended(session, report)
            case "UserPromptSubmit":
                self._asker.turn_began(session, report.prompt_id)
            case "Stop" | "StopFailure":  # also of a turn that is not known to have begun
                self._asker.turn_ended(session, report.prompt_id)
        return {}


def _denied(reason: str) -> dict[str, Any]:
    decision = {"permissionDecision": "deny", "permissionDecisionReason": reason}
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", **decision}}
