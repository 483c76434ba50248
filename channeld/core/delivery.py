"""The delivery state machines of both directions.

These tables are the only source of the legal transitions: the store writes them into the database, whose triggers
refuse every other change of state.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class EventState(StrEnum):
    """Where an inbound event is on its way to Claude."""

    HELD = "held"  # accepted; not complete yet, or waits for a person's word
    QUEUED = "queued"  # waits for a listening session
    PUSHED = "pushed"  # recorded before the bytes leave for a session's process
    DELIVERED = "delivered"  # the client answered the ping behind it: it has read the event
    SEEN = "seen"  # a hook reported that Claude was given it
    ANSWERED = "answered"  # Claude replied to its chat
    DROPPED = "dropped"  # a person decided that it shall not be delivered


class PartState(StrEnum):
    """Where one part of an outbound message is on its way to the platform."""

    QUEUED = "queued"  # on disk, waits for its chat's earlier parts and for a worker
    SENDING = "sending"  # recorded before a worker is told to send it
    SENT = "sent"  # the platform confirmed it and gave it an id
    FAILED = "failed"  # the platform refused it for good
    UNCERTAIN = "uncertain"  # it may have been sent; never repeated without a person's word
    DROPPED = "dropped"


EVENT_TRANSITIONS: Final[dict[EventState, frozenset[EventState]]] = {
    EventState.HELD: frozenset({EventState.QUEUED, EventState.DROPPED}),
    # Held: it has become old, or came from a non-approver while the session asks nobody.
    EventState.QUEUED: frozenset({EventState.PUSHED, EventState.DROPPED, EventState.HELD}),
    # Back to queued: the session's process ended, or never wrote the bytes.
    EventState.PUSHED: frozenset({EventState.DELIVERED, EventState.SEEN, EventState.ANSWERED, EventState.QUEUED}),
    # Back to queued: only by a person's word, or for another process than the one that has it.
    EventState.DELIVERED: frozenset({EventState.SEEN, EventState.ANSWERED, EventState.QUEUED}),
    EventState.SEEN: frozenset({EventState.ANSWERED, EventState.QUEUED}),
    EventState.ANSWERED: frozenset(),
    EventState.DROPPED: frozenset({EventState.QUEUED}),
}

PART_TRANSITIONS: Final[dict[PartState, frozenset[PartState]]] = {
    PartState.QUEUED: frozenset({PartState.SENDING, PartState.FAILED, PartState.DROPPED}),
    # Back to queued: the platform asked to wait, or the worker can repeat a send without doubling it.
    PartState.SENDING: frozenset({PartState.SENT, PartState.FAILED, PartState.UNCERTAIN, PartState.QUEUED}),
    PartState.SENT: frozenset(),
    PartState.FAILED: frozenset({PartState.QUEUED, PartState.DROPPED}),
    PartState.UNCERTAIN: frozenset({PartState.QUEUED, PartState.DROPPED}),
    PartState.DROPPED: frozenset(),
}

EVENT_INITIAL: Final = frozenset({EventState.HELD, EventState.QUEUED, EventState.PUSHED})
"""Pushed: accepted and claimed for a free session in one step."""
PART_INITIAL: Final = frozenset({PartState.QUEUED})

UNCONFIRMED_WINDOW: Final = 64
"""How many pushed events a session may hold unconfirmed; what a crash can make us push again stays small."""


def after_worker_loss(*, idempotent: bool) -> PartState:
    """Decide what becomes of a part whose worker died while it was sending.

    Args:
        idempotent: the platform recognises a repeated send by its id, so that sending again cannot double it.
    """
    return PartState.QUEUED if idempotent else PartState.UNCERTAIN


def split_on_reconnect(pushed: list[str], written: frozenset[str]) -> tuple[list[str], list[str]]:
    """Split the pushed events of a session process that reconnects.

    Args:
        pushed: delivery ids recorded as pushed to that process and not confirmed, in order.
        written: delivery ids that its shim says it has written to Claude.

    Returns:
        What needs only a new ping, and what never arrived and is pushed again with its flag.
    """
    return [d for d in pushed if d in written], [d for d in pushed if d not in written]
