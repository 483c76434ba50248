"""``install`` and ``uninstall``: systemd keeps the daemon running."""

from __future__ import annotations

import os

import click

from channeld.cli import service, service_setup
from channeld.cli.client import fail
from channeld.paths import find_paths


@click.command()
@click.option("--linger", is_flag=True, help="Run it from boot on, though nobody has logged in.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def install(*, linger: bool, dry_run: bool) -> None:
    """Let systemd run the daemon: from now on, and again whenever it ends.

    Run it again after an upgrade, or when PATH or a proxy has changed: the
    service has them as they are in this terminal.

    Example: channeld install --linger
    """
    _check_place()
    plan = service_setup.Plan()
    if dry_run:
        plan.tell()
        if linger and not service.lingers():
            click.echo("Would run: loginctl enable-linger")
        return
    service_setup.check_manager()
    plan.carry_out(find_paths())
    if linger and not service.lingers() and (why := service.enable_linger()):
        fail(f"It cannot be run from boot on: {why}", f"As an administrator: loginctl enable-linger {_user()}")
    if service.lingers():
        click.echo("It runs from boot on.")
    else:
        click.echo("It ends when you log out, and starts when you log in. From boot on: channeld install --linger")


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
def uninstall(*, dry_run: bool) -> None:
    """Remove the service. Messages, settings and tokens stay.

    Example: channeld uninstall
    """
    _check_place()
    service_setup.remove(find_paths(), dry_run=dry_run)


def _check_place() -> None:
    if os.environ.get("CHANNELD_HOME"):
        fail("CHANNELD_HOME is set, and a service has the usual places.", "unset CHANNELD_HOME")


def _user() -> str:
    import getpass  # noqa: PLC0415

    return getpass.getuser()
