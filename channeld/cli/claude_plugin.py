"""Claude Code's plugin, put in and taken out with Claude Code's own commands."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from channeld import __version__
from channeld.cli.shim_host import PACKAGE_ROOT
from channeld.cli.shim_start import clean_environment
from channeld.core.errors import ChanneldError
from channeld.paths import Paths, make_private, unusable

MARKETPLACE: Final = "channeld"
PLUGIN: Final = "channeld@channeld"
CHANNEL: Final = f"plugin:{PLUGIN}"
_ADD: Final = ("plugin", "marketplace", "add")
_INSTALL: Final = ("plugin", "install", PLUGIN)
_UNINSTALL: Final = ("plugin", "uninstall", PLUGIN)
_REMOVE: Final = ("plugin", "marketplace", "remove", MARKETPLACE)
_MARKETPLACES: Final = ("channeld/_data", ".")
"""Folders in which the marketplace lies: of an installed package, and of a checkout."""
_ELSEWHERE: Final = (".local/bin/claude", ".claude/local/claude")
"""Where Claude Code's installers put it, below the home; PATH may not lead there yet."""
_TIMEOUT_S: Final = 120.0


class ClaudeFailed(ChanneldError):
    """Claude Code did not do what it was asked for."""

    code = "claude_failed"


class Standing(NamedTuple):
    """What Claude Code has of ours."""

    marketplace: Mapping[str, Any] | None
    plugin: Mapping[str, Any] | None
    """As this user's own: a project may have one besides."""


def find_program(environ: Mapping[str, str]) -> str | None:
    """Return Claude Code's program, or None where there is none."""
    if found := shutil.which("claude", path=environ.get("PATH")):
        return os.path.abspath(found)
    home = environ.get("HOME") or os.path.expanduser("~")
    return next((place for part in _ELSEWHERE if os.access(place := os.path.join(home, part), os.X_OK)), None)


def marketplace_folder(root: str = PACKAGE_ROOT) -> Path:
    """Return the folder that is a marketplace of Claude Code's; ``root`` holds the package."""
    places = (Path(root, part) for part in _MARKETPLACES)
    return next(place for place in places if (place / ".claude-plugin" / "marketplace.json").is_file())


def look(program: str) -> Standing:
    """Ask Claude Code what it has of ours.

    Raises:
        ClaudeFailed: it does not say.
    """
    marketplaces = _listed(program, "plugin", "marketplace", "list", "--json")
    plugins = _listed(program, "plugin", "list", "--json")
    return Standing(
        next((each for each in marketplaces if each.get("name") == MARKETPLACE), None),
        next((each for each in plugins if each.get("id") == PLUGIN and each.get("scope", "user") == "user"), None),
    )


def steps(standing: Standing, folder: Path, version: str = __version__) -> list[tuple[str, ...]]:
    """Return what Claude Code is to be asked for until it has the plugin.

    Args:
        standing: what it has.
        folder: our marketplace. One of that name from elsewhere than a folder is somebody's choice, and stays.
        version: of the plugin.
    """
    found: list[tuple[str, ...]] = []
    there = standing.marketplace
    if there is None or (there.get("source") == "directory" and there.get("path") != str(folder)):
        found.append((*_ADD, str(folder)))  # one that was added from another folder leads to this one then
    if standing.plugin is None:
        found.append(_INSTALL)
    elif (
        standing.plugin.get("version") != version and "readFromFolder" not in standing.plugin
    ):  # a copy of an older one
        found += [("plugin", "marketplace", "update", MARKETPLACE), ("plugin", "update", PLUGIN)]
    return found


def steps_back(standing: Standing, added: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what Claude Code is to be asked for until nothing is left of what was ``added``."""
    found: list[tuple[str, ...]] = []
    if standing.plugin is not None and "plugin" in added:
        found.append(_UNINSTALL)
    is_used = standing.plugin is not None and not found  # what somebody else has put in comes from there
    if standing.marketplace is not None and "marketplace" in added and not is_used:
        found.append(_REMOVE)
    return found


def put_in(paths: Paths, program: str, *, dry_run: bool) -> None:
    """Put the plugin into Claude Code, or only say how.

    Raises:
        ClaudeFailed: it did not take it.
        ConfigError: a folder of ours cannot be used.
    """
    standing = look(program)
    wanted = steps(standing, marketplace_folder())
    if dry_run:
        click.echo(f"Would write {paths.launcher}.")
        _tell(program, wanted)
        return
    _write_launcher(paths)
    for step in wanted:
        _ask(program, *step)
        if standing.marketplace is None and step[:3] == _ADD:
            _remember(paths, "marketplace")
        if step == _INSTALL:
            _remember(paths, "plugin")
    if not wanted:
        click.echo("Claude Code has the plugin already.")
    else:
        click.echo("Claude Code has the plugin. Sessions that run get it when they are started again.")
    if standing.plugin is not None and standing.plugin.get("enabled") is False:
        click.echo(f"It is switched off there. To switch it on: claude plugin enable {PLUGIN}")


def take_out(paths: Paths, program: str | None, *, dry_run: bool) -> None:
    """Take out of Claude Code what ``put_in`` has put in, or only say how.

    Raises:
        ClaudeFailed: it did not do it.
    """
    added = _remembered(paths)
    if program is None or not added:
        if not added:
            click.echo("Claude Code's plugin was not put in by `channeld install`: it is left as it is.")
        else:
            click.echo("Claude Code is not installed here: its plugin went with it.")
        wanted = []
    else:
        wanted = steps_back(look(program), added)
    if dry_run:
        _tell(program or "claude", wanted)
        return
    for step in wanted:
        _ask(str(program), *step)
    if wanted:
        click.echo("The plugin is taken out of Claude Code.")
    for file in (paths.plugin_record, paths.launcher):
        file.unlink(missing_ok=True)


def launcher_text(executable: str = sys.executable, root: str = PACKAGE_ROOT) -> str:
    """Return a program that runs channeld from wherever it is started.

    Args:
        executable: of Python.
        root: folder that holds the package.
    """
    path = clean_environment({}, "/", root).get("PYTHONPATH")
    setting = f"PYTHONPATH={shlex.quote(path)} " if path else ""
    return (
        "#!/bin/sh\n"
        "# Written by `channeld install`, for Claude Code's plugin where PATH does not lead to channeld.\n"
        f'{setting}exec {shlex.quote(executable)} -P -m channeld.cli.entry "$@"\n'
    )


def _write_launcher(paths: Paths) -> None:
    for folder in (paths.state, paths.launcher.parent):
        make_private(folder)
    draft = paths.launcher.with_name(".new")
    try:
        draft.write_text(launcher_text(), encoding="utf-8")
        draft.chmod(0o700)
        draft.replace(paths.launcher)
    except OSError as error:
        raise unusable(paths.launcher, error) from None


def _remember(paths: Paths, what: str) -> None:
    """Note what was added: what was there before is not ours to take away."""
    added = sorted({*_remembered(paths), what})
    try:
        paths.plugin_record.write_text(json.dumps({"added": added}) + "\n", encoding="utf-8")
    except OSError as error:
        raise unusable(paths.plugin_record, error) from None


def _remembered(paths: Paths) -> list[str]:
    try:
        record = json.loads(paths.plugin_record.read_text("utf-8"))
    except (OSError, ValueError):
        return []
    added = record.get("added") if isinstance(record, dict) else None
    return [each for each in added if isinstance(each, str)] if isinstance(added, list) else []


def _tell(program: str, wanted: Sequence[tuple[str, ...]]) -> None:
    for step in wanted:
        click.echo(f"Would run: {shlex.join((program, *step))}")
    if not wanted:
        click.echo("Would leave Claude Code as it is.")


def _listed(program: str, *arguments: str) -> list[dict[str, Any]]:
    said = _ask(program, *arguments)
    try:
        found = json.loads(said)
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise ClaudeFailed(
            f"What `claude {shlex.join(arguments)}` says cannot be read.", hint="Update Claude Code: claude update"
        )
    return [each for each in found if isinstance(each, dict)]


def _ask(program: str, *arguments: str) -> str:
    """Run a command of Claude Code's, and return what it prints."""
    command = f"`claude {shlex.join(arguments)}`"
    hint = f"Run {command} yourself to see more."
    try:
        done = subprocess.run(  # noqa: S603 - Claude Code, with our own words
            [program, *arguments], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S,
            stdin=subprocess.DEVNULL, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ClaudeFailed(f"{command} has not ended for {_TIMEOUT_S:.0f} s.", hint=hint) from None
    except OSError as error:
        raise ClaudeFailed(f"{program} cannot be run: {error.strerror}.", hint="Install Claude Code anew.") from None
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        why = lines[-1].lstrip("✘ ") if lines else f"exit status {done.returncode}"
        raise ClaudeFailed(f"{command} failed: {why.rstrip('.')}.", hint=hint)
    return done.stdout
