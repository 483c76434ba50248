"""Gets the daemon to run a worker as the configuration and the saved token have it now, and waits for it."""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

import click

from channeld.cli.client import CommandFailed, NotRunning, ask, ask_or_fail, fail
from channeld.cli.daemon import restart_daemon, start_daemon
from channeld.paths import Paths

_LIMIT_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.05
_ENDED: Final = frozenset({"blocked", "failed", "stopped"})


class Standing(NamedTuple):
    """How a worker stands."""

    state: str
    account: str
    """As the worker says it; empty: not known."""
    issues: list[dict[str, Any]]
    """What is wrong with it, errors first."""


def make_known(paths: Paths, worker: str) -> bool:
    """Get a daemon to run that knows a worker; return whether one was started for that.

    A failure ends the command, with what to do.
    """
    try:
        if _find(ask(paths, "status"), worker) is not None:
            return False
    except NotRunning:
        say("Starting channeld …")
        start_daemon(paths)
    except CommandFailed as error:
        fail(str(error), error.hint)
    else:
        say(f"Restarting channeld, which does not know {worker} yet …")
        restart_daemon(paths)
    return True


def bring_up(paths: Paths, worker: str, *, limit_s: float = _LIMIT_S) -> Standing:
    """Start the worker anew, with a daemon if there is none, and return how it stands when that is clear.

    A failure of the daemon ends the command, with what to do.
    """
    starts = 0
    if not make_known(paths, worker):
        snapshot = _find(ask_or_fail(paths, "status"), worker)
        starts = snapshot["starts"] if snapshot else 0
        ask_or_fail(paths, "restart", worker=worker)
    end = time.monotonic() + limit_s
    while True:
        status = ask_or_fail(paths, "status")
        snapshot = _find(status, worker) or {"starts": 0, "state": "stopped", "account": None}
        issues = [issue for issue in status["health"] if issue["subject"] == worker]
        standing = Standing(snapshot["state"], snapshot["account"] or "", issues)
        if (snapshot["starts"] > starts and _is_clear(standing)) or time.monotonic() > end:
            return standing
        time.sleep(_LOOK_EVERY_S)


def is_connected(standing: Standing) -> bool:
    """Tell whether the worker has reached its account."""
    return standing.state == "ready" and standing.account.startswith("@")


def _is_clear(standing: Standing) -> bool:
    return is_connected(standing) or standing.state in _ENDED or (standing.state == "ready" and bool(standing.issues))


def _find(status: dict[str, Any], worker: str) -> dict[str, Any] | None:
    return next((each for each in status["workers"] if each["name"] == worker), None)


def say(text: str) -> None:
    """Tell how far a command is: beside its output, which may be for a program."""
    click.echo(text, err=True)
