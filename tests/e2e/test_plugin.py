"""The Claude Code plugin in the real client: it passes its checks, and a session with it is reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.doubles.daemon import Daemon
from tests.e2e.chat import Chat
from tests.e2e.lab import ROOT, ClaudeLab
from tests.e2e.sessions import attach, plugin_of, session_where

SKILL_BEGINS = "What channeld says of itself"
STRICT_PLUGIN = ("--strict", "--profile", "directory", "config/claude-plugin")


@pytest.mark.parametrize("arguments", [STRICT_PLUGIN, ("--strict", ".")], ids=["plugin", "marketplace"])
async def test_the_plugin_and_its_marketplace_are_valid(lab: ClaudeLab, arguments: tuple[str, ...]):
    """As the catalogue that plugins are submitted to would judge them, warnings included."""
    await lab.furnish()
    *options, place = arguments
    assert "Validation passed" in await lab.claude("plugin", "validate", *options, str(ROOT / place))


async def test_a_session_with_the_plugin_answers_the_browser(daemon: Daemon, chat: Chat, lab: ClaudeLab):
    """The message reaches the model from the plugin's server, and ``reply`` goes back without a rule or a question."""
    await attach(lab, daemon)
    await chat.say("good morning")
    event = await lab.model.wait_event("good morning")
    assert event.meta["source"] == "plugin:channeld:channeld"
    await chat.hears("echo: good morning")
    await chat.sees_answered("good morning")


async def test_a_session_without_the_flag_is_told_the_plugins(daemon: Daemon, lab: ClaudeLab):
    """What mends it names the plugin's channel, not that of a server by itself."""
    await lab.start(**plugin_of(daemon.home), opt_in=False)
    session = await session_where(daemon, lambda session: session["state"] == "attached")
    assert session["listening"] == "no"
    assert session["mend"].endswith("claude --dangerously-load-development-channels plugin:channeld@channeld")


@pytest.mark.parametrize("running", [True, False], ids=["running", "not running"])
async def test_a_skill_shows_what_channeld_says(daemon: Daemon, lab: ClaudeLab, tmp_path: Path, running: bool):
    """``/channeld:status`` hands the model what the command prints, also where that is how to start the daemon."""
    await lab.start(**plugin_of(daemon.home if running else tmp_path / "nothing here"))
    await lab.terminal.type("/channeld:status")
    request = await lab.model.wait_request(lambda request: SKILL_BEGINS in json.dumps(request["messages"]))

    said = json.dumps(request["messages"])
    assert ("All is well" if running else "Try: channeld start") in said
    # The model has it from the user alone: it is not among the skills that are offered to it.
    assert "- channeld:" not in said


async def test_the_model_cannot_call_a_skill_of_the_plugin(daemon: Daemon, chat: Chat, lab: ClaudeLab):
    """A message that asks for it gets nothing of it run."""
    await attach(lab, daemon)
    await chat.say('tool Skill {"skill": "channeld:access"}')
    refused = "cannot be used with Skill tool due to disable-model-invocation"
    request = await lab.model.wait_request(lambda request: refused in json.dumps(request["messages"]))
    assert "Who may write to this session" not in json.dumps(request["messages"])
