"""What the shim knows about the machine: where things lie, which Claude Code it serves, and the cached handshake."""

from __future__ import annotations

import json
import os

TYPE_CHECKING = False  # what `typing` would say, without the 6 ms that importing it takes
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final

PACKAGE_ROOT: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_BUILT_IN: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), "handshake.json")
_CHANNEL_FLAGS: Final = ("--channels", "--dangerously-load-development-channels")


class Places:
    """The places of channeld.paths that the shim needs, as strings: pathlib would double the start.

    Args:
        environ: the environment; ``HOME`` and the XDG variables are read.
        cwd: what a relative path starts from.
    """

    __slots__ = ("cache", "error_log", "session_socket", "stopped", "unit")

    def __init__(self, environ: Mapping[str, str], cwd: str, version: str) -> None:
        home = environ.get("HOME") or os.path.expanduser("~")
        if own := environ.get("CHANNELD_HOME"):
            state, run = os.path.join(own, "state"), os.path.join(own, "run")
        else:
            state = os.path.join(environ.get("XDG_STATE_HOME") or os.path.join(home, ".local", "state"), "channeld")
            runtime = environ.get("XDG_RUNTIME_DIR")
            run = os.path.join(runtime, "channeld") if runtime else os.path.join(state, "run")
        config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
        self.session_socket = os.path.join(cwd, run, "session.sock")
        self.cache = os.path.join(cwd, state, f"handshake-{version}.json")
        self.stopped = os.path.join(cwd, state, "stopped")
        self.error_log = os.path.join(cwd, state, "log", "daemon.err")
        self.unit = os.path.join(cwd, config, "systemd", "user", "channeld.service")


# -- the session


def describe_session(name: str, listening: str, project: str, version: str, *, plugin: bool) -> dict[str, Any]:
    """Return what the daemon is told about this session on every connection.

    Args:
        name: of the session; empty: the last part of ``project``.
        listening: ``auto``, ``yes`` or ``no``.
        project: folder in which the session runs, empty where it is gone.
        version: of channeld.
        plugin: Claude Code's plugin started this process.
    """
    claude, readable = find_claude()
    try:
        pid_start = int(_stat_fields(os.getpid())[19])
    except OSError:  # no /proc
        pid_start = 0
    return {
        "channeld": 1,
        "version": version,
        "instance": os.urandom(16).hex(),
        "pid": os.getpid(),
        "pid_start": pid_start,
        "claude": claude,
        "terminal": find_terminal(os.environ),
        "readable": readable,
        "project": _clean(project),
        "name": _clean(name or os.path.basename(project) or "session"),
        "listening": listening,
        "plugin": plugin,
    }


def find_terminal(environ: Mapping[str, str]) -> dict[str, str] | None:
    """Return the pane of tmux that this process was started from, as its environment says; None for none."""
    socket, pane = environ.get("TMUX", "").partition(",")[0], environ.get("TMUX_PANE", "")
    if not socket.startswith("/") or not (pane[:1] == "%" and pane[1:].isascii() and pane[1:].isdecimal()):
        return None
    return {"socket": _clean(socket), "pane": pane}


def find_claude() -> tuple[dict[str, Any] | None, bool]:
    """Find the nearest Claude Code process above this one.

    Returns:
        Its pid and the flags that matter, or None; and whether the processes above could be read.
    """
    pid = os.getppid()
    while pid > 0:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                argv = [_clean(os.fsdecode(word)) for word in file.read().split(b"\0")[:-1]]
            parent = int(_stat_fields(pid)[1])
        except (OSError, ValueError, IndexError):
            return None, False
        if is_claude(argv):
            return {"pid": pid, "argv": keep_flags(argv)}, True
        pid = parent
    return None, True


def is_claude(argv: Sequence[str]) -> bool:
    """Tell whether a command line is Claude Code, by the rule of channeld.core.listening."""
    program = _basename(argv[0]) if argv else ""
    if program in {"claude", "claude.exe"}:
        return True
    return program in {"node", "nodejs", "bun"} and any(
        _basename(word) == "claude" or "@anthropic-ai/claude-code" in word for word in argv[1:3]
    )


def keep_flags(argv: Sequence[str]) -> list[str]:
    """Return a command line of Claude Code without anything that is not ours to know, prompts above all.

    What stays: the program, the channels that are opted in, and how permissions are asked for.
    """
    kept = [argv[0]]
    taking = ""
    for word in argv[1:]:
        flag, equals, value = word.partition("=")
        if word == "--":
            break
        if flag in _CHANNEL_FLAGS:
            kept.append(f"{flag}={','.join(_channels(value))}" if equals else flag)
            taking = "" if equals else "channels"
        elif flag == "--permission-mode":
            taking = "" if equals else "mode"
            kept += [flag, value] if equals and value.isalpha() else []
        elif word.startswith("-"):
            taking = ""
            kept += [word] if word == "--dangerously-skip-permissions" else []
        elif taking == "channels":
            kept += _channels(word)
        elif taking == "mode":
            taking = ""
            kept += ["--permission-mode", word] if word.isalpha() else []
    return kept


def _channels(value: str) -> list[str]:
    return [piece for piece in value.replace(",", " ").split() if piece.startswith(("server:", "plugin:"))]


def _stat_fields(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the third on; the second may hold any character."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().decode(errors="replace").rpartition(")")[2].split()


def _basename(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _clean(text: str) -> str:
    """Return text of the system as what JSON can carry: bytes that are not UTF-8 are replaced."""
    return os.fsencode(text).decode(errors="replace")


# -- the cached handshake


def load_handshake(path: str) -> dict[str, Any]:
    """Return the answers to ``initialize`` and ``tools/list`` that a daemon gave last, else those built in."""
    return _read_handshake(path) or _read_handshake(_BUILT_IN) or {}


def save_handshake(path: str, answers: dict[str, Any]) -> None:
    """Keep a daemon's answers where they differ from what would be loaded; in one step, for the owner alone.

    Raises:
        OSError: the folder cannot be written.
    """
    if load_handshake(path) == answers:
        return
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    draft = f"{path}.{os.getpid()}"
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with open(file, "wb") as out:
        out.write(json.dumps(answers, indent=1).encode() + b"\n")
    os.replace(draft, path)


def _read_handshake(path: str) -> dict[str, Any] | None:
    try:
        with open(path, "rb") as file:
            answers = json.load(file)
        usable = isinstance(answers["initialize"]["capabilities"], dict) and isinstance(
            answers["tools_list"]["tools"], list
        )
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return answers if usable else None
