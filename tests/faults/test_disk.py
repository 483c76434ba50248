"""A mailbox whose disk is full, or that cannot be written or read: real file systems."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.daemon import TIMEOUT_S
from tests.faults.bot_flow import QuickTelegram, bot_scene
from tests.faults.flow import Scene, scene
from tests.faults.nursery import Nursery, QuickDaemon

SMALL_DISK = (
    'cd "$CHANNELD_HOME"; cp state/channeld.db begin.db; mount -t tmpfs -o size=8m,mode=700 tmpfs state; '
    "cp begin.db state/channeld.db"
)
READ_ONLY_FILE = 'db="$CHANNELD_HOME/state/channeld.db"; mount --bind "$db" "$db"; mount -o remount,bind,ro "$db"'
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


class WalledDaemon(QuickDaemon):
    """A daemon in a mount namespace of its own, in which a script is run first."""

    script = ""

    async def start(self, *, wait: bool = True) -> None:
        """Start the process; with ``wait`` return when it answers."""
        await self.list_senders()
        program = [sys.executable, "-P", "-m", "channeld.daemon"]
        argv = [*NAMESPACE, "sh", "-e", "-c", f'{self.script}; exec "$@"', "sh", *program]
        with self.error_log.open("ab") as errors:
            self.process = await asyncio.create_subprocess_exec(*argv, env=self.environment, stderr=errors)
        if wait:
            await self.status_where(lambda status: True)

    def inside(self, path: Path) -> Path:
        """Return a path as the daemon sees it."""
        return Path(f"/proc/{self.pid}/root{path}")

    def log(self) -> str:
        """Return the daemon's log."""
        return self.inside(self.paths.log / "channeld.log").read_text()


class SmallDisk(WalledDaemon):
    """A daemon whose state lies on a disk that a test can fill."""

    script = SMALL_DISK

    @property
    def _ballast(self) -> Path:
        return self.inside(self.paths.state / "ballast")

    def fill(self) -> None:
        """Leave no byte."""
        with contextlib.suppress(OSError), self._ballast.open("ab", buffering=0) as file:
            while file.write(b"x" * 4096):
                pass
        assert os.statvfs(self._ballast).f_bavail == 0

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink()


@pytest.fixture(autouse=True, scope="module")
def _may_mount() -> None:
    if subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody but root make a mount namespace")


@contextlib.asynccontextmanager
async def small_disk(nursery: Nursery) -> AsyncIterator[tuple[Scene, SmallDisk]]:
    """Start a scene on a small disk, with a session that has been written to."""
    async with scene(nursery, kind=SmallDisk) as s:
        assert isinstance(s.daemon, SmallDisk)
        await s.attach()
        s.platform.say("a1", "b1")
        await s.settle()
        yield s, s.daemon


async def test_a_full_disk_refuses_and_loses_nothing(nursery: Nursery):
    """Offers are to be repeated, status says why, a reply is refused; with room again everything goes on by itself."""
    async with small_disk(nursery) as (s, daemon):
        daemon.fill()
        s.platform.say("a2", "b2")
        await s.platform.until(lambda: len(s.platform.refusals) == 2)
        assert {(refused.code, refused.retry) for refused in s.platform.refusals} == {("disk_full", True)}
        assert all("is full" in refused.text and "Free some space" in refused.text for refused in s.platform.refusals)
        status = await daemon.ask("status")
        assert [(issue["code"], issue["severity"]) for issue in status["health"]] == [("disk_full", "error")]
        assert status["events"] == {"delivered": 2}
        text, is_error = await s.call("reply", "toolu_1", chat_id="pager:a", text="hi")
        assert is_error
        assert "is full" in text
        daemon.free()
        s.platform.offer_again()
        await s.settle()
        assert not (await s.call("reply", "toolu_2", chat_id="pager:a", text="hi"))[1]
        assert s.platform.times_posted("hi") == 1
        await s.check_inbound()
        await s.check_one_session()
        assert (await daemon.ask("status"))["health"] == []


class SmallTelegram(QuickTelegram, SmallDisk):
    """The same with Telegram's worker."""


async def test_what_was_offered_behind_what_the_disk_refused_does_not_pass_it(nursery: Nursery):
    """One poll brings three messages; there is no room for the first, and room again when the last one's turn comes."""
    async with bot_scene(nursery, kind=SmallTelegram) as s:
        assert isinstance(s.daemon, SmallTelegram)
        s.daemon.fill()
        refused, looked = s.points.arm("store.before_commit"), s.points.arm("store.before_commit", 2)
        s.write("first", "yes abcde", "last")  # what may be a verdict is looked up when the first one's fate is known
        (await s.stand(refused)).release()
        at = await s.stand(looked)
        s.daemon.free()
        at.release()
        await s.settle()
        assert [telling.text for telling in s.told()] == ["first", "yes abcde", "last"]


async def test_a_full_disk_outlasts_a_worker(nursery: Nursery):
    """A worker that starts while nothing can be written is served as soon as there is room; the daemon stays."""
    async with small_disk(nursery) as (s, daemon):
        pid = daemon.pid
        daemon.fill()
        await s.kill("worker")
        await daemon.status_where(lambda status: status["workers"][0]["state"] == "ready")
        s.platform.say("a2")
        await s.platform.until(lambda: s.platform.refusals)
        await daemon.ask("status")  # by now its start has been tried, too
        daemon.free()
        s.platform.offer_again()
        await s.settle()
        assert not (await s.call("reply", "toolu_1", chat_id="pager:a", text="hi"))[1]
        assert daemon.pid == pid
        await s.check_inbound()
        await s.check_one_session()


async def test_what_was_read_while_the_disk_was_full_is_confirmed_later(nursery: Nursery):
    """Confirmations that cannot be written are asked for again; the event is not pushed twice."""
    async with small_disk(nursery) as (s, daemon):
        s.client.pause_pings()
        s.platform.say("a2", "b2")
        await daemon.events_where(delivered=2, pushed=2)
        daemon.fill()
        await s.client.resume_pings()
        await daemon.status_where(lambda status: "session_task_failed" in daemon.log() or status["health"])
        daemon.free()
        await s.settle()
        await s.check_inbound()
        await s.check_one_session()
        assert len(s.told()) == 4


async def test_an_outcome_reported_while_the_disk_was_full_is_recorded_later(nursery: Nursery):
    """The platform has the message: its id must not be forgotten, nor the message sent again."""
    async with small_disk(nursery) as (s, daemon):
        s.platform.answers_sends = False
        running = asyncio.create_task(s.call("reply", "toolu_1", chat_id="pager:a", text="hi"))
        await s.platform.until(lambda: s.platform.sends)
        daemon.fill()
        (part,) = s.platform.sends
        life = s.platform.life
        assert life is not None
        s.platform.carry_out(life, part)
        s.platform.say("a2")
        await s.platform.until(lambda: s.platform.refusals)
        daemon.free()
        assert await running == (f"sent (id: p-{part.send_id})", False)
        assert len(s.platform.sends) == 1
        await s.check_one_session()


async def ends_with(daemon: QuickDaemon) -> str:
    """Start a daemon that cannot; return what it says as it ends with status 1."""
    await daemon.start(wait=False)
    assert daemon.process is not None
    try:
        assert await asyncio.wait_for(daemon.process.wait(), TIMEOUT_S) == 1
    finally:
        await daemon.kill()
    return daemon.error_log.read_text()


async def test_a_mailbox_that_cannot_be_written_stops_the_daemon_with_a_sentence(nursery: Nursery):
    """The daemon ends at once, says which file and what to do, and the file is as it was."""
    daemon = WalledDaemon(nursery, "")
    try:
        await QuickDaemon.start(daemon)
        await daemon.kill()
        before = daemon.paths.database.read_bytes()
        daemon.script = READ_ONLY_FILE
        said = await ends_with(daemon)
        assert said == (
            f"Error: The mailbox {daemon.paths.database} cannot be written.\n"
            "Try: Make the file and its folder writable for this user; channeld goes on by itself.\n"
        )
        assert daemon.paths.database.read_bytes() == before
    finally:
        daemon.remove()


async def test_a_damaged_mailbox_stops_the_daemon_with_a_sentence(nursery: Nursery):
    """The daemon ends at once, says how to rescue what is in the file, and does not touch it."""
    daemon = QuickDaemon(nursery, "")
    try:
        await daemon.start()
        await daemon.kill()
        for rest in daemon.paths.state.glob("channeld.db-*"):
            rest.unlink()
        garbage = b"this was a mailbox" * 1000
        daemon.paths.database.write_bytes(garbage)
        said = await ends_with(daemon)
        assert said.startswith(f"Error: The mailbox {daemon.paths.database} is damaged")
        assert "sqlite3 channeld.db .recover" in said
        assert daemon.paths.database.read_bytes() == garbage
    finally:
        daemon.remove()
