"""A machine with which all is well: a home with channeld and Claude Code in it, which a test breaks in one place."""

from __future__ import annotations

import json
import os
import pwd
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from channeld import __version__
from channeld.cli.doctor.checks import CHECKS
from channeld.cli.doctor.examination import examine
from channeld.cli.doctor.finding import Finding
from channeld.cli.doctor.surroundings import Surroundings, gather
from channeld.paths import find_paths, make_all
from tests.doubles import bot_api, discord_api, status_states

CLAUDE = "2.1.330"
PLUGIN = "channeld@channeld"
UNIT = """# Written by `channeld install`: changes in here are lost with the next one.
[Service]
ExecStart="{python}" "-P" "-m" "channeld.daemon"
"""
CONFIG = """
[workers.telegram]
api_base_url = "{telegram}"

[workers.discord]
api_base_url = "{discord}"
"""


class Patient:
    """The machine; ``look`` has it examined as it is then."""

    def __init__(self, home: Path, telegram: Any, discord: Any) -> None:
        self.home, self.telegram, self.discord = home, telegram, discord
        self.environ = {
            "HOME": str(home), "PATH": str(home / "bin"), "XDG_RUNTIME_DIR": str(home / "rt"),
            "CHANNELD_TEST_MANAGED_SETTINGS": str(home / "etc"),
        }  # fmt: skip
        self.paths = find_paths(self.environ)
        self.managed = home / "etc" / "managed-settings.json"
        self.settings: dict[str, Any] = {"enabledPlugins": {PLUGIN: True}}
        self.status: dict[str, Any] | None = status_states.status(
            daemon={"version": __version__, "pid": os.getpid(), "started_at": 0.0, "config": "", "state": ""},
            workers=[status_states.worker("telegram"), status_states.worker("discord")],
            sessions=[status_states.session("shop", shim_version=__version__, permission_mode="default")],
            access=[access("telegram")],
        )
        self.unit_state = {"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled"}
        self.more: dict[str, Any] = {"linger": home / "linger", "processes": home / "proc"}

    def furnish(self) -> None:
        """Make everything that a sound machine has."""
        make_all(self.paths)
        self.config(CONFIG.format(telegram=self.telegram.api.url, discord=self.discord.api.url))
        self.token("telegram", self.telegram.api.token)
        self.token("discord", self.discord.api.token)
        self.program("claude", f"echo '{CLAUDE} (Claude Code)'")
        self.program("channeld", "exit 0")
        self.write(self.unit, UNIT.format(python=sys.executable))
        self.write(self.home / "linger" / pwd.getpwuid(os.getuid()).pw_name, "")
        self.write(self.home / ".claude.json", json.dumps({"oauthAccount": {"emailAddress": "ann@example.org"}}))
        self.plugin(version=__version__)
        self.sockets()
        state = self.home / "unit-state"
        starts = f"sed -i s/ActiveState=failed/ActiveState=active/ '{state}'"
        self.program("systemctl", f"case \"$*\" in *' start '*) {starts};; *) cat '{state}';; esac")
        self.unit_is()

    @property
    def unit(self) -> Path:
        """Where the service's unit is."""
        return self.home / ".config" / "systemd" / "user" / "channeld.service"

    def write(self, file: Path, text: str, mode: int = 0o600) -> None:
        """Write a file, and the folders above it."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def config(self, text: str) -> None:
        """Write the configuration."""
        self.write(self.paths.config_file, text)

    def token(self, worker: str, token: str) -> None:
        """Save a worker's token."""
        self.write(self.paths.credentials / f"{worker}.token", f"{token}\n")

    def program(self, name: str, body: str) -> None:
        """Put a program into PATH."""
        self.write(self.home / "bin" / name, f"#!/bin/sh\n{body}\n", 0o755)

    def plugin(self, **entry: str) -> None:
        """Have Claude Code's list of plugins name channeld's."""
        folder = self.home / ".claude" / "plugins" / "cache" / "channeld"
        folder.mkdir(parents=True, exist_ok=True)
        program = ["${CLAUDE_PLUGIN_ROOT}/bin/channeld", "mcp", "--plugin"]
        servers = {"channeld": {"command": "sh", "args": program}}
        self.write(folder / ".mcp.json", json.dumps({"mcpServers": servers}))
        told = {"scope": "user", "installPath": str(folder), **entry}
        self.write(
            self.home / ".claude" / "plugins" / "installed_plugins.json", json.dumps({"plugins": {PLUGIN: [told]}})
        )

    def official(self, platform: str, token: str) -> None:
        """Save a token as the official plugin does."""
        self.write(self.home / ".claude" / "channels" / platform / ".env", f"{platform.upper()}_BOT_TOKEN={token}\n")

    def sockets(self) -> None:
        """Have both sockets in place, as a daemon leaves them that is killed."""
        for path in (self.paths.control_socket, self.paths.session_socket):
            path.unlink(missing_ok=True)
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(path))
            path.chmod(0o600)

    def unit_is(self, **state: str) -> None:
        """Have systemd say something of the unit."""
        self.unit_state |= state
        self.write(self.home / "unit-state", "".join(f"{name}={value}\n" for name, value in self.unit_state.items()))

    def manage(self, **settings: Any) -> None:
        """Write managed settings; none: take them away."""
        self.managed.unlink(missing_ok=True)
        if settings:
            self.write(self.managed, json.dumps(settings))

    def session(self, **parts: Any) -> None:
        """Change what the daemon says of the session."""
        assert self.status is not None
        self.status["sessions"][0] |= parts

    def start_with(self, **variables: str) -> None:
        """Have the session's Claude Code started with these variables, and a secret."""
        block = "".join(f"{name}={value}\0" for name, value in {**variables, "ANTHROPIC_API_KEY": "sk-1"}.items())
        self.write(self.home / "proc" / str(status_states.session()["claude_pid"]) / "environ", block)

    def gather(self) -> Surroundings:
        """Return what the checks look at."""
        self.write(self.home / ".claude" / "settings.json", json.dumps(self.settings))
        return replace(gather(self.environ), status=self.status, **self.more)

    def look(self, name: str) -> list[Finding]:
        """Return what one check finds now."""
        return examine(self.gather(), [check for check in CHECKS if check.name == name])


def access(worker: str, **parts: Any) -> dict[str, Any]:
    """Return what the daemon says of who may speak on a worker: one approver."""
    alone = {"worker": worker, "platform": worker, "policy": "allowlist", "requests": 0, "people": 1, "approvers": 1}
    return alone | {"dropped": []} | parts


@contextmanager
def sound_patient(patch: Any) -> Iterator[Patient]:
    """Put up the machine, with its platforms; ``patch`` is pytest's monkeypatch."""
    with ExitStack() as stack:
        # Not pytest's tmp_path: a Unix socket's path must be short.
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cd")))
        telegram = stack.enter_context(bot_api.serve_in_thread())
        discord = stack.enter_context(discord_api.serve_in_thread())
        patient = Patient(home, telegram, discord)
        for name in (
            "CHANNELD_HOME",
            "TELEGRAM_BOT_TOKEN",
            "DISCORD_BOT_TOKEN",
            "CREDENTIALS_DIRECTORY",
            "XDG_CONFIG_HOME",
        ):
            patch.delenv(name, raising=False)
        for name, value in {**patient.environ, "PATH": f"{home / 'bin'}:/usr/bin:/bin"}.items():
            patch.setenv(name, value)  # for systemctl, and for what looks after the service
        patient.furnish()
        yield patient
