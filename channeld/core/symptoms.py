"""Issues that can be told from how things stand: who listens, what waits, what went wrong."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Final, NamedTuple

from channeld.core.health import SESSIONS, Report
from channeld.core.listening import ATTACH, Listening, Verdict
from channeld.core.text import clean_name

LONG_TURN_S: Final = 1800.0
"""How long messages may wait for a turn to end before somebody should look."""
_REASON_LIMIT: Final = 200
_LIST: Final = "`channeld messages list --state {}`"


class Seat(NamedTuple):
    """An attached session."""

    name: str
    verdict: Verdict
    unconfirmed: int = 0  # messages given to it that it has not read
    unconfirmed_since: float | None = None  # unix time of the oldest of them
    given: str = ""  # the name that its user gave it, which others may have too


class Refusal(NamedTuple):
    """A session whose ``channeld mcp`` speaks another protocol than this daemon."""

    name: str
    version: str
    ours: str  # version of the daemon
    is_newer: bool

    @property
    def text(self) -> str:
        """What is the matter and what to do, for the session itself."""
        return f"{self._what('This session')} {self._mend('this session')}"

    def report(self, since: float) -> Report:
        """Return the same for the others."""
        name = self.name or "of another version"
        return Report("session_refused", self._what(f"The session {name}"), self._mend("it"), since, name)

    def _what(self, who: str) -> str:
        return (
            f"{who} runs `channeld mcp` {self.version or 'of another version'}, which the running daemon, channeld "
            f"{self.ours}, does not understand: it gets no messages."
        )

    def _mend(self, it: str) -> str:
        if self.is_newer:
            return "Start the daemon anew: `channeld restart`"
        return f"End {it} and start it again: `claude --continue` takes up its conversation."


def nobody_listens(seats: Sequence[Seat], default: str | None, since: float) -> Report:
    """Say why chats have no session to go to.

    Args:
        seats: all attached sessions, in the order in which they came.
        default: the name that a session must have, if one is configured.
        since: unix time since which it is so.
    """
    deaf = [seat for seat in seats if seat.verdict.listening is not Listening.YES]
    if len(deaf) < len(seats):
        return Report(
            "default_session_missing",
            f"New messages wait for a session named {default}, and none of that name listens.",
            f"Start one whose server entry has the arguments `mcp --name {default}`, or change default under "
            "[sessions] in config.toml and run `channeld restart`.",
            since,
            SESSIONS,
        )
    if deaf:
        latest = deaf[-1]
        text = f"The session {latest.name} does not listen: {latest.verdict.reason}."
        return Report("session_deaf", text, latest.verdict.mend, since, SESSIONS)
    return Report(
        "no_session",
        "No Claude Code session is attached.",
        f"Start one with channeld's plugin: `{ATTACH}`",
        since,
        SESSIONS,
    )


def session_away(seats: Iterable[Seat], name: str) -> str:
    """Say to a chat why the session that it is bound to takes nothing, giving away nothing of other chats."""
    deaf = _deaf(seats, name)
    if deaf is not None:
        return f"The session {deaf.name}, to which this chat is bound, does not listen: {deaf.verdict.reason}."
    return f"The session {name}, to which this chat is bound, is not attached."


def bound_session_missing(seats: Iterable[Seat], name: str, chats: Sequence[str], since: float) -> Report:
    """Say why chats that are bound to a session have none to go to.

    Args:
        seats: all attached sessions.
        name: that the session must have.
        chats: which are bound to it.
        since: unix time since which it is so.
    """
    which = chats[0] if len(chats) == 1 else f"{len(chats)} chats"
    deaf = _deaf(seats, name)
    if deaf is not None:
        text = f"The session {deaf.name}, to which {which} {_is(chats)} bound, does not listen: {deaf.verdict.reason}."
        return Report("bound_session_deaf", text, deaf.verdict.mend, since, name)
    return Report(
        "bound_session_missing",
        f"The session {name}, to which {which} {_is(chats)} bound, is not attached.",
        f"Start it, or let {which} go to another one: `channeld unbind {chats[0]}`",
        since,
        name,
    )


def _deaf(seats: Iterable[Seat], name: str) -> Seat | None:
    """Return a session of that name that does not listen."""
    return next((s for s in seats if name in {s.name, s.given} and s.verdict.listening is not Listening.YES), None)


def stuck(seats: Iterable[Seat]) -> list[Report]:
    """Return the sessions that have been given messages and do not read them."""
    return [
        Report(
            "session_stuck",
            f"The session {seat.name} has not taken {_count(seat.unconfirmed, 'message')} that it was given.",
            "Look at its terminal. If it hangs, end it: the messages go back to the queue.",
            seat.unconfirmed_since,
            seat.name,
        )
        for seat in seats
        if seat.unconfirmed_since is not None
    ]


def waiting(
    chats: Iterable[tuple[str, int, float]], held: int = 0, *, now: float = 0.0, in_turn: bool = False
) -> list[Report]:
    """Say that received messages wait for Claude, longer than one would expect.

    Args:
        chats: (chat, how many, unix time of the oldest) of each chat where some do.
        held: how many of them wait for a person's word instead.
        now: unix time, seconds; of use only ``in_turn``.
        in_turn: Claude works, and takes the next one when it is done.
    """
    queues = list(chats)
    count = sum(number for _, number, _ in queues) - held
    since = min((oldest for _, _, oldest in queues), default=now)
    if count <= 0 or (in_turn and now - since < LONG_TURN_S):
        return []
    text = f"{_count(count, 'message')} for Claude waiting."
    return [Report("messages_waiting", text, "`channeld messages list --state queued`", since)]


def held(count: int, since: float | None) -> list[Report]:
    """Say that messages wait for a person's word: of their senders, or of an approver."""
    if since is None:
        return []
    text = f"{_count(count, 'message')} held until somebody says that they may go."
    hint = f"`channeld prompts` shows who was asked what; {_LIST.format('held')}"
    return [Report("messages_held", text, hint, since)]


def sending(parts: Iterable[tuple[str, str, int, float, int, str | None]], workers: Container[str]) -> list[Report]:
    """Say what is wrong with what Claude sends.

    Args:
        parts: (worker, state, how many, unix time of the oldest, how many lately, why the last of these) of those not
            done or gone wrong.
        workers: names of those that are configured and enabled.
    """
    reports = []
    for worker, state, count, since, lately, reason in parts:
        match state:
            case "queued" | "sending" if worker not in workers:
                text = f"{_count(count, 'part')} of Claude's answers waiting for {worker}, which does not run any more."
                hint = (
                    f"Put [workers.{worker}] back into config.toml, enabled, and run `channeld restart`. "
                    f"Or give them up: {_LIST.format('queued')}, then `channeld messages drop NUMBER`"
                )
                reports.append(Report("sends_waiting", text, hint, since, worker))
            case "queued" | "sending":
                text = f"{_count(count, 'part')} of Claude's answers waiting to be sent by {worker}."
                hint = f"See `channeld logs {worker}`; if nothing moves: `channeld restart {worker}`"
                reports.append(Report("sends_waiting", text, hint, since, worker))
            case "failed" if lately:
                text = f"{_count(lately, 'message')} to {worker} could not be sent in the last 24 hours."
                hint = _by_hand("failed")
                reports.append(Report("sends_failed", text + _last(reason), hint, since, worker))
            case "uncertain" if lately:
                text = f"{_count(lately, 'message')} to {worker} may or may not have been sent in the last 24 hours."
                hint = _by_hand("uncertain")
                reports.append(Report("sends_uncertain", text + _last(reason), hint, since, worker))
    return reports


def _last(reason: str | None) -> str:
    """Return why the last of several went wrong, as a sentence: what has to be changed is there to read at once."""
    words = clean_name(reason or "", _REASON_LIMIT).rstrip(".")
    return f" The last: {words}." if words else ""


def _is(chats: Sequence[str]) -> str:
    return "is" if len(chats) == 1 else "are"


def _by_hand(state: str) -> str:
    return f"{_LIST.format(state)}, then `channeld messages retry NUMBER` or `drop NUMBER`"


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
