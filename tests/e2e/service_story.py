"""What a person does with the service, to be run where a systemd of the user's is: see ``with_user_systemd``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from channeld.paths import find_paths

LIMIT_S = 30.0
NAME = "channeld.service"
MOST_EXPOSED = 6.5
"""Of ten, as ``systemd-analyze security`` has it: what nobody can be denied without a file system of one's own."""
STARTS = 10
"""As many as the unit allows in five minutes."""
UNIT = Path.home() / ".config/systemd/user" / NAME


def run(*words: str, status: int = 0) -> str:
    """Run a command, and return what it prints."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    print(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}", flush=True)
    assert done.returncode == status, f"exit status {done.returncode}"
    return done.stdout + done.stderr


def channeld(*words: str, status: int = 0) -> str:
    """Run channeld's command."""
    return run(sys.executable, "-m", "channeld.cli.entry", *words, status=status)


def shown(name: str) -> str:
    """Return a property of the unit."""
    return run("systemctl", "--user", "show", NAME, "--value", "--property", name).strip()


def until(name: str, wanted: str) -> None:
    """Return when a property of the unit has a value."""
    end = time.monotonic() + LIMIT_S
    while shown(name) != wanted:
        assert time.monotonic() < end, f"{name} is not {wanted}"
        time.sleep(0.1)


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


def installed() -> None:
    """A daemon that ran before hands over; a second time nothing happens."""
    channeld("start")
    before = status()["daemon"]["pid"]
    dry = channeld("install", "--dry-run")
    assert "Would write" in dry
    assert not UNIT.exists()
    said = channeld("install")
    assert "channeld runs as a service" in said
    assert (UNIT.stat().st_mode & 0o777, shown("ActiveState"), shown("UnitFileState")) == (0o600, "active", "enabled")
    pid = status()["daemon"]["pid"]
    assert (shown("MainPID"), pid != before) == (str(pid), True)
    assert "of 1 workers connected" in shown("StatusText")
    again = channeld("install")
    assert "Wrote" not in again
    assert status()["daemon"]["pid"] == pid
    assert "Would leave" in channeld("install", "--dry-run")


def checked() -> None:
    """The unit is one that systemd understands, and its exposure no worse than it was."""
    assert run("systemd-analyze", "--user", "verify", str(UNIT)).strip() == ""
    overall = run("systemd-analyze", "--user", "security", "--offline=true", "--threshold=100", str(UNIT)).splitlines()
    (figure,) = (float(line.split(":")[1].split()[0]) for line in overall if "Overall exposure" in line)
    print(f"exposure: {figure}")
    assert figure <= MOST_EXPOSED


def ended_and_back() -> None:
    """Killed, or hanging: systemd starts another."""
    pid = status()["daemon"]["pid"]
    os.kill(pid, signal.SIGKILL)
    pid = other_pid(pid)
    os.kill(pid, signal.SIGSTOP)
    other_pid(pid)  # by the watchdog
    assert shown("NRestarts") == "2"


def stopped_and_started() -> None:
    """By our own commands and by systemd's, within ten seconds."""
    channeld("stop")
    until("ActiveState", "inactive")
    assert "not running" in channeld("status", status=3)
    channeld("start")
    first = status()["daemon"]["pid"]
    assert shown("MainPID") == str(first)
    channeld("restart")
    assert shown("MainPID") == str(status()["daemon"]["pid"]) != str(first)
    began = time.monotonic()
    run("systemctl", "--user", "stop", NAME)
    assert time.monotonic() - began < 10
    assert (shown("Result"), shown("ActiveState")) == ("success", "inactive")


def not_started_in_vain() -> None:
    """A configuration that cannot be read is no reason to try again."""
    paths = find_paths()
    paths.config_file.write_text("not = [toml")
    run("systemctl", "--user", "start", NAME, status=1)
    until("ActiveState", "failed")
    assert (shown("ExecMainStatus"), shown("NRestarts")) == ("78", "0")
    paths.config_file.unlink()
    run("systemctl", "--user", "start", NAME)


def kept_from_crashing_for_ever() -> None:
    """After so many ends in a row it is left alone."""
    run("systemctl", "--user", "reset-failed", NAME)
    limit = time.monotonic() + 4 * LIMIT_S
    while shown("ActiveState") != "failed":
        assert time.monotonic() < limit
        if (pid := int(shown("MainPID"))) and shown("ActiveState") == "active":
            os.kill(pid, signal.SIGKILL)
    assert int(shown("NRestarts")) <= STARTS + 1  # the one that was refused is counted
    run("systemctl", "--user", "reset-failed", NAME)
    run("systemctl", "--user", "start", NAME)


def removed() -> None:
    """What was kept is there still."""
    database = find_paths().database
    assert "Still there" in channeld("uninstall")
    assert (UNIT.exists(), database.exists(), shown("LoadState")) == (False, True, "not-found")
    assert "There is no service" in channeld("uninstall")
    UNIT.write_text("[Service]\nExecStart=/bin/true\n")
    assert "did not write it" in channeld("install", status=1)
    assert "did not write it" in channeld("uninstall", status=1)


if __name__ == "__main__":
    # Shorter times, as an administrator would set them.
    drop_in = UNIT.with_name(f"{NAME}.d") / "test.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nWatchdogSec=2s\nRestartSec=200ms\n")
    for chapter in (
        installed,
        checked,
        ended_and_back,
        stopped_and_started,
        not_started_in_vain,
        kept_from_crashing_for_ever,
        removed,
    ):
        print(f"=== {chapter.__name__}", flush=True)
        chapter()
