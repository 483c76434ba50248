"""What a sender may say to channeld itself, in place of a message to Claude."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from channeld.core.access import Role
from channeld.core.model import Inbound
from channeld.core.permission import read_verdict

_COMMAND: Final = re.compile(  # in groups with the account
    r"\s*/(?:(now|start|help|status|sessions|stop)|(use)(?:@\w+)?(?:\s+(\S.*?))?)(?:@\w+)?\s*", re.IGNORECASE
)
_LONGEST: Final = 150
USUAL: Final = "default"
"""What ``/use`` calls the session that chats without a binding go to."""


class Command(StrEnum):
    """What a listed sender can ask of channeld."""

    NOW = "now"  # what waits shall not wait for its turn
    START = "start"  # the platforms' own way to begin
    HELP = "help"
    STATUS = "status"
    SESSIONS = "sessions"
    USE = "use"  # this chat shall go to another session
    STOP = "stop"  # what Claude works on shall end


OF_APPROVERS: Final = frozenset({Command.SESSIONS, Command.USE, Command.STOP})


class Asked(NamedTuple):
    """A command and what stands behind it."""

    command: Command
    argument: str = ""


class Choice(NamedTuple):
    """A session that a chat may go to."""

    name: str
    listens: bool
    project: str  # its folder
    works: bool


def read_command(event: Inbound, role: str | None = None) -> Asked | None:
    """Return the command that a message is, or None.

    In a group people mean each other: there only ``/now`` is one, and what an approver alone can ask.
    """
    found = _COMMAND.fullmatch(event.text)
    if found is None:
        return None
    command = Command((found[1] or found[2]).lower())
    if event.group and command is not Command.NOW and not (command in OF_APPROVERS and role in {None, Role.APPROVER}):
        return None
    return Asked(command, found[3] or "")


def help_text(role: str) -> str:
    """Return what a listed sender is told of this chat."""
    approves = role == Role.APPROVER
    may = " You may also answer what Claude Code asks for permission." if approves else ""
    more = (
        "\n/stop – interrupt what Claude works on"
        "\n/sessions – which sessions are there"
        "\n/use NAME – let this chat go to another one"
    )
    return (
        f"What you write here reaches Claude Code, and Claude answers here.{may}\n"
        "/status – who listens, and what waits\n"
        f"/now – do not wait for Claude's turn to end{more if approves else ''}"
    )


def status_text(presence: str, waiting: int) -> str:
    """Return how things stand for a chat.

    Args:
        presence: what is the matter with whoever listens, empty where a session is free.
        waiting: messages of the chat that have not reached Claude.
    """
    waits = {0: "Nothing of yours waits.", 1: "One message of this chat waits."}
    return f"{presence or 'Claude Code listens.'} {waits.get(waiting, f'{waiting} messages of this chat wait.')}"


def sessions_text(choices: Sequence[Choice], here: str | None, bound: str) -> str:
    """Return which sessions there are, and which of them a chat goes to.

    Args:
        choices: the attached sessions.
        here: name of the one that the chat goes to, None where it waits.
        bound: the name that the chat is bound to, "" for none.
    """
    lines = [_line(choice, here=choice.name == here) for choice in choices] or ["No session is attached."]
    if here is None and bound:
        lines.append(f"This chat waits for the session {bound}.")
    back = f"\nBack to the usual one: /use {USUAL}" if bound else ""
    return "\n".join(lines) + f"\nLet this chat go to another one: /use NAME{back}"


def pick(choices: Sequence[Choice], wanted: str) -> Choice | None:
    """Return the session that somebody means, who may have written its name in other letters; None: nobody can tell."""
    exact = [choice for choice in choices if choice.name == wanted]
    alike = exact or [choice for choice in choices if choice.name.casefold() == wanted.casefold()]
    return alike[0] if len(alike) == 1 else None


def may_be_command(event: Inbound) -> bool:
    """Tell whether a message may be meant for channeld: only then it is looked up who says it."""
    if event.kind != "message" or event.attachments or len(event.text) > _LONGEST:
        return False
    return read_command(event) is not None or read_verdict(event.text) is not None


def _line(choice: Choice, *, here: bool) -> str:
    does = "does not listen" if not choice.listens else "works" if choice.works else "is free"
    folder = choice.project.rstrip("/").rpartition("/")[2]
    where = f" in {folder}" if folder and folder != choice.name else ""
    return f"{'→ ' if here else ''}{choice.name}{where}: {does}{', this chat goes to it' if here else ''}"
