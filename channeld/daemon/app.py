"""The composition root: builds the long-lived parts, wires them, and decides when the daemon ends."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, Final

import structlog

from channeld import __version__
from channeld.config import Config, load
from channeld.core.errors import ChanneldError, Refused, StoreUnavailable
from channeld.daemon.control import Command, ControlServer
from channeld.daemon.health import Health, Issue, Severity
from channeld.daemon.router import Router
from channeld.daemon.sessions import Sessions
from channeld.daemon.sockets import listen, serve
from channeld.daemon.spool import Spool
from channeld.daemon.supervisor import Limits, Supervisor
from channeld.daemon.tools import Toolbox
from channeld.paths import Paths, make_private
from channeld.store.db import Database
from channeld.store.mailbox import Mailbox
from channeld.store.outbox import Outbox
from channeld.store.retention import Retention
from channeld.store.sequence import Sequence
from channeld.store.timeline import Timeline

log = structlog.get_logger()
_RETENTION_EVERY_S: Final = 6 * 3600.0
_DAY_S: Final = 86400.0
_READY_WAIT_S: Final = 10.0


class AlreadyRunning(ChanneldError):
    """Another daemon holds this place."""

    code = "already_running"


def take_lock(paths: Paths) -> int:
    """Hold the place for one daemon; returns the descriptor that holds it.

    Raises:
        AlreadyRunning: another daemon does.
    """
    make_private(paths.run)
    descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise AlreadyRunning(
            f"channeld is already running here (pid {pid}).", hint="See `channeld status`, or `channeld stop` it first."
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


class App:
    """The daemon."""

    def __init__(self, paths: Paths, config: Config, limits: Limits) -> None:
        self._paths, self._config = paths, config
        self._started_at = time.time()
        self._stop = asyncio.Event()
        self._health = Health()
        self._database = Database(paths.database)
        sequence = Sequence()
        self._mailbox = Mailbox(self._database, sequence)
        self._outbox = Outbox(self._database, sequence)
        self._timeline = Timeline(self._database)
        self._retention = Retention(self._database, sequence)
        self._spool = Spool.at(
            paths.spool,
            home=str(Path.home().resolve()),  # the rules are applied to paths without links
            own=[str(folder.resolve()) for folder in (paths.config, paths.state, paths.run)],
            inbox=str(paths.inbox.resolve()),
        )
        self._router = Router(self._mailbox, self._outbox, self._timeline, self._health, config.sessions.default)
        workers = [worker for worker in config.worker_list() if worker.enabled]
        self._platforms = {worker.name: worker.platform for worker in workers}
        toolbox = Toolbox(self._router, self._mailbox, self._outbox, self._timeline, self._spool, self._platforms)
        self._sessions = Sessions(self._router, toolbox, workers)
        self._supervisors = {
            worker.name: Supervisor(worker, paths, self._router, self._health, limits) for worker in workers
        }
        self._control = ControlServer(self._commands())

    async def run(self) -> None:
        """Run until a signal or ``channeld stop``.

        Raises:
            ChanneldError: it cannot start, or an essential part has died.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self._database.open()
        try:
            await self._sessions.resume(await self._mailbox.living_instances())
            essential = [
                self._essential("router", self._router.run()),
                self._essential("control", serve(listen(self._paths.control_socket), self._control.accept)),
                self._essential("sessions", serve(listen(self._paths.session_socket), self._sessions.accept)),
                self._essential("retention", self._keep_small()),
            ]
            workers = [
                self._essential(f"worker {name}", supervisor.run()) for name, supervisor in self._supervisors.items()
            ]
            log.info("daemon_started", pid=os.getpid(), version=__version__)
            stop = asyncio.create_task(self._stop.wait())
            await asyncio.wait({stop, *essential, *workers}, return_when=asyncio.FIRST_COMPLETED)
            log.info("daemon_stopping")
            stop.cancel()
            for supervisor in self._supervisors.values():
                supervisor.stop()
            await asyncio.wait(workers or {stop})
            for task in essential:
                task.cancel()
            self._sessions.close()
            self._control.close()
            await asyncio.sleep(0)  # let what was written leave
            for task in (*essential, *workers):
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    raise ChanneldError(f"The {task.get_name()} has died: {error!r}.", hint="See `channeld logs`.")
        finally:
            await self._database.close()
            for path in (self._paths.control_socket, self._paths.session_socket):
                path.unlink(missing_ok=True)
        log.info("daemon_stopped")

    def _essential(self, name: str, work: Awaitable[None]) -> asyncio.Task[None]:
        """Start a part without which the daemon must not go on: its end is the daemon's.

        Whoever starts the daemon again finds everything on disk.
        """

        async def run() -> None:
            await work

        return asyncio.create_task(run(), name=name)

    async def _keep_small(self) -> None:
        limits = self._config.retention
        while True:
            try:
                files = await self._retention.apply(
                    keep_s=limits.days * _DAY_S, max_bytes=limits.max_mb * 1_000_000, now=time.time()
                )
                folders = (self._paths.inbox, self._paths.spool)
                await asyncio.to_thread(_remove_files, files, folders)
                # A crash between a copy and its acceptance leaves a file that no message refers to.
                stray = await asyncio.to_thread(_old_files, folders, time.time() - _DAY_S)
                if stray:
                    used = await self._retention.files_in_use()
                    await asyncio.to_thread(_remove_files, [file for file in stray if file not in used], folders)
            except StoreUnavailable as trouble:
                self._health.report(Issue(trouble.code, Severity.ERROR, str(trouble), trouble.hint), "store")
            except OSError as error:  # somebody's hand in our folders: tidying up can wait
                log.warning("files_not_removed", error=str(error))
            await asyncio.sleep(_RETENTION_EVERY_S)

    # -- commands

    def _commands(self) -> dict[str, Command]:
        return {
            "status": self._status,
            "sessions": self._list_sessions,
            "messages": self._messages,
            "restart": self._restart,
            "stop": self._stop_command,
            "url": self._url,
        }

    async def _status(self, args: dict[str, Any]) -> dict[str, Any]:
        try:
            events = await self._mailbox.counts()
            waiting = await self._mailbox.waiting()
            parts = await self._outbox.counts()
        except StoreUnavailable as trouble:
            self._health.report(Issue(trouble.code, Severity.ERROR, str(trouble), trouble.hint), "store")
            events, waiting, parts = {}, [], []
        return {
            "daemon": {
                "version": __version__, "pid": os.getpid(), "started_at": self._started_at,
                "config": str(self._paths.config_file), "state": str(self._paths.state),
            },
            "health": self._health.issues(),
            "workers": [supervisor.snapshot() for supervisor in self._supervisors.values()],
            "sessions": self._described_sessions(),
            "events": events,
            "waiting": [{"chat": chat, "count": count, "since": since} for chat, count, since in waiting],
            "outbox": [{"worker": worker, "state": state, "count": count} for worker, state, count in parts],
        }  # fmt: skip

    async def _list_sessions(self, args: dict[str, Any]) -> dict[str, Any]:
        return {"sessions": self._described_sessions()}

    def _described_sessions(self) -> list[dict[str, Any]]:
        target = self._router.target()
        return [
            {**session, "default": target is not None and target.instance == session["instance"]}
            for session in self._sessions.snapshot()
        ]

    async def _messages(self, args: dict[str, Any]) -> dict[str, Any]:
        chat, limit = args.get("chat"), args.get("limit", 50)
        if not isinstance(limit, int) or (chat is not None and not isinstance(chat, str)):
            raise Refused("chat is a string and limit a number.")
        if chat is None:
            return {"messages": await self._timeline.latest(limit)}
        return {"messages": (await self._timeline.history(chat, limit=limit))[0]}

    async def _restart(self, args: dict[str, Any]) -> dict[str, Any]:
        name = args.get("worker")
        supervisor = self._supervisors.get(name) if isinstance(name, str) else None
        if supervisor is None:
            raise Refused(f"There is no worker {name!r}.", hint=f"There are: {', '.join(self._supervisors) or 'none'}.")
        # Anew from the file: what a person mends before a restart is mostly there.
        declared = {worker.name: worker for worker in load(self._paths.config_file).worker_list()}
        if supervisor.worker.name in declared:
            supervisor.worker = declared[supervisor.worker.name]
        supervisor.restart()
        return {"restarting": name}

    async def _stop_command(self, args: dict[str, Any]) -> dict[str, Any]:
        if not args.get("again"):
            self._paths.stopped.touch(mode=0o600)
        asyncio.get_running_loop().call_soon(self._stop.set)
        return {"pid": os.getpid()}

    async def _url(self, args: dict[str, Any]) -> dict[str, Any]:
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


def _remove_files(files: list[str], folders: tuple[Path, ...]) -> None:
    """Remove files that no message refers to any more, if they are ours; what else lies there is left alone."""
    for file in map(Path, files):
        if file.parent in folders and (file.is_file() or file.is_symlink()):
            file.unlink(missing_ok=True)


def _old_files(folders: tuple[Path, ...], before: float) -> list[str]:
    """Return the files in these folders that were last changed before a moment."""
    found = []
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    old = entry.stat(follow_symlinks=False).st_mtime < before
                except FileNotFoundError:  # a worker removed it just now
                    continue
                if old and not entry.is_dir(follow_symlinks=False):
                    found.append(entry.path)
    return found


def start(paths: Paths, limits: Limits | None = None) -> None:
    """Run the daemon in this process until it ends.

    Raises:
        ChanneldError: with what to do about it.
    """
    import uvloop  # noqa: PLC0415 - slow to import, and of no use before the lock is ours

    from channeld.daemon import log as logging  # noqa: PLC0415

    config = load(paths.config_file)
    for folder in (paths.config, paths.credentials, paths.state, paths.run, paths.log, paths.inbox, paths.spool):
        make_private(folder)
    lock = take_lock(paths)
    paths.stopped.unlink(missing_ok=True)
    try:
        logging.configure(config.daemon.log_level, paths.log / "channeld.log")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(App(paths, config, limits or Limits()).run())
    finally:
        os.close(lock)
