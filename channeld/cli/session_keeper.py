"""Keeps one Claude Code session running in its terminal: starts it, answers one question, starts it again when it ends.

It is a process of its own, in the foreground, under systemd or not. What it has to say it writes down for the other
commands.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from channeld.cli.claude_files import read_claude
from channeld.cli.session_environment import link_agent, login_shell, session_environment, through_shell
from channeld.cli.session_files import Declared, Report, SessionFiles
from channeld.cli.tmux import Pane, TerminalError, Tmux
from channeld.core.kept_session import ENDED, Phase
from channeld.core.lifecycle import EXIT_BAD_CONFIG
from channeld.core.opt_in import OptIn, choose, command_line
from channeld.core.restart import INTENSITY, PERIOD_S, RestartPolicy, Verdict
from channeld.core.terminal_screen import ASKED, Shown, last_words, may_accept, muted, read

_LOOK_EVERY_S: Final = 0.25
_ASKS_AFTER_S: Final = 2.0  # a screen that is being drawn says all sorts of things
_UNKNOWN_AFTER_S: Final = 30.0  # a shell's start may take its time
_PRESS_AGAIN_S: Final = 3.0  # a key that came before it was listened for is lost
_MOST_PRESSES: Final = 3
_END_S: Final = 8.0
_STATUS_S: Final = 1.0  # from the end of a process to tmux's knowing of it
_NO_COMMAND: Final = frozenset({126, 127})
_NOTHING_TO_CONTINUE: Final = "No conversation found to continue"
_NOT_TRUSTED: Final = "this folder isn't trusted"


class GaveUp(Exception):
    """It makes no sense to go on."""


class Keeper:
    """The keeper of one session.

    Args:
        files: of the session.
        declared: what was asked for.
        environ: of this process.
    """

    def __init__(self, files: SessionFiles, declared: Declared, environ: Mapping[str, str]) -> None:
        self._files, self._declared, self._environ = files, declared, environ
        self._tmux = Tmux(files.socket)
        self._restarts = RestartPolicy()
        self._again = declared.begun
        before = files.report()
        self._is_successor = before is not None and before.pid != 0 and before.phase not in ENDED
        self._report = Report(os.getpid(), Phase.STARTING, time.time())
        if before is not None and self._is_successor:
            self._report = replace(self._report, restarts=before.restarts)
        self._wake, waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.set_wakeup_fd(waker)

    def run(self) -> int:
        """Keep the session until it is to be stopped or keeps ending; return the exit status."""
        try:
            while not self._stopping:
                pane = self._tmux.pane()
                if pane is None or pane.is_dead:  # else: what a keeper that was killed has left
                    pane = self._start()
                    if self._is_successor:  # what a keeper that was killed could not leave
                        self._count()
                self._is_successor = False
                self._tell(Phase.STARTING, way=str(self._opt_in().way), claude_pid=pane.pid)
                self._watch(pane)
                if not self._stopping:
                    self._go_on()
        except (GaveUp, TerminalError) as error:
            self._end()
            self._tell(Phase.FAILED, str(error), claude_pid=None)
            sys.stderr.write(f"{self._files.name}: {error}\n")
            return EXIT_BAD_CONFIG
        self._end()
        self._tell(Phase.STOPPED, claude_pid=None)
        return 0

    # -- one life of Claude Code

    def _start(self) -> Pane:
        link_agent(self._files.agent, self._environ, replace=False)
        folder = Path(self._declared.folder)
        if not folder.is_dir():
            raise GaveUp(f"The folder {folder} is not there.")
        command = command_line(self._opt_in(), self._declared.arguments, again=self._again)
        words = through_shell(login_shell(self._environ), self._files.agent, command)
        environ = session_environment(self._environ, self._files.name, self._files.agent)
        self._tmux.run(words, folder, environ)
        pane = self._tmux.pane()
        if pane is None:
            raise GaveUp("Its terminal was closed at once.")
        return pane

    def _opt_in(self) -> OptIn:
        managed = [layer.data for layer in read_claude(self._environ, ()).managed]
        return choose(managed, self._declared.arguments, self._declared.channel)

    def _watch(self, pane: Pane) -> None:
        """Return when Claude Code has ended, or is to be stopped; until its prompt is there, look at its screen."""
        with _life(pane.pid) as life:
            if life is not None and self._settle(life):
                self._wait(life, None)

    def _settle(self, life: int) -> bool:
        """Look at the screen until the prompt is there; tell whether that is so."""
        channel, presses, pressed_at = self._opt_in().channel, 0, 0.0
        before, since = Shown.NOTHING, time.monotonic()
        while not self._wait(life, _LOOK_EVERY_S):
            screen, now = self._tmux.screen(), time.monotonic()
            shown = read(screen)
            if shown is not before:
                before, since = shown, now
                continue  # what is looked at twice is drawn to the end
            if shown is Shown.PROMPT:
                self._begun(screen)
                return True
            if may_accept(screen, channel) and presses < _MOST_PRESSES:
                if now - pressed_at > _PRESS_AGAIN_S:
                    self._tmux.press("Enter")
                    presses, pressed_at = presses + 1, now
                continue
            patience_s = _UNKNOWN_AFTER_S if shown is Shown.NOTHING else _ASKS_AFTER_S
            if now - max(since, pressed_at) > patience_s:
                self._tell(Phase.ASKING, f"Claude Code asks {ASKED[shown]}.")
        return False

    def _begun(self, screen: str) -> None:
        self._again = True
        self._files.set_begun(True)
        why = muted(screen)
        self._tell(Phase.RUNNING, f"It hears nothing from channels: {why}." if why else "")

    def _go_on(self) -> None:
        """Wait before the next start, or give up."""
        pane = self._ended_pane()
        screen = self._tmux.screen(history=True)
        status = pane.status if pane else None
        words = last_words("\n".join(line for line in screen.splitlines() if not line.startswith("Pane is dead")))
        how = "its terminal was closed" if pane is None else _how(status)
        if status in _NO_COMMAND:
            raise GaveUp(f"Your login shell cannot run `claude` ({words or how}).")
        if _NOT_TRUSTED in screen:
            raise GaveUp("Claude Code does not run in a folder that is not trusted.")
        if _NOTHING_TO_CONTINUE in screen:  # nobody has said anything yet
            self._again = False
            self._files.set_begun(False)
        decision = self._restarts.ended(None, time.monotonic(), random.random())
        if decision.verdict is not Verdict.BACKOFF:
            raise GaveUp(
                f"Claude Code ended {INTENSITY + 1} times within {PERIOD_S / 60:.0f} minutes; last: {how}"
                f"{f', {words}' if words else ''}."
            )
        self._count()
        self._tell(Phase.WAITING, f"Claude Code has ended: {how}.", claude_pid=None)
        self._wait(None, decision.delay_s)

    def _ended_pane(self) -> Pane | None:
        """Return the program that has ended, when tmux knows how; None if the terminal is gone too."""
        end = time.monotonic() + _STATUS_S
        while (pane := self._tmux.pane()) is not None and pane.status is None and time.monotonic() < end:
            self._tmux.reap()
            time.sleep(_STATUS_S / 50)
        return pane

    def _end(self) -> None:
        """End Claude Code as kindly as it can be ended, and its terminal."""
        pane = self._tmux.pane()
        if pane is not None and not pane.is_dead:
            with _life(pane.pid) as life:
                if life is not None:
                    signal.pidfd_send_signal(life, signal.SIGTERM)
                    if not _readable([life], _END_S):
                        signal.pidfd_send_signal(life, signal.SIGKILL)
        self._tmux.end()

    # -- inside

    def _count(self) -> None:
        self._report = replace(self._report, restarts=self._report.restarts + 1)

    def _stop(self, number: int, frame: object) -> None:
        self._stopping = True

    def _wait(self, life: int | None, limit_s: float | None) -> bool:
        """Wait; tell whether the life is over or the session is to be stopped."""
        if self._stopping:
            return True
        ready = _readable([self._wake, *([life] if life is not None else [])], limit_s)
        return self._stopping or (life is not None and life in ready)

    def _tell(self, phase: Phase, note: str = "", **more: Any) -> None:
        told = replace(self._report, phase=phase, note=note, **more)
        if told != self._report or phase is Phase.STARTING:
            self._report = replace(told, since=time.time())
            self._files.tell(self._report)


def keep(files: SessionFiles, environ: Mapping[str, str]) -> int:
    """Keep a session that was declared; return the exit status."""
    declared = files.declared()
    if declared is None:
        sys.stderr.write(f"Error: no session {files.name} was declared.\nTry: channeld session start {files.name}\n")
        return EXIT_BAD_CONFIG
    lock = files.hold()
    if lock is None:
        sys.stderr.write(f"Error: {files.name} is kept by another process.\n")
        return EXIT_BAD_CONFIG
    try:
        return Keeper(files, declared, environ).run()
    finally:
        os.close(lock)


@contextmanager
def _life(pid: int) -> Iterator[int | None]:
    """Have a descriptor that is readable once a process has ended; None if it has."""
    try:
        life = os.pidfd_open(pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield life
    finally:
        os.close(life)


def _readable(descriptors: list[int], limit_s: float | None) -> list[int]:
    return select.select(descriptors, [], [], limit_s)[0]


def _how(status: int | None) -> str:
    if status is None:
        return "nobody knows how"
    return f"exit status {status}" if status >= 0 else f"signal {-status}"
