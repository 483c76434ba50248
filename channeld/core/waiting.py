"""What people are told of messages that wait: for their turn, or for a person's word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from channeld.core.model import StoredEvent
from channeld.core.pairing import shown_name
from channeld.core.text import clean_name, unmasked
from channeld.core.turns import Turn

SEND_IN: Final = "Send it in now"
STILL_WANTED: Final = "Still wanted"
DROP_IT: Final = "Drop it"
LET_IN: Final = "Let in"
DROP: Final = "Drop"
_SHOWN: Final = 5
"""Messages of one sender whose beginnings are shown."""
_BEGINNING: Final = 200


class Card(NamedTuple):
    """What is asked of a person, in words."""

    title: str
    body: str
    options: list[str]


def busy_with(turn: Turn | None, chat: str, now: float) -> str:
    """Say what Claude is at, giving away nothing of other chats."""
    if turn is None:
        return "Claude is about to begin something else"
    what = (
        "an earlier message of this chat"
        if turn.origin is not None and turn.origin.chat == chat
        else "another chat" if turn.origin is not None else "something at the terminal"
    )  # fmt: skip
    return f"Claude is busy with {what}, for {_duration(now - turn.since)} now"


def waits_for_turn(turn: Turn | None, chat: str, count: int, now: float) -> Card:
    """Tell a sender that what he wrote waits."""
    them = "Your message waits" if count == 1 else f"Your {count} messages wait"
    body = (
        f"{busy_with(turn, chat, now)}. {them} for the end of that. Sent in now (or with /now), it reaches Claude as a "
        "note in the midst of its work, which it may only take up afterwards."
    )
    return Card("Waits until Claude is free", body, [SEND_IN])


def gone_stale(events: Sequence[StoredEvent], now: float) -> Card:
    """Ask a sender whether what he wrote long ago is still wanted."""
    age = _duration(now - min(event.inbound.written_at(event.accepted_at) for event in events))
    return Card(f"Not delivered for {age}. Still wanted?", _beginnings(events), [STILL_WANTED, DROP_IT])


def unattended(events: Sequence[StoredEvent], session: str) -> Card:
    """Ask an approver whether somebody's messages may reach a session that asks nobody."""
    inbound = events[-1].inbound
    who = f"{shown_name(inbound.sender)} ({clean_name(inbound.sender_id, 60)}) in {inbound.chat}"
    title = f"{shown_name(inbound.sender)} wrote while {session} asks nobody"
    body = (
        f"The session {session} does what it thinks right without asking for permission, so what {who} wrote waits for "
        f"your word. Let in, Claude acts on it unasked.\n\n{_beginnings(events)}"
    )
    return Card(title, body, [LET_IN, DROP])


def _beginnings(events: Sequence[StoredEvent]) -> str:
    lines = [_beginning(event.inbound.text) for event in events[-_SHOWN:]]
    more = [f"… and {len(events) - _SHOWN} before"] if len(events) > _SHOWN else []
    return "\n".join([*more, *(f"> {line}" for line in lines)])


def _beginning(text: str) -> str:
    shown = " ".join(unmasked(text[:_BEGINNING]).split())
    return f"{shown} …" if len(text) > _BEGINNING else shown or "(no text)"


def _duration(seconds: float) -> str:
    for size, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {name}"
    return f"{max(0, seconds):.0f} s"
