"""What a session is doing, as its hooks tell: whose turn runs, and how it asks for permission."""

from __future__ import annotations

from typing import Final, NamedTuple

_ASKING: Final = frozenset({"default", "acceptEdits", "plan"})


class Origin(NamedTuple):
    """The event that a turn began with."""

    chat: str
    sender_id: str
    role: str  # approver | chatter
    group: bool
    delivery_id: str
    message_id: str


class Turn:
    """One turn of a session."""

    def __init__(self, prompt_id: str, origin: Origin | None) -> None:
        self.prompt_id = prompt_id
        self.origin = origin
        """None: it did not begin with a message of a chat."""
        self.typed = origin is None
        """Whether a prompt was typed at the terminal in it."""


class Turns:
    """The turns of one session's process."""

    def __init__(self) -> None:
        self.permission_mode = ""
        """As the hooks last said; empty: unknown."""
        self.turn: Turn | None = None
        """The one that runs."""

    @property
    def asks(self) -> bool:
        """Whether a person is asked before Claude does what is not allowed yet."""
        return self.permission_mode in _ASKING
