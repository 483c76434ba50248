"""What the real Claude Code does with the plugin's hooks, dialogs and turns: the facts that channeld is built on.

The plugin is the repository's own. Only its server is the test's: it records what it is told, and answers nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.channel import Channel
from tests.e2e.lab import FLAG, PLUGIN, SERVER, ClaudeLab
from tests.e2e.terminal import LOOK_EVERY_S

ASKED = "Do you want to proceed?"
WORKING = "esc to interrupt"
INTERRUPTED = "[Request interrupted by user"
SOURCE = "plugin:channeld:channeld"
REPORTED = {
    "UserPromptSubmit": {"prompt"},
    "PreToolUse": {"tool_name", "tool_input", "tool_use_id"},
    "PermissionRequest": {"tool_name", "tool_input"},
    "PostToolUse": {"tool_name", "tool_input", "tool_use_id"},
    "PostToolUseFailure": {"tool_name", "tool_input", "tool_use_id"},
    "Stop": {"last_assistant_message"},
}
ALWAYS = {"event", "prompt_id", "permission_mode", "transcript_path", "agent_id"}
HELD = {"AskUserQuestion", "ExitPlanMode"}


@pytest.fixture
async def session(lab: ClaudeLab, channel: Channel, tmp_path: Path) -> AsyncIterator[ClaudeLab]:
    """A session with the plugin, which asks before it runs anything. What every report has in common is checked."""
    market = channel.marketplace(tmp_path / "market")
    # No rule: `reply` asks like any other tool.
    await lab.start(marketplace=market, settings={"permissions": {}}, arguments=("--permission-mode", "default"))
    await channel.is_up()
    yield lab
    for report in channel.reports():
        held = {"hold"} if report["event"] == "PreToolUse" and report["tool_name"] in HELD else set()
        assert set(report) == REPORTED[report["event"]] | ALWAYS | held
        assert all(isinstance(value, str) for value in report.values())
        assert report["agent_id"] == ""  # what a hook does not have is sent as an empty text


async def ends(lab: ClaudeLab, channel: Channel, number: int = 1) -> None:
    """Wait until the n-th turn has ended, also on the screen."""
    await channel.report("Stop", number)
    await lab.terminal.wait_gone(WORKING)


def last_words(transcript: Path) -> str:
    """Return the last entry of the conversation in a transcript, "" when there is none yet.

    The client writes a moment after the screen: entries of other types may be all that is there, or stand behind it,
    and the last line may be half of one.
    """
    lines = transcript.read_text("utf-8").splitlines(keepends=True)
    entries = [json.loads(line) for line in lines if line.endswith("\n")]
    said = [entry for entry in entries if entry["type"] in {"user", "assistant"}]
    return json.dumps(said[-1]["message"]["content"]) if said else ""


def events(channel: Channel) -> list[str]:
    """Return the names of what was reported or asked, in order."""
    names = {"notifications/claude/channel/permission_request": lambda _: "relay"}
    names["tools/call"] = lambda params: str(params["arguments"].get("event", params["name"]))
    return [names[m["method"]](m["params"]) for m in channel.received if m.get("method") in names]


async def test_the_order_and_the_fields_of_one_call_with_a_dialog(session: ClaudeLab, channel: Channel):
    """From the event to the end of its turn, all reports have one prompt_id; the dialog is relayed with a short id."""
    pushed = channel.push("run touch made")
    await session.terminal.wait_for(ASKED)
    await channel.report("PermissionRequest")
    await session.terminal.press("Enter")
    await ends(session, channel)
    order = events(channel)
    assert set(order[2:4]) == {"relay", "PermissionRequest"}  # within a millisecond, in either order
    assert [*order[:2], *order[4:]] == ["UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop"]
    reports = {report["event"]: report for report in channel.reports()}
    assert len({report["prompt_id"] for report in reports.values()}) == 1
    assert {report["permission_mode"] for report in reports.values()} == {"default"}
    prompt = reports["UserPromptSubmit"]["prompt"]
    assert prompt.startswith(f'<channel source="{SOURCE}" chat_id="lab:main" user="tester" delivery_id="{pushed}">\n')
    before, asked, after = reports["PreToolUse"], reports["PermissionRequest"], reports["PostToolUse"]
    assert json.loads(before["tool_input"])["command"] == "touch made"  # an object comes as its JSON text
    assert before["tool_input"] == asked["tool_input"] == after["tool_input"]
    assert before["tool_use_id"] == after["tool_use_id"] != ""
    assert reports["Stop"]["last_assistant_message"] == "done"
    relay = await channel.wait(lambda m: m.get("method", "").endswith("permission_request"))
    assert set(relay["params"]) == {"request_id", "tool_name", "description", "input_preview"}
    assert json.loads(relay["params"]["input_preview"])["command"] == "touch made"
    assert (session.project / "made").exists()


async def test_calls_of_hooks_have_no_tool_use_id_and_those_of_the_model_have(session: ClaudeLab, channel: Channel):
    """``claudecode/toolUseId`` tells the model's calls apart; ``reply`` asks for permission like any other tool."""
    channel.push("good morning")
    await channel.report("PermissionRequest")
    await session.terminal.wait_for(ASKED)
    await session.terminal.press("Enter")
    assert (await channel.call("reply"))["text"] == "echo: good morning"
    calls = [message["params"] for message in channel.received if message.get("method") == "tools/call"]
    ids = {call["name"]: call.get("_meta", {}).get("claudecode/toolUseId") for call in calls}
    assert ids["session_event"] is None
    assert ids["reply"] == (await channel.report("PreToolUse"))["tool_use_id"]
    assert (await channel.report("PreToolUse"))["tool_name"] == "mcp__plugin_channeld_channeld__reply"


async def test_a_command_that_fails_is_reported_as_a_failure(session: ClaudeLab, channel: Channel):
    """PostToolUseFailure comes in place of PostToolUse, with the id of the call."""
    channel.push("run touch made && false")
    await session.terminal.wait_for(ASKED)
    await session.terminal.press("Enter")
    failed = await channel.report("PostToolUseFailure")
    assert failed["tool_use_id"] == (await channel.report("PreToolUse"))["tool_use_id"]
    assert channel.reports("PostToolUse") == []


async def test_hooks_that_say_nothing_leave_no_trace(session: ClaudeLab, channel: Channel):
    """An answer of ``{}`` is neither on the screen nor in any request to the model."""
    channel.push("run true")
    await ends(session, channel)
    assert events(channel) == ["UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop"]
    asked = json.dumps([request["messages"] for request in session.model.requests])
    for trace in ("session_event", "UserPromptSubmit", "hook success", "hook additional context"):
        assert trace not in asked
    screen = await session.terminal.wait_gone(WORKING)  # while one runs, its name stands beside the clock
    assert "hook" not in screen.replace(str(session.project), "").lower()


async def test_a_hook_may_deny_a_command(session: ClaudeLab, channel: Channel):
    """The call is not carried out, no dialog comes, and the model is told the reason."""
    decision = {"permissionDecision": "deny", "permissionDecisionReason": "not from in here"}
    channel.decide("PreToolUse", {"hookSpecificOutput": {"hookEventName": "PreToolUse", **decision}})
    channel.push("run touch made")
    await ends(session, channel)
    assert not (session.project / "made").exists()
    assert "relay" not in events(channel)
    assert any("not from in here" in json.dumps(request["messages"]) for request in session.model.requests)


async def test_a_hook_may_answer_a_permission_request(session: ClaudeLab, channel: Channel):
    """The command runs and no dialog is left on the screen."""
    decision = {"hookEventName": "PermissionRequest", "decision": {"behavior": "allow"}}
    channel.decide("PermissionRequest", {"hookSpecificOutput": decision})
    channel.push("run touch made")
    await ends(session, channel)
    assert (session.project / "made").exists()
    assert ASKED not in await session.terminal.screen()


async def test_a_verdict_from_the_channel_closes_the_dialog(session: ClaudeLab, channel: Channel):
    """An unknown id does nothing; the right one allows the call."""
    channel.push("run touch made")
    await session.terminal.wait_for(ASKED)
    relay = await channel.wait(lambda m: m.get("method", "").endswith("permission_request"))
    for request_id in ("aaaaa", relay["params"]["request_id"]):
        assert not (session.project / "made").exists()
        verdict = {"request_id": request_id, "behavior": "allow"}
        channel.send({"method": "notifications/claude/channel/permission", "params": verdict})
        await channel.ping()
    await ends(session, channel)
    assert (session.project / "made").exists()


async def test_a_question_is_reported_held_and_not_relayed(session: ClaudeLab, channel: Channel):
    """It comes once as PreToolUse to hold and once as PermissionRequest; the answers come with PostToolUse."""
    channel.push("ask")
    await session.terminal.wait_for("Which colour?")
    await channel.report("PermissionRequest")
    await session.terminal.press("Enter")
    await ends(session, channel)
    assert events(channel) == ["UserPromptSubmit", "PreToolUse", "PermissionRequest", "PostToolUse", "Stop"]
    held = await channel.report("PreToolUse")
    assert held["hold"] == "true"
    assert json.loads(held["tool_input"])["questions"][0]["question"] == "Which colour?"
    answered = json.loads((await channel.report("PostToolUse"))["tool_input"])
    assert answered["answers"] == {"Which colour?": "Red"}


@pytest.mark.parametrize(("word", "answer"), [("ask", "Blue"), ("ask", "Neither, green"), ("ask-many", "Red, Blue")])
async def test_a_hook_may_answer_a_question(session: ClaudeLab, channel: Channel, word: str, answer: str):
    """With the questions and ``answers`` as the updated input, the model is told the answer and nobody is asked."""
    several = word == "ask-many"
    options = [{"label": name, "description": f"As {name.lower()} as can be"} for name in ("Red", "Blue")]
    one = {"question": "Which colour?", "header": "Colour", "multiSelect": several, "options": options}
    given = {"questions": [one], "answers": {"Which colour?": answer}}
    decision = {"permissionDecision": "allow", "updatedInput": given}
    channel.decide("PreToolUse", {"hookSpecificOutput": {"hookEventName": "PreToolUse", **decision}})
    channel.push(word)
    await ends(session, channel)
    assert channel.reports("PermissionRequest") == []
    assert any(answer in json.dumps(request["messages"]) for request in session.model.requests)


async def test_a_plan_is_reported_with_its_text(session: ClaudeLab, channel: Channel):
    """ExitPlanMode has no arguments of the model's; the hook is told the plan and the file that it stands in."""
    channel.push("plan first this, then that")
    held = await channel.wait(lambda m: m.get("params", {}).get("arguments", {}).get("tool_name") == "ExitPlanMode")
    told = json.loads(held["params"]["arguments"]["tool_input"])
    assert told["plan"] == "first this, then that"
    assert Path(told["planFilePath"]).is_relative_to(session.home)
    assert held["params"]["arguments"]["hold"] == "true"
    assert held["params"]["arguments"]["permission_mode"] == "plan"


async def test_a_hook_may_approve_a_plan(session: ClaudeLab, channel: Channel):
    """With its input as the updated input nobody is asked, and the session is back in the mode that it had."""
    decision = {"permissionDecision": "allow", "updatedInput": {"plan": "first this, then that"}}
    channel.decide("PreToolUse", {"hookSpecificOutput": {"hookEventName": "PreToolUse", **decision}}, "ExitPlanMode")
    channel.push("plan first this, then that")
    await ends(session, channel)
    assert channel.reports("PermissionRequest") == []
    assert [report["tool_name"] for report in channel.reports("PostToolUse")][-1] == "ExitPlanMode"
    assert (await channel.report("Stop"))["permission_mode"] == "default"


async def test_an_approval_without_an_updated_input_does_not_settle_a_plan(session: ClaudeLab, channel: Channel):
    """Neither hook spares the dialog then."""
    decision = {"hookEventName": "PreToolUse", "permissionDecision": "allow"}
    channel.decide("PreToolUse", {"hookSpecificOutput": decision}, "ExitPlanMode")
    request = {"hookEventName": "PermissionRequest", "decision": {"behavior": "allow"}}
    channel.decide("PermissionRequest", {"hookSpecificOutput": request})
    channel.push("plan first this, then that")
    await channel.report("PermissionRequest")
    await session.terminal.wait_for("Ready to code?")


async def test_a_hook_may_refuse_a_plan(session: ClaudeLab, channel: Channel):
    """The model is told why, and stays in plan mode."""
    decision = {"permissionDecision": "deny", "permissionDecisionReason": "first tell me why"}
    channel.decide("PreToolUse", {"hookSpecificOutput": {"hookEventName": "PreToolUse", **decision}}, "ExitPlanMode")
    channel.push("plan first this, then that")
    await ends(session, channel)
    assert any("first tell me why" in json.dumps(request["messages"]) for request in session.model.requests)
    assert channel.reports("PermissionRequest") == []
    assert (await channel.report("Stop"))["permission_mode"] == "plan"


async def test_an_event_during_a_dialog_waits_for_it(session: ClaudeLab, channel: Channel):
    """The client has read it at once; its hook comes when the dialog is closed, within the turn that is running."""
    channel.push("run touch made")
    await session.terminal.wait_for(ASKED)
    channel.push("say second")
    await channel.ping()
    assert len(channel.reports("UserPromptSubmit")) == 1
    await session.terminal.press("Enter")
    second = await channel.report("UserPromptSubmit", 2)
    assert second["prompt_id"] == (await channel.report("UserPromptSubmit", 1))["prompt_id"]
    assert "say second" in second["prompt"]


async def test_escape_at_a_dialog_fires_no_hook(session: ClaudeLab, channel: Channel):
    """Nothing is reported, until the next event begins a turn; the transcript's last words tell."""
    channel.push("run touch made")
    await session.terminal.wait_for(ASKED)
    asked = await channel.report("PermissionRequest")
    before = events(channel)
    await session.terminal.press("Escape")
    await session.terminal.wait_for("Interrupted")
    transcript = Path(asked["transcript_path"])
    async with asyncio.timeout(10):
        while INTERRUPTED not in await asyncio.to_thread(last_words, transcript):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY_S)  # a file tells nobody that it has grown
    assert events(channel) == before
    channel.push("say on we go")
    await channel.report("Stop")
    assert events(channel) == [*before, "UserPromptSubmit", "Stop"]


@pytest.mark.parametrize("by_plugin", [True, False], ids=["plugin", "server"])
async def test_the_flag_of_one_channel_does_not_let_the_other_in(
    lab: ClaudeLab, channel: Channel, tmp_path: Path, by_plugin: bool
):
    """A plugin's server is no channel under ``server:NAME``, and the other way round."""
    market, entry = (channel.marketplace(tmp_path / "market"), None) if by_plugin else (None, channel.entry)
    await lab.start(entry, marketplace=market, opt_in=False, arguments=(FLAG, SERVER if by_plugin else PLUGIN))
    await channel.is_up()
    channel.push("nobody hears this")
    await channel.ping()
    await lab.terminal.type("typed by hand")
    await lab.model.wait_request(lambda request: "typed by hand" in json.dumps(request["messages"]))
    assert lab.model.events() == []
