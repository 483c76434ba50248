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


def waits_for_turn(turn: Turn | None, chat: str, count: int, now: float, *, asked: bool = False) -> Card:
    """Tell a sender that what he wrote waits; ``asked``: for his own answer to what Claude has asked in his chat."""
    them = "Your message waits" if count == 1 else f"Your {count} messages wait"
    if asked:
        return Card("Claude waits for your answer", f"Answer what it has asked above. {them} until then.", [])
    body = (
        f"{busy_with(turn, chat, now)}. {them} for the end of that. Sent in now (or with /now), it reaches Claude as a "
        "note in the midst of its work, which it may only take up afterwards."
    )
    return Card("Waits until Claude is free", body, [SEND_IN])


def gone_stale(events: Sequence[StoredEvent], now: float) -> Card:
    """Ask a sender whether what he wrote long ago is still wanted."""
    age = _duration(now - min(event.inbound.written_at(event.accepted_at) for event in events))
    return Card(f"Not delivered for {age}. Still wanted?", _beginnings(events), [STILL_WANTED, DROP_IT])


def unattended(events: Sequence[StoredEvent], session: str, *, known: bool) -> Card:
    """Ask an approver whether somebody's messages may reach a session that asks nobody.

    Args:
        events: what he wrote.
        session: its name.
        known: it is known to ask nobody; else it is not known whether it asks, as before its first turn.
    """
    inbound = events[-1].inbound
    name = shown_name(inbound.sender)
    wrote = f"what {name} ({clean_name(inbound.sender_id, 60)}) in {inbound.chat} wrote waits for your word. Let in,"
    if known:
        title = f"{name} wrote while {session} asks nobody"
        why = f"The session {session} does what it thinks right without asking for permission, so {wrote} Claude acts"
    else:
        title = f"{name} wrote, and {session} may ask nobody"
        why = (
            f"Whether the session {session} asks for permission is not known before its first turn, so {wrote} Claude "
            "may act"
        )
    return Card(title, f"{why} on it unasked.\n\n{_beginnings(events)}", [LET_IN, DROP])


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
