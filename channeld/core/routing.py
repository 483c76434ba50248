"""Which session a chat's events go to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from channeld.core.listening import Listening


class Candidate(NamedTuple):
    """A session as the router sees it."""

    instance: str  # the shim process's own random id
    name: str
    listening: Listening
    attached_at: float  # seconds, any one clock


def choose(sessions: Iterable[Candidate], default: str | None) -> str | None:
    """Return the instance that chats without a binding go to, or None where they must wait.

    With a default name only sessions of that name count; else all do. Of those that listen the latest wins.
    """
    listening = [s for s in sessions if s.listening is Listening.YES and (default is None or s.name == default)]
    return max(listening, key=lambda s: s.attached_at).instance if listening else None
