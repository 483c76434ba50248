"""What the command line can ask of the daemon."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sized
from functools import partial
from typing import Annotated, Any, Final

import msgspec

from channeld import __version__
from channeld.config import load
from channeld.core import symptoms
from channeld.core.delivery import EventState, PartState
from channeld.core.errors import Refused, StoreUnavailable
from channeld.core.health import STORE, Report, shown
from channeld.core.model import MessageDetail, StoredEvent, StoredPart
from channeld.daemon.access import Access
from channeld.daemon.bindings import Bindings
from channeld.daemon.control import Command, checked
from channeld.daemon.health import Health
from channeld.daemon.outgoing import Letter, Outgoing
from channeld.daemon.router import Router
from channeld.daemon.sessions import Sessions
from channeld.daemon.supervisor import Supervisor
from channeld.paths import Paths
from channeld.store.mailbox import Mailbox
from channeld.store.outbox import OpenParts, Outbox
from channeld.store.timeline import MOST_ITEMS, Timeline

_READY_WAIT_S: Final = 10.0
_LATELY_S: Final = 86400.0
"""How long a message that went wrong is called an issue; after that it is only counted."""
_OPERATOR: Final = "operator"
"""Who sends what is sent by ``channeld send``, in place of a session."""
_STATES: Final = sorted({*map(str, EventState), *map(str, PartState)})

Limit = Annotated[int, msgspec.Meta(ge=1, le=MOST_ITEMS)]


class ListArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``messages``."""

    chat: str | None = None
    state: str | None = None
    limit: Limit = 50


class SearchArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``search``."""

    query: str
    chat: str | None = None
    limit: Limit = 50


class RefArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``message``, ``retry`` and ``drop``: a message's number, or its delivery id."""

    ref: str


class SendArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``send``."""

    chat: str
    text: str = ""
    files: list[str] = []  # absolute paths
    format: Annotated[str, msgspec.Meta(pattern="^(markdown|plain)$")] = "markdown"


class Commands:
    """Carries out commands. A mistake is a ``ChanneldError``, whose sentence and hint reach the person who typed."""

    def __init__(
        self,
        paths: Paths,
        health: Health,
        router: Router,
        sessions: Sessions,
        supervisors: Mapping[str, Supervisor],
        access: Access,
        bindings: Bindings,
        *,
        mailbox: Mailbox,
        outbox: Outbox,
        timeline: Timeline,
        outgoing: Outgoing,
        stop: Callable[[], None],
    ) -> None:
        self._paths, self._health, self._router, self._sessions = paths, health, router, sessions
        self._supervisors, self._access, self._bindings = supervisors, access, bindings
        self._mailbox, self._outbox = mailbox, outbox
        self._timeline, self._outgoing, self._stop = timeline, outgoing, stop
        self._started_at = time.time()

    def table(self) -> dict[str, Command]:
        """Return the commands by name."""
        return {
            "status": self.status,
            "sessions": self.sessions,
            "messages": self.messages,
            "message": self.message,
            "search": self.search,
            "retry": self.retry,
            "drop": self.drop,
            "send": self.send,
            "restart": self.restart,
            "stop": self.stop,
            "url": self.url,
        }

    # -- how things stand

    async def status(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return everything that a person should see."""
        now = time.time()
        if self._health.concerns(STORE):
            await self._look_at_store()
        try:
            events = await self._mailbox.counts()
            waiting = await self._mailbox.waiting()
            held = await self._mailbox.held()
            parts = await self._outbox.counts(now - _LATELY_S)
        except StoreUnavailable as trouble:
            self._health.report_store(trouble)
            events, waiting, held, parts = {}, [], (0, None), []
        try:
            access = await self._access.summary()
        except StoreUnavailable as trouble:
            self._health.report_store(trouble)
            access = []
        return {
            "daemon": {
                "version": __version__, "pid": os.getpid(), "started_at": self._started_at,
                "config": str(self._paths.config_file), "state": str(self._paths.state),
            },
            "health": self._issues(waiting, held, parts, now),
            "workers": [supervisor.snapshot() for supervisor in self._supervisors.values()],
            "access": access,
            "sessions": self._described_sessions(),
            "events": events,
            "waiting": [{"chat": chat, "count": count, "since": since} for chat, count, since in waiting],
            "outbox": [{"worker": part.worker, "state": part.state, "count": part.number} for part in parts],
        }  # fmt: skip

    async def _look_at_store(self) -> None:
        """Find out whether what was wrong with the mailbox has passed, though nobody has written since."""
        try:
            await self._mailbox.probe()
        except StoreUnavailable as trouble:
            self._health.report_store(trouble)
        else:
            self._health.clear_subject(STORE)

    def _issues(
        self,
        waiting: list[tuple[str, int, float]],
        held: tuple[int, float | None],
        parts: list[OpenParts],
        now: float,
    ) -> list[dict[str, object]]:
        in_turn = any(self._router.lookout.busy(chat) is not None for chat, _, _ in waiting)
        reports: list[Report] = [
            *self._health.reports(),
            *self._router.lookout.unserved(),
            *self._sessions.refusals(now),
            *symptoms.stuck(self._router.lookout.seats()),
            *symptoms.waiting(waiting, held[0], now=now, in_turn=in_turn),
            *symptoms.held(*held),
            *symptoms.sending(parts, self._supervisors),
        ]
        return [issue.as_data() for issue in shown(reports, now)]

    async def sessions(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return every session that is connected, and which chats are bound to which name."""
        return {"sessions": self._described_sessions(), "bindings": self._bindings.described()}

    def _described_sessions(self) -> list[dict[str, Any]]:
        lookout = self._router.lookout
        target = lookout.target()
        going: dict[str, list[str]] = {}
        for chat in self._bindings.chats():
            if (session := lookout.target(chat)) is not None:
                going.setdefault(session.instance, []).append(chat)
        return [
            {
                **snapshot, "default": target is not None and target.instance == snapshot["instance"],
                "chats": going.get(snapshot["instance"], []),
            }
            for snapshot in self._sessions.snapshot()
        ]  # fmt: skip

    # -- messages

    async def messages(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return the latest messages, oldest first."""
        wanted = checked(args, ListArguments)
        if wanted.state is not None and wanted.state not in _STATES:
            raise Refused(f"There is no state {wanted.state!r}.", hint=f"There are: {', '.join(_STATES)}.")
        return {"messages": await self._timeline.latest(wanted.limit, chat=wanted.chat, state=wanted.state)}

    async def search(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return messages that hold all words, newest first."""
        wanted = checked(args, SearchArguments)
        return {"messages": await self._timeline.search(wanted.query, wanted.chat, wanted.limit)}

    async def message(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return one message with everything that tells where it is."""
        return {"message": await self._find(checked(args, RefArguments).ref)}

    async def retry(self, args: dict[str, Any]) -> dict[str, Any]:
        """Queue a message again."""
        move_event = partial(self._mailbox.retry, review=self._access.review)
        return await self._by_hand(args, move_event, self._outbox.retry, "sent again")

    async def drop(self, args: dict[str, Any]) -> dict[str, Any]:
        """Give a message up that has not arrived."""
        return await self._by_hand(args, self._mailbox.drop, self._outbox.drop, "dropped")

    async def _by_hand(
        self,
        args: dict[str, Any],
        move_event: Callable[[int, float], Awaitable[list[StoredEvent]]],
        move_part: Callable[[int, float], Awaitable[list[StoredPart]]],
        what: str,
    ) -> dict[str, Any]:
        """Move a message as a person says, where its state allows it, and let everything that waits look again."""
        message = await self._find(checked(args, RefArguments).ref)
        moved: Sized
        if message.direction == "in":
            moved = events = await move_event(message.seq, time.time())
            self._router.await_no_more(events)
            await self._router.notices.events_changed(events)
            self._router.wake()
        else:
            moved = parts = await move_part(message.seq, time.time())
            if message.state == PartState.QUEUED:
                await self._router.outbound.dropped(parts)
            else:  # its failure was told when it happened
                await self._router.notices.parts_changed(parts)
            self._router.outbound.wake(message.worker)
        if not moved:
            raise _impossible(what, message)
        return {"message": await self._find(str(message.seq))}

    async def _find(self, ref: str) -> MessageDetail:
        found = await self._timeline.find(ref)
        if found is None:
            raise Refused(f"There is no message {ref[:40]!r}.", hint="`channeld messages` shows their numbers.")
        return found

    async def send(self, args: dict[str, Any]) -> dict[str, Any]:
        """Send a message to a chat in the operator's name, and say what became of it."""
        wanted = checked(args, SendArguments)
        letter = Letter(wanted.chat, wanted.text, wanted.format, files=wanted.files, author=_OPERATOR)
        accepted = await self._outgoing.reply(letter, _OPERATOR, None)
        parts = await self._outgoing.outcome(accepted)
        waiting = {PartState.QUEUED, PartState.SENDING}
        return {
            "done": all(part.state not in waiting for part in parts),
            "failed": any(part.state not in {PartState.SENT, *waiting} for part in parts),
            "messages": await self._timeline.items(wanted.chat, [part.seq for part in parts]),
        }

    # -- the daemon and its workers

    async def restart(self, args: dict[str, Any]) -> dict[str, Any]:
        """Restart a worker with what the configuration says of it now."""
        name = args.get("worker")
        supervisor = self._supervisors.get(name) if isinstance(name, str) else None
        if supervisor is None:
            raise Refused(f"There is no worker {name!r}.", hint=f"There are: {', '.join(self._supervisors) or 'none'}.")
        # Anew from the file: what a person mends before a restart is mostly there.
        declared = {worker.name: worker for worker in load(self._paths.config_file).worker_list() if worker.enabled}
        worker = declared.get(supervisor.worker.name)
        if worker is None or worker.platform != supervisor.worker.platform:
            raise Refused(
                f"The configuration has no worker {name} of this kind any more.",
                hint="`channeld restart` applies that.",
            )
        await self._access.reconfigure(worker)
        supervisor.restart(worker)
        return {"restarting": name}

    async def stop(self, args: dict[str, Any]) -> dict[str, Any]:
        """End the daemon; without ``again`` it is not started by itself."""
        if not args.get("again"):
            self._paths.stopped.touch(mode=0o600)
        self._stop()
        return {"pid": os.getpid()}

    async def url(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return the address of a web chat, without its token."""
        name = args.get("worker", "web")
        supervisor = self._supervisors.get(name) if isinstance(name, str) else None
        if supervisor is None or supervisor.worker.platform != "web":
            web = [s.worker.name for s in self._supervisors.values() if s.worker.platform == "web"]
            raise Refused(f"There is no web worker {name!r}.", hint=f"There are: {', '.join(web) or 'none'}.")
        account = await supervisor.wait_ready(_READY_WAIT_S)
        if account is None:
            detail = supervisor.detail or str(supervisor.state)
            raise Refused(
                f"The web chat {name} is not up: {detail}.", hint=f"See `channeld logs {name}`.", code="not_ready"
            )
        return {"url": account}


_STANDING: Final = {
    ("in", "held"): "it waits for a person's word, and somebody was asked for it; it can be dropped",
    ("in", "queued"): "it waits for a session already",
    ("in", "pushed"): "it was given to a session, whose confirmation is awaited; if that session ends, it waits again",
    ("in", "delivered"): "Claude Code has read it",
    ("in", "seen"): "Claude has seen it",
    ("in", "answered"): "Claude has answered it",
    ("in", "dropped"): "it was dropped already",
    ("out", "queued"): "it waits to be sent already",
    ("out", "sending"): "it is being sent",
    ("out", "sent"): "it was sent",
    ("out", "dropped"): "it was dropped",
}


def _impossible(what: str, message: MessageDetail) -> Refused:
    standing = _STANDING.get((message.direction, message.state), f"it is {message.state}")
    return Refused(
        f"Message {message.seq} cannot be {what}: {standing}.",
        hint=f"`channeld messages show {message.seq}` tells what can be done.",
        code="wrong_state",
    )
