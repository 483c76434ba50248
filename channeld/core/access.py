"""Who may speak to Claude, and what else he may do. Senders are listed, never rooms."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from channeld.core.ids import is_plain
from channeld.core.model import Inbound

LONGEST_ID: Final = 128
"""Characters of a sender's id: more is no platform's."""


class Role(StrEnum):
    """What a sender may do."""

    APPROVER = "approver"  # chat, answer permission prompts, pair others, use session commands
    CHATTER = "chatter"  # chat


NO_MENTION: Final = "no_mention"
"""Code of the ruling on what people of a group say to each other."""
DENIED: Final = "denied"
"""In a role's place: whoever was denied is neither heard nor answered."""


class Policy(StrEnum):
    """What becomes of a private message of somebody who is not listed."""

    PAIRING = "pairing"  # he is told a code, with which the owner can list him
    ALLOWLIST = "allowlist"  # nothing
    DISABLED = "disabled"  # nothing, and nobody else is heard either: the worker is closed


class Ruling(NamedTuple):
    """What the gate says of one event."""

    admitted: bool
    role: Role = Role.CHATTER
    code: str = ""
    """Why it was not admitted, for the log and the counters."""
    notice: str = ""
    """What the sender is told; empty: nothing."""
    quotes: bool = True
    """Whether what the event quotes may be shown."""


class Terms(NamedTuple):
    """What the configuration says of access to a worker."""

    policy: Policy = Policy.PAIRING  # until one is set by hand
    may_approve: bool = True  # False: nobody on this worker is more than a chatter
    max_per_minute: int = 60  # messages of one sender
    holder: str = ""  # sender id of whoever holds the worker's token: always listed, at any pace
    holder_chat: str = ""  # where he writes


class Group(NamedTuple):
    """A group that was opted in, as it bears on one sender."""

    require_mention: bool
    has_list: bool  # it has a list of senders of its own
    lists_sender: bool


class Facts(NamedTuple):
    """What the store knows that bears on one event."""

    policy: str | None = None  # as set by hand
    standing: str | None = None  # a Role or DENIED; None: not listed
    group: Group | None = None  # None: a private chat, or a group that was not opted in


def rule(event: Inbound, terms: Terms, facts: Facts) -> Ruling:
    """Decide on an event by who sent it and where; how fast he writes is not looked at.

    The codes of what is not admitted: ``malformed``, ``disabled``, ``denied``, ``group_closed``, ``no_mention``,
    ``unlisted``, and ``pairing`` where the sender may be told a code.
    """
    if not is_sender_id(event.sender_id):
        return Ruling(admitted=False, code="malformed")
    policy = facts.policy or terms.policy
    if policy not in {Policy.PAIRING, Policy.ALLOWLIST}:  # also one that cannot be understood
        return Ruling(admitted=False, code="disabled")
    role = standing_role(event.sender_id, terms, facts.standing)
    if role is None and facts.standing is not None:
        return Ruling(admitted=False, code=DENIED)
    if event.group:
        code = _group_code(event, facts.group, is_listed=role is not None)
    elif role is None:
        can_pair = policy == Policy.PAIRING and event.kind == "message" and not event.bot
        code = "pairing" if can_pair else "unlisted"
    else:
        code = ""
    return Ruling(admitted=False, code=code) if code else Ruling(admitted=True, role=role or Role.CHATTER)


def is_sender_id(text: str) -> bool:
    """Tell whether this can be a sender's id: short, and nothing in it hides, breaks a line or looks like a blank."""
    return 0 < len(text) <= LONGEST_ID and is_plain(text)


def standing_role(sender_id: str, terms: Terms, standing: str | None) -> Role | None:
    """Return what a sender may do on a worker, None where he is not listed or was denied."""
    if terms.holder and sender_id == terms.holder:
        role = Role.APPROVER
    elif standing in {Role.APPROVER, Role.CHATTER}:
        role = Role(standing)
    else:
        return None
    return role if terms.may_approve else Role.CHATTER


def _group_code(event: Inbound, group: Group | None, *, is_listed: bool) -> str:
    if group is None:
        return "group_closed"
    if not (group.lists_sender if group.has_list else is_listed):
        return "unlisted"
    if group.require_mention and not event.mentioned and event.kind != "button":  # a button is on a message of ours
        return NO_MENTION
    return ""


def room_of(chat: str) -> str:
    """Return the chat without its thread: a group is opted in with all its threads."""
    return chat.partition("/")[0]


def without_quote(event: Inbound) -> None:
    """Take out what an event quotes of somebody who may not speak to Claude; that he was quoted stays."""
    event.reply_to_text = None
    event.reply_to_user = "unlisted"
