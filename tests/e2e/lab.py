"""The real Claude Code, offline: network namespace with loopback alone, throw-away HOME, scripted model, tmux terminal.

It never sees the tester's environment, HOME or network. Unix sockets cross network namespaces: the shim inside reaches
a daemon outside.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.model import ScriptedModel
from tests.e2e.terminal import Terminal

ROOT = Path(__file__).parents[2]
KEY = "loopback-only-dummy-key"
FLAG = "--dangerously-load-development-channels"
SERVER, PLUGIN = "server:channeld", "plugin:channeld@channeld"
RULES = ["mcp__channeld", "mcp__plugin_channeld_channeld"]
CHANNEL_DIALOG = "I am using this for local development"
READY = ("? for shortcuts", "mode on")


def claude_binary() -> Path:
    """Return the native Claude Code binary: ``CLAUDE_BIN``, else the one that ``.ci/install-claude`` puts in place."""
    found = Path(os.environ.get("CLAUDE_BIN") or ROOT / ".cache" / "claude" / "claude")
    assert found.exists(), f"{found} does not exist; run .ci/install-claude, or set CLAUDE_BIN"
    return found


class ClaudeLab:
    """One Claude Code session. ``folder`` is made for everything that belongs to it. Leaving the block ends it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.project = folder / "project"
        self._more: dict[str, str] = {}
        self.model: ScriptedModel
        self.terminal: Terminal

    async def start(
        self,
        server: dict[str, Any] | None = None,
        *,
        marketplace: Path | None = None,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
        opt_in: bool = True,
        wrapper: str | None = None,
        arguments: Sequence[str] = (),
        prepare: Callable[[], Awaitable[None]] | None = None,
        managed: Path | None = None,
    ) -> None:
        """Start Claude Code with one MCP server named channeld and wait for its prompt.

        Args:
            server: the server's entry in ``.mcp.json``; None where the plugin brings it.
            marketplace: the folder of a marketplace named channeld, whose plugin channeld is installed first.
            environment: more variables, for the session and so for what it starts.
            settings: more of the user's settings.
            opt_in: pass the flag that lets the server's channel events in.
            wrapper: body of a shell script that stands between the terminal and Claude Code; it starts ``"$@"``.
            arguments: more of the command line.
            prepare: what is done once home and network are there, before the session starts.
            managed: a folder that lies over /etc for this session, with what the machine's administrator has written.
        """
        await self.furnish(server, settings)
        self._more = dict(environment or {})
        if prepare is not None:
            await prepare()
        if marketplace is not None:
            await self.claude("plugin", "marketplace", "add", str(marketplace))
            await self.claude("plugin", "install", PLUGIN.partition(":")[2])
        flags = (FLAG, SERVER if marketplace is None else PLUGIN) if opt_in else ()
        command = [str(claude_binary()), *flags, *arguments]
        if wrapper is not None:
            command = [str(self._write_wrapper(wrapper)), *command]
        if managed is not None:
            root = [] if os.geteuid() == 0 else ["--map-root-user"]
            overlay = f'mount -t overlay overlay -o lowerdir={managed}:/etc /etc && exec "$@"'
            command = ["unshare", *root, "--mount", "sh", "-c", overlay, "sh", *command]
        self.terminal = await Terminal.start(
            self.folder / "tmux", [*self.model.join, "env", "-i", *self._environment(), *command], self.project
        )
        if await self.terminal.wait_for(CHANNEL_DIALOG, *READY, timeout_s=60) == CHANNEL_DIALOG:
            await self.terminal.press("Enter")
            await self.terminal.wait_for(*READY)

    async def claude(self, *arguments: str) -> str:
        """Run a command of Claude Code that is no session, as the session is run, and return what it prints."""
        return await self.run(str(claude_binary()), *arguments)

    async def run(self, *command: str, status: int = 0, environment: Mapping[str, str] | None = None) -> str:
        """Run a command beside the session, and return what it prints."""
        more = [f"{name}={value}" for name, value in (environment or {}).items()]
        process = await asyncio.create_subprocess_exec(
            *self.model.join, "env", "-i", *self._environment(), *more, *command,
            cwd=self.project, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        printed, _ = await process.communicate()
        assert process.returncode == status, f"{' '.join(command)}: {printed.decode()}"
        return printed.decode()

    async def __aenter__(self) -> ClaudeLab:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End everything that ``start`` began, as far as it came."""
        if hasattr(self, "terminal"):
            await self.terminal.stop()
        if hasattr(self, "model"):
            await self.model.stop()

    async def furnish(self, server: dict[str, Any] | None = None, settings: Mapping[str, Any] | None = None) -> None:
        """Make the home, the project and the network of a session: ``start`` does it, ``claude`` needs it."""
        self._write_files(server, settings or {})
        self.model = await ScriptedModel.start()

    def _write_files(self, server: dict[str, Any] | None, more: Mapping[str, Any]) -> None:
        """Write the files that let Claude Code start without its first-run dialogs."""
        (self.home / ".claude").mkdir(parents=True)
        self.project.mkdir()
        known = {"enabledMcpjsonServers": ["channeld"]}
        settings = {**known, "permissions": {"allow": RULES}, **more}
        state = {
            "hasCompletedOnboarding": True,
            "hasSeenAutoDefaultNotice": True,
            "numStartups": 5,
            "theme": "dark",
            "customApiKeyResponses": {"approved": [KEY[-20:]], "rejected": []},
            "projects": {str(self.project): {"hasTrustDialogAccepted": True, **known}},
            # Offline it cannot fetch its feature switches, and without these it says that channels are not available.
            "cachedGrowthBookFeatures": {"tengu_harbor": True, "tengu_harbor_permissions": True},
        }
        (self.home / ".claude.json").write_text(json.dumps(state))
        (self.home / ".claude" / "settings.json").write_text(json.dumps(settings))
        if server is not None:
            (self.project / ".mcp.json").write_text(json.dumps({"mcpServers": {"channeld": server}}))

    def _write_wrapper(self, body: str) -> Path:
        script = self.folder / "wrapper"
        script.write_text(f"#!/bin/sh\n{body}\n")
        script.chmod(0o755)
        return script

    def _environment(self) -> list[str]:
        environment = {
            "HOME": self.home,
            "PATH": os.environ["PATH"],
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "DISABLE_AUTOUPDATER": "1",
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{self.model.port}",
            "ANTHROPIC_API_KEY": KEY,
            **self._more,
        }
        return [f"{name}={value}" for name, value in environment.items()]


def missing_tools() -> list[str]:
    """Return what the lab needs and this machine lacks."""
    return [tool for tool in ("tmux", "unshare", "nsenter") if shutil.which(tool) is None]
