"""A command of ours on a terminal of 80 columns, as a person would see it."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from typing import Self

from tests.doubles.daemon import Daemon

TIMEOUT_S = 30.0


def _hear_interrupts() -> None:
    """Undo what a shell does to programs in the background: Ctrl-C is ignored there, and by all that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Watched:
    """``channeld …`` on a pseudo-terminal."""

    def __init__(self, daemon: Daemon, *arguments: str, **environment: str) -> None:
        self._arguments = arguments
        bare = {key: value for key, value in daemon.environment.items() if key not in {"NO_COLOR", "COLUMNS", "LINES"}}
        self._environment = {**bare, "TERM": "xterm-256color", **environment}
        self._new = asyncio.Event()
        self._seen_from = 0
        self.all = ""

    async def __aenter__(self) -> Self:
        self._screen, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "channeld.cli.entry", *self._arguments, env=self._environment,
            stdin=child, stdout=child, stderr=child, start_new_session=True, preexec_fn=_hear_interrupts,
        )  # fmt: skip
        os.close(child)
        os.set_blocking(self._screen, False)
        asyncio.get_running_loop().add_reader(self._screen, self._read)
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        asyncio.get_running_loop().remove_reader(self._screen)
        os.close(self._screen)

    def _read(self) -> None:
        try:
            self.all += os.read(self._screen, 1 << 16).decode(errors="replace")
        except BlockingIOError:
            return
        except OSError:  # the program has ended
            asyncio.get_running_loop().remove_reader(self._screen)
        self._new.set()

    async def shows(self, text: str) -> None:
        """Return when it has printed this since the last ``forget``."""
        async with asyncio.timeout(TIMEOUT_S):
            while text not in self.all[self._seen_from :]:
                self._new.clear()
                await self._new.wait()

    def forget(self) -> None:
        """Look only at what it prints from here on."""
        self._seen_from = len(self.all)

    async def interrupt(self) -> int:
        """Send what Ctrl-C sends, and return the exit status."""
        self._process.send_signal(signal.SIGINT)
        return await self._ended()

    async def end(self) -> str:
        """Return everything that it has printed, once it has ended by itself."""
        assert await self._ended() == 0
        return self.all

    async def _ended(self) -> int:
        status = await asyncio.wait_for(self._process.wait(), TIMEOUT_S)
        self._read()
        return status
