"""``messages``: what was said in both directions, where each message is, and moving one by hand."""

from __future__ import annotations

import time
from typing import Any

import click
from click.shell_completion import CompletionItem

from channeld.cli import suggest
from channeld.cli.client import ask_or_fail
from channeld.cli.options import as_json, line_width, page_width, print_json, print_lines
from channeld.paths import find_paths

_limit = click.option(
    "--limit", default=50, show_default=True, type=click.IntRange(1, 500), metavar="N", help="At most N."
)
_ref = click.argument("ref", shell_complete=suggest.messages)


class _ListByDefault(click.Group):
    """A group that lists when it is given nothing, a chat or an option in place of a subcommand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``list`` before such arguments; another word is taken for a mistyped subcommand."""
        first = args[0] if args else ""
        short = first.startswith("-") and first not in ctx.help_option_names
        # While the shell completes, nothing may still become a subcommand.
        if short or ":" in first or not (args or ctx.resilient_parsing):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Suggest subcommands, and chats for the short form of ``list``."""
        return [*super().shell_complete(ctx, incomplete), *suggest.chats(ctx, self, incomplete)]


@click.group(cls=_ListByDefault)
def messages() -> None:
    """List, show and search messages; try one again, or give it up.

    Without a subcommand it lists: channeld messages [CHAT]

    Example: channeld messages web:main --limit 10
    """


@messages.command("list")
@click.argument("chat", required=False, shell_complete=suggest.chats)
@click.option("--state", shell_complete=suggest.states, help="Only those in this state, such as queued or failed.")
@_limit
@as_json
def list_messages(chat: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List the latest messages of both directions.

    One a line, which begins with its number; → goes to Claude, ← comes from Claude.

    Example: channeld messages list web:main --state failed
    """
    data = ask_or_fail(find_paths(), "messages", chat=chat, state=state, limit=limit)
    none = "There are no such messages." if chat or state else "There are no messages yet."
    _print_list(data, as_json, none)


@messages.command()
@_ref
@as_json
def show(ref: str, as_json: bool) -> None:
    """Show all about a message, and what can be done with it.

    REF is its number in the list, or its delivery id.

    Example: channeld messages show 412
    """
    _print_one(ask_or_fail(find_paths(), "message", ref=ref), as_json)


@messages.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--chat", shell_complete=suggest.chats, help="Only in this chat.")
@_limit
@as_json
def search(words: tuple[str, ...], chat: str | None, limit: int, as_json: bool) -> None:
    """Find messages that hold all the words, the newest first.

    Example: channeld messages search release notes --chat web:main
    """
    data = ask_or_fail(find_paths(), "search", query=" ".join(words), chat=chat, limit=limit)
    _print_list(data, as_json, "No message holds all these words.")


@messages.command()
@_ref
@as_json
def retry(ref: str, as_json: bool) -> None:
    """Queue a message again.

    One that was not sent, or one that Claude did not act on. A message that may
    have arrived the first time can arrive twice.

    Example: channeld messages retry 412
    """
    _print_one(ask_or_fail(find_paths(), "retry", ref=ref), as_json, "is queued again")


@messages.command()
@_ref
@as_json
def drop(ref: str, as_json: bool) -> None:
    """Give up a message that has not arrived.

    It stays in the list and goes nowhere.

    Example: channeld messages drop 412
    """
    _print_one(ask_or_fail(find_paths(), "drop", ref=ref), as_json, "is dropped")


def _print_list(data: dict[str, Any], as_json: bool, none: str) -> None:
    from channeld.cli.render.messages import message_lines  # noqa: PLC0415 - of no use to --help and --json

    if as_json:
        print_json(data)
    else:
        print_lines(message_lines(data["messages"], time.time(), line_width(), none))


def _print_one(data: dict[str, Any], as_json: bool, done: str = "") -> None:
    from channeld.cli.render.messages import message_page  # noqa: PLC0415 - of no use to --help and --json

    if as_json:
        print_json(data)
    elif done:
        seq = data["message"]["seq"]
        print_lines([f"Message {seq} {done}. See: channeld messages show {seq}"])
    else:
        print_lines(message_page(data["message"], time.time(), page_width()))
