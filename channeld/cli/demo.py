"""``demo``: the daemon, the web chat and an echo session, with no account and nothing left running."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

import click

from channeld.cli.client import fail, is_running, read_token
from channeld.paths import Paths, find_paths, make_private, unusable

_MARK: Final = "# Written by channeld demo."
_PORT: Final = 8787


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", help="Of the web chat; any free one if it is taken."
)
def demo(port: int | None) -> None:
    """Try channeld: a chat in the browser, answered by an echo.

    It has a mailbox of its own, or that of CHANNELD_HOME if you set it, and
    Ctrl-C ends all of it.

    Example: channeld demo
    """
    import asyncio  # noqa: PLC0415 - takes longer to load than all of --help

    from channeld.cli.demo_run import run_demo  # noqa: PLC0415

    home = _demo_home()
    environment = {**os.environ, "CHANNELD_HOME": str(home)}
    paths = find_paths(environment)
    if is_running(paths):
        there = f"CHANNELD_HOME={shlex.quote(str(home))} channeld"
        fail(
            f"channeld is running already in {home}: a demo in another terminal, or what is left of one.",
            f"`{there} url web` for its address, or `{there} stop` to end it.",
        )
    _configure(paths, port)
    try:
        asyncio.run(run_demo(paths, environment, lambda address: _welcome(paths, address, home)))
    except KeyboardInterrupt:
        pass


def _demo_home() -> Path:
    """Return a place of the demo's own, so that it meets no installed channeld and shares none of its messages."""
    if own := os.environ.get("CHANNELD_HOME"):
        return Path(own).absolute()
    return find_paths().state / "demo"


def _configure(paths: Paths, port: int | None) -> None:
    """Write the demo's configuration, with a port that is free now; what a person wrote there is left alone."""
    make_private(paths.config)
    try:
        written = paths.config_file.read_text("utf-8")
    except FileNotFoundError:
        written = _MARK
    except (OSError, UnicodeDecodeError):
        return  # the daemon says what is wrong with it
    if written.startswith(_MARK):
        chosen = _free_or_any(_PORT if port is None else port)
        try:
            paths.config_file.touch(mode=0o600)
            paths.config_file.write_text(f"{_MARK}\n[workers.web]\nport = {chosen}\n", encoding="utf-8")
        except OSError as error:
            raise unusable(paths.config_file, error) from None
    elif port is not None:
        fail(f"{paths.config_file} is yours, so the demo does not change the port in it.", "channeld demo")


def _free_or_any(port: int) -> int:
    """Return the port, or 0 (any) if another program has it."""
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web chat does: a port just left is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return 0
        return port


def _welcome(paths: Paths, address: str, home: Path) -> None:
    click.echo("channeld is up. Open this in a browser and say something; an echo answers:\n")
    click.echo(f"    {address}/?token={read_token(paths, 'web')}\n")
    if shutil.which("claude"):
        click.echo("To talk to Claude instead, run this in a project (the flag asks for a confirmation):\n")
    else:
        click.echo("No claude is on your PATH: install Claude Code, and this in a project has Claude answer instead:\n")
    server = {"command": _channeld(), "args": ["mcp"], "env": {"CHANNELD_HOME": str(home)}}
    config = json.dumps({"mcpServers": {"channeld": server}})
    click.echo(f"    claude --mcp-config '{config}' --dangerously-load-development-channels server:channeld\n")
    click.echo("Ctrl-C ends everything.")


def _channeld() -> str:
    """Return the absolute path of the channeld command, beside this interpreter or in PATH."""
    beside = Path(sys.executable).with_name("channeld")
    return str(beside) if beside.exists() else shutil.which("channeld") or "channeld"
