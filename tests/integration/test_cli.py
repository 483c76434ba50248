"""The command line as a person uses it, against a real daemon."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import Pager


def channeld(home, *arguments, **environment):
    """Run the channeld command in a home of its own."""
    return subprocess.run(
        [sys.executable, "-m", "channeld.cli.entry", *arguments],
        env={**os.environ, "CHANNELD_HOME": str(home), **environment}, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture
def home():
    """Return a short folder for a daemon."""
    with tempfile.TemporaryDirectory(prefix="cd") as folder:
        yield Path(folder)


@pytest.mark.parametrize("command", ["status", "sessions", "messages", "url", "stop", "restart web"])
def test_without_a_daemon_every_command_says_how_to_start_it(home, command):
    """Exit status 3, one sentence, one command."""
    done = channeld(home, *command.split())
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == "Error: channeld is not running.\nTry: channeld start\n"


@pytest.mark.parametrize(
    "command", ["", "run", "start", "stop", "restart", "status", "logs", "demo", "sessions", "messages", "url", "mcp"]
)
def test_every_command_has_help_with_an_example(home, command):
    """A person can begin with the help alone."""
    done = channeld(home, *command.split(), "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout or "usage" in done.stdout
    assert "Example" in done.stdout or "Start with" in done.stdout


def test_a_wrong_option_is_a_usage_error(home):
    """Exit status 2, as everywhere."""
    assert channeld(home, "status", "--jsn").returncode == 2
    assert channeld(home, "nonsense").returncode == 2


def test_start_status_restart_and_stop(home):
    """The daily commands, with what each says."""
    (home / "config.toml").write_text("[workers.web]\nport = 0\n")
    assert channeld(home, "start").stdout == "channeld is running. See: channeld status\n"
    try:
        assert channeld(home, "start").stdout == "channeld is running already.\n"
        url = channeld(home, "url", "web").stdout
        assert url.startswith("http://127.0.0.1:")
        assert "/?token=" in url
        status = channeld(home, "status").stdout
        assert "web          ready     http://127.0.0.1:" in status
        assert "none attached" in status
        first = int((home / "run" / "daemon.lock").read_text())
        assert channeld(home, "restart").stdout == "channeld has restarted. See: channeld status\n"
        second = int((home / "run" / "daemon.lock").read_text())
        assert first != second
        (home / "config.toml").write_text("[workers.web]\nprot = 0\n")
        broken = channeld(home, "restart")
        assert broken.returncode == 1
        assert broken.stderr.endswith("Try: Did you mean port? Nothing was stopped.\n")
        assert channeld(home, "status").returncode == 0
        refused = channeld(home, "run")
        assert refused.returncode == 78
        assert refused.stderr.count("prot") == 1
        (home / "config.toml").write_text("[workers.web]\nport = 0\n")
        refused = channeld(home, "run")
        assert refused.returncode == 1
        assert f"already running here (pid {second})" in refused.stderr
    finally:
        assert channeld(home, "stop").stdout == "channeld has stopped.\n"
    assert channeld(home, "status").returncode == 3
    log = channeld(home, "logs")
    assert "daemon_started" in log.stdout
    assert "daemon_stopped" in log.stdout
    assert "worker_ready" in channeld(home, "logs", "web").stdout


def test_a_mistake_in_the_configuration_is_told_by_start(home):
    """The sentence of the daemon reaches the person who typed ``start``; exit status of the daemon is 78."""
    (home / "config.toml").write_text("[daemon]\nlog_levle = 1\n")
    done = channeld(home, "start")
    assert done.returncode == 1
    assert (
        done.stderr
        == f"Error: {home}/config.toml, line 2: daemon.log_levle: unknown key.\nTry: Did you mean log_level?\n"
    )
    assert channeld(home, "run").returncode == 78


def test_the_logs_of_an_unknown_worker_are_an_error_that_names_the_known_ones(home):
    """Also a name that is a path leads nowhere."""
    done = channeld(home, "logs", "../../etc/passwd")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: There is no log of")


async def test_messages_and_sessions_are_readable_and_hostile_text_is_tame():
    """What a sender wrote can neither move the cursor nor fake a line."""
    async with Pager() as pager, Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin()
        await worker.accepted("1", text="evil\x1b[2J\nsecond line")
        await worker.accepted("2", chat="pager:b", text="other")
        shown = daemon.cli("messages", "pager:a").stdout
        assert "evil·[2J second line" in shown
        assert "other" not in shown
        async with daemon.client("--listening", "no"):
            sessions = daemon.cli("sessions").stdout
            assert "not listening" in sessions
            assert "Why: it was attached with --listening no." in sessions
        status = daemon.cli("status").stdout
        assert "pager:a                  1 waiting" in status


async def test_restarting_a_worker_by_name_gives_it_a_new_process():
    """A name that is not there is an error that lists those that are."""
    async with Pager() as pager, Daemon(pager.config) as daemon:
        first = await pager.life()
        await first.begin()
        assert daemon.cli("restart", "pager").returncode == 0
        await first.expect(m.Drain)
        first.send(m.Drained())
        first.close()
        second = await pager.life()
        assert second.pid != first.pid
        wrong = daemon.cli("restart", "pgaer")
        assert wrong.returncode == 1
        assert "Try: There are: pager." in wrong.stderr


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


async def test_a_port_in_use_is_told_with_the_setting_to_change(home):
    """Of all first starts that fail, the most likely one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with Daemon(f"[workers.web]\nport = {port}\n") as daemon:
            await daemon.status_where(lambda s: s["workers"][0]["state"] == "blocked")
            status = daemon.cli("status").stdout
    assert f"Port {port} of 127.0.0.1 is in use by another program." in status
    assert "[workers.web] port" in status
