"""The dead ends of a newcomer: each ends in a sentence that says what to do."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from tests.doubles.daemon import Daemon
from tests.doubles.shell import channeld


@pytest.mark.parametrize(
    ("text", "mistake", "cure"),
    [
        ("[daemon]\nlog_levle = 1\n", "line 2: daemon.log_levle: unknown key.", "Did you mean log_level?"),
        ("[workers.web\n", "is not TOML: Expected ']'", "Mend that line; strings need quotes."),
    ],
)
def test_a_mistake_in_the_configuration_is_told_by_whatever_a_person_types_next(home, text, mistake, cure):
    """File, line and nearest key reach whoever typed ``run``, ``start``, ``restart``, ``status`` or ``demo``."""
    (home / "config.toml").write_text(text)
    for command, exit_status in {"run": 78, "start": 1, "restart": 1, "status": 3, "demo": 1}.items():
        done = channeld(home, command)
        assert (done.returncode, done.stdout.strip()) == (exit_status, ""), command
        told = done.stderr.replace("\n  ", " ")
        assert "Error: " in told
        assert f"{home}/config.toml" in told
        assert mistake in told
        assert f"Try: {cure}" in told


async def test_a_mistake_made_while_the_daemon_runs_is_a_warning(home):
    """It goes on with what it read; the next restart is the wrong moment to find out."""
    async with Daemon("[workers]\n") as daemon:
        started_at = (await daemon.ask("status"))["daemon"]["started_at"]
        daemon.paths.config_file.write_text("[deamon]\n")
        os.utime(daemon.paths.config_file, (started_at + 1, started_at + 1))
        shown = daemon.cli("status").stdout
        assert "! " in shown
        assert "config.toml, line 1: deamon: unknown key." in shown.replace("\n  ", " ")
        assert "Try: Did you mean daemon?" in shown
        (issue,) = [
            i for i in json.loads(daemon.cli("status", "--json").stdout)["health"] if i["code"] == "config_broken"
        ]
        assert issue["severity"] == "warning"


def test_the_demo_answers_and_leaves_nothing_running(home):
    """From one command to an answer in the web chat, and all of it ends with Ctrl-C."""
    import httpx  # noqa: PLC0415

    with subprocess.Popen(
        [sys.executable, "-u", "-m", "channeld.cli.entry", "demo", "--port", "0"],
        env={**os.environ, "CHANNELD_HOME": str(home)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        url = next(line.strip() for line in demo.stdout if "/?token=" in line)
        address, token = url.split("/?token=")
        headers = {"Authorization": f"Bearer {token}"}
        with (
            httpx.Client(base_url=address, headers=headers, timeout=20) as browser,
            browser.stream("GET", "/api/events") as events,
        ):
            assert browser.post("/api/messages", json={"text": "ping"}).status_code == 202
            assert any("echo: ping" in line for line in events.iter_lines())
        pid = int((home / "run" / "daemon.lock").read_text())
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=30) == 0
        assert "nothing is left running" in demo.stdout.read()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_port_in_use_is_told_with_the_setting_to_change(home):
    """Of all first starts that fail the most likely one: ``start`` says so at once, and ``status`` again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (home / "config.toml").write_text(f"[workers.web]\nport = {port}\n")
        started = channeld(home, "start")
        status = channeld(home, "status").stdout
        stopped = channeld(home, "stop")
    assert (started.returncode, stopped.returncode) == (0, 0)
    assert started.stdout.startswith("channeld is running, but:\n\n✗ The worker web has stopped: ")
    for told in (" ".join(shown.split()) for shown in (started.stdout, status)):
        assert f"Port {port} of 127.0.0.1 is in use by another program." in told
        assert "Try: Set another [workers.web] port in config.toml, or 0 for any free one." in told


@pytest.mark.parametrize(
    ("variable", "command"),
    [
        (variable, command)
        for variable in ("CHANNELD_HOME", "HOME", "XDG_RUNTIME_DIR")
        for command in ("run", "start", "restart", "demo", "status")
        if (variable, command) != ("XDG_RUNTIME_DIR", "demo")  # which has a folder of its own for that
    ],
)
def test_a_folder_that_cannot_be_used_is_told_by_whatever_a_person_types(home, variable, command):
    """At once and in one sentence, never by a traceback or by silence."""
    own = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "XDG_STATE_HOME": "", "XDG_CONFIG_HOME": ""}
    (home / "file").write_text("")
    place = home / "file" / "below"
    if variable == "CHANNELD_HOME":
        done = channeld(place, command)
    else:
        done = channeld(home, command, **own | {"CHANNELD_HOME": "", variable: str(place)})
    assert done.returncode in {1, 3, 78}
    assert done.stdout == ""
    assert re.fullmatch(
        f"Error: .*channeld cannot use {place}\\S*: (not a directory|a file is in its place)\\.\n"
        f"Try: Set CHANNELD_HOME to a folder of your own, or move {home}/file out of the way\\.( Then: .*)?\n",
        done.stderr,
    )


def test_a_session_goes_on_where_the_folders_cannot_be_used(home):
    """Claude Code gets its answer, and the reason stands where it shows what a server says."""
    (home / "file").write_text("")
    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    with subprocess.Popen(
        [sys.executable, "-m", "channeld.cli.entry", "mcp"],
        env={
            **os.environ, "HOME": str(home), "CHANNELD_HOME": "", "XDG_RUNTIME_DIR": str(home),
            "XDG_STATE_HOME": str(home / "file"), "CHANNELD_TEST_HANDSHAKE_DEADLINE_S": "0.1",
        },
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as session:  # fmt: skip
        assert session.stdin is not None
        assert session.stdout is not None
        assert session.stderr is not None
        session.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}) + "\n")
        session.stdin.flush()
        assert json.loads(session.stdout.readline())["id"] == 1
        assert "cannot start the daemon: [Errno 20] Not a directory" in session.stderr.readline()
        session.stdin.close()
        assert session.wait(timeout=30) == 0


def test_a_daemon_that_dies_at_its_start_is_told_at_once(home):
    """With its last words, though they are no sentence of ours; nobody waits for an answer that cannot come."""
    (home / "run" / "control.sock").mkdir(parents=True)
    began = time.monotonic()
    done = channeld(home, "start")
    assert time.monotonic() - began < 15  # half of what is waited for one that lives
    assert re.match(r"Error: The daemon ended at once: (IsADirectory|Permission)Error: .*\nTry: Look at ", done.stderr)


@contextlib.contextmanager
def running_demo(home, *arguments, **environment):
    """Start the demo, yield it and what it prints until it is up, and end it with Ctrl-C."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "channeld.cli.entry", "demo", *arguments],
        env={**os.environ, "CHANNELD_HOME": str(home), **environment},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        told = []
        for line in demo.stdout:
            told.append(line)
            if line.startswith("Ctrl-C"):
                break
        try:
            yield "".join(told)
        finally:  # a test that fails leaves no demo behind either
            demo.send_signal(signal.SIGINT)
            ended = demo.wait(timeout=30)
        assert ended == 0
        demo.stdout.read()


def test_the_demo_takes_a_free_port_and_says_how_to_go_on_without_claude(home):
    """Neither a taken port nor a missing Claude Code is a dead end."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for _ in range(2):  # the second time it finds the configuration of the first
            with running_demo(home, "--port", str(port), PATH="/nonexistent") as told:
                assert re.search(r"http://127\.0\.0\.1:\d+/\?token=", told)
                assert f":{port}/" not in told
                assert "No claude is on your PATH: install Claude Code, and this in a project" in told
                assert "--dangerously-load-development-channels server:channeld" in told


def test_a_second_demo_says_where_the_first_one_is(home):
    """And leaves its configuration and its port alone."""
    with running_demo(home, "--port", "0"):
        before = (home / "config.toml").read_text()
        second = channeld(home, "demo")
        assert second.returncode == 1
        assert f"Error: channeld is running already in {home}" in second.stderr
        there = f"CHANNELD_HOME={home} channeld"
        assert f"Try: `{there} url web` for its address, or `{there} stop` to end it.\n" in second.stderr
        assert (home / "config.toml").read_text() == before


def test_a_path_that_is_too_long_for_a_socket_is_told_by_whatever_a_person_types(home):
    """Linux takes 107 bytes, which a deep folder soon exceeds."""
    for command in ("status", "start", "run", "demo"):
        done = channeld(home / ("deep" * 30), command)
        assert done.returncode != 0
        assert "too long" in done.stderr
        assert done.stderr.endswith("Try: Set CHANNELD_HOME or XDG_RUNTIME_DIR to a shorter path.\n"), command


def test_the_demo_leaves_a_configuration_alone_that_a_person_wrote(home):
    """``CHANNELD_HOME`` may be somebody's real place."""
    written = "# mine\n[workers.web]\nport = 0\n"
    (home / "config.toml").write_text(written)
    refused = channeld(home, "demo", "--port", "0")
    assert refused.returncode == 1
    assert "is yours" in refused.stderr
    with running_demo(home) as told:
        assert "/?token=" in told
    assert (home / "config.toml").read_text() == written
