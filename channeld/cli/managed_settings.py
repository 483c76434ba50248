"""The settings of the machine's administrator that let Claude Code start with the channel and without a question.

Claude Code reads ``managed-settings.json`` and then every file of ``managed-settings.d``, whoever starts it.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Final

import click

from channeld.cli.claude_files import MANAGED
from channeld.cli.claude_plugin import CHANNEL, MARKETPLACE
from channeld.cli.client import fail, has_terminal

TEXT: Final = (
    json.dumps({"channelsEnabled": True, "allowedChannelPlugins": [{"marketplace": MARKETPLACE, "plugin": "channeld"}]})
    + "\n"
)
_WARNING: Final = (
    "`allowedChannelPlugins` takes the place of Claude Code's own list: the official channel plugins are not allowed\n"
    "any more, unless they are in such a list too. It holds for every user of this machine."
)


def allow(folder: Path = MANAGED, *, dry_run: bool = False) -> None:
    """Show what would be written, and write it after a clear yes; what keeps it from being written ends the command.

    Args:
        folder: of Claude Code's managed settings.
        dry_run: show it only.
    """
    file = own_file(folder)
    if _is_ours(file):
        click.echo(f"{file} is there already. Start Claude Code with: claude --channels {CHANNEL}")
        return
    click.echo(f"{file}:\n\n    {TEXT}\n{_WARNING}\n")
    if others := others_in(folder):
        fail(
            f"{others[0]} is there already, and channeld did not write it: nothing was changed.",
            "Whoever manages this machine adds the lines above by hand.",
        )
    if dry_run:
        return
    if not _can_write(file):
        fail(f"You may not write {file}.", f"printf '%s\\n' {shlex.quote(TEXT.strip())} | {_as_root(file)}")
    if not (has_terminal() and sys.stdin.isatty()):
        fail("Nothing was written: a person at a terminal says yes to this.", "Run it yourself in a terminal.")
    if click.prompt("Type yes to write it", default="", show_default=False).strip() != "yes":
        fail("Nothing was written.")
    try:
        _write(file)
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}.")
    click.echo(f"Wrote {file}. Start Claude Code with: claude --channels {CHANNEL}")


def forbid(folder: Path = MANAGED, *, dry_run: bool = False) -> None:
    """Remove what ``allow`` has written, and nothing else."""
    file = own_file(folder)
    if not _is_ours(file):
        if file.exists():
            fail(f"{file} is not as channeld wrote it: it was left as it is.", "Look at it, and remove it by hand.")
        click.echo("There are no managed settings of channeld's.")
        return
    if dry_run:
        click.echo(f"Would remove: {file}")
        return
    try:
        file.unlink()
    except OSError as error:
        fail(f"{file} cannot be removed: {error.strerror}.", f"sudo rm {shlex.quote(str(file))}")
    click.echo(f"Removed {file}.")


def is_allowed(folder: Path = MANAGED) -> bool:
    """Tell whether ``allow`` has been carried out here."""
    return _is_ours(own_file(folder))


def own_file(folder: Path) -> Path:
    """Return the file that is ours."""
    return folder / "managed-settings.d" / "channeld.json"


def others_in(folder: Path) -> list[Path]:
    """Return the managed settings that somebody else has written: ours would come after them, and overrule them."""
    own = own_file(folder)
    places = (folder / "managed-settings.json", *sorted(own.parent.glob("*.json")))
    return [place for place in places if os.path.lexists(place) and (place != own or not _is_ours(own))]


def _is_ours(file: Path) -> bool:
    try:
        return file.read_bytes() == TEXT.encode()
    except OSError:
        return False


def _can_write(file: Path) -> bool:
    there = next(folder for folder in file.parents if folder.exists())
    return os.access(there, os.W_OK | os.X_OK)


def _as_root(file: Path) -> str:
    return f"sudo install -D -m 644 /dev/stdin {shlex.quote(str(file))}"


def _write(file: Path) -> None:
    """Write it whole or not at all. Every user's Claude Code must be able to read it."""
    for folder in (file.parent.parent, file.parent):
        if not folder.is_dir():
            folder.mkdir(parents=True)
            folder.chmod(0o755)
    draft = file.with_name(".channeld.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as out:
        os.fchmod(out.fileno(), 0o644)
        out.write(TEXT)
    draft.replace(file)
