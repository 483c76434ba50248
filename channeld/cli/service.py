"""The daemon as a service of systemd's: whether it is one, and how it is started, stopped and exchanged then."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from channeld import __version__
from channeld.cli.service_unit import SERVICE, STARTED
from channeld.cli.shim_host import Places

JOURNAL: Final = "journalctl --user -u channeld"
"""What shows why the service ended."""
_TIMEOUT_S: Final = 90.0
_DOWN: Final = frozenset({"inactive", "failed", ""})


def unit_folder() -> Path:
    """Return where this user's units lie."""
    return Path(Places(os.environ, os.getcwd(), __version__).unit).parent


def is_installed() -> bool:
    """Tell whether the service is that of this place: under ``CHANNELD_HOME`` there is none."""
    return not os.environ.get("CHANNELD_HOME") and (unit_folder() / SERVICE).exists()


def is_up() -> bool:
    """Tell whether systemd runs the daemon, or waits for somebody to need it."""
    if not is_installed():
        return False
    try:
        return not {properties("ActiveState", unit=name).get("ActiveState", "") for name in STARTED} <= _DOWN
    except OSError:  # there is no systemctl
        return False


def has_given_up() -> bool:
    """Tell whether the service ended too often, or in a way after which it is not started again."""
    try:
        return is_installed() and properties("ActiveState").get("ActiveState") == "failed"
    except OSError:
        return False


def start() -> str:
    """Have systemd start the daemon, however often it has ended before; return what went wrong, or nothing."""
    _forgive()
    return said(systemctl("start", *_there()))


def restart() -> str:
    """Have systemd exchange the daemon; its sockets stay open. Return what went wrong, or nothing."""
    _forgive()
    return said(systemctl("restart", SERVICE))


def stop() -> str:
    """Have systemd end the daemon and close its sockets; return what went wrong, or nothing."""
    return said(systemctl("stop", *_there()))


def systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask this user's systemd for something; what it says goes with the result, as well as that it says nothing.

    Raises:
        OSError: there is no systemctl.
    """
    words = ["systemctl", "--user", *arguments]
    try:
        return subprocess.run(  # noqa: S603 - our own words
            words, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", f"no answer within {_TIMEOUT_S:.0f} s")


def version() -> int:
    """Return which systemd this is, 0 if it does not say."""
    words = systemctl("--version").stdout.split()[1:2]
    return int(words[0]) if words and words[0].isdecimal() else 0


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return the first thing that systemctl said of a failure, or nothing where there was none."""
    if done.returncode == 0:
        return ""
    said = done.stderr.strip().splitlines()
    return said[0] if said else f"exit status {done.returncode}"


def properties(*names: str, unit: str = SERVICE) -> dict[str, str]:
    """Return properties of a unit; of one that is not loaded they are empty or of no meaning."""
    lines = systemctl("show", unit, "--property", ",".join(names)).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def lingers() -> bool:
    """Tell whether services of this user run without a login; see loginctl(1)."""
    import pwd  # noqa: PLC0415

    name = pwd.getpwuid(os.getuid()).pw_name
    return Path("/var/lib/systemd/linger", name).exists()


def enable_linger() -> str:
    """Let services of this user run without a login; return why that is not possible, or nothing."""
    words: Sequence[str] = ("loginctl", "enable-linger")
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


def _there() -> list[str]:
    """Return which units to start there are: an older channeld has written the service alone."""
    return [name for name in STARTED if (unit_folder() / name).exists()]


def _forgive() -> None:
    """Forget that units have failed, and how often: a person wants them now. Without failures it says so, and fails."""
    systemctl("reset-failed", *_there())
