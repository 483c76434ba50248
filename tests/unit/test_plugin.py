"""The Claude Code plugin, as far as its files tell: its version, its hooks, and skills that are the user's alone."""

import json
import re
from pathlib import Path

import pytest

import channeld

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "config" / "claude-plugin"
HELD = ["AskUserQuestion", "ExitPlanMode"]


def read(file):
    """Return what a JSON file holds."""
    return json.loads(file.read_text("utf-8"))


HOOKS = read(PLUGIN / "hooks" / "hooks.json")["hooks"]
ENTRIES = [(event, entry) for event, entries in HOOKS.items() for entry in entries]
SKILLS = {file.parent.name: file.read_text("utf-8") for file in PLUGIN.glob("skills/*/SKILL.md")}


def test_the_version_is_channelds():
    """Claude Code updates a plugin when its version changes, so it follows that of the package."""
    assert read(PLUGIN / ".claude-plugin" / "plugin.json")["version"] == channeld.__version__


def test_the_repository_is_the_marketplace():
    """It is named channeld, as is its one plugin: the flag, the rules and the hooks refer to these names."""
    market = read(ROOT / ".claude-plugin" / "marketplace.json")
    assert market["name"] == "channeld"
    (listed,) = market["plugins"]
    assert listed["name"] == read(PLUGIN / ".claude-plugin" / "plugin.json")["name"] == "channeld"
    assert (ROOT / listed["source"]).samefile(PLUGIN)


@pytest.mark.parametrize(("event", "entry"), ENTRIES)
def test_a_hook_reports_to_the_session_tool(event, entry):
    """By the plugin's own server, with the event's name, texts alone, and a limit of its own."""
    (hook,) = entry["hooks"]
    assert (hook["type"], hook["server"], hook["tool"]) == ("mcp_tool", "plugin:channeld:channeld", "session_event")
    assert hook["input"]["event"] == event
    for name, value in hook["input"].items():
        assert value == (event if name == "event" else "true" if name == "hold" else f"${{{name}}}")
    assert hook["timeout"] == (600 if "hold" in hook["input"] else 10)


def test_each_tool_call_is_reported_once_and_questions_and_plans_are_held():
    """The two entries of PreToolUse divide the tools between them."""
    plain, held = HOOKS["PreToolUse"]
    assert "hold" not in plain["hooks"][0]["input"]
    assert held["hooks"][0]["input"]["hold"] == "true"
    assert held["matcher"].split("|") == HELD
    for tool in [*HELD, "Bash", "Edit", "Agent", "mcp__x__AskUserQuestion", "ExitPlanModeNot"]:
        assert bool(re.search(plain["matcher"], tool)) is (tool not in HELD)


@pytest.mark.parametrize("name", ["access", "configure", "status"])
def test_a_skill_is_the_users_to_call(name):
    """The model cannot call it by itself, and what it runs by itself only reads, or opens a form."""
    head = SKILLS[name].split("---\n")[1]
    assert f"name: {name}\n" in head
    assert "disable-model-invocation: true\n" in head
    allowed = re.findall(r"Bash\(([^)]*)\)", head)
    run = {command.removesuffix(" 2>&1 || true") for command in re.findall(r"!`([^`]*)`", SKILLS[name])}
    assert run == set(allowed)
    readers = {
        "channeld access show", "channeld pair list", "channeld pair dialog", "channeld status", "channeld sessions",
        "channeld --help",
    }  # fmt: skip
    assert set(allowed) <= readers
