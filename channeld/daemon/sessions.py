"""Accepts shims, and watches over the processes of sessions whose connection is gone."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any, Final

import structlog

from channeld.config import Worker
from channeld.core.errors import StoreUnavailable
from channeld.core.health import Report
from channeld.core.model import Lease
from channeld.core.permission import Request
from channeld.core.symptoms import Refusal
from channeld.daemon.asking import Asking
from channeld.daemon.procwatch import wait_end
from channeld.daemon.router import Router
from channeld.daemon.session import Session
from channeld.daemon.sockets import Peer
from channeld.daemon.tools import Toolbox

log = structlog.get_logger()
_REFUSED_S: Final = 60.0
"""A session that was refused tries more often than that, until it is ended."""


class Sessions:
    """Every session, attached or not."""

    def __init__(self, router: Router, toolbox: Toolbox, asking: Asking, workers: list[Worker]) -> None:
        self._router, self._toolbox, self._asking = router, toolbox, asking
        self._platforms = {worker.name: worker.platform for worker in workers}
        self._refused: dict[Refusal, tuple[float, float]] = {}
        """By when they were refused first and last."""
        self._open: set[Session] = set()
        self._watches: dict[str, asyncio.Task[None]] = {}

    async def accept(self, connection: socket.socket, peer: Peer) -> None:
        """Take over a connection of a shim."""
        session = Session(self, self._toolbox)
        self._open.add(session)
        await asyncio.get_running_loop().connect_accepted_socket(lambda: session.protocol, connection)
        session.expect_hello()

    async def resume(self, living: list[tuple[str, str, int, int]]) -> None:
        """Watch the processes of an earlier daemon's sessions: they come back, or have ended."""
        for instance, name, pid, pid_start in living:
            self._router.lookout.expect(instance, name)
            self._watch(instance, pid, pid_start)

    def snapshot(self) -> list[dict[str, Any]]:
        """Return every session that has said who it is."""
        return [session.snapshot() for session in self._open if session.instance]

    def processes(self) -> list[int]:
        """Return the processes of every session that has said who it is: its shim, and the Claude Code above that."""
        return [pid for session in self._open for pid in session.processes]

    def close(self) -> None:
        """Close every connection; the shims come back to the next daemon."""
        for task in self._watches.values():
            task.cancel()
        for session in list(self._open):
            session.protocol.close()

    # -- Owner

    async def session_ready(self, session: Session) -> None:
        """Attach a session whose handshake is complete."""
        try:
            await self._router.session_attached(session, session.written)
        except StoreUnavailable as trouble:
            log.error("session_not_attached", session=session.name, reason=str(trouble))
            session.protocol.close()  # the shim comes back, and the disk may have room by then
            return
        # Only now: had the process ended in between, the watch would have to see it.
        self._watch(session.instance, session.pid, session.pid_start)
        await self._asking.session_attached(session)

    def session_closed(self, session: Session) -> None:
        """Forget a connection; its process may come back."""
        self._open.discard(session)
        self._router.session_detached(session, lives=session.instance in self._watches)

    async def confirmed(self, session: Session, lease: Lease, seqs: list[int]) -> None:
        """Pass on what a client has read."""
        await self._router.confirmed(session, lease, seqs)

    def session_refused(self, refusal: Refusal) -> None:
        """Remember that a shim was refused, which comes again and again."""
        now = time.time()
        since, _ = self._refused.get(refusal, (now, now))
        self._refused[refusal] = since, now
        away = self._router.lookout.away
        for instance in [instance for instance, name in away.items() if name == refusal.name]:
            del away[instance]  # it will not be back

    def refusals(self, now: float) -> list[Report]:
        """Say which sessions cannot be talked to, as long as they try."""
        self._refused = {key: times for key, times in self._refused.items() if now - times[1] < _REFUSED_S}
        return [refusal.report(since) for refusal, (since, _) in self._refused.items()]

    def permission_requested(self, session: Session, request: Request) -> None:
        """Pass on that a session shows a permission dialog."""
        self._asking.permission_requested(session, request)

    def tool_called(self, session: Session) -> None:
        """Pass on that Claude calls one of the tools."""
        self._asking.tool_called(session)

    def platform_of(self, worker: str) -> str:
        """Return the platform of a worker."""
        return self._platforms.get(worker, worker)

    # -- inside

    def _watch(self, instance: str, pid: int, pid_start: int) -> None:
        if instance in self._watches:
            return
        task = asyncio.create_task(self._wait_end(instance, pid, pid_start))
        self._watches[instance] = task
        task.add_done_callback(lambda _: self._forget(instance))

    def _forget(self, instance: str) -> None:
        """A process has ended, and nothing of it is left to be done."""
        self._watches.pop(instance, None)
        if self._router.lookout.away.pop(instance, None) is not None:
            self._router.bindings_changed()

    async def _wait_end(self, instance: str, pid: int, pid_start: int) -> None:
        while True:
            await wait_end(pid, pid_start)
            if pid != 0 or instance not in self._router.sessions:
                break  # one that we cannot see is alive as long as it is connected
        await self._router.session_ended(instance)
        await self._asking.session_ended(instance)
