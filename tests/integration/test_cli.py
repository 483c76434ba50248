"""The command line as a person uses it, against a real daemon."""

import json

import pytest

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.shell import channeld, channeld_on_terminal
from tests.doubles.worker_end import Pager


@pytest.mark.parametrize(
    "command",
    [
        "status", "sessions", "messages", "messages show 1", "messages search x", "messages retry 1", "messages drop 1",
        "send web:main hello", "stop", "restart web", "pair", "access", "pair list", "access show",
    ],
)  # fmt: skip
def test_without_a_daemon_every_command_says_how_to_start_it(home, command):
    """Exit status 3, one sentence, one command."""
    done = channeld(home, *command.split())
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr == "Error: channeld is not running: messages neither arrive nor leave.\nTry: channeld start\n"


def test_without_a_daemon_a_command_for_a_person_says_so_too(home):
    """As all others do, at a terminal; without one, that a terminal is needed."""
    assert "channeld is not running" in channeld_on_terminal(home, "url", "web").stdout
    refused = channeld(home, "url", "web")
    assert refused.returncode == 1
    assert "a person at a terminal" in refused.stderr


@pytest.mark.parametrize(
    "command",
    [
        "", "run", "start", "stop", "restart", "status", "logs", "demo", "sessions", "messages", "messages list",
        "messages show", "messages search", "messages retry", "messages drop", "send", "url", "mcp", "completion",
        "setup", "import", "import official", "pair", "pair list", "pair approve", "pair deny", "access",
        "access show", "access allow", "access remove",
        "access policy", "access approver", "access group", "access group open", "access group close",
    ],
)  # fmt: skip
def test_every_command_has_help_with_an_example(home, command):
    """A person can begin with the help alone."""
    done = channeld(home, *command.split(), "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout or "usage" in done.stdout
    assert "Example" in done.stdout or "Start with" in done.stdout


def test_a_wrong_option_is_a_usage_error(home):
    """Exit status 2, and told in the same two lines as everything else."""
    wrong = {
        "status --jsn": ("No such option", "channeld status --help"),
        "status --json --watch": ("--json and --watch do not go together.", "channeld status --help"),
        "nonsense": ("No such command 'nonsense'", "channeld --help"),
        "messages show": ("Missing argument 'REF'", "channeld messages show --help"),
        "messages --limit 0": ("0 is not in the range", "channeld messages list --help"),
        "send web:main": ("Missing argument 'TEXT'", "channeld send --help"),
    }
    for words, (mistake, cure) in wrong.items():
        done = channeld(home, *words.split())
        assert (done.returncode, done.stdout) == (2, "")
        error, hint = done.stderr.splitlines()
        assert error.startswith("Error: ")
        assert mistake in error
        assert hint == f"Try: {cure}"
    assert "Usage: channeld" in channeld(home).stderr


def test_start_status_restart_and_stop(home):
    """The daily commands, with what each says."""
    (home / "config.toml").write_text("[workers.web]\nport = 0\n")
    assert channeld(home, "start").stdout == "channeld is running. See: channeld status\n"
    try:
        assert channeld(home, "start").stdout == "channeld is running already.\n"
        url = channeld_on_terminal(home, "url", "web").stdout
        assert url.startswith("http://127.0.0.1:")
        assert "/?token=" in url
        status = channeld(home, "status").stdout
        assert "  web  ready, http://127.0.0.1:" in status
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
    assert "daemon started" in log.stdout
    assert "daemon stopped" in log.stdout
    assert "worker ready" in channeld(home, "logs", "web").stdout
    merged = channeld(home, "logs", "--all", "--json").stdout
    assert [json.loads(line)["event"] for line in merged.splitlines()][-1] == "daemon_stopped"
    assert "worker_ready" in merged
    assert channeld(home, "logs", "--all", "web").returncode == 2


def test_the_logs_of_an_unknown_worker_are_an_error_that_names_the_known_ones(home):
    """Also a name that is a path leads nowhere."""
    done = channeld(home, "logs", "../../etc/passwd")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: There is no log of")


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
