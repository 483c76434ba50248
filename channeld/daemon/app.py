"""The composition root: builds the long-lived parts, wires them, and decides when the daemon ends."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

import structlog

from channeld import __version__
from channeld.config import Config, load
from channeld.core.errors import ChanneldError
from channeld.core.lifecycle import WorkerState
from channeld.daemon.access import Access
from channeld.daemon.access_commands import AccessCommands
from channeld.daemon.asking import Asking
from channeld.daemon.binding_commands import BindingCommands
from channeld.daemon.bindings import Bindings
from channeld.daemon.chat_desk import ChatDesk
from channeld.daemon.commands import Commands
from channeld.daemon.control import ControlServer
from channeld.daemon.guard import Guard
from channeld.daemon.health import Health
from channeld.daemon.hooks import Hooks
from channeld.daemon.housekeeping import keep_small
from channeld.daemon.interview import Interview
from channeld.daemon.limits import Limits
from channeld.daemon.lookout import Lookout
from channeld.daemon.notices import Notices
from channeld.daemon.outgoing import Outgoing
from channeld.daemon.pairing_dialog import PairingDialog
from channeld.daemon.prompt_commands import PromptCommands
from channeld.daemon.prompts import Prompts
from channeld.daemon.relay import Relay
from channeld.daemon.router import Router
from channeld.daemon.service_manager import ServiceManager, take_passed
from channeld.daemon.sessions import Sessions
from channeld.daemon.sockets import Entrance, open_entrances, serve, take_given
from channeld.daemon.spool import Spool
from channeld.daemon.supervisor import Supervisor
from channeld.daemon.switchboard import Switchboard
from channeld.daemon.tools import Toolbox
from channeld.daemon.turnkeeper import Turnkeeper
from channeld.daemon.waiting import Waiting
from channeld.paths import Paths, make_all, make_private, unusable
from channeld.store.access import AccessList
from channeld.store.bindings import BindingList
from channeld.store.db import Database
from channeld.store.holds import Holds
from channeld.store.incomplete import Incomplete
from channeld.store.mailbox import Mailbox
from channeld.store.marks import Marks
from channeld.store.outbox import Outbox
from channeld.store.prompts import PromptStore
from channeld.store.retention import Retention
from channeld.store.sequence import Sequence
from channeld.store.timeline import Timeline
from channeld.store.turns import Turnbook

log = structlog.get_logger()
_LOOKS: Final = 10
_LOOK_S: Final = 0.02
"""Between two looks whether the lock is free."""


class AlreadyRunning(ChanneldError):
    """Another daemon holds this place."""

    code = "already_running"


def take_lock(paths: Paths) -> int:
    """Hold the place for one daemon; returns the descriptor that holds it.

    Raises:
        AlreadyRunning: another daemon does.
        ConfigError: the folder cannot be used.
    """
    make_private(paths.run)
    try:
        descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:  # the file is somebody else's, though the folder is ours
        raise unusable(paths.lock, error) from None
    if not _lock(descriptor):
        pid = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
        os.close(descriptor)
        raise AlreadyRunning(
            f"channeld is already running here (pid {pid}).", hint="See `channeld status`, or `channeld stop` it first."
        )
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _lock(descriptor: int) -> bool:
    """Lock a file, and tell whether that went; a command that looks whether it is locked holds it for a moment."""
    for _ in range(_LOOKS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK_S)
        else:
            return True
    return False


class App:
    """The daemon.

    Args:
        paths: where everything lies.
        config: what the operator wants.
        limits: deadlines.
        manager: who started this process, if that waits to hear from it.
        given: sockets that listen already, by path.
    """

    def __init__(
        self,
        paths: Paths,
        config: Config,
        limits: Limits,
        manager: ServiceManager,
        given: dict[str, socket.socket] | None = None,
    ) -> None:
        self._given = given or {}
        self._paths, self._config, self._manager = paths, config, manager
        self._stop = asyncio.Event()
        self._health = Health()
        self._database = Database(paths.database)
        sequence = Sequence()
        self._mailbox = Mailbox(self._database, sequence)
        self._outbox = Outbox(self._database, sequence)
        self._timeline = Timeline(self._database)
        self._retention = Retention(self._database, sequence)
        inbox = str(paths.inbox.resolve())
        spool = Spool.at(
            paths.spool,
            home=str(Path.home().resolve()),  # the rules are applied to paths without links
            own=[str(folder.resolve()) for folder in (paths.config, paths.state, paths.run)],
            inbox=inbox,
        )
        turnbook = Turnbook(self._database)
        workers = [worker for worker in config.worker_list() if worker.enabled]
        notices = Notices(self._timeline)
        self._access = access = Access(AccessList(self._database), workers, notices)
        prompts = Prompts(PromptStore(self._database), access, notices)
        self._waiting = Waiting(
            Holds(self._database), prompts, notices, access, stale_after_s=config.delivery.stale_after_s,
            holds_chatters=config.permissions.unattended_chatters == "hold", told_after_s=limits.told_after_s,
            gone_after_s=limits.gone_after_s,
        )  # fmt: skip
        self._bindings = Bindings(BindingList(self._database))
        lookout = Lookout(
            notices, self._waiting, self._bindings, config.sessions.default,
            waits_for_turns=config.delivery.busy == "wait",
        )  # fmt: skip
        self._waiting.target, self._waiting.busy, self._waiting.gone_since = (
            lookout.target, lookout.busy, lookout.gone_since
        )  # fmt: skip
        desk = ChatDesk(self._mailbox, notices, access, prompts, self._waiting, lookout, self._bindings)
        self._router = Router(
            self._mailbox, self._outbox, turnbook, self._health, lookout, notices, access, desk, self._waiting,
            Incomplete(self._database),
        )  # fmt: skip
        board = Switchboard(
            self._router, self._mailbox, self._timeline, access, prompts, Marks(self._database), self._bindings
        )
        platforms = {worker.name: worker.platform for worker in workers}
        outgoing = Outgoing(self._router.outbound, spool, platforms, board.capabilities)
        self._turnkeeper = Turnkeeper(
            self._router, turnbook, outgoing, limits, sends_unreplied=config.delivery.unreplied == "send"
        )
        self._bindings.changed = self._router.bindings_changed
        self._router.session_pushed = self._turnkeeper.look_soon
        self._turnkeeper.went_deaf = self._waiting.went_deaf
        relay = Relay(
            prompts, notices, access, spool, mode=config.permissions.relay, inbox=inbox, matching_s=limits.matching_s,
            session_of=self._router.sessions.get,
        )  # fmt: skip
        interview = Interview(prompts, notices, access, spool, config.permissions.question_timeout)
        pairing = PairingDialog(
            access, prompts, target=lookout.target, at_dialog=relay.at_dialog,
            in_terminal=config.permissions.pairing_dialog,
        )  # fmt: skip
        self._asking = Asking(prompts, relay, interview, pairing)
        self._router.session_gone = self._turnkeeper.session_ended
        self._turnkeeper.has_dialog = self._asking.has_dialog
        self._turnkeeper.turn_over = self._asking.turn_ended
        hooks = Hooks(self._turnkeeper, self._asking)
        toolbox = Toolbox(self._router, outgoing, hooks, self._mailbox, self._outbox, self._timeline, access)
        self._sessions = Sessions(self._router, toolbox, self._asking, workers)
        self._supervisors = {worker.name: Supervisor(worker, paths, board, self._health, limits) for worker in workers}
        commands = Commands(
            paths, self._health, self._router, self._sessions, self._supervisors, access, self._bindings,
            mailbox=self._mailbox, outbox=self._outbox, timeline=self._timeline, outgoing=outgoing,
            stop=self._stop_soon,
        )  # fmt: skip
        self._control = ControlServer(
            {
                **commands.table(),
                **AccessCommands(access, pairing).table(),
                **PromptCommands(prompts).table(),
                **BindingCommands(self._bindings, lookout, [worker.name for worker in config.worker_list()]).table(),
            },
            Guard(self._sessions.processes),
        )

    async def run(self) -> None:
        """Run until a signal or ``channeld stop``.

        Raises:
            ChanneldError: it cannot start, or an essential part has died.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        await self._database.open()
        entrances: list[Entrance] = []
        try:
            await self._access.start()
            await self._bindings.start()
            await self._asking.start()
            await self._sessions.resume(await self._mailbox.living_instances())
            entrances = open_entrances((self._paths.control_socket, self._paths.session_socket), self._given)
            accepting = [
                self._essential(name, serve(entrance.listening, accept))
                for entrance, name, accept in zip(
                    entrances, ("control", "sessions"), (self._control.accept, self._sessions.accept), strict=True
                )
            ]
            essential = [
                *accepting,
                self._essential("router", self._router.run()),
                self._essential("turns", self._turnkeeper.run()),
                self._essential("waiting", self._waiting.run()),
                self._essential("completion", self._router.fetching.run()),
                self._essential(
                    "housekeeping", keep_small(self._retention, self._config.retention, self._paths, self._health)
                ),
            ]
            workers = [
                self._essential(f"worker {name}", supervisor.run()) for name, supervisor in self._supervisors.items()
            ]
            essential.append(self._essential("service manager", self._manager.watch(self._store_answers, self._line)))
            self._manager.ready()
            log.info("daemon_started", pid=os.getpid(), version=__version__)
            stop = asyncio.create_task(self._stop.wait())
            await asyncio.wait({stop, *essential, *workers}, return_when=asyncio.FIRST_COMPLETED)
            self._manager.stopping()
            log.info("daemon_stopping")
            stop.cancel()
            for entrance, task in zip(entrances, accepting, strict=True):
                if entrance.is_given:  # who comes now waits for the next daemon
                    task.cancel()
            for supervisor in self._supervisors.values():
                supervisor.stop()
            await asyncio.wait(workers or {stop})
            for task in essential:
                task.cancel()
            self._sessions.close()
            self._router.lookout.close()
            self._asking.close()
            self._control.close()
            await asyncio.sleep(0)  # let what was written leave
            for task in (*essential, *workers):
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    raise ChanneldError(f"The {task.get_name()} has died: {error!r}.", hint="See `channeld logs`.")
        finally:
            await self._database.close()
            for entrance in entrances:
                entrance.close()
        log.info("daemon_stopped")

    async def _store_answers(self) -> None:
        """Return when the store's thread has done all that was asked of it before."""
        await self._database.submit(lambda connection: None)

    def _line(self) -> str:
        """Return how the daemon is, in a line."""
        connected = sum(each.state is WorkerState.READY for each in self._supervisors.values())
        counts = f"{connected} of {len(self._supervisors)} workers connected, sessions: {len(self._router.sessions)}."
        trouble = next((report.text for report in self._health.reports()), "")
        return " ".join(f"{counts} {trouble}".split())

    def _stop_soon(self) -> None:
        """End after what is being answered now."""
        asyncio.get_running_loop().call_soon(self._stop.set)

    def _essential(self, name: str, work: Awaitable[None]) -> asyncio.Task[None]:
        """Start a part without which the daemon must not go on: its end is the daemon's.

        Whoever starts the daemon again finds everything on disk.
        """

        async def run() -> None:
            await work

        return asyncio.create_task(run(), name=name)


def start(paths: Paths, limits: Limits | None = None) -> None:
    """Run the daemon in this process until it ends.

    Raises:
        ChanneldError: with what to do about it.
    """
    import uvloop  # noqa: PLC0415 - slow to import, and of no use before the lock is ours

    from channeld.daemon import log as logging  # noqa: PLC0415

    manager = ServiceManager.take(os.environ)
    given = take_given(take_passed(os.environ, os.getpid()))
    config = load(paths.config_file)
    make_all(paths)
    lock = take_lock(paths)
    paths.stopped.unlink(missing_ok=True)
    try:
        try:
            logging.configure(config.daemon.log_level, log_file := paths.log / "channeld.log")
        except OSError as error:
            raise unusable(log_file, error) from None
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(App(paths, config, limits or Limits(), manager, given).run())
    finally:
        os.close(lock)
