"""Permission prompts: from a client that asks as the real one does, to a worker that shows them, and back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from channeld.core.permission import Option
from channeld.daemon.limits import Limits
from channeld.ipc import messages as m
from channeld.store.access import AccessList
from channeld.store.db import Database
from tests.doubles.daemon import Daemon
from tests.doubles.hooked import Hooked
from tests.doubles.stores import SENDER
from tests.doubles.worker_end import ASKING

LS = {"command": "ls -l", "description": "list"}
WHOLE = [Option.ALLOW, Option.AGAIN, Option.DENY, Option.DETAILS]


@pytest.fixture
async def worker(daemon, pager):
    """A worker that shows prompts."""
    life = await pager.life()
    await life.begin(ASKING)
    return life


@pytest.fixture
async def claude(daemon, worker):
    """A session with hooks that has answered nothing yet, in a turn that an approver's message began."""
    async with daemon.client() as client:
        session = Hooked(client)
        await session.type("hello")
        await session.stop()
        await worker.accepted("1", text="do it")
        await session.take()
        yield session


@pytest.mark.parametrize(("option", "behavior"), [(Option.ALLOW, "allow"), (Option.DENY, "deny")])
async def test_an_approver_answers_in_the_chat_that_the_turn_came_from(daemon, worker, claude, option, behavior):
    """The prompt shows the whole input there, and the verdict reaches the client under its own id."""
    assert await claude.dialog("abcde", "Bash", LS) == {}
    prompt = await worker.shown()
    assert (prompt.chat, prompt.kind, prompt.options) == ("pager:a", "permission", WHOLE)
    assert "Bash" in prompt.title and "command: ls -l\ndescription: list" in prompt.body
    await worker.answer(prompt, option)
    assert await claude.verdict() == {"request_id": "abcde", "behavior": behavior}
    settled = await worker.shown(state="answered")
    assert (settled.id, settled.answer) == (prompt.id, f"{option} – Ann")
    late = await worker.refused(prompt, Option.ALLOW)
    assert late.code == "settled" and "answered already by Ann" in late.text


async def test_exactly_this_again_is_not_asked_twice(daemon, worker, claude):
    """The same call is allowed from the hook; another input, or the same one in another session, is asked."""
    await claude.dialog("abcde", "Bash", LS)
    await worker.answer(await worker.shown(), Option.AGAIN)
    assert (await claude.verdict())["behavior"] == "allow"
    await worker.shown(state="answered")
    decision = await claude.dialog("abcdf", "Bash", LS)
    assert decision["hookSpecificOutput"]["decision"] == {"behavior": "allow"}
    assert await claude.dialog("abcdg", "Bash", {**LS, "command": "ls -la"}) == {}
    assert "ls -la" in (await worker.shown()).body  # and nothing was shown for the second one
    async with daemon.client() as other:
        second = Hooked(other)
        await second.type("hello")
        assert await second.dialog("abcdh", "Bash", LS) == {}
        asked = await worker.shown()
        assert "command: ls -l\n" in asked.body and "yes abcdh" in asked.body


async def test_it_is_still_allowed_after_a_restart_of_the_daemon(daemon, worker, claude, pager):
    """What holds for the session's process is not forgotten with the daemon."""
    await claude.dialog("abcde", "Bash", LS)
    await worker.answer(await worker.shown(), Option.AGAIN)
    await claude.verdict()
    await worker.shown(state="answered")
    await daemon.restart_after_kill()
    await (await pager.life()).begin(ASKING)
    await daemon.attached(claude.client)
    decision = await claude.dialog("abcdf", "Bash", LS)
    assert decision["hookSpecificOutput"]["decision"] == {"behavior": "allow"}


async def test_the_terminal_may_be_faster(daemon, worker, claude):
    """When the call is reported done, the prompt closes everywhere as answered elsewhere."""
    use_id = await claude.tool("Bash", LS)
    await claude.dialog("abcde", "Bash", LS)
    prompt = await worker.shown()
    await claude.done(use_id, "Bash", {**LS, "command": "another"})
    await claude.done(use_id, "Bash", LS)
    closed = await worker.shown(state="elsewhere")
    assert closed.id == prompt.id
    assert "elsewhere" in (await worker.refused(prompt, Option.ALLOW)).text


async def test_the_end_of_the_turn_closes_its_prompts(daemon, worker, claude):
    """After Escape and a new prompt nobody waits at the old dialog; a subagent's in the background may stay."""
    await claude.dialog("abcde", "Bash", LS)
    prompt = await worker.shown()
    await claude.dialog("abcdf", "Bash", {"command": "pwd"}, agent_id="a1")
    background = await worker.shown()
    await claude.type("something else")
    assert (await worker.shown(state="elsewhere")).id == prompt.id
    await worker.answer(background, Option.ALLOW)
    assert (await claude.verdict())["request_id"] == "abcdf"


async def test_a_prompt_expires_with_the_session(daemon, worker, claude):
    """The end of the session's process is the end of its prompts."""
    await claude.dialog("abcde", "Bash", LS)
    prompt = await worker.shown()
    claude.client.kill()
    assert (await worker.shown(state="expired")).id == prompt.id
    assert "any more" in (await worker.refused(prompt, Option.ALLOW)).text


async def test_a_cut_input_can_be_allowed_only_after_all_of_it_was_sent(daemon, worker, claude):
    """First a part and no Allow; Details sends a file with the whole input, and then it can be allowed."""
    long = {"command": "echo start; " + "x" * 9000 + "; rm -rf /important; " + "y" * 9000}
    await claude.dialog("abcde", "Bash", long)
    prompt = await worker.shown()
    assert prompt.options == [Option.DETAILS, Option.DENY] and "rm -rf" not in prompt.body
    assert (await worker.refused(prompt, Option.ALLOW)).code == "bad_answer"
    await worker.accepted("2", text="no message of ours")
    await worker.answer(prompt, Option.DETAILS)
    whole = await worker.shown()
    assert whole.id == prompt.id and whole.options == [Option.ALLOW, Option.AGAIN, Option.DENY]
    assert whole.file is not None
    assert long["command"] in await asyncio.to_thread(Path(whole.file).read_text)
    await worker.answer(whole, Option.ALLOW)
    assert (await claude.verdict())["behavior"] == "allow"


async def test_without_its_hook_a_cut_input_can_only_be_denied(daemon, worker):
    """Nobody allows what he cannot have read."""
    async with daemon.client() as client:
        bare = Hooked(client)
        await worker.accepted("1", text="do it")
        params = {"request_id": "abcde", "tool_name": "Bash", "description": "d",
                  "input_preview": '{ "command": "echo\n⋯ 9 code points elided ⋯\nend" }'}  # fmt: skip
        await client.notify("notifications/claude/channel/permission_request", params)
        prompt = await worker.shown()
        assert prompt.options == [Option.DENY] and "terminal" in prompt.body
        await worker.answer(prompt, Option.DENY)
        assert await bare.verdict() == {"request_id": "abcde", "behavior": "deny"}
        await client.notify(
            "notifications/claude/channel/permission_request",
            {**params, "request_id": "abcdf", "input_preview": '{ "command": "ls" }'},
        )
        assert (await worker.shown()).options == [Option.ALLOW, Option.DENY, Option.DETAILS]


async def test_two_calls_that_look_alike_are_not_told_apart_by_guessing(pager):
    """Two long inputs that differ only where nothing is shown: neither can be allowed from afar."""
    # The second one has to come while the first one's hook is still looked for.
    async with Daemon(pager.config, limits=Limits(matching_s=3.0)) as daemon, daemon.client() as client:
        worker, claude = await pager.life(), Hooked(client)
        await worker.begin(ASKING)
        await worker.accepted("1", text="do it")
        await claude.take()
        for n, request_id in enumerate(("abcde", "abcdf")):
            await claude.dialog(request_id, "Bash", {"command": "a" * 3000 + f"{n}" + "b" * 3000})
        for _ in range(2):
            assert (await worker.shown()).options == [Option.DENY]


async def test_what_hides_in_an_input_is_shown(daemon, worker, claude):
    """A direction override is named, and no line of a value passes for another value."""
    await claude.dialog("abcde", "Bash", {"command": "ls\u202e\ntimeout: 5", "timeout": 9})
    assert "command:\n  ls[U+202E]\n  timeout: 5\ntimeout = 9" in (await worker.shown()).body


async def test_an_answer_to_the_own_chat_needs_nobody(daemon, worker, claude):
    """Reply, edit and react to the turn's chat are let through; with files, or to another chat, they are asked."""
    for name in ("mcp__channeld__reply", "mcp__plugin_channeld_channeld__react"):
        decision = await claude.dialog("abcde", name, {"chat_id": "pager:a", "text": "x"})
        assert decision["hookSpecificOutput"]["decision"] == {"behavior": "allow"}
    for request_id, name, more in (
        ("abcdf", "mcp__channeld__reply", {"files": ["/etc/passwd"]}),
        ("abcdg", "mcp__channeld__reply", {"chat_id": "pager:b"}),
        ("abcdh", "mcp__other__reply", {}),
        ("abcdi", "mcp__channeld__search_messages", {}),
    ):
        assert await claude.dialog(request_id, name, {"chat_id": "pager:a", "text": "x", **more}) == {}
        assert name in (await worker.shown()).title


async def test_only_approvers_answer(daemon, worker, claude):
    """Somebody else is refused, and the prompt stays open; of two answers at once one wins."""
    await claude.dialog("abcde", "Bash", LS)
    prompt = await worker.shown()
    assert (await worker.refused(prompt, Option.ALLOW, sender_id="999")).code == "not_allowed"
    assert (await worker.refused(prompt, "Maybe")).code == "bad_answer"
    allow, deny = worker.give(prompt, Option.ALLOW), worker.give(prompt, Option.DENY)
    lost = await worker.expect(m.Refused, lambda frame: frame.ref in {allow, deny})
    won = await worker.expect(m.Accepted, lambda frame: frame.ref in {allow, deny})
    assert lost.ref != won.ref and lost.code == "settled"
    assert (await claude.verdict())["behavior"] == ("allow" if won.ref == allow else "deny")


async def test_a_group_is_told_one_line_and_the_approver_is_asked_privately(pager):
    """Nothing of the input reaches the group."""
    daemon = Daemon(pager.config)
    await daemon.list_senders()
    database = Database(daemon.paths.database)
    await database.open()
    await AccessList(database).put_group(
        "pager", "pager:g", require_mention=False, senders=None, by="test", now=time.time()
    )
    await database.close()
    async with daemon:
        worker = await pager.life()
        await worker.begin(ASKING)
        async with daemon.client() as client:
            claude = Hooked(client)
            await worker.accepted("1", text="hello")  # so that the approver's private chat is known
            await claude.take()
            await claude.stop()
            await worker.accepted("g1", text="do it", chat="pager:g", group=True)
            await claude.take()
            await claude.dialog("abcde", "Bash", LS)
            assert (await worker.shown()).chat == "pager:a"
            line = await worker.expect(m.Notice, lambda notice: notice.chat == "pager:g")
            assert "permission" in line.text and "ls" not in line.text.split()


async def test_a_worker_that_comes_later_is_shown_what_is_open(daemon, worker, claude, pager):
    """A new process of the worker knows of no prompt and is told anew."""
    await claude.dialog("abcde", "Bash", LS)
    prompt = await worker.shown()
    worker.kill()
    life = await pager.life()
    await life.begin(ASKING)
    again = await life.shown()
    assert (again.id, again.body) == (prompt.id, prompt.body)
    await life.answer(again, Option.ALLOW)
    assert (await claude.verdict())["behavior"] == "allow"


async def test_relay_off_shows_nothing(pager):
    """With relay = "off" no chat is shown a prompt; answers to the own chat are let through all the same."""
    async with Daemon(pager.config + '[permissions]\nrelay = "off"\n') as daemon:
        worker = await pager.life()
        await worker.begin(ASKING)
        async with daemon.client() as client:
            claude = Hooked(client)
            await claude.type("x")
            await claude.stop()
            await worker.accepted("1", text="do it")
            await claude.take()
            assert await claude.dialog("abcde", "Bash", LS) == {}
            decision = await claude.dialog("abcdf", "mcp__channeld__reply", {"chat_id": "pager:a", "text": "x"})
            assert decision["hookSpecificOutput"]["decision"] == {"behavior": "allow"}
            await worker.accepted("2", text="still here")
            await claude.stop()
            await claude.take()
            assert not worker.passed_over(m.Prompt)


WRITE = {"file_path": "/x", "content": "y" * 5000}


async def test_what_was_answered_before_it_could_be_asked_is_not_left_open(daemon, worker, claude):
    """A call that ends, or a turn that does, while a notification still waits for its hook: nobody is asked."""
    use_id = await claude.tool("Write", WRITE)
    await claude.dialog("abcde", "Write", WRITE)
    await claude.done(use_id, "Write", WRITE)
    await claude.dialog("abcdf", "Write", {**WRITE, "file_path": "/z"})
    await claude.stop("ok")
    await worker.accepted("2", text="next")
    await claude.take()
    await claude.dialog("abcdg", "Write", {**WRITE, "file_path": "/third"})  # it waits for as long, and began later
    assert "/third" in (await worker.shown()).body
    open_ones = [p for p in (await daemon.ask("prompts"))["prompts"] if p["state"] == "open"]
    assert len(open_ones) == 1 and not worker.passed_over(m.Prompt)


async def test_a_later_turn_closes_what_an_earlier_one_has_left(daemon, worker, claude):
    """Whatever turn it is thought to be of; a subagent's dialog is over when a later turn is."""
    await claude.dialog("abcde", "Bash", LS, prompt_id="of-no-turn-that-is-known")
    prompt = await worker.shown()
    await claude.dialog("abcdf", "Bash", {"command": "pwd"}, agent_id="a1")
    background = await worker.shown()
    await claude.stop()
    assert (await worker.shown(state="elsewhere")).id == prompt.id
    await claude.type("another turn")
    await claude.stop()
    assert (await worker.shown(state="elsewhere")).id == background.id


async def ask_bare(client, request_id, command):
    """A session without hooks shows a dialog."""
    params = {"request_id": request_id, "tool_name": "Bash", "description": "",
              "input_preview": f'{{ "command": "{command}" }}'}  # fmt: skip
    await client.notify("notifications/claude/channel/permission_request", params)


async def test_without_hooks_a_prompt_ends_as_soon_as_claude_goes_on(daemon, worker):
    """A new dialog or a tool call closes it, time does too, and an answer is not said to have counted."""
    await worker.accepted("1", text="do it")
    async with daemon.client() as client:
        await ask_bare(client, "abcde", "ls")
        first = await worker.shown()
        await ask_bare(client, "abcdf", "pwd")
        closed = await worker.shown(state="elsewhere")
        assert closed.id == first.id and "may have been answered at the terminal" in closed.answer
        second = await worker.shown()
        await client.call_tool("fetch_messages", {"chat_id": "pager:a"}, "toolu_1")
        assert (await worker.shown(state="elsewhere")).id == second.id
        await ask_bare(client, "abcdg", "id")
        third = await worker.shown()
        known = {p["id"]: p for p in (await daemon.ask("prompts"))["prompts"]}[third.id]
        assert 0 < known["expires_at"] - known["asked_at"] <= 600
        await worker.answer(third, Option.ALLOW)
        assert "Sent" in (await worker.shown(state="answered")).answer


async def remove_ann(daemon, worker):
    """Take Ann, whose message began the turn, off the list; Boss is another approver."""
    await daemon.list_sender("pager", "70", "approver")
    await worker.accepted("b1", chat="pager:boss", sender_id="70", sender="Boss")
    removed = await asyncio.to_thread(daemon.terminal, "access", "remove", "pager", SENDER)
    assert removed.returncode == 0, removed.stderr


async def test_who_is_no_approver_any_more_is_asked_nothing(daemon, worker, claude):
    """The role of now counts, and not that of when the message came: the other approvers are asked."""
    await remove_ann(daemon, worker)
    await claude.dialog("abcde", "Bash", LS)
    assert (await worker.shown()).chat == "pager:boss"
    fetched = await claude.client.call_tool("fetch_messages", {"chat_id": "pager:boss"}, "toolu_1")
    assert fetched["isError"]
    plan = asyncio.create_task(
        claude.report("PreToolUse", tool_name="ExitPlanMode", tool_input='{"plan": "x"}', tool_use_id="t", hold="true")
    )
    asked = await worker.shown("plan")
    assert asked.chat == "pager:boss"
    await worker.answer(asked, "Approve", sender_id="70")
    await plan


async def test_exactly_this_again_ends_with_its_givers_right(daemon, worker, claude):
    """What somebody has allowed for good who may not any more is asked anew."""
    await claude.dialog("abcde", "Bash", LS)
    await worker.answer(await worker.shown(), Option.AGAIN)
    await claude.verdict()
    assert await claude.dialog("abcdf", "Bash", LS) != {}
    await remove_ann(daemon, worker)
    assert await claude.dialog("abcdg", "Bash", LS) == {}
    assert "yes abcdg" in (await worker.shown()).body


async def test_a_masked_input_cannot_be_allowed_from_afar(daemon, worker, claude):
    """Its hook does not fit the display text, so nobody has seen what would be allowed."""
    params = {"request_id": "abcde", "tool_name": "Bash", "description": "",
              "input_preview": '{ "command": "curl -H [REDACTED]" }'}  # fmt: skip
    await claude.client.notify("notifications/claude/channel/permission_request", params)
    await claude.report("PermissionRequest", tool_name="Bash", tool_input='{"command":"curl -H key$(evil)"}')
    assert (await worker.shown()).options == [Option.DENY]
