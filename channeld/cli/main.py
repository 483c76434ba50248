"""The command line: every command with an example, errors that say what to try."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click

from channeld import __version__
from channeld.cli import render
from channeld.cli.client import ask_or_fail, fail, read_token
from channeld.cli.daemon import restart, run, start, stop
from channeld.cli.demo import demo
from channeld.cli.logs import logs
from channeld.paths import find_paths

_as_json = click.option("--json", "as_json", is_flag=True, help="Print data for programs, see docs/cli-json.md.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="channeld")
def cli() -> None:
    """Reach a running Claude Code session from chats: a durable mailbox between them and Claude.

    Start with: channeld demo
    """


def _print(data: Any, as_json: bool, lines: list[str]) -> None:
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False) + "\n" if as_json else "\n".join(lines) + "\n")


@cli.command()
@_as_json
@click.option("--watch", is_flag=True, help="Show it anew every second until Ctrl-C.")
def status(as_json: bool, watch: bool) -> None:
    """Show what is wrong, who is connected and what waits.

    Example: channeld status --watch
    """
    if as_json and watch:
        raise click.UsageError("--json and --watch do not go together.")
    paths = find_paths()
    try:
        while True:
            data = ask_or_fail(paths, "status")
            if watch:
                click.clear()
            _print(data, as_json, render.status_lines(data, time.time()))
            if not watch:
                return
            time.sleep(1)
    except KeyboardInterrupt:
        return


@cli.command()
@_as_json
def sessions(as_json: bool) -> None:
    """List the Claude Code sessions: which listen, and why one does not.

    Example: channeld sessions
    """
    data = ask_or_fail(find_paths(), "sessions")
    _print(data, as_json, render.session_lines(data["sessions"]))


@cli.command()
@click.argument("chat", required=False)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500), help="At most so many.")
@_as_json
def messages(chat: str | None, limit: int, as_json: bool) -> None:
    """List the latest messages of both directions and where each one is.

    Example: channeld messages web:main --limit 10
    """
    data = ask_or_fail(find_paths(), "messages", chat=chat, limit=limit)
    _print(data, as_json, render.message_lines(data["messages"]))


@cli.command()
@click.argument("worker", default="web")
def url(worker: str) -> None:
    """Print the address of the web chat, with the token that opens it: treat it like a password.

    Example: channeld url web
    """
    paths = find_paths()
    address = ask_or_fail(paths, "url", worker=worker)["url"]
    token = read_token(paths, worker)
    if token is None:
        fail(f"The token of {worker} cannot be read.", f"channeld restart {worker}")
    click.echo(f"{address}/?token={token}")


@cli.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def mcp(arguments: tuple[str, ...]) -> None:
    """Connect a session: what Claude Code starts (see channeld mcp --help).

    Example, in .mcp.json: {"mcpServers": {"channeld": {"command": "channeld", "args": ["mcp"]}}}
    """
    from channeld.cli import shim  # noqa: PLC0415 - the console script takes a shorter way to it

    sys.exit(shim.main(list(arguments)))


for command in (run, start, stop, restart, logs, demo):
    cli.add_command(command)
