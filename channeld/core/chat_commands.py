"""What a sender may say to channeld itself, in place of a message to Claude."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from channeld.core.access import Role
from channeld.core.model import Inbound
from channeld.core.permission import read_verdict

_COMMAND: Final = re.compile(r"\s*/(now|start|help|status)(?:@\w+)?\s*", re.IGNORECASE)  # in groups with the account
_LONGEST: Final = 80


class Command(StrEnum):
    """What a listed sender can ask of channeld."""

    NOW = "now"  # what waits shall not wait for its turn
    START = "start"  # the platforms' own way to begin
    HELP = "help"
    STATUS = "status"


def read_command(event: Inbound) -> Command | None:
    """Return the command that a message is, or None; in a group people mean each other, and only ``/now`` is one."""
    found = _COMMAND.fullmatch(event.text)
    command = Command(found[1].lower()) if found else None
    return command if command is Command.NOW or not event.group else None


def help_text(role: str) -> str:
    """Return what a listed sender is told of this chat."""
    may = " You may also answer what Claude Code asks for permission." if role == Role.APPROVER else ""
    return (
        f"What you write here reaches Claude Code, and Claude answers here.{may}\n"
        "/status – who listens, and what waits\n"
        "/now – do not wait for Claude's turn to end"
    )


def status_text(presence: str, waiting: int) -> str:
    """Return how things stand for a chat.

    Args:
        presence: what is the matter with whoever listens, empty where a session is free.
        waiting: messages of the chat that have not reached Claude.
    """
    waits = {0: "Nothing of yours waits.", 1: "One message of this chat waits."}
    return f"{presence or 'Claude Code listens.'} {waits.get(waiting, f'{waiting} messages of this chat wait.')}"


def may_be_command(event: Inbound) -> bool:
    """Tell whether a message may be meant for channeld: only then it is looked up who says it."""
    if event.kind != "message" or event.attachments or len(event.text) > _LONGEST:
        return False
    return read_command(event) is not None or read_verdict(event.text) is not None
