"""Runs one program in a terminal of its own that people can look into: a tmux server for it alone.

The server is not the user's, and reads none of the user's configuration: what that says, such as to end a session that
nobody looks at, would decide over a program that nobody looks at.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_TARGET: Final = "claude"
_COLUMNS, _ROWS = 160, 50  # while nobody looks
_TIMEOUT_S: Final = 10.0
_OPTIONS: Final = (
    ("-g", "remain-on-exit", "on"),  # so that its last words can be read
    ("-g", "history-limit", "20000"),
    ("-g", "default-terminal", "tmux-256color"),
    ("-g", "status-left", " #{CHANNELD_SESSION} "),
    ("-g", "status-left-length", "50"),
    ("-g", "status-right", " Ctrl-b d: leave it running "),
    ("-g", "window-status-format", ""),
    ("-g", "window-status-current-format", ""),
    ("-g", "update-environment", ""),  # the environment is the keeper's to decide
    ("-s", "escape-time", "25"),  # milliseconds: Escape interrupts Claude
    ("-s", "exit-unattached", "off"),
    ("-s", "extended-keys", "on"),
)


class TerminalError(Exception):
    """tmux did not do what it was asked."""


class Pane(NamedTuple):
    """The program in the terminal."""

    pid: int
    status: int | None
    """How it ended: an exit status, or a signal as a negative number; None while it runs, or if nobody knows."""
    is_dead: bool


class Tmux:
    """The terminal of one session; ``socket`` is where its server listens."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def run(self, command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> None:
        """Run a program, in the terminal that is there or in a new one.

        Args:
            command: more than one word: a single one would be a shell's to understand.
            folder: in which it runs.
            environ: of the terminal, if it is a new one, and so of everything that runs in it.

        Raises:
            TerminalError: it was not to be.
        """
        if self.pane() is not None:
            self._tmux("respawn-pane", "-k", "-t", _TARGET, "-c", str(folder), "--", *command)
            self._tmux("clear-history", "-t", _TARGET)
            return
        size = ("-x", str(_COLUMNS), "-y", str(_ROWS))
        setting = [word for option in _OPTIONS for word in ("set-option", "-q", *option, ";")]
        self._tmux(
            *setting, "new-session", "-d", "-s", _TARGET, *size, "-c", str(folder), "--", *command, environ=environ
        )

    def pane(self) -> Pane | None:
        """Return the program in the terminal; None if there is no terminal."""
        try:
            told = self._tmux(
                "display-message",
                "-p",
                "-t",
                _TARGET,
                "#{pane_pid} #{pane_dead}:#{pane_dead_status}:#{pane_dead_signal}",
            )
        except TerminalError:
            return None
        pid, _, end = told.strip().partition(" ")
        if not pid.isdigit():
            return None
        dead, status, number = end.split(":")
        return Pane(int(pid), int(status) if status else -int(number) if number else None, dead == "1")

    def screen(self, *, history: bool = False) -> str:
        """Return what is on the screen, and with ``history`` also what has left it; empty without a terminal."""
        try:
            return self._tmux("capture-pane", "-p", *(("-S", "-") if history else ()), "-t", _TARGET)
        except TerminalError:
            return ""

    def press(self, key: str) -> None:
        """Press one key, by tmux's name for it: ``Enter``."""
        self._tmux("send-keys", "-t", _TARGET, key)

    def reap(self) -> None:
        """Have the server ask how the program ended.

        Seen with tmux 3.3a: where the terminal's end is read just before the signal of the process's end comes, the
        server never asks, and the process stays a zombie.
        """
        try:
            os.kill(int(self._tmux("display-message", "-p", "#{pid}")), signal.SIGCHLD)
        except (TerminalError, ProcessLookupError):
            pass

    def end(self) -> None:
        """End the terminal, and with SIGHUP what runs in it."""
        try:
            self._tmux("kill-server")
        except TerminalError:
            pass

    def attach_words(self) -> list[str]:
        """Return the command line that shows the terminal to a person."""
        return ["tmux", "-S", str(self._socket), "attach-session", "-t", _TARGET]

    def _tmux(self, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
        words = ["tmux", "-u", "-S", str(self._socket), "-f", os.devnull, *arguments]
        try:
            done = subprocess.run(  # noqa: S603 - our own words; the user's command is not a shell's to read
                words, env=environ, capture_output=True, text=True, errors="replace", check=False, timeout=_TIMEOUT_S,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise TerminalError("tmux does not answer") from None
        if done.returncode != 0:
            raise TerminalError(done.stderr.strip() or f"tmux ended with exit status {done.returncode}")
        return done.stdout
