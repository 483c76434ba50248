"""A kept session beside its terminal: its name, its files, its environment, and its unit."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from channeld.cli.claude_files import channel_of, read_claude
from channeld.cli.service_unit import SESSION, unit_text
from channeld.cli.session_environment import link_agent, login_shell, session_environment, through_shell
from channeld.cli.session_files import Declared, Report, SessionFiles, every_session
from channeld.core.errors import ChanneldError
from channeld.core.kept_session import Phase, check_name
from channeld.core.opt_in import PLUGIN, SERVER
from channeld.paths import find_paths, make_all


@pytest.fixture
def paths(tmp_path):
    """Return places that are there."""
    found = find_paths({"CHANNELD_HOME": str(tmp_path / "home")})
    make_all(found)
    return found


@pytest.mark.parametrize("name", ["api", "a", "A.b_c-9", "x" * 40])
def test_a_name_that_goes_everywhere_is_one(name):
    """Into a file, a unit, a socket."""
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "-x", "_x", "a/b", "a b", "a@b", "a%i", "ä", "a\n", "x" * 41])
def test_another_is_none(name):
    """And it is said what one is made of."""
    with pytest.raises(ChanneldError) as caught:
        check_name(name)
    assert "letters" in caught.value.hint


def test_what_was_declared_and_told_is_read_again(paths):
    """By whoever has the name, for the owner alone."""
    files, declared = SessionFiles(paths, "api"), Declared("/srv/api", PLUGIN, ["--model", "opus"])
    report = Report(7, Phase.ASKING, 1.5, "why", "managed", 8, 2)
    files.declare(declared)
    files.tell(report)
    (same,) = every_session(paths)
    assert (same.name, same.declared(), same.report()) == ("api", declared, report)
    files.set_begun(True)
    assert same.declared() == Declared("/srv/api", PLUGIN, ["--model", "opus"], begun=True)
    assert {file.stat().st_mode & 0o777 for file in (paths.state / "sessions").iterdir()} == {0o600}
    files.forget()
    assert (every_session(paths), files.declared(), files.report()) == ([], None, None)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"folder": 1}', "\xff", '{"phase": "of a later version"}'])
def test_a_file_that_makes_no_sense_is_none(paths, text):
    """Such as half of one, or one of another version."""
    files = SessionFiles(paths, "api")
    files.declare(Declared("/", PLUGIN))
    for file in (paths.state / "sessions" / "api.json", paths.run / "session-api.json"):
        file.write_text(text)
    assert (files.declared(), files.report()) == (None, None)


def test_there_is_one_keeper(paths):
    """The second is told so, and the next one comes when it has gone."""
    files = SessionFiles(paths, "api")
    assert not files.is_kept()
    first = files.hold()
    assert first is not None
    assert files.is_kept()
    assert files.hold() is None
    os.close(first)
    assert not files.is_kept()


def test_a_name_can_make_a_socket_too_long(paths):
    """What Linux cannot take is seen before."""
    assert SessionFiles(paths._replace(run=Path("/run")), "x" * 40).fits()
    assert not SessionFiles(paths._replace(run=Path("/") / ("y" * 100)), "api").fits()


def test_the_environment_is_the_users_and_not_that_of_what_started_it(tmp_path):
    """Nothing of another terminal's, another Claude Code's or a service's, and nothing to import from us."""
    theirs = {"HOME": "/home/you", "LANG": "C.UTF-8", "ANTHROPIC_API_KEY": "of a profile"}
    foreign = {
        "TMUX": "x",
        "CLAUDECODE": "1",
        "INVOCATION_ID": "x",
        "SSH_AUTH_SOCK": "/gone",
        "CHANNELD_SESSION": "other",
    }
    environ = {**theirs, **foreign, "PYTHONPATH": "/src:/theirs:/src/workers"}
    found = session_environment(environ, "api", tmp_path / "agent", root="/src")
    assert found == {**theirs, "CHANNELD_SESSION": "api", "PYTHONPATH": "/theirs"}
    assert "PYTHONPATH" not in session_environment({"PYTHONPATH": "/src"}, "api", tmp_path / "agent", root="/src")


def test_the_agent_of_the_last_terminal_is_led_to(tmp_path):
    """Where it is there; a keeper does not take it away again."""
    link = tmp_path / "agent"
    for name in ("one", "two"):
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(tmp_path / name))
    one, two = ({"SSH_AUTH_SOCK": str(tmp_path / name)} for name in ("one", "two"))
    for environ in ({}, {"SSH_AUTH_SOCK": "/gone"}, {"SSH_AUTH_SOCK": str(link)}):
        link_agent(link, environ, replace=True)
        assert not link.is_symlink()
    link_agent(link, one, replace=False)
    assert os.readlink(link) == str(tmp_path / "one")
    link_agent(link, two, replace=False)
    assert os.readlink(link) == str(tmp_path / "one")
    link_agent(link, two, replace=True)
    assert os.readlink(link) == str(tmp_path / "two")
    assert session_environment({}, "api", link)["SSH_AUTH_SOCK"] == str(link)


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/sh", "/usr/sbin/nologin", "/opt/elvish"])
def test_a_command_goes_through_the_shell_word_by_word(shell, tmp_path):
    """No shell reads it, and what its start has set stays."""
    words = ["printf", "%s|", "a b", "$HOME", "'", '"; exit', "*"]
    (tmp_path / ".profile").write_text("export FROM_PROFILE=yes\n")
    line = through_shell(shell, Path("/the agent"), [*words])
    run = subprocess.run(line, capture_output=True, text=True, env={"HOME": str(tmp_path)}, stdin=subprocess.DEVNULL)
    assert run.stdout == "a b|$HOME|'|\"; exit|*|"
    shown = through_shell(shell, Path("/the agent"), ["sh", "-c", "echo $FROM_PROFILE $SSH_AUTH_SOCK"])
    environ = {"HOME": str(tmp_path)}
    assert subprocess.run(shown, capture_output=True, text=True, env=environ).stdout == "yes /the agent\n"
    environ["SSH_AUTH_SOCK"] = "/own"
    assert subprocess.run(shown, capture_output=True, text=True, env=environ).stdout == "yes /own\n"


def test_fish_is_talked_to_in_its_own_words():
    """It has no ``$@``, and its list begins with the first word."""
    assert through_shell("/usr/bin/fish", Path("/a"), ["claude", "-c"])[5:] == ["/a", "claude", "-c"]
    assert login_shell({"SHELL": "/usr/bin/fish"}) == "/usr/bin/fish"
    assert login_shell({}).startswith("/")


def test_settings_are_read_where_claude_code_has_them(tmp_path):
    """The user's, the project's and the managed ones; what cannot be read says nothing."""
    project, managed = tmp_path / "project", tmp_path / "managed"
    environ = {"HOME": str(tmp_path), "CHANNELD_TEST_MANAGED_SETTINGS": str(managed)}
    (managed / "managed-settings.d").mkdir(parents=True)
    (managed / "managed-settings.json").write_text("no json")
    (managed / "managed-settings.d" / "10.json").write_text('{"channelsEnabled": true}')
    assert [layer.data for layer in read_claude(environ, ()).managed] == [{}, {"channelsEnabled": True}]
    project.mkdir()
    assert channel_of(project, environ) is None
    (project / ".mcp.json").write_text('{"mcpServers": {"channeld": {}}}')
    assert channel_of(project, environ) == SERVER
    (tmp_path / ".claude").mkdir()
    (tmp_path / ".claude" / "settings.json").write_text('{"enabledPlugins": {"channeld@channeld": true}}')
    assert channel_of(project, environ) == PLUGIN
    assert channel_of(project, {**environ, "CLAUDE_CONFIG_DIR": str(managed)}) == SERVER


def test_the_unit_runs_the_keeper_of_its_instance():
    """With the daemon's settings, and a word of any shape as it is."""
    text = unit_text(SESSION, {"PATH": "/usr/bin", "ANTHROPIC_API_KEY": "secret"}, executable='/opt/a $b/%c"')
    assert 'ExecStart="/opt/a $$b/%%c\\"" "-P" "-m" "channeld.cli.entry" session keep %i\n' in text
    assert 'Environment="PATH=/usr/bin"' in text
    assert "secret" not in text
    assert "@" not in text.replace("claude-session@", "")
