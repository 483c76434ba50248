"""``channeld install`` and the real Claude Code: the plugin is there, works without PATH, and goes again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.doubles.daemon import Daemon
from tests.e2e.chat import Chat
from tests.e2e.lab import ROOT, ClaudeLab, claude_binary
from tests.e2e.sessions import session_where

BARE_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
CHANNELD = (sys.executable, "-P", "-m", "channeld.cli.entry")
NO_SYSTEMD = "This user's systemd does not answer."
ALLOW = """
import sys
from pathlib import Path
from channeld.cli import managed_settings
managed_settings._write(managed_settings.own_file(Path(sys.argv[1])))
"""
"""What a person at a terminal has written by saying yes."""


def machine(folder: Path) -> dict[str, str]:
    """Return the environment of a machine that has Claude Code, and no systemd that answers."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "claude").symlink_to(claude_binary())
    (programs / "systemctl").write_text("#!/bin/sh\nexit 1\n")
    (programs / "systemctl").chmod(0o755)
    return {"PATH": f"{programs}:{BARE_PATH}", "PYTHONPATH": f"{ROOT}:{ROOT / 'workers'}"}


async def test_the_plugin_is_put_in_listed_and_taken_out(lab: ClaudeLab, tmp_path: Path):
    """A second time nothing happens, and what a person has put in stays."""
    environment = machine(tmp_path)
    await lab.furnish()
    assert "plugin install channeld@channeld" in await lab.run(
        *CHANNELD, "install", "--dry-run", environment=environment
    )
    said = await lab.run(*CHANNELD, "install", status=1, environment=environment)
    assert "Claude Code has the plugin." in said
    assert NO_SYSTEMD in said
    (listed,) = json.loads(await lab.claude("plugin", "list", "--json"))
    assert (listed["id"], listed["enabled"]) == ("channeld@channeld", True)
    assert "has the plugin already" in await lab.run(*CHANNELD, "install", status=1, environment=environment)
    assert "is taken out" in await lab.run(*CHANNELD, "uninstall", environment=environment)
    assert json.loads(await lab.claude("plugin", "list", "--json")) == []
    assert json.loads(await lab.claude("plugin", "marketplace", "list", "--json")) == []

    await lab.claude("plugin", "marketplace", "add", str(ROOT))
    assert "Claude Code has the plugin." in await lab.run(*CHANNELD, "install", status=1, environment=environment)
    await lab.run(*CHANNELD, "uninstall", environment=environment)
    assert json.loads(await lab.claude("plugin", "list", "--json")) == []
    assert len(json.loads(await lab.claude("plugin", "marketplace", "list", "--json"))) == 1


async def test_an_allowed_session_is_reached_though_channeld_is_in_no_path(
    daemon: Daemon, chat: Chat, lab: ClaudeLab, tmp_path: Path
):
    """Installed, and allowed by the administrator: it starts without a question, and a message is answered."""
    environment = machine(tmp_path)

    async def prepare() -> None:
        said = await lab.run(*CHANNELD, "install", status=1, environment=environment | {"CHANNELD_HOME": ""})
        assert "Claude Code has the plugin." in said
        await lab.run(sys.executable, "-c", ALLOW, str(tmp_path / "etc" / "claude-code"), environment=environment)

    await lab.start(
        prepare=prepare, managed=tmp_path / "etc", opt_in=False, settings={"permissions": {}},
        environment={"PATH": BARE_PATH, "CHANNELD_HOME": str(daemon.home), "CHANNELD_NO_START": "1"},
        arguments=("--channels", "plugin:channeld@channeld", "--permission-mode", "default"),
    )  # fmt: skip
    assert "allowlist" not in await lab.terminal.screen()
    await session_where(daemon, lambda session: session["listening"] == "yes" and session["state"] == "attached")
    await chat.say("good morning")
    await chat.hears("echo: good morning")
