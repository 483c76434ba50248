"""A terminal under tmux, on a socket of its own, that runs one command."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Callable
from pathlib import Path

_SHOWN = 30  # characters of what is typed that stand on one line of any window
LOOK_EVERY_S = 0.1  # a screen raises no event: looking again, up to a deadline, is the only way to wait for it
COLUMNS, ROWS = 160, 50
END_LIMIT_S = 20.0


class Terminal:
    """One tmux server with one window. Create it with ``start``."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.pid = 0  # of the command

    @classmethod
    async def start(
        cls, socket: Path, command: list[str], cwd: Path, *, columns: int = COLUMNS, rows: int = ROWS
    ) -> Terminal:
        """Run a command; the window stays when it ends, so that its last words can be read."""
        terminal = cls(socket)
        # -f /dev/null: the user's own tmux configuration is none of ours.
        await terminal._tmux(
            "-f", "/dev/null", "new-session", "-d", "-s", "lab", "-c", str(cwd), "-x", str(columns), "-y", str(rows),
            f"exec {shlex.join(command)}", ";", "set-option", "-t", "lab", "remain-on-exit", "on",
        )  # fmt: skip
        terminal.pid = int(await terminal._tmux("display-message", "-p", "-t", "lab", "#{pane_pid}"))
        return terminal

    async def screen(self, *, colours: bool = False) -> str:
        """Return what is on the screen, with the escape sequences of its colours if wanted."""
        return await self._tmux("capture-pane", "-p", *(["-e"] if colours else []), "-t", "lab")

    async def type(self, text: str) -> None:
        """Type text, and press Enter once it is there: what comes in one piece with it is taken for a paste."""
        await self._tmux("send-keys", "-t", "lab", "-l", text)
        await self.wait_for(text[:_SHOWN])
        await self.press("Enter")

    async def press(self, *keys: str) -> None:
        """Press keys by tmux's names, such as ``Enter`` or ``Escape``."""
        await self._tmux("send-keys", "-t", "lab", *keys)

    async def wait_for(self, *texts: str, timeout_s: float = 30) -> str:
        """Return the first of ``texts`` that appears on the screen; when none does, fail with the screen."""
        screen = await self._look(lambda screen: any(text in screen for text in texts), f"none of {texts}", timeout_s)
        return next(text for text in texts if text in screen)

    async def wait_gone(self, text: str, timeout_s: float = 30) -> str:
        """Return the screen once a text is not on it; when it stays, fail with the screen."""
        return await self._look(lambda screen: text not in screen, f"still {text!r}", timeout_s)

    async def _look(self, wanted: Callable[[str], bool], missing: str, timeout_s: float) -> str:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while not wanted(screen := await self.screen()):
            assert loop.time() < end, f"{missing} on the screen after {timeout_s} s:\n{screen}"
            await asyncio.sleep(LOOK_EVERY_S)
        return screen

    async def is_running(self) -> bool:
        """Tell whether the command has not ended."""
        return await self._tmux("display-message", "-p", "-t", "lab", "#{pane_dead}") == "0\n"

    async def stop(self) -> None:
        """End the command and the terminal."""
        server = int(await self._tmux("display-message", "-p", "#{pid}"))
        async with asyncio.TaskGroup() as ends:
            for pid in (server, self.pid):
                ends.create_task(_end_of(pid))
            await self._tmux("kill-server")

    async def _tmux(self, *arguments: str) -> str:
        # The server inherits this environment, and with it everything that runs inside: nothing of the tester's.
        env = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8", "SHELL": "/bin/sh"}
        process = await asyncio.create_subprocess_exec(
            "tmux", "-S", str(self._socket), *arguments, env=env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode == 0, f"tmux {arguments[0]}: {err.decode().strip()}"
        return out.decode()


async def _end_of(pid: int) -> None:
    """Wait for the end of a process that is no child of ours."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), END_LIMIT_S)
    finally:
        loop.remove_reader(pidfd)
        os.close(pidfd)
