"""Is channeld's plugin installed in Claude Code, switched on, whole, and of this version?"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from channeld import __version__
from channeld.cli.doctor.claude import command_of
from channeld.cli.doctor.finding import Finding, failure, note, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.shim_host import PACKAGE_ROOT
from channeld.core.listening import SERVER_NAME

_MARKETPLACES: Final = ("channeld/_data", ".")
"""Folders of the package with the marketplace: of an installed one, and of a checkout."""
_UPDATE: Final = (
    "`claude plugin marketplace update channeld && claude plugin update channeld@channeld`, then restart Claude Code"
)


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
    if version and version != __version__:
        yield warning(f"The plugin is {version}, channeld {__version__}.", "It may lack what is new.", _UPDATE)
    command = command_of(folder)
    if command and "/" not in command and shutil.which(command, path=around.environ.get("PATH", "")) is None:
        yield failure(
            f"The command `{command}` is not in the PATH of this terminal.",
            "The plugin starts it by that name: a session that is started here has no channel.",
            "`pipx ensurepath` or `uv tool update-shell`, then open a new terminal",
        )  # fmt: skip


def _missing(around: Surroundings) -> Finding:
    place = next(
        (root for part in _MARKETPLACES if (root := Path(PACKAGE_ROOT, part)).joinpath(".claude-plugin").is_dir()), ""
    )
    add = f"`claude plugin marketplace add {shlex.quote(str(place))} && claude plugin install channeld@channeld`"
    if any(session["listening"] == "yes" for session in around.sessions):
        return note(
            "channeld's plugin is not installed; a session listens without it.",
            "Turns, questions and receipts need the plugin.", add,
        )  # fmt: skip
    return warning(
        "channeld's plugin is not installed in Claude Code.",
        "A session has channeld only where its project has a .mcp.json for it.", add,
    )  # fmt: skip
