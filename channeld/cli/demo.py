"""``demo``: the daemon, the web chat and an echo session, with no account and nothing left running."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import click

from channeld.cli.client import NotRunning, ask, fail, read_token
from channeld.cli.echo import EchoSession
from channeld.paths import Paths, find_paths

_UP_LIMIT_S = 30.0
_POLL_S = 0.05


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Of the web chat; any free one if this is taken.")
def demo(port: int | None) -> None:
    """Try channeld: a chat in the browser, answered by an echo. Ctrl-C ends all of it.

    Example: channeld demo
    """
    home = _demo_home()
    environment = {**os.environ, "CHANNELD_HOME": str(home)}
    paths = find_paths(environment)
    _configure(paths, port)
    try:
        asyncio.run(_demo(paths, environment, home, port))
    except KeyboardInterrupt:
        pass


def _demo_home() -> Path:
    """Return a place of the demo's own, so that it meets no installed channeld and shares none of its messages."""
    if own := os.environ.get("CHANNELD_HOME"):
        return Path(own).absolute()
    return find_paths().state / "demo"


def _configure(paths: Paths, port: int | None) -> None:
    """Write the demo's configuration, with a port that is free now unless one was asked for."""
    paths.config.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not paths.config_file.exists() or port is not None:
        chosen = port if port is not None else _free_or_any(8787)
        paths.config_file.touch(mode=0o600)
        paths.config_file.write_text(f"# Written by channeld demo.\n[workers.web]\nport = {chosen}\n", encoding="utf-8")


async def _demo(paths: Paths, environment: dict[str, str], home: Path, port: int | None) -> None:
    daemon = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "channeld.daemon", env=environment, start_new_session=True,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ended = asyncio.create_task(daemon.wait())
    stopped = asyncio.create_task(stop.wait())
    echo: EchoSession | None = None
    try:
        address = await _wait_for_web(paths, ended)
        if address is None or stop.is_set():
            return
        echo = await EchoSession.start(environment)
        answering = asyncio.create_task(echo.run())
        _welcome(paths, address, home)
        await asyncio.wait({ended, stopped, answering}, return_when=asyncio.FIRST_COMPLETED)
        answering.cancel()
    finally:
        if echo is not None:
            await echo.stop()
        if daemon.returncode is None:
            daemon.terminate()
        said = await daemon.stderr.read() if daemon.stderr else b""
        await ended
        stopped.cancel()
        if daemon.returncode not in {0, -signal.SIGTERM}:
            fail(said.decode(errors="replace").removeprefix("Error: ").strip() or "The daemon has ended.")
        click.echo("\nThe demo has ended; nothing is left running.")


async def _wait_for_web(paths: Paths, ended: asyncio.Task[int]) -> str | None:
    """Return the web chat's address once it is up, or None when the daemon has ended instead."""
    end = asyncio.get_running_loop().time() + _UP_LIMIT_S
    while not ended.done():
        try:
            workers = (await asyncio.to_thread(ask, paths, "status"))["workers"]
        except NotRunning:
            workers = []
        for worker in workers:
            if worker["state"] == "ready":
                return str(worker["account"])
            if worker["state"] in {"blocked", "failed"}:
                fail(f"The web chat cannot start: {worker['detail']}.", "channeld demo --port 0")
        if asyncio.get_running_loop().time() > end:
            fail("The web chat did not come up in time.", f"CHANNELD_HOME={paths.config} channeld logs web")
        await asyncio.sleep(_POLL_S)
    return None


def _free_or_any(port: int) -> int:
    """Return the port, or 0 (any) if something listens there."""
    import socket  # noqa: PLC0415

    with socket.socket() as probe:
        return 0 if probe.connect_ex(("127.0.0.1", port)) == 0 else port


def _welcome(paths: Paths, address: str, home: Path) -> None:
    click.echo("channeld is up. Open this in a browser and say something; an echo answers:\n")
    click.echo(f"    {address}/?token={read_token(paths, 'web')}\n")
    if shutil.which("claude"):
        click.echo("To talk to Claude instead, run this in a project (the flag asks for a confirmation):\n")
        server = {"command": _channeld(), "args": ["mcp"], "env": {"CHANNELD_HOME": str(home)}}
        config = json.dumps({"mcpServers": {"channeld": server}})
        click.echo(f"    claude --mcp-config '{config}' --dangerously-load-development-channels server:channeld\n")
    click.echo("Ctrl-C ends everything.")


def _channeld() -> str:
    """Return the absolute path of the channeld command, beside this interpreter or in PATH."""
    beside = Path(sys.executable).with_name("channeld")
    return str(beside) if beside.exists() else shutil.which("channeld") or "channeld"
