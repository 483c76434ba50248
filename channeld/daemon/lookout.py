"""Knows which sessions are there and which of them chats go to, and tells people who listens and what is worked on."""

from __future__ import annotations

import asyncio
import time

from channeld.core import routing
from channeld.core.activity import busy_text
from channeld.core.health import Report
from channeld.core.symptoms import Seat, bound_session_missing, nobody_listens, session_away
from channeld.daemon.bindings import Bindings
from channeld.daemon.notices import Notices
from channeld.daemon.session import Session
from channeld.daemon.waiting import Waiting
from channeld.ipc import messages as m

_KEPT = "What you write is kept and delivered as soon as one listens."
_UNBOUND = ""
"""Stands for the name to which chats without a binding are bound."""


class Lookout:
    """The attached sessions.

    Args:
        notices: tells workers.
        waiting: tells senders that they wait.
        bindings: of chats to sessions.
        default_session: name of the session that chats without a binding go to; None: the latest that listens.
        waits_for_turns: an event is pushed only when the turn before it is over, where turns are known.
    """

    def __init__(
        self,
        notices: Notices,
        waiting: Waiting,
        bindings: Bindings,
        default_session: str | None,
        *,
        waits_for_turns: bool,
    ) -> None:
        self._notices, self._waiting, self._bindings = notices, waiting, bindings
        self._default, self._waits_for_turns = default_session, waits_for_turns
        self.sessions: dict[str, Session] = {}
        """By instance, in the order in which they came."""
        self.away: dict[str, str] = {}
        """Names of sessions whose process lives and has no connection now, by instance: it will be back."""
        self._alone_since: dict[str, float] = {_UNBOUND: time.time()}
        """By name: since when nobody listens whom chats bound to it could go to."""
        self._had: set[str] = set()
        """Names that somebody has listened for."""
        self._look_again: asyncio.TimerHandle | None = None

    def expect(self, instance: str, name: str) -> None:
        """Take it that a session of an earlier daemon comes back: if not, those who wait for it are told so."""
        self.away[instance] = name
        self._had |= {name} | ({_UNBOUND} if self._default in {None, name} else set())

    def target(self, chat: str | None = None) -> Session | None:
        """Return the session that a chat goes to now, by default one without a binding; None where it waits."""
        return self._choose(self._bindings.of(chat) if chat is not None else _UNBOUND)

    def shares(self) -> list[tuple[Session, frozenset[str]]]:
        """Return the sessions that chats go to now, with the names to which those are bound; "": those without one."""
        found: dict[Session, set[str]] = {}
        for name in self._names():
            if (session := self._choose(name)) is not None:
                found.setdefault(session, set()).add(name)
        return [(session, frozenset(names)) for session, names in found.items()]

    def busy(self, chat: str) -> Session | None:
        """Return the session whose turn a chat waits for; None where it waits for no turn."""
        target = self.target(chat)
        return target if target is not None and self._is_busy(target) else None

    def is_bound(self, chat: str) -> bool:
        """Tell whether people have said which session a chat goes to."""
        return self.bound_to(chat) != _UNBOUND

    def bound_to(self, chat: str) -> str:
        """Return the name of the session that a chat is bound to, "" for none."""
        return self._bindings.of(chat)

    def gone_since(self, chat: str) -> float | None:
        """Return since when a chat has no session to go to any more; None where it has one, or never had."""
        name = self._bindings.of(chat)
        return self._alone_since.get(name) if name in self._had else None

    def by_turns(self, session: Session) -> bool:
        """Tell whether a session is given one event a turn."""
        return self._waits_for_turns and session.turns.known

    def seats(self) -> list[Seat]:
        """Return the attached sessions, in the order in which they came."""
        return [session.seat for session in self.sessions.values()]

    def unserved(self) -> list[Report]:
        """Say which chats have no session to go to, and why."""
        return [self._unserved(name) for name in sorted(self._names()) if self._choose(name) is None]

    def look(self) -> None:
        """Tell people who listens and what is worked on, now and when that changes by the passing of time."""
        self.close()
        now = time.time()
        standings = {name: self._standing(name, now) for name in self._names()}
        usual = standings[_UNBOUND]
        bound = {chat: standings[name] for chat, name in self._bindings.chats().items()}
        work = [each for session in self.sessions.values() for each in session.work(now)]
        self._notices.sessions_changed(
            m.Presence(listening=usual.listening, text=usual.text, chats=bound), frozenset(each.chat for each in work)
        )
        self.tell_who_waits()
        moments = [session.changes_at(now) for session in self.sessions.values()]
        next_at = min((moment for moment in moments if moment is not None), default=None)
        if next_at is not None:
            self._look_again = asyncio.get_running_loop().call_later(next_at - now + 0.01, self.look)

    def tell_who_waits(self) -> None:
        """Have senders told whose messages wait for a turn, or do so no more."""
        lately = time.time() - 2 * self._waiting.gone_after_s
        self._waiting.changed(
            matters=any(self._is_busy(session) for session in self.sessions.values())
            or any(since > lately for name, since in self._alone_since.items() if name in self._had)
        )

    def close(self) -> None:
        """Look no more by the passing of time."""
        if self._look_again is not None:
            self._look_again.cancel()
            self._look_again = None

    # -- inside

    def _is_busy(self, session: Session) -> bool:
        return self.by_turns(session) and not session.turns.is_free

    def _names(self) -> frozenset[str]:
        return self._bindings.names() | {_UNBOUND}

    def _choose(self, name: str) -> Session | None:
        wanted = name or self._default
        if wanted in self.away.values():  # while the daemon starts anew, no other one of that given name steps in
            return None
        attached = (session.candidate for session in self.sessions.values() if session.is_attached)
        chosen = routing.choose(attached, wanted)
        return self.sessions[chosen] if chosen is not None else None

    def _standing(self, name: str, now: float) -> m.Standing:
        """Return what is to be said to chats that are bound to a name."""
        target = self._choose(name)
        if target is None:
            self._alone_since.setdefault(name, now)
            if name != _UNBOUND:
                return m.Standing(listening=False, text=f"{session_away(self.seats(), name)} {_KEPT}")
            trouble = self._unserved(name)
            return m.Standing(listening=False, text=f"{trouble.text} {_KEPT} {trouble.hint}")
        self._alone_since.pop(name, None)
        self._had.add(name)
        return m.Standing(listening=True, text=busy_text(target.work(now), now, waits=self.by_turns(target)))

    def _unserved(self, name: str) -> Report:
        since = self._alone_since.get(name, time.time())
        if name == _UNBOUND:
            return nobody_listens(self.seats(), self._default, since)
        chats = [chat for chat, bound in self._bindings.chats().items() if bound == name]
        return bound_session_missing(self.seats(), name, chats, since)
