"""Sets the service up and takes it away: its units are written, enabled, started, and removed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import click

from channeld.cli import service, service_unit, session_unit
from channeld.cli.client import ask_or_fail, fail, is_running
from channeld.cli.daemon import stop_daemon, wait_until_running
from channeld.paths import Paths, make_all

_NO_SYSTEMD: Final = (
    "There is no systemd here that could run channeld.",
    "Without it: channeld start. Sessions start it too, as soon as they need it.",
)
_NO_MANAGER: Final = (
    "This user's systemd does not answer.",
    "It runs while you are logged in: log in as this user, not with su or sudo, and run the command again.",
)


class Plan:
    """What there is to do for the units to be as they should be here and now."""

    def __init__(self) -> None:
        """Look at what there is; a unit that is not ours ends the command."""
        systemd = service.version() if shutil.which("systemctl") else 0
        self._texts = {name: service_unit.unit_text(name, os.environ, systemd=systemd) for name in service_unit.UNITS}
        there = _written_before()
        self.changed = [name for name in service_unit.UNITS if there.get(name) != self._texts[name]]

    def steps(self) -> list[tuple[str, ...]]:
        """Return what systemd is asked for after the units are written, and after a daemon of before has ended."""
        started = service_unit.STARTED
        steps: list[tuple[str, ...]] = [("daemon-reload",)] if self.changed else []
        steps.append(("enable", *started))
        if service_unit.SOCKET in self.changed:  # it cannot be started under a daemon that has sockets of its own
            steps += [("stop", *started), ("start", *started)]
        elif service_unit.SERVICE in self.changed:
            steps.append(("restart", service_unit.SERVICE))
        else:
            steps.append(("start", *started))
        return steps

    def tell(self) -> None:
        """Say what would be done."""
        for name, text in self._texts.items():
            file = service.unit_folder() / name
            if name not in self.changed:
                click.echo(f"Would leave {file} as it is.")
                continue
            click.echo(f"Would write {file}:\n")
            click.echo("".join(f"    {line}".rstrip() + "\n" for line in text.splitlines()))
        for step in self.steps():
            click.echo(f"Would run: systemctl --user {' '.join(step)}")

    def carry_out(self, paths: Paths) -> None:
        """Do it, and wait until the daemon answers; a failure ends the command."""
        make_all(paths)
        for name in self.changed:
            _write(file := service.unit_folder() / name, self._texts[name])
            click.echo(f"Wrote {file}.")
        for step in self.steps():
            if step[0] in {"stop", "start", "restart"}:
                _hand_over(paths)
            _do(*step)
        wait_until_running(paths, service.JOURNAL)
        click.echo("channeld runs as a service. See: channeld status")


def check_manager() -> None:
    """End the command where no systemd of this user's answers."""
    if shutil.which("systemctl") is None:
        fail(*_NO_SYSTEMD)
    if service.systemctl("show-environment").returncode != 0:
        fail(*_NO_MANAGER)


def remove(paths: Paths, *, dry_run: bool) -> None:
    """Take the units away, and with them the daemon that they run; or only say so."""
    written = list(_written_before())
    if not written:
        click.echo("There is no service of channeld's.")
        return
    files = [service.unit_folder() / name for name in written]
    started = [name for name in service_unit.STARTED if name in written]
    if dry_run:
        click.echo(f"Would run:    systemctl --user disable --now {' '.join(started)}")
        for file in files:
            click.echo(f"Would remove: {file}")
        return
    check_manager()
    for session in session_unit.enabled_names(paths):
        session_unit.stop(session)
    _do("disable", "--now", *started)
    for file in files:
        file.unlink()
    _do("daemon-reload")
    service.systemctl("reset-failed", *started)  # what has failed is kept in mind after it is gone
    click.echo(f"The service is removed. Still there: {paths.config}, {paths.state}")


def _written_before() -> dict[str, str]:
    """Return the units that are there, by name; one that is not ours ends the command."""
    found = {}
    for name in service_unit.UNITS:
        unit = service.unit_folder() / name
        try:
            found[name] = unit.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        except OSError as error:
            fail(f"{unit} cannot be read: {error.strerror}.", "Make it readable, or move it away.")
        if not service_unit.is_ours(found[name]):
            fail(f"{unit} is there already, and channeld did not write it.", "Move it away, and run the command again.")
    return found


def _write(unit: Path, text: str) -> None:
    """Exchange the unit whole. For its owner alone: a proxy's address may hold a password."""
    draft = unit.with_name(f".{unit.name}.new")
    try:
        unit.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        draft.replace(unit)
    except OSError as error:
        fail(f"{unit} cannot be written: {error.strerror}.", "Make its folder yours and writable.")


def _hand_over(paths: Paths) -> None:
    """End a daemon that runs outside the service: there is one place, for one daemon."""
    if not is_running(paths):
        return
    pid = str(ask_or_fail(paths, "status")["daemon"]["pid"])
    if service.properties("MainPID").get("MainPID") != pid:
        stop_daemon(paths, again=True)


def _do(*arguments: str) -> None:
    if arguments[0] in {"start", "restart"}:
        why = service.start() if arguments[0] == "start" else service.restart()
    else:
        why = service.said(service.systemctl(*arguments))
    if why:
        fail(f"systemctl --user {' '.join(arguments)}: {why}", service.JOURNAL)
