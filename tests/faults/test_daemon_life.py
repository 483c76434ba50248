"""How a daemon comes, goes and comes again: restarts, rivals, workers that stop or are left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from channeld.core.lifecycle import ABORT_GRACE_S
from channeld.daemon.limits import Limits
from channeld.daemon.procwatch import start_time, wait_end
from tests.doubles.daemon import SHIM, TIMEOUT_S
from tests.doubles.mcp_client import McpClient
from tests.doubles.worker_end import Pager
from tests.faults.flow import scene
from tests.faults.nursery import Nursery, QuickDaemon

STARTING = [*SHIM, "--name", "main", "--listening", "yes"]


async def test_a_session_lives_through_daemon_after_daemon(nursery: Nursery):
    """The same client process goes on receiving and replying; nothing is lost or doubled in between."""
    async with scene(nursery) as s:
        await s.attach()
        for n in range(5):
            s.platform.say(f"a{n}", f"b{n}")
            if n % 2:
                await s.settle()
            await s.kill("daemon")
            assert (await s.call("session_event", f"event_{n}")) == ("{}", False)
        await s.settle()
        await s.check_inbound()
        assert not (await s.call("reply", "toolu_1", chat_id="pager:a", text="still here"))[1]
        assert s.platform.times_posted("still here") == 1
        await s.check_one_session()


async def test_a_late_answer_to_a_dead_daemons_ping_confirms_nothing(nursery: Nursery):
    """A client that answers an old ping has not thereby read what another daemon pushed."""
    async with scene(nursery) as s:
        await s.attach()
        s.client.pause_pings()
        s.platform.say("a1")
        await s.client.next_event()
        await s.daemon.events_where(pushed=1)
        await s.kill("daemon")
        await s.daemon.attached(s.client)
        assert await s.call("session_event", "event_1") == ("{}", False)  # behind the ping that was asked anew
        pings = [heard["id"] for heard in s.client.received if heard.get("method") == "ping"]
        old, new = [ping for ping in pings if not ping.startswith("channeld-ready")]  # those behind events
        await s.client.send({"jsonrpc": "2.0", "id": old, "result": {}})
        assert await s.call("session_event", "event_2") == ("{}", False)
        assert (await s.daemon.ask("status"))["events"] == {"pushed": 1}
        await s.client.send({"jsonrpc": "2.0", "id": new, "result": {}})
        await s.settle()
        assert len(s.told()) == 1


@pytest.mark.parametrize("nth", range(1, 7))
async def test_killed_while_a_call_waits_and_again_at_each_commit_of_the_restart(nursery: Nursery, nth):
    """However often the daemon dies, the call has one answer and the platform one message at most."""
    async with scene(nursery) as s:
        await s.attach()
        s.platform.say("a1")
        await s.settle()
        s.platform.answers_sends = False
        running = asyncio.create_task(s.call("reply", "toolu_1", chat_id="pager:a", text="hi"))
        await s.platform.until(lambda: s.platform.sends)
        await s.daemon.kill()
        commit = s.points.arm("store.before_commit", nth)
        await s.daemon.start(wait=False)
        # Jobs that wait together are committed together: there may be fewer commits than that.
        ends: set[asyncio.Future[Any]] = {commit, running}
        await asyncio.wait(ends, timeout=TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        await s.kill("daemon")
        text, is_error = await running
        assert is_error
        assert "may or may not have been sent" in text
        assert len(s.platform.sends) == 1
        answers = [heard for heard in s.client.received if "content" in heard.get("result", {})]
        assert len(answers) == 1
        await s.check_one_session()


async def test_of_two_daemons_one_says_that_the_other_runs(nursery: Nursery):
    """The later one exits with status 1 and a clear sentence, and does the first no harm."""
    async with scene(nursery) as s:
        await s.attach()
        rival = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "channeld.daemon", env=s.daemon.environment, stderr=asyncio.subprocess.PIPE
        )
        _, said = await asyncio.wait_for(rival.communicate(), TIMEOUT_S)
        assert rival.returncode == 1
        assert said.decode().startswith(f"Error: channeld is already running here (pid {s.daemon.pid}).\nTry: ")
        s.platform.say("a1")
        await s.settle()
        await s.check_one_session()


async def test_of_daemons_started_at_once_exactly_one_stays(nursery: Nursery):
    """Four start together in one place: three exit with status 1, and the one that stays serves."""
    async with Pager() as pager:
        place = QuickDaemon(nursery, pager.config)
        started: list[asyncio.subprocess.Process] = []
        try:
            for _ in range(4):
                await place.start(wait=False)
                assert place.process is not None
                started.append(place.process)
            await (await pager.life()).begin()
            winner = await holder(place)
            for process in started:
                if process.pid == winner:
                    place.process = process
                else:
                    assert await asyncio.wait_for(process.wait(), TIMEOUT_S) == 1
            assert (await place.ask("status"))["daemon"]["pid"] == winner
            said = place.error_log.read_text()
            assert said.count("Error: channeld is already running here") == said.count("Try: ") == 3
            assert place.log().count("daemon_started") == 1
        finally:
            for process in started:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            place.remove()


async def holder(place: QuickDaemon) -> int:
    """Return the pid of the daemon that serves a place; its other processes may have ended."""
    place.process = None
    return int((await place.status_where(lambda status: True))["daemon"]["pid"])


async def test_many_shims_that_find_no_daemon_start_one(nursery: Nursery):
    """Several sessions begin at once: every one is attached to the same single daemon."""
    place = QuickDaemon(nursery, "")
    try:
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(McpClient.spawn(STARTING, env=place.environment)) for _ in range(4)
            ]
            await asyncio.gather(*(client.initialize() for client in clients))
            status = await place.status_where(
                lambda status: (
                    {s["pid"] for s in status["sessions"] if s["state"] == "attached"}
                    == {client.process.pid for client in clients}
                )
            )
            assert int(place.paths.lock.read_text()) == status["daemon"]["pid"]
            assert place.log().count("daemon_started") == 1
    finally:
        for pid in daemons_of(place):
            ticks = start_time(pid)
            if ticks is not None:
                os.kill(pid, signal.SIGTERM)
                await asyncio.wait_for(wait_end(pid, ticks), TIMEOUT_S)
        place.remove()


def daemons_of(place: QuickDaemon) -> set[int]:
    """Return the processes that are, or are about to become, a daemon of this place."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            ours = f"CHANNELD_HOME={place.home}".encode() in (process / "environ").read_bytes().split(b"\0")
            if ours and (b"channeld.daemon" in words or b"run" in words):
                found.add(int(process.name))
    return found


async def test_a_stopped_worker_is_aborted_and_replaced_and_nothing_is_lost(nursery: Nursery):
    """One that is silent for too long is killed even while it is stopped; the next one takes over what waits."""
    async with scene(nursery, limits=Limits(ready_s=TIMEOUT_S, silent_s=0.5, drain_s=0.1)) as s:
        await s.attach()
        life = s.platform.life
        assert life is not None
        ticks = start_time(life.pid)
        assert ticks is not None
        life.kill(signal.SIGSTOP)
        s.platform.say("a1", "b1")  # which it does not hear
        replying = asyncio.create_task(s.call("reply", "toolu_1", chat_id="pager:a", text="hi"))
        await asyncio.wait_for(wait_end(life.pid, ticks), TIMEOUT_S + ABORT_GRACE_S)
        await s.settle()
        await s.check_inbound()
        text, _ = await replying
        assert "not routed" in text  # nobody had written yet when Claude called
        log = s.daemon.log()
        assert "worker_unresponsive" in log and "silent for too long" in log


async def test_a_send_to_a_stopped_worker_is_uncertain(nursery: Nursery):
    """What was given to a worker that then had to be killed may have been sent, and Claude is told so."""
    async with scene(nursery, limits=Limits(ready_s=TIMEOUT_S, silent_s=0.5, drain_s=0.1)) as s:
        await s.attach()
        s.platform.say("a1")
        await s.settle()
        life = s.platform.life
        assert life is not None
        life.kill(signal.SIGSTOP)
        text, is_error = await s.call("reply", "toolu_1", chat_id="pager:a", text="hi")
        assert is_error
        assert "may or may not have been sent: the worker ended while sending it" in text
        assert not s.platform.sends
        await s.check_one_session()


async def test_a_worker_that_never_gets_ready_is_replaced(nursery: Nursery):
    """A worker that says nothing after its start is ended at the deadline and another is started."""
    async with Pager() as pager, QuickDaemon(nursery, pager.config, limits=Limits(0.2, TIMEOUT_S, 0.1)) as daemon:
        mute = await pager.life()
        await mute.gone()
        await (await pager.life()).begin()
        status = await daemon.status_where(lambda status: status["workers"][0]["state"] == "ready")
        assert status["workers"][0]["starts"] >= 2
        assert "it was not ready in time" in daemon.log()


async def test_no_worker_outlives_a_killed_daemon(nursery: Nursery):
    """Both a worker that runs and one that stands still are gone when the daemon is killed."""
    config = "[workers.web]\nport = 0\n"
    for stopped in (False, True):
        async with QuickDaemon(nursery, config) as daemon:
            status = await daemon.status_where(lambda status: status["workers"][0]["state"] == "ready")
            pid = status["workers"][0]["pid"]
            ticks = start_time(pid)
            assert ticks is not None
            if stopped:
                os.kill(pid, signal.SIGSTOP)
            await daemon.kill()
            await asyncio.wait_for(wait_end(pid, ticks), TIMEOUT_S)
