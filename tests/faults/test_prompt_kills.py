"""The daemon is killed around a permission prompt: no prompt and no verdict is lost, and none counts twice."""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
import pytest

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.faultpoints import FaultPoints
from tests.doubles.hooked import Hooked
from tests.doubles.stores import SENDER
from tests.doubles.worker_end import CAPABILITIES, Pager, WorkerEnd

ASKING = msgspec.structs.replace(CAPABILITIES, prompts=True, notices=True)
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


async def shown(worker, state="open"):
    """Return the next permission prompt in a state that the worker is shown."""
    return await worker.expect(m.Prompt, lambda prompt: (prompt.kind, prompt.state) == ("permission", state))


def give(worker, prompt, text="Allow"):
    """Answer a prompt, without waiting for what becomes of it."""
    worker.send(m.AnswerPrompt(ref=91, id=prompt.id, answer=text, sender_id=SENDER, sender="Ann"))


async def test_a_verdict_given_after_the_kill_counts():
    """The prompt is shown anew under the same id, and its answer reaches the dialog that is still open."""
    async with in_a_turn() as (pager, daemon, worker, claude):
        await claude.dialog("abcde", "Bash", LS)
        prompt = await shown(worker)
        await daemon.restart_after_kill()
        later = await ready(pager)
        again = await shown(later)
        assert (again.id, again.title, again.body, again.options) == (
            prompt.id, prompt.title, prompt.body, prompt.options
        )  # fmt: skip
        give(later, again)
        await later.expect(m.Accepted, lambda frame: frame.ref == 91)
        assert await claude.verdict() == {"request_id": "abcde", "behavior": "allow"}


@pytest.mark.parametrize("step", ["prompts.stored", "prompts.answered", "session.verdict_written"])
async def test_killed_at_a_step(step):
    """Wherever it is killed, the prompt is shown again or its verdict arrives, and a later answer is settled."""
    async with FaultPoints() as points, in_a_turn(points) as (pager, daemon, worker, claude):
        armed = points.arm(step)
        asking = asyncio.create_task(claude.dialog("abcde", "Bash", LS))
        if step != "prompts.stored":
            give(worker, await shown(worker))
        hit = await asyncio.wait_for(armed, 20)
        hit.kill()
        await daemon.restart_after_kill()
        await asking
        later = await ready(pager)
        if step == "prompts.stored":
            give(later, await shown(later))
            await later.expect(m.Accepted, lambda frame: frame.ref == 91)
        assert await claude.verdict() == {"request_id": "abcde", "behavior": "allow"}


async def test_what_the_session_asks_while_no_daemon_is_there_is_shown_by_the_next():
    """The shim keeps the notification and answers the hook with nothing: late, it lets nothing through."""
    async with in_a_turn() as (pager, daemon, _worker, claude):
        await daemon.kill()
        assert await claude.dialog("abcde", "Bash", LS) == {}
        assert await claude.dialog("abcdf", "mcp__channeld__reply", {"chat_id": "pager:a", "text": "x"}) == {}
        await daemon.start()
        later = await ready(pager)
        titles = {(await shown(later)).title for _ in range(2)}
        assert any("Bash" in title for title in titles) and any("reply" in title for title in titles)


async def test_a_session_that_ended_meanwhile_leaves_no_prompt_open():
    """Killed together with its client: the next daemon says that nobody waits."""
    async with in_a_turn() as (pager, daemon, worker, claude):
        await claude.dialog("abcde", "Bash", LS)
        prompt = await shown(worker)
        await daemon.kill()
        claude.client.kill()
        await claude.client.process.wait()
        await daemon.start()
        later = await ready(pager)
        give(later, prompt, "Deny")  # taken or not, as the end of the process is seen later or earlier
        await later.expect((m.Accepted, m.Refused), lambda frame: frame.ref == 91)
        give(later, prompt, "Deny")
        assert (await later.expect(m.Refused, lambda frame: frame.ref == 91)).code == "settled"
