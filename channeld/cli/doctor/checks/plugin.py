"""Is channeld's plugin installed in Claude Code, switched on, whole, and of this version?"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from channeld import __version__
from channeld.cli.claude_files import command_of, version_of
from channeld.cli.claude_plugin import PLUGIN, marketplace_folder
from channeld.cli.doctor.finding import Finding, failure, note, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.core.listening import SERVER_NAME
from channeld.paths import find_paths

_RESTART: Final = "then restart Claude Code"


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell what is missing for a session to have the plugin."""
    if around.claude.plugins_fault:
        yield warning(
            f"Claude Code's list of plugins cannot be read: {around.claude.plugins_fault}.",
            "Whether channeld's is installed is not known.", "`claude plugin list`",
        )  # fmt: skip
        return
    installed = [plugin for plugin in around.claude.plugins if plugin.key.partition("@")[0] == SERVER_NAME]
    enabled = around.claude.enabled(SERVER_NAME)
    if not installed:
        yield _missing(around)
        return
    found = list(_look(around, installed[0].key, installed[0].folder, installed[0].version, enabled))
    yield from found or [ok(f"channeld's plugin {installed[0].version} is installed and enabled.")]


def _look(around: Surroundings, key: str, folder: Path, version: str, enabled: dict[str, bool]) -> Iterator[Finding]:
    if not folder.is_dir():
        yield failure(
            f"The files of the plugin are gone: {folder}.",
            "Sessions start without it.",
            f"`claude plugin install {key}`",
        )
    if enabled.get(key) is False:
        yield failure(
            f"The plugin {key} is switched off.", "Sessions start without it.", f"`claude plugin enable {key}`"
        )
    elif key not in enabled:
        yield note(
            f"The plugin {key} is not switched on for all your projects.", "It may be for some.",
            f"`claude plugin enable {key}`",
        )  # fmt: skip
    if (version := version_of(folder) or version) and version != __version__:
        yield warning(
            f"The plugin is {version}, channeld {__version__}.", "It may lack what is new.",
            f"{_install(around)}, {_RESTART}",
        )  # fmt: skip
    if folder.is_dir() and not _finds_us(around, command_of(folder)):
        yield failure(
            "The plugin would not find `channeld`: it is not in the PATH of this terminal.",
            "A session that is started here has no channel.",
            "`pipx ensurepath` or `uv tool update-shell`, then open a new terminal",
        )  # fmt: skip


def _finds_us(around: Surroundings, command: str) -> bool:
    """Tell whether a plugin with this command finds the program: a bare name in PATH, else where its own looks too."""
    if command not in {"channeld", "sh"}:
        return True
    own = {name: value for name, value in around.environ.items() if name != "CHANNELD_HOME"}
    places = [str(find_paths(own).launcher.parent), str(Path(own.get("HOME", "/"), ".local", "bin"))]
    searched = [around.environ.get("PATH", ""), *(places if command == "sh" else [])]
    return shutil.which("channeld", path=os.pathsep.join(searched)) is not None


def _install(around: Surroundings) -> str:
    """Return the command that puts the plugin in, or a copy of this version."""
    if not around.environ.get("CHANNELD_HOME"):
        return "`channeld install`"
    folder = shlex.quote(str(marketplace_folder()))
    return f"`claude plugin marketplace add {folder} && claude plugin install {PLUGIN}`"


def _missing(around: Surroundings) -> Finding:
    if any(session["listening"] == "yes" for session in around.sessions):
        return note(
            "channeld's plugin is not installed; a session listens without it.",
            "Turns, questions and receipts need the plugin.", _install(around),
        )  # fmt: skip
    return warning(
        "channeld's plugin is not installed in Claude Code.",
        "A session has channeld only where its project has a .mcp.json for it.", _install(around),
    )  # fmt: skip
