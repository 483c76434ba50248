"""``send``: a message to a chat, in the operator's name."""

from __future__ import annotations

import os
import sys

import click

from channeld.cli import suggest
from channeld.cli.client import EXIT_FAILED, ask_or_fail, fail
from channeld.cli.options import as_json, print_json
from channeld.paths import find_paths


@click.command()
@click.argument("chat", shell_complete=suggest.chats)
@click.argument("text")
@click.option("--file", "files", multiple=True, type=click.Path(), help="A file to send with it; may be repeated.")
@click.option("--plain", is_flag=True, help="The text is no Markdown: send it as it is.")
@as_json
def send(chat: str, text: str, files: tuple[str, ...], plain: bool, as_json: bool) -> None:
    """Send a message to a chat.

    It goes the way of Claude's answers: in Markdown, and in order with them. With - for TEXT it is read from stdin.

    Example: channeld send web:main "The build is green." --file report.pdf
    """
    if text == "-":
        text = _read_stdin()
    paths = [os.path.abspath(os.path.expanduser(file)) for file in files]  # the daemon runs in another folder
    data = ask_or_fail(find_paths(), "send", chat=chat, text=text, files=paths, format="plain" if plain else "markdown")
    if as_json:
        print_json(data)
        sys.exit(EXIT_FAILED if data["failed"] else 0)
    from channeld.cli.render.messages import sent_text  # noqa: PLC0415 - of no use to --help and --json

    refs = [str(message["seq"]) for message in data["messages"]]
    look = f"channeld messages show {refs[0]}" if refs else "channeld status"
    if data["failed"]:
        fail(sent_text(data), look)
    click.echo(sent_text(data) if data["done"] else f"{sent_text(data)}\nSee: {look}")


def _read_stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8").rstrip("\n")
    except UnicodeDecodeError:
        fail("What stands on stdin is no UTF-8 text.", 'Send it as a file: channeld send CHAT "" --file NAME')
