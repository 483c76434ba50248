"""``run``, ``start``, ``stop`` and ``restart``."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import NoReturn

import click

from channeld import __version__
from channeld.cli import service, suggest
from channeld.cli.client import EXIT_FAILED, ask_or_fail, fail, holds_lock, is_running
from channeld.cli.options import page_width, print_lines
from channeld.cli.shim_host import Places
from channeld.cli.shim_start import clean_environment, open_log, start_command
from channeld.core.errors import ConfigError
from channeld.paths import Paths, find_paths, make_all, make_private, unusable

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
    start_daemon(paths)
    _tell_how_it_is("channeld is running", paths)


@click.command()
def stop() -> None:
    """Stop the daemon until `channeld start`.

    Messages wait, and sessions stay and come back to it.

    Example: channeld stop
    """
    paths = find_paths()
    is_service = service.is_up() or service.has_given_up()
    if is_service:
        _stop_service(paths)
    if not is_service or holds_lock(paths):  # `channeld run` can run where the service does not
        stop_daemon(paths)
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
    restart_daemon(paths)
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


def restart_daemon(paths: Paths) -> None:
    """Exchange the daemon for another, or start one, and wait until it answers."""
    if service.is_up():
        make_all(paths)
        if why := service.restart():
            _tell_why_not_started(paths, why)
        wait_until_running(paths, service.JOURNAL)
        return
    if is_running(paths):
        stop_daemon(paths, again=True)
    start_daemon(paths)


def start_daemon(paths: Paths) -> None:
    """Start a daemon that this command does not take along, and wait until one answers."""
    make_all(paths)  # a fault of theirs is told here, wherever the daemon's own words go
    if not service.is_installed():
        _start_process(paths)
        return
    try:
        why = service.start()
    except OSError as error:
        why = f"systemctl: {error.strerror}"
    if why and not holds_lock(paths):  # while another daemon holds the place, that one will answer
        _tell_why_not_started(paths, why)
    wait_until_running(paths, service.JOURNAL)


def _tell_why_not_started(paths: Paths, why: str) -> NoReturn:
    """End with what keeps the service from starting: the daemon's own words are in the journal."""
    from channeld.config import load  # noqa: PLC0415 - pydantic takes longer to load than most commands take

    try:
        load(paths.config_file)
    except ConfigError as error:
        fail(str(error), f"{error.hint} Then: channeld start")
    fail(f"systemd could not start channeld: {why}", service.JOURNAL)


def _start_process(paths: Paths) -> None:
    import subprocess  # noqa: PLC0415 - of no use to the other commands

    places = Places(os.environ, os.getcwd(), __version__)
    try:
        log = open_log(places.error_log)
    except OSError as error:
        raise unusable(Path(places.error_log), error) from None
    begin = os.fstat(log).st_size
    try:
        started = subprocess.Popen(  # noqa: S603 - our own interpreter
            start_command(unit_installed=False), env=clean_environment(os.environ, os.getcwd()), cwd="/", umask=0o077,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(log)
    end = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < end:
        time.sleep(_LOOK_EVERY_S)
        status = started.poll()  # before the question: a daemon that was faster may have begun to answer since
        if is_running(paths):
            return
        if status and not holds_lock(paths):  # while another daemon holds the place, that one will answer
            _tell_why_it_ended(status, places.error_log, begin)
    fail("The daemon does not answer.", f"Look at `channeld logs` and {places.error_log}.")


def wait_until_running(paths: Paths, hint: str) -> None:
    """Wait until a daemon answers that something else has started; ``hint`` is what to look at if none does."""
    end = time.monotonic() + _START_LIMIT_S
    while not is_running(paths):
        if time.monotonic() > end:
            fail("The daemon does not answer.", hint)
        time.sleep(_LOOK_EVERY_S)


def _tell_why_it_ended(status: int, error_log: str, begin: int) -> NoReturn:
    """End with what a daemon has said before it ended, which may be a traceback."""
    with open(error_log, encoding="utf-8", errors="replace") as file:
        file.seek(begin)
        said = file.read().strip()
    if said.startswith("Error:"):
        sys.stderr.write(said + "\n")
        sys.exit(EXIT_FAILED)
    last = said.splitlines()[-1] if said else f"exit status {status}" if status > 0 else f"signal {-status}"
    fail(f"The daemon ended at once: {last}", f"Look at `channeld logs` and {error_log}.")


def stop_daemon(paths: Paths, *, again: bool = False) -> None:
    """End the daemon and wait until it has gone; ``again`` if another is started at once."""
    pid = ask_or_fail(paths, "stop", again=again)["pid"]
    end = time.monotonic() + _STOP_LIMIT_S
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if not paths.control_socket.exists() and not holds_lock(paths):
            return
        time.sleep(_LOOK_EVERY_S)
    fail(f"The daemon (pid {pid}) is still ending.", "Wait a little, then look at `channeld logs`.")


def _stop_service(paths: Paths) -> None:
    """Have systemd end the daemon, so that neither a session nor a command starts it again."""
    make_private(paths.state)
    paths.stopped.touch(mode=0o600)
    if why := service.stop():
        fail(f"systemd could not stop channeld: {why}", service.JOURNAL)
    paths.stopped.touch(mode=0o600)  # a daemon that was about to start has taken it away
