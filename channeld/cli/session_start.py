"""Brings a kept session up, waits until messages reach Claude, and ends it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from channeld.cli import session_unit
from channeld.cli.bring_up import say
from channeld.cli.claude_files import channel_of
from channeld.cli.client import CommandFailed, NotRunning, ask, is_running
from channeld.cli.daemon import start_daemon
from channeld.cli.session_environment import link_agent
from channeld.cli.session_files import Declared, Report, SessionFiles, every_session
from channeld.cli.shim_host import PACKAGE_ROOT
from channeld.cli.shim_start import open_log
from channeld.cli.tmux import Tmux
from channeld.core.errors import ChanneldError
from channeld.core.kept_session import Phase
from channeld.core.listening import opted_in
from channeld.core.opt_in import SERVER
from channeld.paths import Paths, make_all

READY_LIMIT_S: Final = 90.0
_LOOK_EVERY_S: Final = 0.1
_ATTACH_S: Final = 20.0
"""From Claude Code's prompt to its plugin's attaching."""
_KEEPER_S: Final = 10.0
"""How long a keeper may take until it is there."""
_STOP_S: Final = 30.0
_PRINTING: Final = frozenset({"-p", "--print"})


def declare(files: SessionFiles, folder: str | None, arguments: tuple[str, ...]) -> Declared:
    """Return what is to be started: what was said now, and for the rest what was said the last time.

    Raises:
        ChanneldError: it cannot be started so.
    """
    before = files.declared()
    chosen = Path(folder or (before.folder if before else os.getcwd())).absolute()
    if not chosen.is_dir():
        raise ChanneldError(
            f"The folder {chosen} is not there.", hint=f"channeld session start {files.name} --dir FOLDER"
        )
    words = list(arguments) or (before.arguments if before else [])
    if _PRINTING & set(words):
        raise ChanneldError("With --print Claude Code answers once and ends.", hint="Leave it out.")
    channel = channel_of(chosen, os.environ)
    if channel is None:
        if not opted_in(["claude", *words]):
            raise ChanneldError(
                f"Neither has your Claude Code the plugin, nor does {chosen / '.mcp.json'} name the server: "
                "no message would reach the session.",
                hint="channeld install",
            )
        channel = SERVER
    return Declared(str(chosen), channel, words)  # a start by hand begins a conversation; --continue goes on with one


def check_tools(files: SessionFiles) -> None:
    """Raise an error for what is missing on this machine."""
    if shutil.which("tmux") is None:
        raise ChanneldError(
            "tmux is not installed, and a session runs in a terminal of it.",
            hint="Install it (Debian, Ubuntu: sudo apt install tmux), and run the command again.",
        )
    if not files.fits():
        raise ChanneldError(
            f"The path of its terminal is too long: {files.socket}",
            hint="Take a shorter name, or set CHANNELD_HOME or XDG_RUNTIME_DIR to a shorter path.",
        )


def bring_up(paths: Paths, files: SessionFiles, declared: Declared) -> None:
    """Start the keeper, with systemd where that keeps sessions.

    Raises:
        ChanneldError: it could not be started.
    """
    make_all(paths)
    if not is_running(paths):
        if paths.stopped.exists():
            raise ChanneldError("channeld is stopped: no message would reach the session.", hint="channeld start")
        say("Starting channeld …")
        start_daemon(paths)
    files.declare(declared)
    files.tell(Report(0, Phase.STARTING, time.time()))
    link_agent(files.agent, os.environ, replace=True)
    if session_unit.is_usable(os.environ):
        if why := session_unit.start(files.name):
            raise ChanneldError(
                f"systemd does not start it: {why}", hint=f"journalctl --user -u claude-session@{files.name}"
            )
        return
    _spawn(files)


def neighbours(paths: Paths, files: SessionFiles, folder: str) -> list[str]:
    """Return the other sessions of a folder that are kept now: they share the conversation that goes on."""
    return [
        other.name
        for other in every_session(paths)
        if other.name != files.name and other.is_kept() and (known := other.declared()) and known.folder == folder
    ]


def _spawn(files: SessionFiles) -> None:
    """Start a keeper that this command and its terminal do not take along."""
    environ = dict(os.environ)
    if home := environ.get("CHANNELD_HOME"):
        environ["CHANNELD_HOME"] = os.path.abspath(home)
    if os.path.basename(PACKAGE_ROOT) not in {"site-packages", "dist-packages"}:
        before = environ.get("PYTHONPATH", "")
        environ["PYTHONPATH"] = os.pathsep.join(
            filter(None, (PACKAGE_ROOT, os.path.join(PACKAGE_ROOT, "workers"), before))
        )
    log = open_log(str(files.error_log))
    try:
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-P", "-m", "channeld.cli.entry", "session", "keep", files.name],
            env=environ, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(log)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a start has gone."""

    ready: bool
    why: str = ""
    hint: str = ""


def wait_ready(paths: Paths, files: SessionFiles, limit_s: float = READY_LIMIT_S) -> Outcome:
    """Wait until messages reach Claude, or until it is clear why they do not, and tell how far it is."""
    attach = f"channeld session attach {files.name}"
    begun, told, running_since = time.monotonic(), "", None
    while (now := time.monotonic()) < begun + limit_s:
        report = files.report()
        line, outcome = _judge(report, attach)
        if outcome is not None:
            return outcome
        if now - begun > _KEEPER_S and not files.is_kept():
            return Outcome(False, "What keeps it has ended without a word.", _journal(files))
        if line and line != told:
            told = line
            say(line)
        if report is None or report.phase is not Phase.RUNNING:
            running_since = None
        else:
            running_since = running_since or now
            connected = connection_of(_ask_sessions(paths), files.name, report)
            if connected is not None and connected["listening"] != "yes":
                return Outcome(False, f"It does not listen: {connected['reason']}.", connected["mend"])
            if connected is not None and connected["ready"]:
                return Outcome(True)
            if connected is None and now - running_since > _ATTACH_S:
                why = (
                    "Claude Code runs, but not its `channeld mcp`: channeld may not be in the PATH of your login shell."
                )
                return Outcome(False, why, f"{attach}, and look at /mcp there")
        time.sleep(_LOOK_EVERY_S)
    return Outcome(False, f"It is not ready after {limit_s:.0f} s.", attach)


def _judge(report: Report | None, attach: str) -> tuple[str, Outcome | None]:
    """Return what to tell meanwhile, and the outcome if the keeper has it."""
    if report is None:
        return "", None
    match report.phase:
        case Phase.FAILED | Phase.STOPPED:
            return "", Outcome(False, report.note or "It was stopped.", "channeld session list")
        case Phase.ASKING:
            return "", Outcome(False, report.note, f"{attach}, and answer it there; Ctrl-b d leaves it running")
        case Phase.RUNNING if report.note:
            return "", Outcome(False, report.note, attach)
        case Phase.RUNNING:
            return "Claude Code runs. Waiting for its first receipt …", None
        case Phase.WAITING:
            return report.note, None
    return ("Starting Claude Code …" if report.claude_pid else ""), None


def connection_of(sessions: list[dict[str, Any]], name: str, report: Report) -> dict[str, Any] | None:
    """Return the connection of a kept session, as the daemon tells it: that of the Claude Code in its terminal."""
    named = [each for each in sessions if each["name"] == name and each["state"] == "attached"]
    exact = [each for each in named if each["claude_pid"] == report.claude_pid]
    return next(iter(exact or named), None)


def _journal(files: SessionFiles) -> str:
    """Return where a keeper's words can be read."""
    if session_unit.is_usable(os.environ):
        return f"journalctl --user -u claude-session@{files.name}"
    return f"Look at {files.error_log}."


def _ask_sessions(paths: Paths) -> list[dict[str, Any]]:
    try:
        return list(ask(paths, "sessions")["sessions"])
    except (NotRunning, CommandFailed):
        return []


def stop(files: SessionFiles, environ: Mapping[str, str]) -> bool:
    """End a session; tell whether it ran.

    Raises:
        ChanneldError: it goes on.
    """
    ran = files.is_kept()
    if session_unit.is_usable(environ) and (why := session_unit.stop(files.name)):
        hint = f"systemctl --user status claude-session@{files.name}"
        raise ChanneldError(f"systemd does not stop it: {why}", hint=hint)
    if files.is_kept() and (report := files.report()) is not None and report.pid:
        _end(report.pid)
    terminal = Tmux(files.socket)
    pane = terminal.pane() if shutil.which("tmux") else None
    if pane is not None:  # its keeper was killed
        ran = True
        if not pane.is_dead:
            _end(pane.pid)
        terminal.end()
    if files.is_kept():
        raise ChanneldError(f"{files.name} is still ending.", hint="Wait a little, then: channeld session list")
    report = files.report()
    if report is not None and report.phase is not Phase.STOPPED:
        files.tell(Report(0, Phase.STOPPED, time.time(), way=report.way, restarts=report.restarts))
    return ran


def _end(pid: int) -> None:
    """Ask a process to end, and wait until it has."""
    try:
        life = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(life, signal.SIGTERM)
        select.select([life], [], [], _STOP_S)
    except ProcessLookupError:
        pass
    finally:
        os.close(life)
