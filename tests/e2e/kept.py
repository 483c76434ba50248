"""A person who keeps sessions with ``channeld session``: with a login shell, the plugin, and the network of the lab."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.e2e.lab import PLUGIN, ROOT, ClaudeLab, claude_binary
from tests.e2e.sessions import LOOK_EVERY_S

LIMIT_S = 150.0
ALLOWED = {"channelsEnabled": True, "allowedChannelPlugins": [{"marketplace": "channeld", "plugin": "channeld"}]}
IN_OWN_ETC = 'mount --bind "$1" /etc && shift && exec "$@"'


class Keeping:
    """Runs ``channeld session`` as that person does. ``prepare`` comes first, ``stop`` last."""

    def __init__(self, lab: ClaudeLab, home: Path) -> None:
        self._lab, self._channeld_home = lab, home
        self._prefix: list[str] = []

    async def prepare(
        self,
        *,
        managed: Mapping[str, Any] | None = None,
        plugin: bool = True,
        trusted: bool = True,
        logged_in: bool = True,
    ) -> None:
        """Furnish the home: what a session needs is in the start files of the login shell, and there alone."""
        lab = self._lab
        await lab.furnish(None if plugin else {"command": "channeld", "args": ["mcp"]})
        if plugin:
            await lab.claude("plugin", "marketplace", "add", str(ROOT))
            await lab.claude("plugin", "install", PLUGIN.partition(":")[2])
        programs = lab.folder / "bin"
        programs.mkdir()
        (programs / "claude").symlink_to(claude_binary())
        (programs / "channeld").symlink_to(Path(sys.executable).with_name("channeld"))
        known = dict(line.split("=", 1) for line in lab._environment())
        told = {name: known[name] for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "DISABLE_AUTOUPDATER")}
        told |= {
            "PATH": f"{programs}:{known['PATH']}",
            "PYTHONPATH": f"{ROOT}:{ROOT}/workers",
        }
        if not logged_in:
            del told["ANTHROPIC_API_KEY"]
        lines = [f"export {name}={shlex.quote(value)}" for name, value in told.items()]
        (lab.home / ".profile").write_text("\n".join(["echo welcome", *lines, ""]))
        if not trusted:
            state = json.loads((lab.home / ".claude.json").read_text())
            state["projects"] = {}
            (lab.home / ".claude.json").write_text(json.dumps(state))
        if managed is not None:
            etc = lab.folder / "etc"
            await asyncio.to_thread(shutil.copytree, "/etc", etc, symlinks=True)
            (etc / "claude-code").mkdir(exist_ok=True)
            (etc / "claude-code" / "managed-settings.json").write_text(json.dumps(managed))
            self._prefix = ["unshare", "--mount", "sh", "-c", IN_OWN_ETC, "sh", str(etc)]

    async def has_written(self, text: str) -> None:
        """Return when Claude Code has a text on the disk."""
        transcripts = self._lab.home / ".claude" / "projects"
        async with asyncio.timeout(LIMIT_S):
            while True:
                if any(text in file.read_text() for file in transcripts.glob("*/*.jsonl")):
                    return
                await asyncio.sleep(LOOK_EVERY_S)

    async def session(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run ``channeld session …``."""
        environment = {
            "HOME": str(self._lab.home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "SHELL": "/bin/bash",
            "CHANNELD_HOME": str(self._channeld_home), "CHANNELD_NO_START": "1",
        }  # fmt: skip
        settings = [f"{name}={value}" for name, value in environment.items()]
        command = [sys.executable, "-m", "channeld.cli.entry", "session", *words]
        return await asyncio.to_thread(
            lambda: subprocess.run(
                [
                    *self._lab.model.join,
                    *self._prefix,
                    "env",
                    "-i",
                    *settings,
                    f"PYTHONPATH={ROOT}:{ROOT}/workers",
                    *command,
                ],
                cwd=self._lab.project,
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                stdin=subprocess.DEVNULL,
            )
        )
