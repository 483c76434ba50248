"""``status`` and ``sessions``: how things stand, once or live."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import Any, Final

import click

from channeld.cli import service
from channeld.cli.client import EXIT_NOT_RUNNING, NOT_RUNNING, CommandFailed, NotRunning, ask, ask_or_fail, fail
from channeld.cli.options import as_json, page_width, print_json, print_lines
from channeld.paths import Paths, fault_of, find_paths

_WATCH_EVERY_S: Final = 1.0


@click.command()
@as_json
@click.option("--watch", is_flag=True, help="Show it live until Ctrl-C.")
def status(as_json: bool, watch: bool) -> None:
    """Show what is wrong, who is connected, and what waits.

    Example: channeld status --watch
    """
    if as_json and watch:
        raise click.UsageError("--json and --watch do not go together.")
    paths = find_paths()
    if watch:
        _watch(paths)
        return
    try:
        data = _ask(paths)
    except NotRunning:
        fail(*_why_not_running(paths), EXIT_NOT_RUNNING)
    except CommandFailed as error:
        fail(str(error), error.hint)
    if as_json:
        print_json(data)
    else:
        print_lines(_lines(data, page_width()))


@click.command()
@as_json
def sessions(as_json: bool) -> None:
    """List the sessions: which listen, and why one does not.

    Example: channeld sessions
    """
    from channeld.cli.render.status import session_lines  # noqa: PLC0415 - of no use to --help

    data = ask_or_fail(find_paths(), "sessions")
    if as_json:
        print_json(data)
    else:
        print_lines(session_lines(_near_home(data["sessions"]), data.get("bindings", []), time.time(), page_width()))


def _ask(paths: Paths) -> dict[str, Any]:
    """Return the status, with a mistake made in the configuration since the daemon read it."""
    data: dict[str, Any] = ask(paths, "status")
    try:
        changed_at = os.stat(paths.config_file).st_mtime
    except OSError:
        return data
    if changed_at > data["daemon"]["started_at"] and (mistake := _mistake(paths)) is not None:
        from channeld.core.health import Report, shown  # noqa: PLC0415 - as rare as the mistake

        broken = Report("config_broken", *mistake, changed_at, "config")
        data["health"] += [issue.as_data() for issue in shown([broken], time.time())]
    return data


def _mistake(paths: Paths) -> tuple[str, str] | None:
    """Return what is wrong with the configuration and what to do, or None."""
    from channeld.config import load  # noqa: PLC0415 - pydantic takes longer to load than most commands take
    from channeld.core.errors import ConfigError  # noqa: PLC0415

    try:
        load(paths.config_file)
    except ConfigError as error:
        return str(error), error.hint
    return None


def _why_not_running(paths: Paths) -> tuple[str, str]:
    """Return that the daemon is not running and how to start it, or what keeps it from starting."""
    if (mistake := _bad_folder(paths) or _mistake(paths)) is not None:
        return f"channeld is not running, and cannot start: {mistake[0]}", f"{mistake[1]} Then: channeld start"
    if service.has_given_up():
        return "channeld is not running: it ended again and again, and systemd starts it no more.", (
            f"See why: {service.JOURNAL}. Then: channeld start"
        )
    return NOT_RUNNING


def _bad_folder(paths: Paths) -> tuple[str, str] | None:
    """Return which folder is none that can be used and what to do, or None; it makes none to find out."""
    for folder in (paths.config, paths.state, paths.run):
        if (fault := fault_of(folder)) is not None:
            return str(fault), fault.hint
    return None


def _lines(data: dict[str, Any], width: int) -> list[str]:
    from channeld.cli.render.status import status_lines  # noqa: PLC0415 - of no use to --help and --json

    return status_lines({**data, "sessions": _near_home(data["sessions"])}, time.time(), width)


def _near_home(sessions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the sessions with their folders as a person at this terminal writes them."""
    home = os.path.expanduser("~")
    return [
        {**session, "project": "~" + project.removeprefix(home)}
        if (project := session["project"]) == home or project.startswith(f"{home}/")
        else session
        for session in sessions
    ]


def _page(paths: Paths, width: int) -> list[str]:
    """Return what a watcher sees now, whatever has become of the daemon."""
    from channeld.cli.render.status import not_running_lines  # noqa: PLC0415

    try:
        return _lines(_ask(paths), width)
    except NotRunning:
        lines = not_running_lines(*_why_not_running(paths), width)
    except CommandFailed as error:
        lines = not_running_lines(str(error), error.hint, width)
    return [*lines, "", "Still watching: it is shown here as soon as it answers."]


def _watch(paths: Paths) -> None:
    """Show the status live until Ctrl-C; where no terminal is, one page after the other."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the terminal is put in order then too
    try:
        if sys.stdout.isatty():
            _watch_terminal(paths)
        while True:
            print_lines([*_page(paths, page_width()), ""])
            time.sleep(_WATCH_EVERY_S)
    except KeyboardInterrupt:
        return


def _watch_terminal(paths: Paths) -> None:
    from rich.console import Console  # noqa: PLC0415 - takes time to load, and only a watcher needs it
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(Text.from_ansi("\n".join(_page(paths, console.width))), refresh=True)
            time.sleep(_WATCH_EVERY_S)
