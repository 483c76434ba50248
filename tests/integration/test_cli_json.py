"""The data that the commands print, against the schema and the page that promise it."""

import asyncio
import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from channeld.cli.session_files import Declared, SessionFiles
from channeld.core.delivery import EventState, PartState
from channeld.core.kept_session import Phase
from channeld.core.lifecycle import WorkerState
from channeld.core.opt_in import PLUGIN, Way
from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.stores import message
from tests.doubles.worker_end import Pager

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "cli-json.schema.json").read_text("utf-8"))
PAGE = (DOCS / "cli-json.md").read_text("utf-8")


def strict(command):
    """Return a checker of a command's output that allows no field beyond the schema's."""
    schema = copy.deepcopy(SCHEMA)
    for definition in schema["$defs"].values():
        definition["additionalProperties"] = False
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator({**schema, "$ref": f"#/$defs/{command}"})


DEFINITIONS = {
    "status": "status", "sessions": "sessions", "messages": "messages", "messages list": "messages",
    "messages search": "messages", "messages show": "show", "messages retry": "show", "messages drop": "show",
    "send": "send", "pair": "pair", "pair list": "pair", "access": "access", "access show": "access",
    "prompts": "prompts", "prompts list": "prompts", "setup": "setup", "session list": "kept",
}  # fmt: skip


DOCTORS = {"doctor", "finding", "mended"}
"""What the doctor prints is tested with it."""


async def printed(daemon, command, *arguments, exit_status=0):
    """Run a command with ``--json`` and return its data, checked against the schema."""
    words = [*command.split(), *arguments, "--json"]
    result = await asyncio.to_thread(lambda: daemon.cli(*words))
    assert (result.returncode, result.stderr) == (exit_status, "")
    data = json.loads(result.stdout)
    strict(DEFINITIONS[command]).validate(data)
    return data


def keys_in(data):
    """Return the keys of an output, however deep, but not the states that ``events`` counts."""
    if isinstance(data, list):
        return {key for item in data for key in keys_in(item)}
    if not isinstance(data, dict):
        return set()
    return set(data) | {key for name, value in data.items() if name != "events" for key in keys_in(value)}


async def test_the_commands_print_what_the_schema_says_and_every_field_of_it():
    """Real output of a busy daemon: nothing beyond the schema, and nothing in the schema that is never printed."""
    async with Pager() as pager, Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin()
        await daemon.status_where(lambda status: status["workers"][0]["state"] == "ready")  # which ends older trouble
        file = m.Attachment(name="a.txt", path="/inbox/a", mime="text/plain", size=3, token="handle")
        worker.send(m.Trouble(code="slow", text="The platform is slow.", hint="Wait."))
        await worker.accepted("1", text="look", reply_to_id="0", attachments=[file])
        seen = keys_in(waits := await printed(daemon, "status"))
        assert waits["events"] == {"queued": 1}
        assert [(entry["chat"], entry["count"]) for entry in waits["waiting"]] == [("pager:a", 1)]
        assert [entry["code"] for entry in waits["health"]] == ["platform_slow"]

        async with daemon.client() as client, daemon.client("--listening", "no"):
            await client.next_event()
            outcomes = {
                ("reply", "draft"): lambda ref: m.Sent(ref=ref, message_id="p1"),
                ("edit_message", "final"): lambda ref: m.Sent(ref=ref, message_id="p1"),
                ("react", "👍"): lambda ref: m.Sent(ref=ref, message_id="1"),
                ("reply", "lost"): lambda ref: m.Failed(ref=ref, reason="the chat is gone"),
            }
            for (tool, text), outcome in outcomes.items():
                more = {"react": {"message_id": "1", "emoji": text}, "edit_message": {"message_id": "p1", "text": text}}
                arguments = {"chat_id": "pager:a", **more.get(tool, {"text": text})}
                calling = asyncio.create_task(client.call_tool(tool, arguments, f"toolu_{text}"))
                worker.send(outcome((await worker.expect(m.Send)).ref))
                await calling
            worker.send(m.Offer(ref=90, event=message("r", chat="pager:a", kind="reaction", message_id="p1", text="❤")))
            await worker.expect(m.Accepted, lambda frame: frame.ref == 90)
            await worker.accepted("2", text="and this?")
            await daemon.status_where(lambda s: any(x["activity"] == "working" for x in s["sessions"]))
            status = await printed(daemon, "status")
            SessionFiles(daemon.paths, "api").declare(Declared("/srv/api", PLUGIN, ["--model", "opus"]))
            kept = await printed(daemon, "session list")
            messages = await printed(daemon, "messages")
            assert messages == await printed(daemon, "messages list", "pager:a")
            look, draft, lost, _ = (str(entry["seq"]) for entry in messages["messages"])
            found = await printed(daemon, "messages search", "look")
            delivered = await printed(daemon, "messages list", "--state", "delivered")
            (reaction,) = (str(entry["seq"]) for entry in delivered["messages"] if "kind" in entry)
            shown = [await printed(daemon, "messages show", ref) for ref in (look, draft, lost, reaction)]
            dropped = await printed(daemon, "messages drop", lost)
            sending = asyncio.create_task(printed(daemon, "send", "pager:a", "by hand", exit_status=1))
            worker.send(m.Failed(ref=(await worker.expect(m.Send)).ref, reason="the chat is gone"))
            sent = await sending
            retried = await printed(daemon, "messages retry", str(sent["messages"][0]["seq"]))
            assert (await worker.expect(m.Send)).text == "by hand"
            worker.offer("3", chat="pager:b", sender_id="8", sender="Bob")
            await worker.expect(m.Refused)
            await asyncio.to_thread(daemon.terminal, "access", "group", "open", "pager:g", "--sender", "7")
            asking = await printed(daemon, "pair")
            access = await printed(daemon, "access show")
            (pairing,) = (await printed(daemon, "prompts list"))["prompts"]
            answered = await asyncio.to_thread(daemon.terminal, "prompts", "answer", pairing["id"], "deny")
            assert answered.returncode == 0 and "Denied" in answered.stdout
            prompts = await printed(daemon, "prompts")
            binding = await asyncio.to_thread(daemon.terminal, "bind", "pager:a", "main", "--json")
            strict("bind").validate(bound := json.loads(binding.stdout))
            sessions = await printed(daemon, "sessions")
            setting_up = await asyncio.to_thread(daemon.terminal, "setup", "pager", "--json")
            strict("setup").validate(setup := json.loads(setting_up.stdout))
    assert bound == {"chat": "pager:a", "session": "main", "goes_to": "main"}
    assert [(each["name"], each["state"]) for each in kept["sessions"]] == [("api", "stopped")]
    assert status["outbox"] == [{"worker": "pager", "state": "failed", "count": 1}]
    assert {issue["code"] for issue in status["health"]} == {"platform_slow", "sends_failed"}
    assert sorted(entry["listening"] for entry in sessions["sessions"]) == ["no", "yes"]
    assert [(entry["text"], entry["state"]) for entry in messages["messages"][:3]] == [
        ("look", "answered"), ("final", "sent"), ("lost", "failed"),
    ]  # fmt: skip
    assert [entry["text"] for entry in found["messages"]] == ["look"]
    assert dropped["message"]["state"] == "dropped"
    assert retried["message"]["state"] in {"queued", "sending"}
    assert (sent["done"], sent["failed"], sent["messages"][0]["user"]) == (True, True, "operator")
    assert shown[1]["message"]["session"] == "main"
    assert [(request["sender_id"], request["sender"]) for request in asking["requests"]] == [("8", "Bob")]
    assert [(person["sender_id"], person["role"]) for person in access["workers"][0]["people"]] == [("7", "approver")]
    assert access["workers"][0]["groups"] == [{"chat": "pager:g", "require_mention": True, "senders": ["7"]}]
    assert (pairing["state"], pairing["by"]) == ("open", None)
    assert [(prompt["state"], prompt["by"]["worker"]) for prompt in prompts["prompts"]] == [("answered", None)]
    listed = [status, sessions, kept, messages, found, asking, access, prompts]
    printed_keys = [*listed, *shown, dropped, sent, retried, setup, bound]
    promised = {name for key, each in SCHEMA["$defs"].items() if key not in DOCTORS for name in each["properties"]}
    assert seen | {key for data in printed_keys for key in keys_in(data)} == promised


async def test_an_idle_daemon_prints_the_same_fields():
    """Empty lists, not missing ones."""
    async with Daemon("[workers]\n") as daemon:
        status = await printed(daemon, "status")
        assert (status["workers"], status["sessions"], status["events"]) == ([], [], {})
        assert await printed(daemon, "sessions") == {"sessions": [], "bindings": []}
        assert await printed(daemon, "messages") == {"messages": []}


async def test_without_a_daemon_nothing_is_printed_but_the_error():
    """A program sees the exit status 3, and no half of an object."""
    async with Daemon("[workers]\n") as daemon:
        await daemon.stop()
        result = await asyncio.to_thread(daemon.cli, "status", "--json")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith("Error: ")


@pytest.mark.parametrize("name", SCHEMA["$defs"])
def test_the_page_explains_exactly_the_fields_of_the_schema(name):
    """Each object's table on the page has the rows that its definition has."""
    headings = {
        "status": "## `channeld status --json`", "sessions": "## `channeld sessions --json`",
        "messages": "## `channeld messages --json`", "daemon": "**`daemon`**",
        "issue": "**An entry of `health`**", "worker": "**An entry of `workers`**",
        "session": "**An entry of `sessions`**", "waiting": "**An entry of `waiting`**",
        "outbox": "**An entry of `outbox`**", "message": "**An entry of `messages`.**",
        "attachment": "**An entry of `attachments`**", "show": "## `channeld messages show --json`",
        "detail": "**`message`.**", "send": "## `channeld send --json`",
        "pair": "## `channeld pair --json`", "request": "**An entry of `requests`**",
        "admission": "**An entry of `access`**", "access": "## `channeld access show --json`",
        "listing": "**An entry of `workers` there**", "person": "**An entry of `people`**",
        "group": "**An entry of `groups`**", "dropped": "**An entry of `dropped`**",
        "change": "**An entry of `changes`**", "prompts": "## `channeld prompts --json`",
        "bind": "## `channeld bind --json`", "binding": "**An entry of `bindings`**",
        "setup": "## `channeld setup --json`", "doctor": "## `channeld doctor --json`",
        "finding": "**An entry of `findings`**", "mended": "**An entry of `mended`**",
        "prompt": "**An entry of `prompts`**", "decider": "**`by`**",
        "kept": "## `channeld session list --json`", "kept_session": "**An entry of `sessions` there**",
    }  # fmt: skip
    after = PAGE.split(headings[name], 1)[1]
    table = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
    assert table is not None
    assert re.findall(r"^\| `(\w+)` \|", table[0], re.MULTILINE) == list(SCHEMA["$defs"][name]["properties"])


@pytest.mark.parametrize("states", [EventState, PartState, WorkerState, Phase, Way])
def test_the_page_names_every_state(states):
    """A reader finds every value of a state that can be printed."""
    assert [state for state in states if f"`{state}`" not in PAGE] == []
