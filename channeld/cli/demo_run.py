"""Runs the demo: starts its processes, waits for the first of them to end, and ends the others."""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections.abc import Callable

import click

from channeld.cli.client import CommandFailed, NotRunning, ask, fail
from channeld.cli.echo import EchoSession
from channeld.paths import Paths

_UP_LIMIT_S = 30.0
_POLL_S = 0.05


async def run_demo(paths: Paths, environment: dict[str, str], welcome: Callable[[str], None]) -> None:
    """Run daemon, web chat and echo until Ctrl-C or until one of them ends.

    Args:
        paths: of the demo's own place.
        environment: of all processes; it names that place.
        welcome: called with the web chat's address once everything is up.
    """
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
        welcome(address)
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
        except (NotRunning, CommandFailed):
            workers = []
        for worker in workers:
            if worker["state"] == "ready":
                return str(worker["account"])
            if worker["state"] in {"blocked", "failed"}:
                fail(f"The web chat cannot start: {worker['detail'].rstrip('.')}.", "channeld demo --port 0")
        if asyncio.get_running_loop().time() > end:
            fail(
                "The web chat did not come up in time.",
                f"CHANNELD_HOME={shlex.quote(str(paths.config))} channeld logs --all",
            )
        await asyncio.sleep(_POLL_S)
    return None
