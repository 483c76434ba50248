"""What a session is doing, as its hooks tell: whose turn runs, whether it takes another, how it asks for permission.

A turn begins with a prompt, typed or a channel event, and all hooks of it carry the same ``prompt_id``. One event is
pushed at a time, because Claude is told not to carry out what reaches it within a turn. Times are unix seconds,
passed in; nothing here reads a clock.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from channeld.core.access import Role
from channeld.core.model import StoredEvent

SILENCE_S: Final = 600.0
"""A turn without a sign of life and without an open tool call is over after so long."""
RECEIPT_S: Final = 45.0
"""How long an idle session that reports may take from reading an event to reporting that Claude was given it.

Not shorter: a command that is typed after ``!`` keeps events waiting, and no hook tells of it.
"""
COMPACTING_S: Final = 300.0
NO_HOOKS_S: Final = 8.0
"""How long a session of which hooks are expected may take to show the first one."""
_ASKING: Final = frozenset({"default", "acceptEdits", "plan"})
_REMEMBERED: Final = 8
"""Prompt ids of turns that have ended, which background work may still report under."""


class Origin(NamedTuple):
    """The event that a turn began with."""

    chat: str
    sender_id: str
    role: str  # approver | chatter
    group: bool
    delivery_id: str
    message_id: str
    kind: str = "message"
    sender: str = ""  # the name that he chose

    @classmethod
    def of(cls, event: StoredEvent) -> Origin:
        """Return an event as the origin of a turn."""
        inbound = event.inbound
        return cls(
            inbound.chat, inbound.sender_id, event.role, inbound.group, event.delivery_id, inbound.message_id,
            inbound.kind, inbound.sender,
        )  # fmt: skip


class Said(NamedTuple):
    """What the hooks of a session process said last, as it was written down."""

    hooked: bool
    permission_mode: str
    transcript: str
    prompt_id: str | None  # of the turn that ran
    typed: bool
    since: float  # unix time, seconds
    open_tools: list[str]
    ended: list[str]  # prompt ids of turns before it
    given: list[tuple[StoredEvent, bool]]  # what was handed over in it; whether in its midst
    awaited: list[int]  # events that the process has read, and whose receipt by a hook is missing


class Turn:
    """One turn of a session."""

    def __init__(self, prompt_id: str, origin: Origin | None, now: float) -> None:
        self.prompt_id = prompt_id
        self.origin = origin
        """None: it did not begin with a message of a chat."""
        self.typed = origin is None
        """Whether a prompt was typed at the terminal in it."""
        self.since = now
        self.chats: set[str] = {origin.chat} if origin is not None else set()
        """Every chat whose messages were handed over in it."""
        self.open_tools: set[str] = set()
        """Tool calls that have begun and not ended: one may wait at a dialog for hours."""
        self.transcript_bytes = -1
        """How long the transcript was when it was last looked at."""


class Turns:
    """The turns of one session's process.

    Args:
        expected: hooks are to be expected, because the session took the channel in as a plugin.
    """

    def __init__(self, *, expected: bool = False) -> None:
        self.permission_mode = ""
        """As the hooks last said; empty: unknown."""
        self.hooked = False
        """This process has reported something."""
        self.turn: Turn | None = None
        """The one that runs."""
        self.deaf_since: float | None = None
        """Since when it is known not to take up what it is given."""
        self.transcript = ""
        """Path of the session's transcript, empty: unknown."""
        self._expected = expected
        self._ended: deque[str] = deque(maxlen=_REMEMBERED)
        self._awaited: dict[int, float | None] = {}  # pushed to begin a turn: when the client read it
        self._sign_at = 0.0
        self._excused_until = 0.0

    def resume(self, said: Said, now: float) -> None:
        """Go on where an earlier connection or daemon left off."""
        self.hooked, self.permission_mode, self.transcript = said.hooked, said.permission_mode, said.transcript
        if said.prompt_id is not None:
            began = next((Origin.of(event) for event, note in said.given if not note), None)
            self.turn = Turn(said.prompt_id, began, said.since)
            self.turn.typed, self.turn.open_tools = said.typed, set(said.open_tools)
            self._sign_at = now
            self.turn.chats |= {event.inbound.chat for event, _ in said.given}
        self._ended.extend(said.ended)
        self._awaited |= dict.fromkeys(said.awaited, now)

    # -- what may be done now

    @property
    def asks(self) -> bool:
        """Whether a person is asked before Claude does what is not allowed yet."""
        return self.permission_mode in _ASKING

    @property
    def known(self) -> bool:
        """Whether turns can be told apart: hooks report, or are about to."""
        return self.hooked or self._expected

    @property
    def ended(self) -> list[str]:
        """Prompt ids of the latest turns that have ended, oldest first."""
        return list(self._ended)

    @property
    def is_free(self) -> bool:
        """Whether an event that is pushed now would begin a turn."""
        return self.turn is None and not self._awaited and self.deaf_since is None

    @property
    def only_chat(self) -> str | None:
        """The one chat whose messages may be read in the turn that runs: that of whoever has asked.

        None: any. An approver in private may ask for all of them, and so may who sits at the terminal.
        """
        origin = self.turn.origin if self.turn is not None else None
        if origin is None or (origin.role == Role.APPROVER and not origin.group):
            return None
        return origin.chat

    # -- events

    def pushed(self, seq: int) -> None:
        """An event was written to begin a turn."""
        self._awaited[seq] = None

    def delivered(self, seqs: list[int], now: float) -> None:
        """The client has read events."""
        for seq in seqs:
            if seq in self._awaited:
                self._awaited[seq] = now

    def given_up(self, seq: int) -> None:
        """An event is not awaited any more: it was answered, or was taken back by hand."""
        self._awaited.pop(seq, None)

    # -- reports

    def sign(self, now: float, *, background: bool = False) -> bool:
        """The session did something; returns whether that shows that it hears again: background work does not."""
        self._sign_at = now
        self._excused_until = 0.0
        if background:
            return False
        heard = self.deaf_since is not None
        if heard:
            self.deaf_since = None
            self._awaited.clear()
        return heard

    def reported(self, mode: str, transcript: str, now: float, *, background: bool = False) -> bool:
        """A hook was called; returns as ``sign`` does."""
        self.hooked = True
        self.permission_mode = mode or self.permission_mode
        self.transcript = transcript or self.transcript
        return self.sign(now, background=background)

    def excuse(self, now: float) -> None:
        """It compacts its conversation: that takes a while, and it takes up nothing meanwhile."""
        self._excused_until = now + COMPACTING_S

    def is_running(self, prompt_id: str) -> bool:
        """Tell whether a turn is the one that runs."""
        return bool(prompt_id) and self.turn is not None and self.turn.prompt_id == prompt_id

    def is_known(self, prompt_id: str) -> bool:
        """Tell whether a prompt with this id is handed over within a turn, and not the start of one.

        A turn that was taken to be over may go on: a Stop hook of the user's own can say so, after ours has reported.
        """
        return self.is_running(prompt_id) or prompt_id in self._ended

    def prompted(self, prompt_id: str, origin: Origin | None, seq: int | None, now: float) -> Turn | None:
        """A prompt reached Claude: a turn begins, or the one that runs goes on.

        Args:
            prompt_id: of the turn.
            origin: the event that it is; None: it was typed.
            seq: of that event.
            now: unix time, seconds.

        Returns:
            The turn before it, if it is over by this.
        """
        if seq is not None:
            self._awaited.pop(seq, None)
        if self.turn is not None and self.is_running(prompt_id):
            self.turn.typed = self.turn.typed or origin is None
            self.turn.chats |= {origin.chat} if origin is not None else set()
            return None
        before = self.end() if self.turn is not None else None
        self.turn = self._going_on(prompt_id, now) if prompt_id in self._ended else Turn(prompt_id, origin, now)
        self.turn.chats |= {origin.chat} if origin is not None else set()
        return before

    def _going_on(self, prompt_id: str, now: float) -> Turn:
        """Return a turn that was taken to be over: what it began with is settled, and nothing is concluded from it."""
        self._ended.remove(prompt_id)
        return Turn(prompt_id, None, now)

    def tool_began(self, prompt_id: str, tool_use_id: str, agent_id: str, now: float) -> None:
        """A tool call begins. It shows that its turn runs, whatever was known of it; background work does not."""
        if self.turn is None and not agent_id and prompt_id:
            self.turn = self._going_on(prompt_id, now) if prompt_id in self._ended else Turn(prompt_id, None, now)
        if self.turn is not None and self.is_running(prompt_id):
            self.turn.open_tools.add(tool_use_id)

    def tool_ended(self, tool_use_id: str) -> None:
        """A tool call has ended."""
        if self.turn is not None:
            self.turn.open_tools.discard(tool_use_id)

    def stopped(self, prompt_id: str) -> Turn | None:
        """``Stop`` was reported; returns the turn that is over by it."""
        if self.turn is None or not self.is_running(prompt_id):
            return None
        return self.end()

    def end(self) -> Turn:
        """The turn that runs is over."""
        assert self.turn is not None
        turn, self.turn = self.turn, None
        self._ended.append(turn.prompt_id)
        return turn

    # -- the passing of time

    def is_silent(self, now: float, after_s: float = SILENCE_S) -> bool:
        """Tell whether the turn that runs has been silent for so long that it must be over."""
        turn = self.turn
        return turn is not None and not turn.open_tools and now - max(turn.since, self._sign_at) >= after_s

    def lost_receipt(self, now: float, after_s: float = RECEIPT_S) -> bool:
        """Tell whether an event that was read long ago has not reached Claude, though nothing stands in its way."""
        idle = self.turn is None and now >= self._excused_until
        return idle and self.deaf_since is None and self.hooked and self._overdue(now, after_s)

    def has_no_hooks(self, now: float, after_s: float = NO_HOOKS_S) -> bool:
        """Tell whether no hook has come where one should have: from then on events are pushed at once."""
        return not self.hooked and self._expected and self._overdue(now, after_s)

    def expect_none(self) -> None:
        """Hooks are not to be expected any more, until one comes."""
        self._expected = False
        self._awaited.clear()

    def mark_deaf(self, now: float) -> None:
        """It does not take up what it is given."""
        self.deaf_since = now

    def _overdue(self, now: float, after_s: float) -> bool:
        return any(read_at is not None and now - read_at >= after_s for read_at in self._awaited.values())
