"""Asks this user's systemd, with little patience: a doctor that waits for a sick manager is of no use."""

from __future__ import annotations

import subprocess
from typing import Final

_LIMIT_S: Final = 6.0


class NoSystemd(Exception):
    """There is no systemctl here."""


def show(unit: str, *names: str) -> dict[str, str]:
    """Return properties of a unit; none at all where the manager does not answer.

    Raises:
        NoSystemd: there is no systemctl.
    """
    done = _ask("show", unit, "--property", ",".join(names))
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


def start(*units: str) -> None:
    """Start units, whatever has become of them before.

    Raises:
        OSError: it was not done.
    """
    try:
        _ask("reset-failed", *units)  # which fails where none has failed
        done = _ask("start", *units)
    except NoSystemd:
        raise OSError("there is no systemctl") from None
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise OSError(said[0] if said else f"systemctl ended with exit status {done.returncode}")


def _ask(*arguments: str) -> subprocess.CompletedProcess[str]:
    words = ["systemctl", "--user", *arguments]
    try:
        return subprocess.run(  # noqa: S603 - our own words
            words, capture_output=True, text=True, check=False, timeout=_LIMIT_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", f"no answer within {_LIMIT_S:.0f} s")
    except OSError:
        raise NoSystemd from None
