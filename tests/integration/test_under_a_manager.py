"""The daemon as a service manager sees it, with the test in the manager's place at the other end of the socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.doubles.daemon import Daemon


class Manager:
    """The manager's end: everything that it was told, field by field."""

    def __init__(self, listening: socket.socket, address: str) -> None:
        self.address = address
        self.told: list[dict[str, str]] = []
        self._listening, self._news = listening, asyncio.Event()
        asyncio.get_running_loop().add_reader(listening, self._hear)

    def _hear(self) -> None:
        self.told.append(dict(line.split("=", 1) for line in self._listening.recv(4096).decode().splitlines()))
        self._news.set()

    async def until(self, field: str, value: str = "", after: int = 0) -> int:
        """Return when a field with that in it was told, and as which one of all."""
        while True:
            for place, each in enumerate(self.told[after:], after):
                if field in each and value in each[field]:
                    return place
            self._news.clear()
            await self._news.wait()


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    """Be the manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.setblocking(False)
        listening.bind(str(tmp_path / "notify"))
        yield Manager(listening, str(tmp_path / "notify"))
        asyncio.get_running_loop().remove_reader(listening)


def wait_stopped(pid: int) -> None:
    """Return when a process stands still, as proc(5) has it."""
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        time.sleep(0.01)


def environment_of(pid: int) -> bytes:
    """Return what a process was started with."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def sockets_of(pid: int) -> set[str]:
    """Return the sockets that a process has open, as the kernel names them."""
    found = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(os.readlink(file))
    return {name for name in found if name.startswith("socket:")}


async def test_it_is_ready_when_it_answers_beats_while_it_lives_and_says_that_it_stops(manager, pager):
    """In that order; and its workers know nothing of the manager."""
    daemon = Daemon(pager.config)
    daemon.environment |= {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "300000"}
    async with daemon:
        life = await pager.life()
        await life.begin(account="@pager_bot")
        ready = await manager.until("READY")
        assert (await daemon.ask("status"))["daemon"]["pid"]
        await manager.until("WATCHDOG", after=await manager.until("STATUS", "1 of 1 workers connected", after=ready))
        assert b"NOTIFY_SOCKET" not in environment_of(life.pid)
        os.kill(daemon.pid, signal.SIGTERM)  # as it does
        stopping = await manager.until("STOPPING", after=ready)
    assert not any("WATCHDOG" in each for each in (*manager.told[:ready], *manager.told[stopping:]))


async def test_a_daemon_whose_loop_stands_still_does_not_beat(manager, pager):
    """So the manager ends it and starts another, which finds everything on disk."""
    daemon = Daemon(pager.config)
    daemon.environment |= {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "60000"}
    async with daemon:
        await manager.until("WATCHDOG")
        os.kill(daemon.pid, signal.SIGSTOP)
        await asyncio.to_thread(wait_stopped, daemon.pid)
        await asyncio.sleep(0.1)  # what it told before is read
        told = len(manager.told)
        await asyncio.sleep(0.3)
        assert len(manager.told) == told, "it beats while it stands still"
        os.kill(daemon.pid, signal.SIGCONT)
        await manager.until("WATCHDOG", after=told)


PASSED = """
import os, socket, sys
with socket.socket(socket.AF_UNIX) as manager:
    manager.connect(sys.argv[1])
    _, passed, _, _ = socket.recv_fds(manager, 1, 2)
for number, each in enumerate(passed):
    os.dup2(each, 50 + number)
for number in (3, 4):
    os.dup2(47 + number, number)
os.closerange(5, 60)
os.environ |= {"LISTEN_FDS": "2", "LISTEN_PID": str(os.getpid()), "LISTEN_FDNAMES": "a:b"}
os.execv(sys.executable, [sys.executable, "-P", "-m", "channeld.daemon"])
"""
"""A daemon that has sockets passed on to it: see sd_listen_fds(3)."""


@contextlib.contextmanager
def listening_at(path: Path) -> Iterator[socket.socket]:
    """Listen."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        listening.settimeout(10)
        yield listening


async def test_sockets_of_the_managers_are_served_and_kept_and_the_workers_know_nothing_of_them(pager):
    """After the daemon's end they listen still, and a command that only looks leaves them in peace."""
    daemon = Daemon(pager.config)
    paths = daemon.paths
    paths.run.mkdir(mode=0o700)
    with (
        listening_at(paths.run / "manager") as manager,
        listening_at(paths.session_socket) as sessions,
        listening_at(paths.control_socket) as control,
    ):

        def pass_on() -> None:
            with manager.accept()[0] as child:
                socket.send_fds(child, [b" "], [sessions.fileno(), control.fileno()])

        daemon._program = ["-c", PASSED, str(paths.run / "manager")]
        passing = asyncio.create_task(asyncio.to_thread(pass_on))
        async with daemon:
            await passing
            async with daemon.client():
                pass
            life = await pager.life()
            await life.begin(account="@pager_bot")
            await daemon.status_where(lambda status: status["workers"][0]["state"] == "ready")
            assert b"LISTEN_" not in environment_of(life.pid)
            ours = {f"socket:[{os.fstat(each.fileno()).st_ino}]" for each in (sessions, control)}
            assert ours <= sockets_of(daemon.pid)
            assert not ours & sockets_of(life.pid)
            life.close()
            assert await daemon.stop() == 0
            assert (await asyncio.to_thread(daemon.cli, "status")).returncode == 3
            for each, path in ((sessions, paths.session_socket), (control, paths.control_socket)):
                each.setblocking(False)
                with pytest.raises(BlockingIOError):
                    each.accept()  # nobody has knocked
                with socket.socket(socket.AF_UNIX) as next_one:
                    next_one.connect(str(path))


def test_the_journal_gets_json_with_its_priority(tmp_path):
    """Nothing else that stderr may be does: a log of ours is in its file."""
    code = (
        "import pathlib, sys, structlog; from channeld.daemon import log;"
        "log.configure('info', pathlib.Path(sys.argv[1]));"
        "one = structlog.get_logger(); one.info('began', pid=7); one.warning('odd'); one.error('bad')"
    )
    said = {}
    for place in ("journal", "elsewhere"):
        with open(tmp_path / place, "w+", encoding="utf-8") as stream:
            at = os.fstat(stream.fileno())
            named = f"{at.st_dev}:{at.st_ino}" if place == "journal" else f"{at.st_dev}:1"
            subprocess.run(
                [sys.executable, "-c", code, str(tmp_path / "log")], check=True, stderr=stream,
                env={**os.environ, "JOURNAL_STREAM": named},
            )  # fmt: skip
            stream.seek(0)
            said[place] = stream.read().splitlines()
    assert [(line[:3], json.loads(line[3:])["event"]) for line in said["journal"]] == [
        ("<6>", "began"), ("<4>", "odd"), ("<3>", "bad"),
    ]  # fmt: skip
    assert said["elsewhere"] == []
