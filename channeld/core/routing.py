"""Which session a chat's events go to."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import NamedTuple

from channeld.core.access import room_of
from channeld.core.listening import Listening


class Candidate(NamedTuple):
    """A session as the router sees it."""

    instance: str  # the shim process's own random id
    name: str  # no other session that is there has it
    listening: Listening
    attached_at: float  # seconds, any one clock
    given: str = ""  # the name that its user gave it, which others may have too


def choose(sessions: Iterable[Candidate], wanted: str | None) -> str | None:
    """Return the instance that chats go to, or None where they must wait.

    Of those that listen the latest wins. Where a name is wanted only sessions of that name count, and of several that
    were given it the one that had it first: opening a second one takes no chats away from the first.
    """
    listening = [
        s for s in sessions if s.listening is Listening.YES and (wanted is None or wanted in {s.name, s.given})
    ]
    return max(listening, key=lambda s: (s.name == wanted, s.attached_at)).instance if listening else None


def distinct(name: str, taken: Container[str]) -> str:
    """Return a name for a session that tells it from those that are there: ``api``, then ``api#2``."""
    number, own = 1, name
    while own in taken:
        number += 1
        own = f"{name}#{number}"
    return own


def bound_to(chat: str, bindings: Mapping[str, str]) -> str:
    """Return the name of the session that a chat is bound to, "" for none; a thread goes as its group does."""
    return bindings.get(chat) or bindings.get(room_of(chat), "")
