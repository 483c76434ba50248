"""``pair`` and ``access``: who may speak to Claude."""

from __future__ import annotations

import time

import click

from channeld.cli import suggest
from channeld.cli.client import ask_or_fail
from channeld.cli.options import as_json, page_width, print_json, print_lines
from channeld.paths import find_paths

_POLICIES = click.Choice(["pairing", "allowlist", "disabled"])


class _Default(click.Group):
    """A group that does something without a subcommand."""

    default = "list"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default before options, and where there is nothing."""
        if not ctx.resilient_parsing and (
            not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        ):
            args = [self.default, *args]
        return super().parse_args(ctx, args)


class _ShowByDefault(_Default):
    default = "show"


@click.group(cls=_Default)
def pair() -> None:
    """Let people in who were told a pairing code; alone it lists who asks.

    Example: channeld pair approve K7QM-3XPA
    """


@pair.command("list")
@as_json
def list_requests(as_json: bool) -> None:
    """List who asks to be let in. The code is known to that person alone.

    Example: channeld pair list
    """
    from channeld.cli.render.access import request_lines  # noqa: PLC0415 - of no use to --help

    data = ask_or_fail(find_paths(), "requests")
    if as_json:
        print_json(data)
    else:
        print_lines(request_lines(data["requests"], time.time(), page_width()))


@pair.command()
def dialog() -> None:
    """Open the form for the code in the session's terminal again, where it was closed.

    Example: channeld pair dialog
    """
    from channeld.cli.render.access import dialog_text  # noqa: PLC0415

    click.echo(dialog_text(ask_or_fail(find_paths(), "dialog")))


@pair.command()
@click.argument("code")
@click.option("--approver", is_flag=True, help="Also to answer what Claude asks for permission, and to let others in.")
def approve(code: str, approver: bool) -> None:
    """Let in whoever was told this code: have it read to you by that person.

    Example: channeld pair approve K7QM-3XPA
    """
    from channeld.cli.render.access import paired_text  # noqa: PLC0415

    click.echo(paired_text(ask_or_fail(find_paths(), "approve", code=code, approver=approver)))


@pair.command()
@click.argument("request_id", metavar="ID")
def deny(request_id: str) -> None:
    """Deny a request, by its id or its code. Whoever asked is not answered any more.

    Example: channeld pair deny 3fa81c
    """
    from channeld.cli.render.access import denied_text  # noqa: PLC0415

    click.echo(denied_text(ask_or_fail(find_paths(), "deny", id=request_id)))


@click.group(cls=_ShowByDefault)
def access() -> None:
    """Show and change who may speak to Claude, and who may answer for you.

    Example: channeld access show
    """


@access.command()
@as_json
def show(as_json: bool) -> None:
    """Show who is on the list, how strangers are met, and what was not let in.

    Example: channeld access show
    """
    from channeld.cli.render.access import access_lines  # noqa: PLC0415

    data = ask_or_fail(find_paths(), "access")
    if as_json:
        print_json(data)
    else:
        print_lines(access_lines(data, time.time(), page_width()))


@access.command()
@click.argument("worker", shell_complete=suggest.workers)
@click.argument("sender")
@click.option("--approver", is_flag=True, help="Also to answer what Claude asks for permission, and to let others in.")
@click.option("--name", default="", help="What to show until they write.")
def allow(worker: str, sender: str, approver: bool, name: str) -> None:
    """Put a sender on the list, by the id that the platform gives them.

    Example: channeld access allow pager 412587349
    """
    from channeld.cli.render.access import allowed_text  # noqa: PLC0415

    data = ask_or_fail(find_paths(), "allow", worker=worker, sender=sender, approver=approver, name=name)
    click.echo(allowed_text(worker, sender, data, wanted_approver=approver))


@access.command()
@click.argument("worker", shell_complete=suggest.workers)
@click.argument("sender")
def remove(worker: str, sender: str) -> None:
    """Take a sender off the list, also out of groups; or lift a denial.

    What they wrote and no session was given yet is dropped.

    Example: channeld access remove pager 412587349
    """
    from channeld.cli.render.access import gone_text  # noqa: PLC0415

    data = ask_or_fail(find_paths(), "remove", worker=worker, sender=sender)
    click.echo(gone_text(f"{sender} is a stranger to {worker} now.", data["dropped"]))


@access.command()
@click.argument("worker", shell_complete=suggest.workers)
@click.argument("policy", type=_POLICIES)
def policy(worker: str, policy: str) -> None:
    """Set how strangers are met: told a pairing code, or nothing; or close a worker to everybody.

    What waits of somebody who is not heard any more is dropped.

    Example: channeld access policy pager allowlist
    """
    from channeld.cli.render.access import gone_text, policy_text  # noqa: PLC0415

    data = ask_or_fail(find_paths(), "policy", worker=worker, policy=policy)
    click.echo(gone_text(policy_text(worker, policy), data["dropped"]))


@access.command()
@click.argument("worker", shell_complete=suggest.workers)
@click.argument("sender")
@click.option("--off", is_flag=True, help="Back to chatting alone.")
def approver(worker: str, sender: str, off: bool) -> None:
    """Let somebody on the list answer what Claude asks for permission.

    Example: channeld access approver pager 412587349
    """
    ask_or_fail(find_paths(), "approver", worker=worker, sender=sender, off=off)
    click.echo(f"{sender} may only chat now." if off else f"{sender} may chat, and answer what Claude asks, now.")


@access.group()
def group() -> None:
    """Open groups to Claude, one by one.

    Example: channeld access group open telegram:-1001654782309
    """


@group.command("open")
@click.argument("chat", shell_complete=suggest.chats)
@click.option("--every-message", is_flag=True, help="Take messages that do not address the bot, too.")
@click.option("--sender", "senders", multiple=True, help="Only this sender may speak there; may be repeated.")
def open_group(chat: str, every_message: bool, senders: tuple[str, ...]) -> None:
    """Open a group, or change how it is open.

    Without --sender whoever is on the worker's list may speak in it.

    Example: channeld access group open telegram:-1001654782309 --sender 412587349
    """
    from channeld.cli.render.access import gone_text  # noqa: PLC0415

    data = ask_or_fail(
        find_paths(), "open_group", chat=chat, require_mention=not every_message, senders=list(senders) or None
    )
    who = f"Only {', '.join(senders)} may speak there" if senders else "Whoever is on the list may speak there"
    when = "." if every_message else ", when they address the bot."
    click.echo(gone_text(f"{data['chat']} is open. {who}{when}", data["dropped"]))


@group.command("close")
@click.argument("chat", shell_complete=suggest.chats)
def close_group(chat: str) -> None:
    """Close a group again.

    Example: channeld access group close telegram:-1001654782309
    """
    from channeld.cli.render.access import gone_text  # noqa: PLC0415

    data = ask_or_fail(find_paths(), "close_group", chat=chat)
    click.echo(gone_text(f"{chat} is closed.", data["dropped"]))
