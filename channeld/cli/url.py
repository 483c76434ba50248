"""``url``: where the web chat is."""

from __future__ import annotations

import click

from channeld.cli import suggest
from channeld.cli.client import ask_or_fail, fail, read_token
from channeld.paths import find_paths


@click.command()
@click.argument("worker", default="web", shell_complete=suggest.workers)
def url(worker: str) -> None:
    """Print the address of the web chat.

    It has the token in it that opens the chat: treat it like a password.

    Example: channeld url web
    """
    paths = find_paths()
    address = ask_or_fail(paths, "url", worker=worker)["url"]
    token = read_token(paths, worker)
    if token is None:
        fail(f"The token of {worker} cannot be read, and without it the page stays shut.", f"channeld restart {worker}")
    click.echo(f"{address}/?token={token}")
