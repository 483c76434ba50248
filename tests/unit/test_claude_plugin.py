"""What Claude Code is asked for, whatever it has already."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from channeld.cli.claude_plugin import Standing, find_program, launcher_text, marketplace_folder, steps, steps_back

OURS = Path("/opt/channeld")
HERE = {"name": "channeld", "source": "directory", "path": "/opt/channeld"}
ELSEWHERE = HERE | {"path": "/home/ann/old"}
GITHUB = {"name": "channeld", "source": "github", "repo": "somebody/channeld"}
IN_PLACE = {"id": "channeld@channeld", "version": "1.0", "readFromFolder": "/opt/channeld/config/claude-plugin"}
COPY = {"id": "channeld@channeld", "version": "1.0"}
ADD = ("plugin", "marketplace", "add", "/opt/channeld")
INSTALL = ("plugin", "install", "channeld@channeld")
UPDATE = [("plugin", "marketplace", "update", "channeld"), ("plugin", "update", "channeld@channeld")]
UNINSTALL = ("plugin", "uninstall", "channeld@channeld")
REMOVE = ("plugin", "marketplace", "remove", "channeld")


@pytest.mark.parametrize(
    ("marketplace", "plugin", "wanted"),
    [
        (None, None, [ADD, INSTALL]),
        (HERE, None, [INSTALL]),
        (HERE, COPY, []),
        (HERE, IN_PLACE, []),
        (ELSEWHERE, COPY, [ADD]),
        (GITHUB, COPY, []),
        (GITHUB, None, [INSTALL]),
        (HERE, COPY | {"version": "0.9"}, UPDATE),
        (HERE, IN_PLACE | {"version": "0.9"}, []),
    ],
)
def test_only_what_is_missing_is_asked_for(marketplace, plugin, wanted):
    """A marketplace in another folder is led to ours, one from the network stays; an old copy is updated."""
    assert steps(Standing(marketplace, plugin), OURS, "1.0") == wanted


@pytest.mark.parametrize(
    ("marketplace", "plugin", "added", "wanted"),
    [
        (HERE, COPY, ["marketplace", "plugin"], [UNINSTALL, REMOVE]),
        (HERE, COPY, ["plugin"], [UNINSTALL]),
        (HERE, COPY, ["marketplace"], []),
        (HERE, None, ["marketplace", "plugin"], [REMOVE]),
        (None, None, ["marketplace", "plugin"], []),
        (HERE, COPY, [], []),
    ],
)
def test_only_what_was_added_is_taken_away(marketplace, plugin, added, wanted):
    """And no marketplace from which somebody else has a plugin."""
    assert steps_back(Standing(marketplace, plugin), added) == wanted


def test_the_marketplace_is_found_in_a_checkout_and_in_an_installed_package(tmp_path):
    """Both have its manifest, and the plugin where that says."""
    checkout = marketplace_folder()
    assert (checkout / "config" / "claude-plugin" / ".mcp.json").is_file()
    manifest = tmp_path / "channeld" / "_data" / ".claude-plugin" / "marketplace.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    assert marketplace_folder(str(tmp_path)) == tmp_path / "channeld" / "_data"


def test_claude_code_is_found_in_path_and_where_its_installers_put_it(tmp_path):
    """One in PATH comes first."""
    environ = {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    assert find_program(environ) is None
    for place in (".claude/local/claude", ".local/bin/claude", "bin/claude"):
        program = tmp_path / place
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        assert find_program(environ) == str(program)


def test_the_launcher_runs_channeld_from_anywhere(tmp_path):
    """With its arguments as they are, without PATH, from a folder that holds another package of that name."""
    (tmp_path / "channeld").mkdir()
    (tmp_path / "channeld" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    launcher = tmp_path / "launcher"
    launcher.write_text(launcher_text())
    done = subprocess.run(
        ["/bin/sh", launcher, "no such command"], cwd=tmp_path, env={"HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "No such command 'no such command'" in done.stderr
    assert done.returncode == 2


def test_the_launcher_quotes_where_python_is():
    """A folder's name may hold anything."""
    assert "exec '/opt/it'\"'\"'s here/python' -P" in launcher_text("/opt/it's here/python")


@pytest.mark.parametrize("place", ["path", "launcher", "local", "nowhere"])
def test_the_plugin_finds_channeld(tmp_path, place):
    """In PATH, where `install` has put it, where pipx and uv do; never itself or a copy, which stand in PATH too."""
    plugin = marketplace_folder() / "config" / "claude-plugin"
    copy = tmp_path / "cache"
    (copy / ".claude-plugin").mkdir(parents=True)
    (copy / ".claude-plugin" / "plugin.json").write_text("{}")
    (copy / "bin").mkdir()
    (copy / "bin" / "channeld").symlink_to("/bin/false")
    folders = {
        "path": tmp_path / "some bin",
        "launcher": tmp_path / ".local/state/channeld/bin",
        "local": tmp_path / ".local/bin",
    }  # fmt: skip
    if place in folders:
        folders[place].mkdir(parents=True)
        program = folders[place] / "channeld"
        program.write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
        program.chmod(0o755)
    path = os.pathsep.join(map(str, (copy / "bin", plugin / "bin", tmp_path / "some bin")))
    done = subprocess.run(
        ["/bin/sh", plugin / "bin" / "channeld", "mcp", "a b", "*"],
        env={"HOME": str(tmp_path), "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if place == "nowhere":
        assert (done.returncode, done.stdout) == (127, "")
        assert "channeld install" in done.stderr
    else:
        assert (done.returncode, done.stdout, done.stderr) == (0, "<mcp><a b><*>", "")


def test_the_plugins_program_can_be_run():
    """Claude Code puts its folder into the PATH of what it runs."""
    assert os.access(marketplace_folder() / "config" / "claude-plugin" / "bin" / "channeld", os.X_OK)
