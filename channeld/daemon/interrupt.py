"""Interrupts what a session works on: by Escape in its terminal, where that is a tmux that we can reach.

Claude Code takes no such request over MCP. The key goes only to a pane that this very Claude Code runs in, and only
while a turn runs: in a dialog or an empty prompt Escape would mean something else.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog

from channeld.daemon.guard import ancestors
from channeld.daemon.session import Session

log = structlog.get_logger()
_TMUX_S: Final = 5.0
"""Within which tmux has to answer."""
_ENDS_S: Final = 10.0
"""Within which the turn should have ended."""
_LOOK_EVERY_S: Final = 0.1
_UNREACHED: Final = (
    "The session {} runs in a terminal that channeld cannot reach. Press Escape there. One that is started with "
    "`channeld session start` can be stopped from here."
)


async def interrupt(session: Session) -> str:
    """Interrupt the turn that a session is at; returns what to tell whoever asked for it."""
    turn = session.turns.turn
    if turn is None and not session.work(time.time()):
        return f"The session {session.name} works on nothing."
    terminal = session.terminal
    if terminal is None or not await _is_its_own(session, terminal.socket, terminal.pane):
        return _UNREACHED.format(session.name)
    if await _tmux(terminal.socket, "send-keys", "-t", terminal.pane, "Escape") is None:
        return _UNREACHED.format(session.name)
    log.info("session_interrupted", session=session.name)
    if turn is None:
        return f"Escape was pressed in the terminal of {session.name}."
    end = time.monotonic() + _ENDS_S
    while session.turns.turn is turn and time.monotonic() < end:  # noqa: ASYNC110 - it ends in more ways than one
        await asyncio.sleep(_LOOK_EVERY_S)
    if session.turns.turn is turn:
        return f"Escape was pressed in the terminal of {session.name}, but its turn goes on. Look there."
    return f"Claude was interrupted in {session.name}. What you write next goes to it at once."


async def _is_its_own(session: Session, socket: str, pane: str) -> bool:
    """Tell whether the Claude Code of a session runs in a pane: what it says of its terminal may be inherited."""
    told = await _tmux(socket, "display-message", "-p", "-t", pane, "#{pane_pid}")
    claude = session.claude_pid
    return told is not None and told.isdecimal() and claude is not None and int(told) in ancestors(claude)


async def _tmux(socket: str, *arguments: str) -> str | None:
    """Run a command of tmux; returns what it prints, None where it fails or does not answer."""
    try:
        process = await asyncio.create_subprocess_exec(
            "tmux", "-S", socket, *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None
    try:
        async with asyncio.timeout(_TMUX_S):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return out.decode(errors="replace").strip() if process.returncode == 0 else None
