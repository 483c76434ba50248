"""Is Claude Code there, and new enough?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Final

from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings

_LIMIT_S: Final = 10.0
_HOOKS: Final = (2, 1, 118)
"""From here on hooks can call a tool of a running server: the plugin's hooks are of that kind."""
_TRIED: Final = (2, 1, 197)
"""The oldest with which channeld was tried whole."""


def check(around: Surroundings) -> Iterator[Finding]:
    """Look for the command, ask it for its version, and look at those of the sessions."""
    found = around.claude_program
    if found is not None:
        version = _version(_ask(found, around.environ))
        if version is not None:
            yield _judge(version, f"Claude Code {_dotted(version)}")
        else:
            yield warning(
                f"{found} does not tell its version.", "Whether it is new enough is not known.", f"`{found} --version`"
            )
        if shutil.which("claude", path=around.environ.get("PATH", "")) is None:
            yield warning(
                f"Claude Code is {found}, and that is not in PATH.", "`claude` does not start it.",
                f'`export PATH="{os.path.dirname(found)}:$PATH"`, in the start file of your shell',
            )  # fmt: skip
    elif not around.sessions:
        yield failure(
            "Claude Code was not found.", "Messages are kept, and nobody reads them.",
            "Install it, see code.claude.com/docs. Is it there? Then its folder is missing in PATH.",
        )  # fmt: skip
    for session in around.sessions:
        version = _version(session["client"]) if "claude" in session["client"] else None
        if version is not None and version < _TRIED:
            yield _judge(version, f"The session {session['name']} has Claude Code {_dotted(version)}")


def _judge(version: tuple[int, ...], what: str) -> Finding:
    fix = "`claude update`, then restart Claude Code"
    if version < _HOOKS:
        return failure(f"{what}: too old.", "The hooks of channeld's plugin need 2.1.118.", fix)
    if version < _TRIED:
        return warning(f"{what}: channeld was not tried with it.", "It is tried from 2.1.197 on.", fix)
    return ok(f"{what}.")


def _version(text: str) -> tuple[int, ...] | None:
    found = re.search(r"(\d{1,6})\.(\d{1,6})\.(\d{1,6})", text, re.ASCII)
    return tuple(map(int, found.groups())) if found else None


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _ask(program: str, environ: Mapping[str, str]) -> str:
    """Return what the program says of itself; it gets nothing of the environment that is not needed for that."""
    passed = {name: environ[name] for name in ("HOME", "PATH") if name in environ}
    try:
        done = subprocess.run(  # noqa: S603 - what `claude` means in this terminal
            [program, "--version"], env={**passed, "DISABLE_AUTOUPDATER": "1"}, capture_output=True, text=True,
            errors="replace", check=False, timeout=_LIMIT_S, stdin=subprocess.DEVNULL, cwd="/",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
