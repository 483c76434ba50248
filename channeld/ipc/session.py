"""The one line that a shim sends before MCP begins: who it is and what stands above it."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

SESSION_PROTOCOL: Final = 1
MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""Of one MCP line, either way."""


class ClaudeProcess(msgspec.Struct, kw_only=True):
    """The nearest claude process above the shim, with those of its arguments that matter here."""

    pid: int
    argv: list[str]


class Terminal(msgspec.Struct, kw_only=True):
    """The pane of tmux that the shim was started from, as its environment says."""

    socket: str  # absolute path of tmux's own
    pane: Annotated[str, msgspec.Meta(pattern=r"^%[0-9]{1,9}$")]


class SessionHello(msgspec.Struct, kw_only=True):
    """The first line of a shim's connection."""

    channeld: int  # version of this line and what follows it
    version: str
    instance: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]  # random, the same for the life of the process
    pid: int
    pid_start: int  # clock ticks since boot, field 22 of /proc/PID/stat
    name: str
    project: str = ""
    listening: str = "auto"  # auto | yes | no
    plugin: bool = False  # Claude Code's plugin started it
    claude: ClaudeProcess | None = None
    terminal: Terminal | None = None
    readable: bool = True  # the processes above could be read
    written: list[str] = []  # the last delivery ids that were taken over for Claude
    dropped_reports: int = 0
    answered_reports: list[str | int] = []  # ids of hooks' calls that follow and that the shim has answered itself
    resumed: bool = False  # the handshake that follows is a replay


class Greeting(msgspec.Struct):
    """What the first line of a shim has in every version: the rest may be another in one that is not ours."""

    channeld: int
    version: str = ""
    name: str = ""


decoder: Final = msgspec.json.Decoder(SessionHello)
greeting_decoder: Final = msgspec.json.Decoder(Greeting)
REFUSED: Final = "channeld/refused"
"""Method of the notification with which a daemon refuses a shim of another version: ``params.text`` says what to do."""
