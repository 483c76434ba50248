"""The shim's parts beside the state machine: options, lines, places, the claude process above, cache, daemon start."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import channeld
from channeld.cli import shim, shim_host, shim_start
from channeld.core import listening
from channeld.paths import find_paths

# -- options


def test_options_are_read_in_both_spellings() -> None:
    """``--name x`` and ``--name=x`` are one."""
    assert shim.parse_options([]) == {"name": "", "listening": "auto"}
    options = shim.parse_options(["--name", "api", "--listening=no", "--no-start"])
    assert options == {"name": "api", "listening": "no", "no-start": "yes"}
    assert shim.parse_options(["-h"]) == shim.parse_options(["--help"])


@pytest.mark.parametrize("argv", [["--listening", "perhaps"], ["--name"], ["--name="], ["extra"], ["--no-start=1"]])
def test_a_wrong_option_is_a_usage_error(argv: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Status 2, and on stderr the mistake and where to look."""
    assert shim.main(argv) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("Error: ") and err.endswith("Try: channeld mcp --help\n")


# -- lines


@given(st.lists(st.binary(max_size=12)), st.lists(st.integers(0, 60)))
def test_lines_are_the_same_wherever_the_stream_is_cut(lines: list[bytes], cuts: list[int]) -> None:
    """The cutter agrees with splitting the whole stream, for lines of any length around the limit."""
    limit = 8
    stream = b"\n".join(lines)
    *whole, _ = stream.split(b"\n")
    cutter = shim.LineCutter(limit)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    found = [line for a, b in itertools.pairwise(edges) for line in cutter.feed(stream[a:b])]
    assert found == [line for line in whole if 0 < len(line) <= limit]
    unfinished = len(stream.rpartition(b"\n")[2]) > limit
    assert cutter.oversized == sum(len(line) > limit for line in whole) + unfinished


def test_a_line_that_has_begun_can_be_forgotten() -> None:
    """Half a line of a dead daemon is not joined to the next one's, whether it was being kept or skipped."""
    cutter = shim.LineCutter(8)
    for half in (b"half", b"much too long"):
        cutter.feed(half)
        cutter.reset()
        assert cutter.feed(b"whole\n") == [b"whole"]


# -- places


@pytest.mark.parametrize(
    "environ",
    [
        {"HOME": "/h"},
        {"HOME": "/h", "CHANNELD_HOME": "/own"},
        {"HOME": "/h", "CHANNELD_HOME": "/own", "XDG_RUNTIME_DIR": "/run/user/1", "XDG_STATE_HOME": "/s"},
        {"HOME": "/h", "CHANNELD_HOME": "relative/own"},
        {"HOME": "/h", "CHANNELD_HOME": ""},
        {"HOME": "/h", "XDG_STATE_HOME": "/s"},
        {"HOME": "/h", "XDG_RUNTIME_DIR": "/run/user/1"},
        {"HOME": "/h", "XDG_RUNTIME_DIR": "", "XDG_STATE_HOME": ""},
        {},
    ],
)
def test_places_are_those_of_the_daemon(environ: dict[str, str]) -> None:
    """The shim works them out without pathlib, by the same rules."""
    places, paths = shim_host.Places(environ, os.getcwd(), "1.2"), find_paths(environ)
    assert Path(places.session_socket) == paths.session_socket
    assert Path(places.cache) == paths.state / "handshake-1.2.json"
    assert Path(places.error_log) == paths.log / "daemon.err"


# -- the claude process above

COMMAND_LINES = [
    ["claude"],
    ["/usr/local/bin/claude", "--resume"],
    ["claude.exe"],
    ["node", "/usr/lib/node_modules/@anthropic-ai/claude-code/cli.js"],
    ["/usr/bin/nodejs", "--max-old-space-size=1", "/x/bin/claude"],
    ["bun", "/x/claude"],
    ["bun", "/x/claude/"],
    ["node", "a", "b", "/x/claude"],
    ["node"],
    ["node", "server.js", "claude-notes"],
    ["python3", "/x/claude"],
    ["vim", "claude"],
    ["claude-desktop"],
    ["bash", "-c", "claude"],
    [""],
    [],
]


@pytest.mark.parametrize("argv", COMMAND_LINES)
def test_what_counts_as_claude_is_decided_as_in_the_core(argv: list[str]) -> None:
    """Two copies of one rule, because importing the core's would slow every start."""
    assert shim_host.is_claude(argv) == listening.is_claude(argv)


FLAGS = [
    [],
    ["--channels", "plugin:channeld@channeld"],
    ["--channels=plugin:channeld@channeld,server:x", "secret"],
    ["--dangerously-load-development-channels", "server:a", "server:channeld", "secret"],
    ["--channels", "server:a", "--", "server:channeld"],
    ["--channels=server:a", "server:channeld"],
    ["--channels", "-p", "server:channeld", "secret"],
    ["-p", "secret", "--permission-mode", "auto", "--channels", "server:a,server:channeld"],
    ["--permission-mode=bypassPermissions", "--dangerously-skip-permissions", "--append-system-prompt", "secret"],
    ["--permission-mode", "tell me a secret"],
    ["--permission-mode", "--channels", "server:channeld"],
    ["--channels", "server:channeld tell me a secret"],
]


@pytest.mark.parametrize("flags", FLAGS)
def test_flags_that_are_kept_lead_to_the_same_verdict(flags: list[str]) -> None:
    """Prompts stay behind, and the daemon judges as if it had seen the whole command line."""
    argv = ["/usr/bin/claude", *flags]
    kept = shim_host.keep_flags(argv)
    assert "secret" not in " ".join(kept)
    whole, part = listening.judge("auto", argv), listening.judge("auto", kept)
    assert whole.listening == part.listening


def test_the_permission_mode_is_kept() -> None:
    """The daemon must know of sessions that ask nobody."""
    kept = shim_host.keep_flags(["claude", "--permission-mode", "auto", "hi", "--dangerously-skip-permissions"])
    assert kept == ["claude", "--permission-mode", "auto", "--dangerously-skip-permissions"]
    assert shim_host.keep_flags(["claude", "--permission-mode=plan"]) == ["claude", "--permission-mode", "plan"]


# -- the cached handshake


def test_the_built_in_handshake_registers_a_channel() -> None:
    """It is what Claude Code needs to see, and its serverInfo is of this version."""
    answers = shim_host.load_handshake("/nonexistent/handshake.json")
    experimental = answers["initialize"]["capabilities"]["experimental"]
    assert set(experimental) == {"claude/channel", "claude/channel/permission"}
    assert "tools" in answers["initialize"]["capabilities"]
    assert answers["initialize"]["serverInfo"] == {"name": "channeld", "version": channeld.__version__}
    assert {"reply", "fetch_messages"} <= {tool["name"] for tool in answers["tools_list"]["tools"]}


def test_a_learned_handshake_is_cached_for_the_owner_alone(tmp_path: Path) -> None:
    """Written in one step where it differs from what is there, and left alone where it does not."""
    path = tmp_path / "state" / "handshake-1.json"
    answers = {"initialize": {"capabilities": {}, "a": "é"}, "tools_list": {"tools": []}}
    shim_host.save_handshake(str(path), answers)
    assert shim_host.load_handshake(str(path)) == answers
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]
    inode = path.stat().st_ino
    shim_host.save_handshake(str(path), answers)
    assert path.stat().st_ino == inode


def test_what_is_built_in_is_not_cached(tmp_path: Path) -> None:
    """No file appears where it would say nothing new."""
    path = tmp_path / "handshake-1.json"
    shim_host.save_handshake(str(path), shim_host.load_handshake(str(path)))
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"initialize": {}}', '{"initialize": 1, "tools_list": {}}', "null"])
def test_a_broken_cache_is_passed_over(tmp_path: Path, text: str) -> None:
    """The built-in answers still register the session."""
    path = tmp_path / "handshake-1.json"
    path.write_text(text)
    assert "experimental" in shim_host.load_handshake(str(path))["initialize"]["capabilities"]


# -- the start of a daemon


def test_the_daemon_is_started_through_systemd_where_the_unit_is_installed() -> None:
    """Else by this interpreter."""
    assert shim_start.start_command(unit_installed=True) == ["systemctl", "--user", "start", "channeld.service"]
    assert shim_start.start_command(unit_installed=False) == [sys.executable, "-m", "channeld.cli.entry", "run"]


def test_a_daemon_inherits_nothing_that_is_not_allowed() -> None:
    """A session's environment holds keys and tokens; where channeld keeps its things does pass."""
    allowed = {
        "HOME": "/h",
        "PATH": "/bin",
        "LC_TIME": "C",
        "XDG_RUNTIME_DIR": "/run/user/1",
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1/bus",
        "SSL_CERT_FILE": "/ca.pem",
        "HTTPS_PROXY": "http://proxy:3128",
        "CHANNELD_NO_START": "1",
    }
    secret = dict.fromkeys(
        [
            "ANTHROPIC_API_KEY",
            "TELEGRAM_BOT_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "GITHUB_TOKEN",
            "PYTHONPATH",
            "LD_PRELOAD",
        ],
        "s3cret",
    )
    clean = shim_start.clean_environment(allowed | secret | {"CHANNELD_HOME": "own"}, "/work", root="/v/site-packages")
    assert clean == allowed | {"CHANNELD_HOME": "/work/own"}


def test_a_daemon_has_no_name_of_a_session() -> None:
    """It is that of every session."""
    assert shim_start.clean_environment({"CHANNELD_SESSION": "api"}, "/", root="/v/site-packages") == {}


def test_a_daemon_of_a_checkout_is_told_where_its_code_is() -> None:
    """Only the folders of the package: the session's own PYTHONPATH stays behind."""
    clean = shim_start.clean_environment({"PYTHONPATH": "/evil"}, "/", root="/src/channeld")
    assert clean == {"PYTHONPATH": "/src/channeld:/src/channeld/workers"}


def test_the_shim_imports_little() -> None:
    """What is imported is paid for at the start of every session."""
    heavy = {"pathlib", "asyncio", "subprocess", "argparse", "typing", "logging", "click", "msgspec"}
    code = (
        f"import sys; sys.path.insert(0, {shim_host.PACKAGE_ROOT!r}); import channeld.cli.shim, json;"
        " print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, check=True, timeout=30)
    assert heavy.isdisjoint(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"TMUX": "/run/tmux/default,123,0", "TMUX_PANE": "%7"}, {"socket": "/run/tmux/default", "pane": "%7"}),
        ({"TMUX": "/run/tmux/default,123,0"}, None),
        ({"TMUX_PANE": "%7"}, None),
        ({"TMUX": "relative,1,0", "TMUX_PANE": "%7"}, None),
        ({"TMUX": "/run/x,1,0", "TMUX_PANE": "7; rm"}, None),
        ({"TMUX": "/run/x,1,0", "TMUX_PANE": "%"}, None),
        ({}, None),
    ],
)
def test_the_pane_is_what_tmux_has_put_into_the_environment(environ, found):
    """Anything that tmux would not have written is none."""
    assert shim_host.find_terminal(environ) == found
