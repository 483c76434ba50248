"""The daemon is killed around a permission prompt: no prompt and no verdict is lost, and none counts twice."""

from __future__ import annotations

import asyncio
import contextlib
import signal

import pytest

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.faultpoints import FaultPoints
from tests.doubles.hooked import Hooked
from tests.doubles.worker_end import ASKING, Pager, WorkerEnd

LS = {"command": "ls -l"}


async def ready(pager: Pager) -> WorkerEnd:
    """Return the next worker process, ready."""
    life = await pager.life()
    await life.begin(ASKING)
    return life


@contextlib.asynccontextmanager
async def in_a_turn(points: FaultPoints | None = None):
    """A daemon, its worker, and a session in a turn that an approver's message began."""
    async with Pager() as pager, Daemon(pager.config, points=points) as daemon:
        worker = await ready(pager)
        async with daemon.client() as client:
            claude = Hooked(client)
            await worker.accepted("1", text="do it")
            await claude.take()
            yield pager, daemon, worker, claude


async def test_a_verdict_given_after_the_kill_counts():
    """The prompt is shown anew under the same id, and its answer reaches the dialog that is still open."""
    async with in_a_turn() as (pager, daemon, worker, claude):
        await claude.dialog("abcde", "Bash", LS)
        prompt = await worker.shown("permission")
        await daemon.restart_after_kill()
        later = await ready(pager)
        again = await later.shown("permission")
        assert (again.id, again.title, again.body, again.options) == (
            prompt.id, prompt.title, prompt.body, prompt.options
        )  # fmt: skip
        await later.answer(again, "Allow")
        assert await claude.verdict() == {"request_id": "abcde", "behavior": "allow"}


@pytest.mark.parametrize("step", ["prompts.stored", "prompts.answered", "session.verdict_written"])
async def test_killed_at_a_step(step):
    """Wherever it is killed, the prompt is shown again or its verdict arrives, and a later answer is settled."""
    async with FaultPoints() as points, in_a_turn(points) as (pager, daemon, worker, claude):
        armed = points.arm(step)
        asking = asyncio.create_task(claude.dialog("abcde", "Bash", LS))
        if step != "prompts.stored":
            worker.give(await worker.shown("permission"), "Allow")
        hit = await asyncio.wait_for(armed, 20)
        hit.kill()
        await daemon.restart_after_kill()
        await asking
        later = await ready(pager)
        if step == "prompts.stored":
            await daemon.attached(claude.client)
            await later.answer(await later.shown("permission"), "Allow")
        assert await claude.verdict() == {"request_id": "abcde", "behavior": "allow"}
        settled = await later.shown("permission", "answered")
        assert settled.answer == "Allow – Ann"
        assert (await later.refused(settled, "Deny")).code == "settled"
        await claude.dialog("abcdf", "Bash", {"command": "pwd"})
        await later.answer(await later.shown("permission"), "Deny")
        while (last := await claude.verdict())["request_id"] == "abcde":  # killed before it was known to have arrived
            assert last["behavior"] == "allow"
        assert last == {"request_id": "abcdf", "behavior": "deny"}


async def test_what_the_session_asks_while_no_daemon_is_there_is_shown_by_the_next():
    """The shim keeps the notification and answers the hook with nothing: late, it lets nothing through."""
    async with in_a_turn() as (pager, daemon, _worker, claude):
        await daemon.kill()
        assert await claude.dialog("abcde", "Bash", LS) == {}
        assert await claude.dialog("abcdf", "mcp__channeld__reply", {"chat_id": "pager:a", "text": "x"}) == {}
        await daemon.start()
        later = await ready(pager)
        titles = {(await later.shown("permission")).title for _ in range(2)}
        assert any("Bash" in title for title in titles) and any("reply" in title for title in titles)


async def test_what_a_daemon_was_told_that_hung_until_it_died_is_shown_by_the_next():
    """It lay unread in the socket, where nobody else can fetch it: the shim tells it again."""
    async with in_a_turn() as (pager, daemon, _worker, claude):
        daemon.process.send_signal(signal.SIGSTOP)
        asking = asyncio.create_task(claude.dialog("abcde", "Bash", LS))
        fence = await claude.client.start_request("server/discover")  # answered by the shim at the latest when it dies
        await daemon.kill()
        await fence[1]
        assert await asking == {}
        await daemon.start()
        later = await ready(pager)
        await later.answer(await later.shown("permission"), "Allow")
        assert await claude.verdict() == {"request_id": "abcde", "behavior": "allow"}


async def test_a_session_that_ended_meanwhile_leaves_no_prompt_open():
    """Killed together with its client: the next daemon says that nobody waits."""
    async with in_a_turn() as (pager, daemon, worker, claude):
        await claude.dialog("abcde", "Bash", LS)
        prompt = await worker.shown("permission")
        await daemon.kill()
        claude.client.kill()
        await claude.client.process.wait()
        await daemon.start()
        later = await ready(pager)
        ref = later.give(prompt, "Deny")  # taken or not, as the end of the process is seen later or earlier
        await later.expect((m.Accepted, m.Refused), lambda frame: frame.ref == ref)
        assert (await later.refused(prompt, "Deny")).code == "settled"
