"""Keeps one worker running: start, ready deadline, heartbeat, backoff, blocked, drain."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import structlog

from channeld.config import Worker
from channeld.core import lifecycle
from channeld.core.errors import ConfigError
from channeld.core.lifecycle import WORKER_TRANSITIONS, WorkerState, describe_exit
from channeld.core.restart import RestartPolicy, Verdict
from channeld.credentials import find_token, make_token
from channeld.daemon.health import Health
from channeld.daemon.limits import Limits
from channeld.daemon.link import WorkerLink
from channeld.daemon.process import Process, worker_argv
from channeld.daemon.switchboard import Switchboard
from channeld.ipc.messages import Drain, Trouble
from channeld.paths import Paths
from channeld.platforms import PLATFORMS

log = structlog.get_logger()
_BEATS_IN_SILENCE = 3
"""So many beats fit into the time that a worker may be silent."""


class Supervisor:
    """One worker's life, from the first start to the stop of the daemon."""

    def __init__(self, worker: Worker, paths: Paths, board: Switchboard, health: Health, limits: Limits) -> None:
        self.worker = worker
        self.state = WorkerState.STOPPED
        self.since = time.time()
        self.starts = 0
        self.detail = ""
        self.last_end = ""
        """Why the process before this one ended, in words."""
        self.link: WorkerLink | None = None
        self._said: Trouble | None = None
        """The last trouble that the running process told of."""
        self._process: Process | None = None
        self._paths, self._board, self._health, self._limits = paths, board, health, limits
        self._policy = RestartPolicy()
        self._wanted = asyncio.Event()  # a restart or the stop was asked for
        self._stopping = False
        self._changed = asyncio.Event()
        self._moved = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._process.pid if self._process else None

    def restart(self, worker: Worker) -> None:
        """End the process and start it anew as ``worker`` says, whatever kept it from running."""
        self.worker = worker
        self._policy.forgive()
        self._wanted.set()

    def stop(self) -> None:
        """End the process for good; ``run`` returns when that is done."""
        self._stopping = True
        self._wanted.set()

    async def wait_ready(self, timeout_s: float) -> str | None:
        """Return the worker's account once it is ready; None if it is not by then, or will not be soon."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.state in {WorkerState.STARTING, WorkerState.BACKOFF}:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            pass
        return self.link.account if self.link else None

    async def run(self) -> None:
        """Keep the worker running until ``stop``."""
        while not self._stopping:
            self._wanted.clear()
            exit_code, reason = await self._one_life()
            if self._stopping:
                break
            if self._wanted.is_set():  # a restart, asked for at whatever point of its end
                self._move(WorkerState.STOPPED)
                continue
            await self._pause(exit_code, reason)
        self._move(WorkerState.STOPPED)

    # -- one process

    async def _one_life(self) -> tuple[int | None, str]:
        """Start a process and stay with it to its end.

        Returns:
            Its exit status and, if we ended it, why.
        """
        name = self.worker.name
        self._move(WorkerState.STARTING)
        self.starts += 1
        self._said = None
        link = self.link = WorkerLink(
            name, self.worker.settings, str(self._paths.inbox), self._board,
            on_change=self._changed.set, on_trouble=self._trouble,
            on_ready=lambda: self._health.clear_subject(name),
            beat_every_s=self._limits.silent_s / _BEATS_IN_SILENCE,
        )  # fmt: skip
        argv = worker_argv(self.worker.platform, self.worker.command)
        try:
            platform = PLATFORMS.get(self.worker.platform)
            find = make_token if platform is not None and platform.makes_token else find_token
            token = find(name, self._paths.credentials)
            process = await Process.start(
                name, argv, token, self._paths.log / f"{name}.log", bundled=self.worker.command is None
            )
        except ConfigError as error:
            self.link = None
            return None, f"{error} {error.hint}"
        except OSError as error:
            self.link = None
            return None, f"{argv[0]} cannot be started: {error.strerror}"
        self._process = process
        log.info("worker_started", worker=name, pid=process.pid)
        await asyncio.get_running_loop().create_connection(lambda: link.protocol, sock=process.connection)
        ended = asyncio.create_task(process.wait())
        try:
            reason = await self._watch(process, link, ended)
            code = await ended
        finally:
            self._process = self.link = None
            link.protocol.close()
            await self._board.worker_gone(link)
        log.info("worker_ended", worker=name, pid=process.pid, exit=code, how=describe_exit(code), reason=reason)
        return code, reason

    async def _watch(self, process: Process, link: WorkerLink, ended: asyncio.Task[int]) -> str:
        """Return when the process has ended or been ended; the reason if it was we who did it."""
        started_at = time.monotonic()
        wanted = asyncio.create_task(self._wanted.wait())
        try:
            while True:
                self._changed.clear()
                if link.is_ready and self.state is WorkerState.STARTING:
                    self._move(WorkerState.READY)
                    await self._board.worker_ready(link)
                changed = asyncio.create_task(self._changed.wait())
                left = max(0.0, self._deadline(link, started_at)[0] - time.monotonic())
                done, _ = await asyncio.wait(
                    {ended, wanted, changed}, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                changed.cancel()
                if ended in done:
                    return link.refusal
                if wanted in done:
                    await self._drain(process, link, ended)
                    return "it was asked to end"
                if link.gone.is_set():
                    # Without its socket a worker is useless; a healthy one ends by itself now.
                    ended_itself = await self._give_time(ended, process)
                    return link.refusal or ("" if ended_itself else "it closed its socket")
                deadline, reason = self._deadline(link, started_at)  # anew: it may have been heard meanwhile
                if time.monotonic() >= deadline:
                    log.error("worker_unresponsive", worker=self.worker.name, pid=process.pid, reason=reason)
                    await process.abort()
                    return reason
        finally:
            wanted.cancel()

    def _deadline(self, link: WorkerLink, started_at: float) -> tuple[float, str]:
        """Return until when the worker must be heard of, on the monotonic clock, and what it is if it is not."""
        if self.state is WorkerState.STARTING:
            return started_at + self._limits.ready_s, "it was not ready in time"
        return link.heard_at + self._limits.silent_s, "it was silent for too long"

    async def _drain(self, process: Process, link: WorkerLink, ended: asyncio.Task[int]) -> None:
        if self.state in {WorkerState.STARTING, WorkerState.READY}:
            self._move(WorkerState.DRAINING)
        link.send(Drain())
        await asyncio.wait({ended}, timeout=self._limits.drain_s)
        if not ended.done():
            process.terminate()
            await self._give_time(ended, process)

    async def _give_time(self, ended: asyncio.Task[int], process: Process) -> bool:
        """Wait for the end of a process that should be ending, or bring it about; return whether it came by itself."""
        await asyncio.wait({ended}, timeout=lifecycle.ABORT_GRACE_S)
        if ended.done():
            return True
        await process.abort()
        return False

    # -- between processes

    async def _pause(self, exit_code: int | None, reason: str) -> None:
        decision = self._policy.ended(exit_code, time.monotonic(), random.random())
        what = self.last_end = reason or describe_exit(exit_code)
        said, self._said = self._said, None
        name = self.worker.name
        match decision.verdict:
            case Verdict.BACKOFF:
                self._move(WorkerState.BACKOFF, f"{what}; starting again")
                text = f"The worker {name} has ended and is started again: {what}."
                self._health.report("worker_restarting", text, f"If it goes on, see `channeld logs {name}`.", name)
            case Verdict.FAILED:
                self._move(WorkerState.FAILED, f"{what}; it keeps ending, so the next try is in 15 minutes")
                self._give_up("worker_failed", f"The worker {name} keeps ending: {what}.", said)
            case Verdict.BLOCKED:
                self._move(WorkerState.BLOCKED, what)
                self._give_up("worker_blocked", f"The worker {name} has stopped: {what}.", said)
        log.warning("worker_waits", worker=name, state=self.state, delay_s=decision.delay_s, reason=what)
        try:
            await asyncio.wait_for(self._wanted.wait(), decision.delay_s)
        except TimeoutError:
            pass

    def _give_up(self, code: str, text: str, said: Trouble | None) -> None:
        """Report a worker that does not run any more, in place of all that was reported of it."""
        name = self.worker.name
        hint = f"See `channeld logs {name}`, mend the cause, then `channeld restart {name}`."
        if said is not None:  # the cause in the worker's own words is worth more than its exit status
            text, hint = f"{text} {said.text}", f"{said.hint} Then `channeld restart {name}`."
        self._health.clear_subject(name)
        self._health.report(code, text, hint, name)

    def _trouble(self, trouble: Trouble) -> None:
        """The platform's side: shown as an issue until the worker takes it back or is ready anew."""
        code = f"platform_{trouble.code}"[:64]  # whatever it says, it passes for none of our own
        if trouble.text:
            self._said = Trouble(code=code, text=trouble.text[:300], hint=trouble.hint[:300])
            self._health.report(code, self._said.text, self._said.hint, self.worker.name)
        else:
            self._said = None
            self._health.clear(code, self.worker.name)

    def _move(self, state: WorkerState, detail: str = "") -> None:
        if state is self.state:
            return
        assert state in WORKER_TRANSITIONS[self.state], f"{self.worker.name}: {self.state} to {state}"
        self.state, self.detail, self.since = state, detail, time.time()
        self._moved.set()
        log.info("worker_state", worker=self.worker.name, state=state, detail=detail)

    def snapshot(self) -> dict[str, Any]:
        """Return what ``status`` shows of this worker."""
        link = self.link
        return {
            "name": self.worker.name, "platform": self.worker.platform, "state": str(self.state),
            "detail": self.detail, "account": link.account if link else None, "pid": self.pid,
            "since": self.since, "starts": self.starts, "last_end": self.last_end,
        }  # fmt: skip
