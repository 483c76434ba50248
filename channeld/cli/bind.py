"""``bind`` and ``unbind``: which chat goes to which session."""

from __future__ import annotations

from typing import Any

import click

from channeld.cli import suggest
from channeld.cli.client import ask_or_fail
from channeld.cli.options import as_json, print_json
from channeld.paths import find_paths


@click.command()
@click.argument("chat", shell_complete=suggest.chats)
@click.argument("session", shell_complete=suggest.sessions)
@as_json
def bind(chat: str, session: str, as_json: bool) -> None:
    """Let a chat go to the session of a name, and to no other.

    What waits in the chat goes there too. While that session is away, it waits.
    A thread goes as its group does, unless it is bound itself.

    Example: channeld bind telegram:412587349 api
    """
    data = ask_or_fail(find_paths(), "bind", chat=chat, session=session)
    if as_json:
        print_json(data)
        return
    click.echo(f"{chat} goes to the session {session}.")
    if data["goes_to"] is None:
        click.echo("It does not listen now: what is written there waits. See: channeld sessions")


@click.command()
@click.argument("chat", shell_complete=suggest.chats)
@as_json
def unbind(chat: str, as_json: bool) -> None:
    """Let a chat go where chats without a binding go.

    Example: channeld unbind telegram:412587349
    """
    data = ask_or_fail(find_paths(), "unbind", chat=chat)
    if as_json:
        print_json(data)
    else:
        click.echo(f"{chat} is not bound any more. {_where(data)}")


def _where(data: dict[str, Any]) -> str:
    if data["goes_to"] is None:
        return "No session listens now: what is written there waits."
    return f"It goes to the session {data['goes_to']}."
