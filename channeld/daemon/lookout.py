"""Knows which sessions are there and which of them chats go to, and tells people who listens and what is worked on."""

from __future__ import annotations

import asyncio
import time

from channeld.core import routing
from channeld.core.activity import busy_text
from channeld.core.health import Report
from channeld.core.symptoms import Seat, nobody_listens
from channeld.daemon.notices import Notices
from channeld.daemon.session import Session
from channeld.daemon.waiting import Waiting
from channeld.ipc import messages as m

_KEPT = "What you write is kept and delivered as soon as one listens."


class Lookout:
    """The attached sessions.

    Args:
        notices: tells workers.
        waiting: tells senders that they wait.
        default_session: name of the session that chats go to; None: the latest that listens.
        waits_for_turns: an event is pushed only when the turn before it is over, where turns are known.
    """

    def __init__(
        self, notices: Notices, waiting: Waiting, default_session: str | None, *, waits_for_turns: bool
    ) -> None:
        self._notices, self._waiting = notices, waiting
        self._default, self._waits_for_turns = default_session, waits_for_turns
        self.sessions: dict[str, Session] = {}
        """By instance, in the order in which they came."""
        self._alone_since: float | None = time.time()
        """Since when nobody listens; None while somebody does."""
        self._look_again: asyncio.TimerHandle | None = None

    def target(self) -> Session | None:
        """Return the session that chats go to now, or None where they wait."""
        chosen = routing.choose((s.candidate for s in self.sessions.values() if s.is_attached), self._default)
        return self.sessions[chosen] if chosen is not None else None

    def by_turns(self, session: Session) -> bool:
        """Tell whether a session is given one event a turn."""
        return self._waits_for_turns and session.turns.known

    def seats(self) -> list[Seat]:
        """Return the attached sessions, in the order in which they came."""
        return [session.seat for session in self.sessions.values()]

    def nobody_listens(self) -> Report | None:
        """Say why chats have no session to go to; None while they have one."""
        if self.target() is not None:
            return None
        return nobody_listens(self.seats(), self._default, self._alone_since or time.time())

    def look(self) -> None:
        """Tell people who listens and what is worked on, now and when that changes by the passing of time."""
        self.close()
        now, target = time.time(), self.target()
        work = [each for session in self.sessions.values() for each in session.work(now)]
        if target is not None:
            self._alone_since = None
            presence = m.Presence(listening=True, text=busy_text(work, now, waits=self.by_turns(target)))
        else:
            self._alone_since = self._alone_since or now
            trouble = nobody_listens(self.seats(), self._default, self._alone_since)
            presence = m.Presence(listening=False, text=f"{trouble.text} {_KEPT} {trouble.hint}")
        self._notices.sessions_changed(presence, frozenset(each.chat for each in work))
        self.tell_who_waits()
        moments = [session.changes_at(now) for session in self.sessions.values()]
        next_at = min((moment for moment in moments if moment is not None), default=None)
        if next_at is not None:
            self._look_again = asyncio.get_running_loop().call_later(next_at - now + 0.01, self.look)

    def tell_who_waits(self) -> None:
        """Have senders told whose messages wait for a turn, or do so no more."""
        target = self.target()
        waits = target is not None and self.by_turns(target) and not target.turns.is_free
        self._waiting.changed(target if waits else None)

    def close(self) -> None:
        """Look no more by the passing of time."""
        if self._look_again is not None:
            self._look_again.cancel()
            self._look_again = None
