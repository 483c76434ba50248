"""``install`` and ``uninstall``: systemd keeps the daemon running, and Claude Code gets the plugin."""

from __future__ import annotations

import os

import click

from channeld.cli import claude_plugin, managed_settings, service, service_setup
from channeld.cli.client import fail
from channeld.core.errors import ChanneldError
from channeld.paths import Paths, find_paths

_managed = click.option(
    "--managed", is_flag=True, help="The settings of the machine's administrator, and nothing else."
)
_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


@click.command()
@click.option("--linger", is_flag=True, help="Run it from boot on, though nobody has logged in.")
@_managed
@_dry_run
def install(*, linger: bool, managed: bool, dry_run: bool) -> None:
    """Let systemd run the daemon, and put the plugin into Claude Code.

    Run it again after an upgrade, or when PATH or a proxy has changed: the
    service has them as they are in this terminal.

    With --managed it shows what the administrator of the machine can write so
    that Claude Code starts with the channel and without a question, and
    writes it if you say yes.

    Example: channeld install --linger
    """
    if managed:
        if linger:
            raise click.UsageError("--managed and --linger do not go together.")
        managed_settings.allow(dry_run=dry_run)
        return
    _check_place()
    plan = service_setup.Plan()
    paths = find_paths()
    trouble = _put_in(paths, dry_run=dry_run)
    if dry_run:
        plan.tell()
        if linger and not service.lingers():
            click.echo("Would run: loginctl enable-linger")
    else:
        service_setup.check_manager()
        plan.carry_out(paths)
        if linger and not service.lingers() and (why := service.enable_linger()):
            fail(f"It cannot be run from boot on: {why}", f"As an administrator: loginctl enable-linger {_user()}")
        if service.lingers():
            click.echo("It runs from boot on.")
        else:
            click.echo("It ends when you log out, and starts when you log in. From boot on: channeld install --linger")
    if trouble is not None:
        fail(f"The plugin is missing: {trouble}", trouble.hint)


@click.command()
@_managed
@_dry_run
def uninstall(*, managed: bool, dry_run: bool) -> None:
    """Remove the service and the plugin. Messages, settings and tokens stay.

    With --managed it removes what `channeld install --managed` wrote.

    Example: channeld uninstall
    """
    if managed:
        managed_settings.forbid(dry_run=dry_run)
        return
    _check_place()
    paths = find_paths()
    service_setup.remove(paths, dry_run=dry_run)
    claude_plugin.take_out(paths, claude_plugin.find_program(os.environ), dry_run=dry_run)


def _put_in(paths: Paths, *, dry_run: bool) -> ChanneldError | None:
    """Put the plugin into Claude Code where there is one; return what went wrong: the service goes on without."""
    program = claude_plugin.find_program(os.environ)
    if program is None:
        click.echo("Claude Code is not installed here, or not in PATH: without it there is no plugin to put in.")
        return None
    try:
        claude_plugin.put_in(paths, program, dry_run=dry_run)
    except claude_plugin.ClaudeFailed as error:
        return error
    if not dry_run:
        allowed = managed_settings.is_allowed()
        flag = "--channels" if allowed else "--dangerously-load-development-channels"
        click.echo(f"Start it with the channel: claude {flag} {claude_plugin.CHANNEL}")
    return None


def _check_place() -> None:
    if os.environ.get("CHANNELD_HOME"):
        fail("CHANNELD_HOME is set, and a service has the usual places.", "unset CHANNELD_HOME")


def _user() -> str:
    import getpass  # noqa: PLC0415

    return getpass.getuser()
