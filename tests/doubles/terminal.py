"""A person at a terminal of their own: a command on a pseudo-terminal, with nothing of the test above it.

What the daemon refuses it refuses by the processes above a command, and above the shims that a test starts stands the
test itself: so the command is handed to init, as that of a shell that outlived what started it.

Run: python terminal.py TERMINAL PIPE STATUS WORDS…, with the descriptors of the terminal and of a pipe, whose end
starts the command, and the file that gets its exit status.
"""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

COLUMNS = 400


def on_terminal(
    environment: Mapping[str, str], *words: str, timeout_s: float = 30.0, typed: Sequence[tuple[str, str]] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a program on a terminal; its output and its errors come back as a terminal shows them: as one text.

    ``typed`` is what a person waits for, one after the other, and the line that he types then.
    """
    screen, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    begin, go = os.pipe()
    with tempfile.TemporaryDirectory(prefix="tt") as folder:
        status = Path(folder) / "status"
        try:
            subprocess.run(
                [sys.executable, __file__, str(child), str(begin), str(status), *words],
                env={**environment, "NO_COLOR": "1"}, pass_fds=[child, begin], check=True, timeout=timeout_s,
            )  # fmt: skip
            for descriptor in (go, begin, child):  # what started it has ended: from here on init is its parent
                os.close(descriptor)
            output = _read_all(screen, typed)
        finally:
            os.close(screen)
        return subprocess.CompletedProcess(words, int(status.read_text()), output.replace("\r\n", "\n"), "")


def _read_all(screen: int, typed: Sequence[tuple[str, str]]) -> str:
    """Return what is written until nobody has the terminal open any more."""
    output = b""
    left, seen = list(typed), 0
    while True:
        if left and (place := output.find(left[0][0].encode(), seen)) >= 0:
            seen = place + len(left[0][0].encode())
            os.write(screen, f"{left.pop(0)[1]}\n".encode())
            continue
        try:
            data = os.read(screen, 1 << 16)
        except OSError:  # Linux says so when the last descriptor is closed
            return output.decode()
        if not data:
            return output.decode()
        output += data


def _be_a_shell(terminal: int, begin: int, status: Path, words: list[str]) -> None:
    """Lead a session of its own on the terminal, run the command there, and write down how it ended."""
    if os.fork():
        return
    os.setsid()
    os.read(begin, 1)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(terminal, number)
    os.close(terminal)
    draft = status.with_suffix(".new")
    draft.write_text(str(subprocess.run(words, close_fds=True).returncode))
    draft.rename(status)


if __name__ == "__main__":
    _be_a_shell(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
