"""``run``, ``start``, ``stop`` and ``restart``."""

from __future__ import annotations

import os
import sys
import time

import click

from channeld import __version__
from channeld.cli import suggest
from channeld.cli.client import ask_or_fail, fail, is_running
from channeld.cli.options import page_width, print_lines
from channeld.cli.shim_host import Places
from channeld.cli.shim_start import clean_environment, spawn_detached, start_command
from channeld.core.errors import ConfigError
from channeld.paths import Paths, find_paths

_START_LIMIT_S = 20.0
_WORKERS_LIMIT_S = 10.0
_STOP_LIMIT_S = 30.0
_LOOK_EVERY_S = 0.05


@click.command()
def run() -> None:
    """Run the daemon in this terminal until Ctrl-C.

    Example: channeld run
    """
    # The daemon is a program of its own: the command line never imports it. -P keeps this folder off its path.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "channeld.daemon"])  # noqa: S606 - a shell is what we do without


@click.command()
def start() -> None:
    """Start the daemon in the background.

    Example: channeld start
    """
    paths = find_paths()
    if is_running(paths):
        click.echo("channeld is running already.")
        return
    _start(paths)
    _tell_how_it_is("channeld is running", paths)


@click.command()
def stop() -> None:
    """Stop the daemon until `channeld start`.

    Messages wait, and sessions stay and come back to it.

    Example: channeld stop
    """
    _stop(find_paths())
    click.echo("channeld has stopped.")


@click.command()
@click.argument("worker", required=False, shell_complete=suggest.workers)
def restart(worker: str | None) -> None:
    """Restart one worker, or the whole daemon.

    Example: channeld restart web
    """
    from channeld.config import load  # noqa: PLC0415 - pydantic takes longer to load than most commands take

    paths = find_paths()
    if worker is not None:
        ask_or_fail(paths, "restart", worker=worker)
        click.echo(f"{worker} is restarting. See: channeld status")
        return
    try:
        load(paths.config_file)  # before the running daemon, which has a good one, is stopped
    except ConfigError as error:
        fail(str(error), f"{error.hint} Nothing was stopped.")
    if is_running(paths):
        _stop(paths, again=True)
    _start(paths)
    _tell_how_it_is("channeld has restarted", paths)


def _tell_how_it_is(what: str, paths: Paths) -> None:
    """Say that the daemon runs, and at once what keeps a worker from starting, such as a port in use."""
    end = time.monotonic() + _WORKERS_LIMIT_S
    status = ask_or_fail(paths, "status")
    while time.monotonic() < end and any(worker["state"] == "starting" for worker in status["workers"]):
        time.sleep(_LOOK_EVERY_S)
        status = ask_or_fail(paths, "status")
    troubles = [issue for issue in status["health"] if issue["severity"] == "error"]
    if not troubles:
        click.echo(f"{what}. See: channeld status")
        return
    from channeld.cli.render.status import issue_lines  # noqa: PLC0415 - a calm start needs it not

    click.echo(f"{what}, but:")
    for issue in troubles:
        print_lines(["", *issue_lines(issue, time.time(), page_width())])


def _start(paths: Paths) -> None:
    """Start a detached daemon and wait until it answers."""
    places = Places(os.environ, os.getcwd(), __version__)
    error_log = places.error_log
    before = os.path.getsize(error_log) if os.path.exists(error_log) else 0
    argv = start_command(unit_installed=os.path.exists(places.unit) and "CHANNELD_HOME" not in os.environ)
    spawn_detached(argv, clean_environment(os.environ, os.getcwd()), error_log)
    end = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < end:
        time.sleep(_LOOK_EVERY_S)
        if is_running(paths):
            return
        if os.path.getsize(error_log) > before:  # it has said why it ends
            with open(error_log, encoding="utf-8", errors="replace") as file:
                file.seek(before)
                said = file.read().strip()
            if "already running here" in said:
                continue  # somebody else was faster: that one will answer
            if said.startswith("Error:"):
                sys.stderr.write(said + "\n")
                sys.exit(1)
    fail("The daemon does not answer.", f"Look at `channeld logs` and {error_log}.")


def _stop(paths: Paths, *, again: bool = False) -> None:
    pid = ask_or_fail(paths, "stop", again=again)["pid"]
    end = time.monotonic() + _STOP_LIMIT_S
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if not paths.control_socket.exists() and not _holds_lock(paths):
            return
        time.sleep(_LOOK_EVERY_S)
    fail(f"The daemon (pid {pid}) is still ending.", "Wait a little, then look at `channeld logs`.")


def _holds_lock(paths: Paths) -> bool:
    import fcntl  # noqa: PLC0415

    try:
        with open(paths.lock, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
