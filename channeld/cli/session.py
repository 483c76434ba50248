"""``session``: a Claude Code that runs in a terminal of its own, is kept running, and takes messages."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import Any

import click

from channeld.cli import suggest
from channeld.cli.client import CommandFailed, NotRunning, ask, fail
from channeld.cli.options import as_json, print_json, print_lines
from channeld.core.kept_session import check_name
from channeld.paths import find_paths


@click.group()
def session() -> None:
    """Keep Claude Code running in a terminal of its own, and let messages reach it.

    Example: channeld session start api --dir ~/work/api
    """


@session.command()
@click.argument("name")
@click.option("--dir", "folder", metavar="FOLDER", help="Where it works [default: as the last time, else here].")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- CLAUDE-OPTION …]")
def start(name: str, folder: str | None, arguments: tuple[str, ...]) -> None:
    """Start a session, and wait until messages reach Claude.

    It runs under tmux, and is started again with --continue when it ends.
    Options behind -- are for Claude Code.

    Example: channeld session start api --dir ~/work/api -- --model opus
    """
    from channeld.cli import session_start  # noqa: PLC0415 - of no use to --help
    from channeld.cli.session_files import SessionFiles  # noqa: PLC0415

    paths = find_paths()
    files = SessionFiles(paths, check_name(name))
    session_start.check_tools(files)
    if files.is_kept():
        click.echo(f"{name} runs already. To see it: channeld session attach {name}")
        if folder or arguments:
            click.echo(f"To start it another way, first: channeld session stop {name}")
    else:
        declared = session_start.declare(files, folder, arguments)
        for other in session_start.neighbours(paths, files, declared.folder):
            click.echo(
                f"Note: {other} works in {declared.folder} too. A restart goes on with the latest conversation there."
            )
        session_start.bring_up(paths, files, declared)
    outcome = session_start.wait_ready(paths, files)
    if not outcome.ready:
        fail(outcome.why, outcome.hint)
    click.echo(f"{name} is ready: messages reach Claude. To see it: channeld session attach {name}")


@session.command()
@click.argument("name", shell_complete=suggest.kept_sessions)
def attach(name: str) -> None:
    """Show the terminal of a session; Ctrl-b d leaves it running.

    Example: channeld session attach api
    """
    from channeld.cli import session_start  # noqa: PLC0415
    from channeld.cli.session_environment import link_agent  # noqa: PLC0415
    from channeld.cli.session_files import SessionFiles  # noqa: PLC0415
    from channeld.cli.tmux import Tmux  # noqa: PLC0415

    files = SessionFiles(find_paths(), check_name(name))
    session_start.check_tools(files)
    terminal = Tmux(files.socket)
    if terminal.pane() is None:
        report = files.report()
        fail(
            f"{name} does not run.{f' {report.note}' if report and report.note else ''}",
            f"channeld session start {name}",
        )
    if not sys.stdin.isatty() or not sys.stdout.isatty():
        fail("This is no terminal.", f"Over ssh: ssh -t HOST channeld session attach {name}")
    link_agent(files.agent, os.environ, replace=True)
    os.environ.pop("TMUX", None)  # it is another server: one within the other does no harm
    words = terminal.attach_words()
    os.execvp(words[0], words)  # noqa: S606 - a shell is what we do without


@session.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List the sessions that were started here, and how they are.

    Example: channeld session list
    """
    from channeld.cli.render.sessions import kept_lines  # noqa: PLC0415

    entries = _entries()
    if as_json:
        print_json({"sessions": entries})
    else:
        print_lines(kept_lines(entries, time.time(), shutil.get_terminal_size().columns))


@session.command()
@click.argument("name", shell_complete=suggest.kept_sessions)
@click.option("--forget", is_flag=True, help="Take it off the list, too.")
def stop(name: str, *, forget: bool) -> None:
    """End a session: Claude Code, its terminal, and its starting again.

    The conversation stays: claude --continue in its folder goes on with it.

    Example: channeld session stop api
    """
    from channeld.cli import session_start  # noqa: PLC0415
    from channeld.cli.session_files import SessionFiles  # noqa: PLC0415

    files = SessionFiles(find_paths(), check_name(name))
    if files.declared() is None:
        fail(f"There is no session {name}.", "channeld session list")
    ran = session_start.stop(files, os.environ)
    if forget:
        files.forget()
    click.echo(f"{name} has {'stopped' if ran else 'not been running'}{' and is forgotten' if forget else ''}.")


@session.command(hidden=True)
@click.argument("name")
def keep(name: str) -> None:
    """Keep a session in the foreground: what systemd runs.

    Example: channeld session keep api
    """
    from channeld.cli.session_files import SessionFiles  # noqa: PLC0415
    from channeld.cli.session_keeper import keep as keep_it  # noqa: PLC0415

    sys.exit(keep_it(SessionFiles(find_paths(), check_name(name)), os.environ))


def _entries() -> list[dict[str, Any]]:
    """Return every session that was declared, as `--json` prints it."""
    from channeld.cli.session_files import every_session  # noqa: PLC0415
    from channeld.cli.session_start import connection_of  # noqa: PLC0415
    from channeld.core.kept_session import ENDED, Phase  # noqa: PLC0415

    paths = find_paths()
    try:
        connected = ask(paths, "sessions")["sessions"]
    except (NotRunning, CommandFailed):
        connected = []
    entries = []
    for files in every_session(paths):
        declared, report, kept = files.declared(), files.report(), files.is_kept()
        if declared is None:
            continue
        phase, note = (report.phase, report.note) if report else (Phase.STOPPED, "")
        if not kept and phase not in ENDED:  # it was killed, or the machine was
            phase, note = Phase.STOPPED, "What kept it has ended without a word."
        connection = connection_of(connected, files.name, report) if report and kept else None
        heard = connection is not None and connection["ready"] and connection["listening"] == "yes"
        entries.append({
            "name": files.name, "state": str(phase), "note": note, "project": declared.folder,
            "arguments": declared.arguments, "ready": heard and phase is Phase.RUNNING and not note,
            "opt_in": report.way if report and report.way else None, "restarts": report.restarts if report else 0,
            "since": report.since if report else None, "claude_pid": report.claude_pid if report and kept else None,
        })  # fmt: skip
    return entries
