"""Claude's questions and plans, put to the chat that the turn came from while the client waits."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.hooked import Hooked
from tests.doubles.worker_end import ASKING

COLOURS = {
    "questions": [
        {"question": "Which colours?", "header": "C", "multiSelect": True,
         "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}]},
        {"question": "Name?", "header": "N", "multiSelect": False, "options": [{"label": "A"}, {"label": "B"}]},
    ]
}  # fmt: skip


@pytest.fixture
async def worker(daemon, pager):
    """A worker that shows prompts."""
    life = await pager.life()
    await life.begin(ASKING)
    return life


@pytest.fixture
async def claude(daemon, worker):
    """A session with hooks, in a turn that an approver's message began."""
    async with daemon.client() as client:
        session = Hooked(client)
        await worker.accepted("1", text="do it")
        await session.take()
        yield session


def held(claude, tool, fields):
    """Begin a tool call whose hook is held; return the task of its output."""
    return asyncio.create_task(
        claude.report("PreToolUse", tool_name=tool, tool_input=json.dumps(fields), tool_use_id="toolu_q", hold="true")
    )


async def test_questions_are_asked_one_after_the_other_and_answered_in_claudes_labels(worker, claude):
    """Several options, then words of one's own; the client gets both at once."""
    output = held(claude, "AskUserQuestion", COLOURS)
    first = await worker.shown("question")
    assert (first.options, first.multiple, first.free) == (["Red", "Blue"], True, True)
    assert "Red: warm" in first.body and "(1 of 2)" in first.title
    await worker.answer(first, '["Red","Blue"]')
    second = await worker.shown("question")
    assert (second.options, second.multiple) == (["A", "B"], False)
    await worker.answer(second, "something else")
    decision = (await output)["hookSpecificOutput"]
    assert decision["permissionDecision"] == "allow"
    assert decision["updatedInput"]["answers"] == {"Which colours?": "Red, Blue", "Name?": "something else"}
    assert decision["updatedInput"]["questions"] == COLOURS["questions"]


async def test_a_plan_is_approved_or_sent_back_in_words(worker, claude, tmp_path):
    """Approve begins it; any other words go to Claude as the reason to go on planning; a long one comes as a file."""
    plan = {"plan": "# Plan\n1. go", "planFilePath": "/p.md"}
    output = held(claude, "ExitPlanMode", plan)
    asked = await worker.shown("plan")
    assert "1. go" in asked.body and asked.file is None
    await worker.answer(asked, "more tests, please")
    decision = (await output)["hookSpecificOutput"]
    assert decision["permissionDecision"] == "deny"
    assert "more tests, please" in decision["permissionDecisionReason"]
    output = held(claude, "ExitPlanMode", {**plan, "plan": "step\n" * 2000})
    asked = await worker.shown("plan")
    assert asked.file is not None
    assert await asyncio.to_thread(Path(asked.file).read_text) == ("step\n" * 2000).strip()
    await worker.answer(asked, "Approve")
    assert (await output)["hookSpecificOutput"]["permissionDecision"] == "allow"


async def test_escape_closes_the_question(worker, claude):
    """The client cancels the call; whoever answers afterwards is told so."""
    text = json.dumps(COLOURS)
    arguments = {"event": "PreToolUse", "prompt_id": claude.turn, "permission_mode": "default", "hold": "true",
                 "tool_name": "AskUserQuestion", "tool_input": text}  # fmt: skip
    key, _ = await claude.client.start_request("tools/call", {"name": "session_event", "arguments": arguments})
    prompt = await worker.shown("question")
    await claude.client.notify("notifications/cancelled", {"requestId": key, "reason": "AbortError"})
    assert (await worker.shown("question", "elsewhere")).id == prompt.id
    assert (await worker.refused(prompt, '["Red"]')).code == "settled"


async def test_only_the_one_who_wrote_answers(worker, claude):
    """Another sender is refused; the question stays."""
    output = held(claude, "AskUserQuestion", COLOURS)
    prompt = await worker.shown("question")
    assert (await worker.refused(prompt, '["Red"]', sender_id="999")).code == "not_allowed"
    await worker.answer(prompt, '["Red"]')
    await worker.answer(await worker.shown("question"), "A")
    assert (await output)["hookSpecificOutput"]["updatedInput"]["answers"]["Name?"] == "A"


async def test_turns_typed_at_the_terminal_are_never_held(worker, claude):
    """Nor are those into which somebody typed."""
    await claude.type("and think of this", within=True)
    assert await held(claude, "AskUserQuestion", COLOURS) == {}
    await claude.stop()
    await claude.type("something new")
    assert await held(claude, "AskUserQuestion", COLOURS) == {}
    assert await held(claude, "ExitPlanMode", {"plan": "x"}) == {}


async def test_without_an_answer_the_terminal_asks(pager):
    """After question_timeout the hook returns nothing, and the card says so."""
    async with Daemon(pager.config + "[permissions]\nquestion_timeout = 0.3\n") as daemon:
        worker = await pager.life()
        await worker.begin(ASKING)
        async with daemon.client() as client:
            claude = Hooked(client)
            await worker.accepted("1", text="do it")
            await claude.take()
            assert await held(claude, "AskUserQuestion", COLOURS) == {}
            assert "terminal" in (await worker.shown("question", "expired")).answer


async def test_a_kill_of_the_daemon_puts_the_question_to_the_terminal(daemon, worker, claude, pager):
    """The shim answers in its place; the next daemon does not ask again, and says where it is asked."""
    output = held(claude, "AskUserQuestion", COLOURS)
    prompt = await worker.shown("question")
    await daemon.kill()
    assert await output == {}
    await daemon.start()
    life = await pager.life()
    await life.begin(ASKING)
    await daemon.attached(claude.client)
    assert (await life.shown("question", "expired")).answer == "It is asked at the terminal now"
    assert "any more" in (await life.refused(prompt, '["Red"]')).text
    await daemon.attached(claude.client)
    await life.accepted("2", text="still here")
    assert not life.passed_over(m.Prompt)
