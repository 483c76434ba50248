"""What ``channeld doctor`` says of the real Claude Code is what that does."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from channeld.cli.doctor.checks.variables import PROVIDERS, SWITCHES
from tests.doubles.daemon import Daemon
from tests.e2e.lab import ClaudeLab, claude_binary
from tests.e2e.sessions import attach, plugin_of

LISTENS = "inject directly in this session"
IGNORED = "ignored (plugin:channeld@channeld)"


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder in which ``claude`` is."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "claude").symlink_to(claude_binary())
    return folder


async def examined(daemon: Daemon, lab: ClaudeLab, tools: Path) -> dict[str, list[Any]]:
    """Return what is found in the session's home, by check."""
    environment = plugin_of(daemon.home)["environment"]
    place = {"HOME": str(lab.home), "PATH": f"{tools}:{environment['PATH']}"}
    done = await asyncio.to_thread(lambda: daemon.piped("", "doctor", "--json", **place))
    found: dict[str, list[Any]] = {}
    for finding in json.loads(done.stdout)["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


async def test_a_session_that_listens_is_found_sound(daemon: Daemon, lab: ClaudeLab, tools: Path):
    """Its version, its plugin, its variables, and the revision of MCP that it would rather speak."""
    more = plugin_of(daemon.home)
    await attach(lab, daemon, environment={**more["environment"], "MCP_PROTOCOL_NEGOTIATION": "auto"})
    await lab.terminal.wait_for(LISTENS)
    found = await examined(daemon, lab, tools)
    for check in ("Claude Code", "login", "Claude settings", "policy", "variables", "plugin", "sessions"):
        assert {one["level"] for one in found[check]} == {"ok"}, found[check]
    assert [one["level"] for one in found["protocol"]] == ["note"]


@pytest.mark.parametrize("variable", [*sorted(SWITCHES), min(PROVIDERS)])
async def test_a_variable_that_switches_channels_off_is_found(
    daemon: Daemon, lab: ClaudeLab, tools: Path, variable: str
):
    """Claude Code says at its start that the channel is ignored, and nobody sees that from outside but the doctor."""
    more = plugin_of(daemon.home)
    await attach(lab, daemon, environment={**more["environment"], variable: "1"})
    await lab.terminal.wait_for(IGNORED)
    (found,) = (await examined(daemon, lab, tools))["variables"]
    assert (found["level"], found["finding"].partition(" ")[0]) == ("failure", variable)
    assert not os.environ.get(variable)
