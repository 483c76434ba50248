"""``prompts``: what is asked of people, what they decided, and answering at the terminal."""

from __future__ import annotations

import time

import click

from channeld.cli.client import ask_or_fail
from channeld.cli.options import as_json, page_width, print_json, print_lines
from channeld.paths import find_paths


class _ListByDefault(click.Group):
    """A group that lists when it is given nothing, or an option in place of a subcommand."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``list`` before such arguments."""
        first = args[0] if args else ""
        if not ctx.resilient_parsing and (not args or (first.startswith("-") and first not in ctx.help_option_names)):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_ListByDefault)
def prompts() -> None:
    """List what Claude Code and channeld ask people, with what they decided; answer it here.

    Example: channeld prompts
    """


@prompts.command("list")
@click.option(
    "--limit", default=20, show_default=True, type=click.IntRange(1, 500), metavar="N", help="At most N settled ones."
)
@as_json
def list_prompts(limit: int, as_json: bool) -> None:
    """List the open prompts and the latest settled ones: who was asked, who decided what, when and where.

    Example: channeld prompts list --limit 50
    """
    from channeld.cli.render.prompts import prompt_lines  # noqa: PLC0415 - of no use to --help and --json

    data = ask_or_fail(find_paths(), "prompts", limit=limit)
    if as_json:
        print_json(data)
    else:
        print_lines(prompt_lines(data["prompts"], time.time(), page_width()))


@prompts.command()
@click.argument("prompt_id", metavar="ID")
@click.argument("answer")
def answer(prompt_id: str, answer: str) -> None:
    """Answer a prompt.

    ID is in the list. ANSWER is one of its options, in whatever case, or your own
    words where it takes them. Only from a terminal in which no Claude Code runs:
    Claude must not answer what it asks.

    Example: channeld prompts answer kqxwmtre allow
    """
    from channeld.cli.render.prompts import answered_lines  # noqa: PLC0415 - of no use to --help and --json

    data = ask_or_fail(find_paths(), "answer", id=prompt_id, answer=answer)
    print_lines(answered_lines(data, time.time(), page_width()))
