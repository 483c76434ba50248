"""``channeld install`` and ``uninstall`` where no systemd is: what becomes of the plugin, and of a whole command."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from channeld.paths import find_paths
from tests.doubles.claude_program import ClaudeProgram

ROOT = Path(__file__).parents[2]
ADD, INSTALL = f"plugin marketplace add {ROOT}", "plugin install channeld@channeld"
BOTH_AWAY = ["plugin uninstall channeld@channeld", "plugin marketplace remove channeld"]
NO_SYSTEMD = "There is no systemd here"


class Machine:
    """One with a stand-in for Claude Code in PATH, and nothing else there."""

    def __init__(self, home: Path) -> None:
        self.claude = ClaudeProgram(home / "programs")
        self.environment = {
            "HOME": str(home), "PATH": str(home / "programs"), "XDG_RUNTIME_DIR": str(home / "run"), "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "workers"))),
        }  # fmt: skip
        self.paths = find_paths(self.environment)

    def run(self, *words: str, status: int = 0) -> str:
        """Run channeld's command, and return all that it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "channeld.cli.entry", *words], env=self.environment, capture_output=True, text=True,
            check=False, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Return a machine, which no command is to have started a daemon on."""
    machine = Machine(tmp_path)
    yield machine
    assert not machine.paths.lock.exists()


def test_the_plugin_is_put_in_once_and_taken_out(machine: Machine):
    """Also where the service cannot be; then how to start Claude Code is told."""
    said = machine.run("install", status=1)
    assert NO_SYSTEMD in said
    assert "claude --dangerously-load-development-channels plugin:channeld@channeld" in said
    assert machine.claude.changes() == [ADD, INSTALL]
    assert os.access(machine.paths.launcher, os.X_OK)
    assert "has the plugin already" in machine.run("install", status=1)
    assert machine.claude.changes() == []
    assert "Would run:" in machine.run("uninstall", "--dry-run")
    assert machine.claude.has() == (1, 1)
    assert "is taken out" in machine.run("uninstall")
    assert machine.claude.changes() == BOTH_AWAY
    assert not machine.paths.launcher.exists()
    assert "was not put in by" in machine.run("uninstall")


@pytest.mark.parametrize("there", [[ADD], [ADD, INSTALL]], ids=["marketplace", "both"])
def test_what_a_person_has_put_in_stays(machine: Machine, there: list[str]):
    """Only what was added is taken out."""
    for command in there:
        subprocess.run([Path(machine.environment["PATH"]) / "claude", *command.split()], check=True)
    machine.claude.changes()
    machine.run("install", status=1)
    assert machine.claude.changes() == ([] if INSTALL in there else [INSTALL])
    machine.run("uninstall")
    assert machine.claude.has() == (1, 1 if INSTALL in there else 0)


def test_a_dry_run_says_what_would_be_asked_for(machine: Machine):
    """With the program's whole path, and nothing is changed."""
    said = machine.run("install", "--dry-run")
    program = Path(machine.environment["PATH"]) / "claude"
    assert f"Would run: {program} {ADD}\nWould run: {program} {INSTALL}\n" in said
    assert machine.claude.changes() == []
    assert not machine.paths.state.exists()


def test_without_claude_code_that_is_said_and_the_rest_goes_on(machine: Machine):
    """Here as far as that there is no systemd either."""
    machine.environment["PATH"] = "/nowhere"
    said = machine.run("install", status=1)
    assert "Claude Code is not installed here" in said
    assert NO_SYSTEMD in said
    assert "Claude Code is not installed here" in machine.run("install", "--dry-run")


def test_a_failure_of_claude_codes_is_told_in_a_sentence(machine: Machine):
    """After the rest: here a dry run is told, and `uninstall` tries again the next time."""
    machine.run("install", status=1)
    machine.claude.fail("Marketplace is locked by your organization")
    said = machine.run("uninstall", status=1)
    failed = "`claude plugin uninstall channeld@channeld` failed: Marketplace is locked by your organization."
    assert f"Error: {failed}\nTry: " in said
    machine.claude.fail("")
    machine.run("uninstall")
    assert machine.claude.has() == (0, 0)


def test_managed_settings_need_a_person(machine: Machine):
    """Without a terminal they are shown, with the warning, and nothing is written or asked of Claude Code."""
    said = machine.run("install", "--managed", status=1)
    assert "allowedChannelPlugins" in said
    assert "official channel plugins" in said
    assert "Error: " in said
    assert machine.claude.changes() == []
    assert "There are no managed settings of channeld's." in machine.run("uninstall", "--managed")
    assert "do not go together" in machine.run("install", "--managed", "--linger", status=2)
