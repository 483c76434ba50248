"""What a person does with the service, to be run where a systemd of the user's is: see ``with_user_systemd``."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from channeld.paths import find_paths
from tests.doubles.claude_program import ClaudeProgram

LIMIT_S = 30.0
NAME = "channeld.service"
SOCKET = "channeld.socket"
ENTRY = (sys.executable, "-m", "channeld.cli.entry")
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "story", "version": "1"}}
MOST_EXPOSED = 6.5
"""Of ten, as ``systemd-analyze security`` has it: what nobody can be denied without a file system of one's own."""
STARTS = 3
"""As many as are allowed in five minutes here: the unit allows ten, which takes its time."""
UNIT = Path.home() / ".config/systemd/user" / NAME
SOCKET_UNIT = UNIT.with_name(SOCKET)
DROP_IN = UNIT.with_name(f"{NAME}.d") / "test.conf"
PATHS = find_paths()


def run(*words: str, status: int = 0) -> str:
    """Run a command, and return what it prints."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    print(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}", flush=True)
    assert done.returncode == status, f"exit status {done.returncode}"
    return done.stdout + done.stderr


def channeld(*words: str, status: int = 0) -> str:
    """Run channeld's command."""
    return run(*ENTRY, *words, status=status)


def shown(name: str, unit: str = NAME) -> str:
    """Return a property of a unit."""
    return run("systemctl", "--user", "show", unit, "--value", "--property", name).strip()


def until(name: str, wanted: str, unit: str = NAME) -> None:
    """Return when a property of a unit has a value."""
    end = time.monotonic() + LIMIT_S
    while shown(name, unit) != wanted:
        assert time.monotonic() < end, f"{name} is not {wanted}"
        time.sleep(0.3)


def status() -> dict[str, Any]:
    """Return the daemon's status."""
    found = json.loads(channeld("status", "--json"))
    assert isinstance(found, dict)
    return found


def other_pid(than: int) -> int:
    """Return the pid of the next daemon, as soon as it is ready."""
    end = time.monotonic() + LIMIT_S
    while (pid := int(shown("MainPID"))) in {0, than} or shown("ActiveState") != "active":
        assert time.monotonic() < end, "no other daemon was started"
        time.sleep(0.1)
    return pid


def both(name: str = "ActiveState") -> tuple[str, str]:
    """Return a property of both units, the socket's first."""
    return shown(name, SOCKET), shown(name)


def session(*options: str, **environment: str) -> dict[str, Any]:
    """Begin a session through the real shim, as Claude Code does, and return the answer to its first words."""
    with subprocess.Popen(
        [*ENTRY, "mcp", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **environment},
    ) as shim:  # fmt: skip
        assert shim.stdin is not None
        assert shim.stdout is not None
        print(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}), file=shim.stdin)
        shim.stdin.flush()
        found = json.loads(shim.stdout.readline())
        shim.stdin.close()
    assert isinstance(found, dict)
    return found


@contextlib.contextmanager
def waiting() -> Iterator[socket.socket]:
    """Ask for the status, whether anybody takes the question yet or not; its answer comes over the connection."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(LIMIT_S)
        connection.connect(str(PATHS.control_socket))
        connection.sendall(b'{"command": "status"}\n')
        yield connection


@contextlib.contextmanager
def knocking() -> Iterator[None]:
    """Connect as sessions do, again and again: nobody may be refused meanwhile."""
    refused: list[str] = []
    over = threading.Event()

    def knock() -> None:
        while not over.wait(0.005):
            try:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(str(PATHS.session_socket))
            except OSError as error:
                refused.append(str(error))

    sessions = threading.Thread(target=knock)
    sessions.start()
    try:
        yield
    finally:
        over.set()
        sessions.join()
    assert refused == []


def installed() -> None:
    """A daemon that ran before hands over; a second time nothing happens."""
    channeld("start")
    before = status()["daemon"]["pid"]
    dry = channeld("install", "--dry-run")
    assert "Would write" in dry
    assert not UNIT.exists()
    claude = ClaudeProgram(Path.home() / "programs")
    claude.fail("There is no room")
    said = channeld("install", status=1)
    assert "channeld runs as a service" in said
    assert "Error: The plugin is missing: " in said
    assert "There is no room." in said
    claude.fail("")
    assert "Claude Code has the plugin." in channeld("install")
    assert (UNIT.stat().st_mode & 0o777, shown("ActiveState"), shown("UnitFileState")) == (0o600, "active", "enabled")
    pid = status()["daemon"]["pid"]
    assert (shown("MainPID"), pid != before) == (str(pid), True)
    assert (both(), both("UnitFileState")) == (("active",) * 2, ("enabled",) * 2)
    modes = [path.stat().st_mode & 0o777 for path in (PATHS.run, PATHS.session_socket, PATHS.control_socket)]
    assert modes == [0o700, 0o600, 0o600]
    assert "of 1 workers connected" in shown("StatusText")
    again = channeld("install")
    assert "Wrote" not in again
    assert status()["daemon"]["pid"] == pid
    assert "Would leave" in channeld("install", "--dry-run")


def checked() -> None:
    """The unit is one that systemd understands, and its exposure no worse than it was."""
    assert run("systemd-analyze", "--user", "verify", str(UNIT), str(SOCKET_UNIT)).strip() == ""
    assert "StartLimitBurst=10" in UNIT.read_text()
    overall = run("systemd-analyze", "--user", "security", "--offline=true", "--threshold=100", str(UNIT)).splitlines()
    (figure,) = (float(line.split(":")[1].split()[0]) for line in overall if "Overall exposure" in line)
    print(f"exposure: {figure}")
    assert figure <= MOST_EXPOSED


def woken() -> None:
    """A session that begins first has the daemon started; a command that only looks has not."""
    run("systemctl", "--user", "stop", NAME)
    assert both() == ("active", "inactive")
    assert "not running" in channeld("status", status=3)
    refused = channeld("run", status=1)
    assert "listens at" in refused
    assert "channeld start" in refused
    assert both() == ("active", "inactive")
    answer = session("--no-start")
    assert answer["result"]["serverInfo"]["name"] == "channeld"
    assert shown("ActiveState") == "active"
    environment = Path(f"/proc/{status()['daemon']['pid']}/environ").read_bytes()
    assert b"LISTEN_FDS=2" in environment, "it was given no sockets"


def ended_and_back() -> None:
    """Killed, or hanging: systemd starts another, which serves who has waited."""
    pid = status()["daemon"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    with waiting() as connection:
        os.kill(pid, signal.SIGKILL)
        served = json.loads(connection.makefile().readline())["data"]["daemon"]["pid"]
    pid = other_pid(pid)
    assert served == pid
    os.kill(pid, signal.SIGSTOP)
    other_pid(pid)  # by the watchdog
    assert shown("NRestarts") == "2"


def stopped_and_started() -> None:
    """By our own commands and by systemd's, within ten seconds."""
    channeld("stop")
    assert both() == ("inactive", "inactive")
    assert not PATHS.session_socket.exists()
    assert "not running" in channeld("status", status=3)
    session(CHANNELD_TEST_HANDSHAKE_DEADLINE_S="0.5")  # it goes on without
    assert both() == ("inactive", "inactive"), "a session has undone what a person wanted"
    channeld("start")
    first = status()["daemon"]["pid"]
    assert (shown("MainPID"), both()) == (str(first), ("active", "active"))
    with knocking():
        channeld("restart")
    assert shown("MainPID") == str(status()["daemon"]["pid"]) != str(first)
    began = time.monotonic()
    run("systemctl", "--user", "stop", NAME)
    assert time.monotonic() - began < 10
    assert (shown("Result"), shown("ActiveState")) == ("success", "inactive")


def exchanged() -> None:
    """Install it again with another unit: the daemon is another, and no session is refused meanwhile."""
    channeld("start")
    first = status()["daemon"]["pid"]
    os.environ["TZ"] = "Europe/Berlin"
    with knocking():
        said = channeld("install")
    assert f"Wrote {UNIT}" in said
    assert f"Wrote {SOCKET_UNIT}" not in said
    assert shown("MainPID") == str(status()["daemon"]["pid"]) != str(first)


def taken_over_from_a_service_alone() -> None:
    """An older channeld wrote no socket unit: its daemon has sockets of its own."""
    channeld("stop")
    run("systemctl", "--user", "disable", SOCKET)
    SOCKET_UNIT.unlink()
    older = [line for line in UNIT.read_text().splitlines() if SOCKET not in line]
    UNIT.write_text("\n".join([*older, ""]))
    run("systemctl", "--user", "daemon-reload")
    channeld("start")
    channeld("restart")
    first = status()["daemon"]["pid"]
    assert shown("MainPID") == str(first)
    channeld("install")
    assert (both(), shown("MainPID")) == (("active", "active"), str(status()["daemon"]["pid"]))
    assert shown("MainPID") != str(first)
    session("--no-start")


def run_in_a_terminal() -> None:
    """Where the service was stopped, a daemon has the place to itself; installing takes it over."""
    channeld("stop")
    with subprocess.Popen([*ENTRY, "run"]) as daemon:
        end = time.monotonic() + LIMIT_S
        while subprocess.run([*ENTRY, "status"], capture_output=True).returncode != 0:
            assert time.monotonic() < end
        assert status()["daemon"]["pid"] == daemon.pid
        channeld("stop")
        assert daemon.wait(LIMIT_S) == 0
    channeld("start")


def not_started_in_vain() -> None:
    """A configuration that cannot be read is no reason to try again, unless somebody waits: then until the limit."""
    run("systemctl", "--user", "stop", NAME)
    PATHS.config_file.write_text("not = [toml")
    run("systemctl", "--user", "start", NAME, status=1)
    until("ActiveState", "failed")
    assert (shown("ExecMainStatus"), shown("NRestarts")) == ("78", "0")
    DROP_IN.with_name("limit.conf").write_text(f"[Unit]\nStartLimitBurst={STARTS}\n")
    run("systemctl", "--user", "daemon-reload")
    run("systemctl", "--user", "start", SOCKET)
    with waiting():
        until("ActiveState", "failed", SOCKET)
    assert both() == ("failed", "failed")
    assert shown("Result", SOCKET) == "service-start-limit-hit"
    assert "config.toml" in channeld("start", status=1)
    PATHS.config_file.unlink()
    channeld("start")
    assert both() == ("active", "active")


def kept_from_crashing_for_ever() -> None:
    """After so many ends in a row it is left alone."""
    run("systemctl", "--user", "reset-failed", NAME)
    limit = time.monotonic() + 4 * LIMIT_S
    while shown("ActiveState") != "failed":
        assert time.monotonic() < limit
        if (pid := int(shown("MainPID"))) and shown("ActiveState") == "active":
            os.kill(pid, signal.SIGKILL)
    assert int(shown("NRestarts")) <= STARTS + 1  # the one that was refused is counted
    assert "starts it no more" in channeld("status", status=3)
    channeld("start")


def given_a_credential() -> None:
    """A token that an administrator keeps elsewhere: with ``LoadCredential`` it reaches the worker, and it alone."""
    told, secret = Path.home() / "told", Path.home() / "secret"
    secret.write_text("of-the-administrator\n")
    program = (
        "import os, sys, time; draft = sys.argv[1] + '.new'; "
        "open(draft, 'wb').write(os.read(int(os.environ['CHANNELD_TOKEN_FD']), 99)); "
        "os.rename(draft, sys.argv[1]); time.sleep(60)"
    )
    config = PATHS.config_file.read_text() if PATHS.config_file.exists() else ""
    PATHS.config_file.write_text(
        f"{config}\n[workers.probe]\ncommand = {[sys.executable, '-c', program, str(told)]!r}\n"
    )
    drop_in = DROP_IN.with_name("token.conf")
    drop_in.write_text(f"[Service]\nLoadCredential=probe.token:{secret}\n")
    run("systemctl", "--user", "daemon-reload")
    channeld("restart")
    end = time.monotonic() + LIMIT_S
    while not told.exists():
        assert time.monotonic() < end, "the worker was not started"
        time.sleep(0.1)
    assert told.read_text() == "of-the-administrator"
    drop_in.unlink()
    PATHS.config_file.write_text(config)
    run("systemctl", "--user", "daemon-reload")
    channeld("restart")


def removed() -> None:
    """What was kept is there still."""
    database = PATHS.database
    said = channeld("uninstall")
    assert "Still there" in said
    assert "is taken out" in said
    assert not SOCKET_UNIT.exists()
    assert (UNIT.exists(), database.exists(), shown("LoadState")) == (False, True, "not-found")
    assert "There is no service" in channeld("uninstall")
    UNIT.write_text("[Service]\nExecStart=/bin/true\n")
    assert "did not write it" in channeld("install", status=1)
    assert "did not write it" in channeld("uninstall", status=1)


STORIES = {
    "life": (
        installed, checked, woken, ended_and_back, stopped_and_started, exchanged, taken_over_from_a_service_alone,
        run_in_a_terminal, given_a_credential, removed,
    ),
    "trouble": (installed, not_started_in_vain, kept_from_crashing_for_ever, removed),
}  # fmt: skip
"""What is told in one go."""

if __name__ == "__main__":
    os.environ["PATH"] = f"{Path.home() / 'programs'}:{os.environ['PATH']}"  # never the tester's own Claude Code
    # Shorter times, as an administrator would set them.
    DROP_IN.parent.mkdir(parents=True)
    DROP_IN.write_text("[Service]\nWatchdogSec=2s\nRestartSec=200ms\n")
    for chapter in STORIES[sys.argv[1]]:
        print(f"=== {chapter.__name__}", flush=True)
        began = time.monotonic()
        chapter()
        print(f"=== took {time.monotonic() - began:.1f} s", flush=True)
