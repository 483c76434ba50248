"""What a daemon says of its sessions, read as a user's script does, and how one is attached."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.doubles.daemon import Daemon
from tests.e2e.lab import ROOT, ClaudeLab

LIMIT_S = 30.0
LOOK_EVERY_S = 0.1


def shim_of(daemon: Daemon, *arguments: str) -> dict[str, Any]:
    """Return the entry of ``.mcp.json`` that attaches a session to a daemon.

    The shim does not start a daemon here: it would run inside the lab's network, where no browser reaches it.
    """
    return {
        "command": str(Path(sys.executable).with_name("channeld")),
        "args": ["mcp", "--no-start", *arguments],
        "env": {"CHANNELD_HOME": str(daemon.home)},
    }


def plugin_of(home: Path) -> dict[str, Any]:
    """Return what ``ClaudeLab.start`` needs to attach a session to the daemon of a home with the repository's plugin.

    The plugin starts ``channeld mcp``, which is looked for in PATH. No permission rule lets anything
    through: the session asks before it runs a command.
    """
    scripts = str(Path(sys.executable).parent)
    environment = {
        "PATH": f"{scripts}:{os.environ['PATH']}",
        "CHANNELD_HOME": str(home),
        "CHANNELD_NO_START": "1",
    }
    asking = {"settings": {"permissions": {}}, "arguments": ("--permission-mode", "default")}
    return {"marketplace": ROOT, "environment": environment, **asking}


async def attach(lab: ClaudeLab, daemon: Daemon, **more: Any) -> None:
    """Attach a session with the plugin to a daemon, and wait until messages reach it."""
    await lab.start(**{**plugin_of(daemon.home), **more})
    await session_where(daemon, lambda session: session["listening"] == "yes" and session["state"] == "attached")


async def session_where(daemon: Daemon, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the first session in ``channeld sessions --json`` for which something holds."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            listed = await asyncio.to_thread(daemon.cli, "sessions", "--json")
            assert listed.returncode == 0, listed.stderr
            for session in json.loads(listed.stdout)["sessions"]:
                if holds(session):
                    return dict(session)
            await asyncio.sleep(LOOK_EVERY_S)


async def restart(daemon: Daemon) -> None:
    """Kill a daemon, or what a test has left of it, and start another; return when the web chat is up again."""
    await daemon.restart_after_kill()
    await daemon.status_where(lambda status: [worker["state"] for worker in status["workers"]] == ["ready"])
