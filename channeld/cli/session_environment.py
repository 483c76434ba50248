"""The environment of a kept session: what the user's login shell makes of it, as in a terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from channeld.cli.shim_host import PACKAGE_ROOT

_FOREIGN: Final = frozenset({
    # of the terminal or the Claude Code in which `session start` ran
    "TMUX", "TMUX_PANE", "STY", "WINDOW", "COLUMNS", "LINES", "SHLVL", "OLDPWD", "PWD", "_", "TERM",
    "CLAUDECODE", "CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT",
    # of a service of systemd's
    "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID", "NOTIFY_SOCKET", "MANAGERPID", "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC",
})  # fmt: skip
_AGENT: Final = "SSH_AUTH_SOCK"
_BOURNE: Final = '[ -n "${SSH_AUTH_SOCK:-}" ] || export SSH_AUTH_SOCK="$1"; shift; exec "$@"'
_FISH: Final = "set -q SSH_AUTH_SOCK; or set -gx SSH_AUTH_SOCK $argv[1]; exec $argv[2..-1]"
_BOURNES: Final = frozenset({"bash", "zsh", "sh", "dash", "ksh", "ksh93", "mksh", "ash"})


def session_environment(environ: Mapping[str, str], name: str, agent: Path, root: str = PACKAGE_ROOT) -> dict[str, str]:
    """Return the environment in which the login shell of a session starts.

    Args:
        environ: of the keeper.
        name: of the session; ``channeld mcp`` reads it.
        agent: the link to the SSH agent of the terminal that was last at this session.
        root: folder that holds the package: nothing of the session's is to import from there.
    """
    kept = {key: value for key, value in environ.items() if key not in _FOREIGN and key != _AGENT}
    ours = {root, os.path.join(root, "workers")}
    if search := [place for place in kept.pop("PYTHONPATH", "").split(os.pathsep) if place and place not in ours]:
        kept["PYTHONPATH"] = os.pathsep.join(search)
    if agent.exists():
        kept[_AGENT] = str(agent)
    return {**kept, "CHANNELD_SESSION": name}


def through_shell(shell: str, agent: Path, command: Sequence[str]) -> list[str]:
    """Return the command line that runs a command as if it had been typed in a new terminal of the user's.

    Args:
        shell: the user's login shell; one that we do not know how to talk to is passed over for ``/bin/sh``.
        agent: what stands for the SSH agent where the shell's own start has set none.
        command: the words of the command, which no shell reads.
    """
    kind = os.path.basename(shell)
    if kind == "fish":
        return [shell, "-l", "-i", "-c", _FISH, str(agent), *command]
    return [shell if kind in _BOURNES else "/bin/sh", "-l", "-i", "-c", _BOURNE, "channeld", str(agent), *command]


def login_shell(environ: Mapping[str, str]) -> str:
    """Return the user's login shell."""
    import pwd  # noqa: PLC0415

    try:
        return environ.get("SHELL") or pwd.getpwuid(os.getuid()).pw_shell or "/bin/sh"
    except KeyError:  # a user without a name
        return "/bin/sh"


def link_agent(agent: Path, environ: Mapping[str, str], *, replace: bool) -> None:
    """Let the link lead to the SSH agent of this environment, if it has one that is there.

    Args:
        agent: the link.
        environ: of a terminal, or of the keeper.
        replace: also where it leads to one already.
    """
    here = environ.get(_AGENT, "")
    if not here or here == str(agent) or not os.path.exists(here) or (agent.exists() and not replace):
        return
    draft = agent.with_name(f".{agent.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(here)
    draft.replace(agent)
