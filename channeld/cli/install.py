"""``install`` and ``uninstall``: systemd keeps the daemon running."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import click

from channeld import __version__
from channeld.cli import service_unit
from channeld.cli.client import ask, fail, is_running
from channeld.cli.daemon import stop_daemon, wait_until_running
from channeld.cli.shim_host import Places
from channeld.paths import Paths, find_paths, make_all

_NO_SYSTEMD: Final = (
    "There is no systemd here that could run channeld.",
    "Without it: channeld start. Sessions start it too, as soon as they need it.",
)
_NO_MANAGER: Final = (
    "This user's systemd does not answer.",
    "It runs while you are logged in: log in as this user, not with su or sudo, and run the command again.",
)


@click.command()
@click.option("--linger", is_flag=True, help="Run it from boot on, though nobody has logged in.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def install(*, linger: bool, dry_run: bool) -> None:
    """Let systemd run the daemon: from now on, and again whenever it ends.

    Run it again after an upgrade, or when PATH or a proxy has changed: the
    service has them as they are in this terminal.

    Example: channeld install --linger
    """
    paths, unit = find_paths(), _unit_file()
    text, old = service_unit.unit_text(os.environ), _written_before(unit)
    if dry_run:
        _tell_plan(unit, text, old, linger=linger and not service_unit.lingers())
        return
    _check_manager()
    make_all(paths)
    if is_new := text != old:
        _write(unit, text)
        click.echo(f"Wrote {unit}.")
        _do("daemon-reload")
    _do("enable", service_unit.NAME)
    _hand_over(paths)
    _do("restart" if is_new else "start", service_unit.NAME)
    wait_until_running(paths, "journalctl --user -u channeld")
    click.echo("channeld runs as a service. See: channeld status")
    if linger and not service_unit.lingers() and (why := service_unit.enable_linger()):
        fail(f"It cannot be run from boot on: {why}", f"As an administrator: loginctl enable-linger {_user()}")
    if service_unit.lingers():
        click.echo("It runs from boot on.")
    else:
        click.echo("It ends when you log out, and starts when you log in. From boot on: channeld install --linger")


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def uninstall(*, dry_run: bool) -> None:
    """Remove the service. Messages, settings and tokens stay.

    Example: channeld uninstall
    """
    paths, unit = find_paths(), _unit_file()
    if _written_before(unit) is None:
        click.echo("There is no service of channeld's.")
        return
    if dry_run:
        click.echo(f"Would run:    systemctl --user disable --now {service_unit.NAME}\nWould remove: {unit}")
        return
    _check_manager()
    _do("disable", "--now", service_unit.NAME)
    unit.unlink()
    _do("daemon-reload")
    click.echo(f"The service is removed. Still there: {paths.config}, {paths.state}")


def _unit_file() -> Path:
    if os.environ.get("CHANNELD_HOME"):
        fail("CHANNELD_HOME is set, and a service has the usual places.", "unset CHANNELD_HOME")
    return Path(Places(os.environ, os.getcwd(), __version__).unit)


def _written_before(unit: Path) -> str | None:
    """Return the unit that is there, None for none; one that is not ours ends the command."""
    try:
        old = unit.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        fail(f"{unit} cannot be read: {error.strerror}.", "Make it readable, or move it away.")
    if not service_unit.is_ours(old):
        fail(f"{unit} is there already, and channeld did not write it.", "Move it away, and run the command again.")
    return old


def _tell_plan(unit: Path, text: str, old: str | None, *, linger: bool) -> None:
    if text == old:
        click.echo(f"Would leave {unit} as it is.")
    else:
        click.echo(f"Would write {unit}:\n")
        click.echo("".join(f"    {line}".rstrip() + "\n" for line in text.splitlines()))
        click.echo("Would run: systemctl --user daemon-reload")
    click.echo(f"Would run: systemctl --user enable {service_unit.NAME}")
    click.echo(f"Would run: systemctl --user {'start' if text == old else 'restart'} {service_unit.NAME}")
    if linger:
        click.echo("Would run: loginctl enable-linger")


def _check_manager() -> None:
    if shutil.which("systemctl") is None:
        fail(*_NO_SYSTEMD)
    if service_unit.systemctl("show-environment").returncode != 0:
        fail(*_NO_MANAGER)


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
    pid = str(ask(paths, "status")["daemon"]["pid"])
    if service_unit.properties("MainPID").get("MainPID") != pid:
        stop_daemon(paths, again=True)


def _do(*arguments: str) -> None:
    done = service_unit.systemctl(*arguments)
    if done.returncode != 0:
        fail(
            f"systemctl --user {' '.join(arguments)}: {done.stderr.strip() or f'exit status {done.returncode}'}",
            "journalctl --user -u channeld",
        )


def _user() -> str:
    import getpass  # noqa: PLC0415

    return getpass.getuser()
