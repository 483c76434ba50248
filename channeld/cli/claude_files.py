"""What Claude Code keeps on this machine, read without being asked to run: settings, plugins, whether it is logged in.

What stands in its files: the settings, plugins and env-vars pages of code.claude.com/docs, and the real client.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from channeld.core.opt_in import find_channel

MANAGED: Final = Path("/etc/claude-code")
"""Where whoever administers a Linux machine decides for everybody: ``managed-settings.json``, and drop-ins in
``managed-settings.d`` beside it."""
_REMOTE: Final = "remote-settings.json"
"""Where Claude Code keeps what an organisation's server has said last.

Source: code.claude.com/docs/en/server-managed-settings; that they count alone, too.
"""
_LARGEST_BYTES: Final = 16 * 1024 * 1024
"""``.claude.json`` grows with the projects and the history that it keeps."""


class Layer(NamedTuple):
    """One settings file that is there."""

    file: Path
    data: dict[str, Any]
    fault: str = ""
    """Why it cannot be used; empty: it can."""
    managed: bool = False
    """It holds whatever a user's own files say."""


class Login(NamedTuple):
    """Whether somebody is logged in, as far as files show; no secret is read."""

    account: bool
    """The state file names an account of claude.ai or of the Console."""
    credentials: bool
    """There is a file with credentials."""


class Plugin(NamedTuple):
    """A plugin that is installed."""

    key: str
    """``NAME@MARKETPLACE``."""
    version: str
    folder: Path


class Claude(NamedTuple):
    """What Claude Code keeps."""

    folder: Path
    """``~/.claude``."""
    layers: tuple[Layer, ...]
    """Settings files, the one that counts most last."""
    login: Login
    plugins: tuple[Plugin, ...]
    plugins_fault: str = ""

    @property
    def settings(self) -> list[dict[str, Any]]:
        """What the layers say, the one that counts most last; what cannot be read says nothing."""
        return [layer.data for layer in self.layers]

    @property
    def managed(self) -> tuple[Layer, ...]:
        """The managed settings that count: those of an organisation's server, where there are any, count alone."""
        found = tuple(layer for layer in self.layers if layer.managed)
        return found[-1:] if found and found[-1].file.name == _REMOTE else found

    def policy(self, key: str) -> Any:
        """Return a managed setting, None where there is none."""
        return next((layer.data[key] for layer in reversed(self.managed) if key in layer.data), None)

    def enabled(self, plugin: str) -> dict[str, bool]:
        """Return ``NAME@MARKETPLACE`` of each plugin of that name that is switched on or off, and which."""
        found: dict[str, bool] = {}
        for layer in self.layers:
            switches = layer.data.get("enabledPlugins")
            for key, value in switches.items() if isinstance(switches, dict) else ():
                if key.partition("@")[0] == plugin:
                    found[key] = bool(value)
        return found


def read_claude(environ: Mapping[str, str], projects: Iterable[str]) -> Claude:
    """Read what Claude Code keeps.

    Args:
        environ: of the person who runs it.
        projects: folders in which sessions run, which have settings of their own.
    """
    managed = Path(environ.get("CHANNELD_TEST_MANAGED_SETTINGS") or MANAGED) / "managed-settings.json"
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    own = environ.get("CLAUDE_CONFIG_DIR")
    folder = Path(own) if own else home / ".claude"
    files = [folder / "settings.json", folder / "settings.local.json"]
    files += [
        Path(project, ".claude", name) for project in projects for name in ("settings.json", "settings.local.json")
    ]
    above = [managed, *sorted(managed.with_suffix(".d").glob("*.json")), folder / _REMOTE]
    layers = [_layer(file) for file in dict.fromkeys(files)] + [_layer(file, managed=True) for file in above]
    state, _ = _read_json((folder if own else home) / ".claude.json")
    login = Login(isinstance((state or {}).get("oauthAccount"), dict), os.path.isfile(folder / ".credentials.json"))
    plugins, fault = _plugins(folder / "plugins" / "installed_plugins.json")
    return Claude(folder, tuple(layer for layer in layers if layer is not None), login, plugins, fault)


def channel_of(folder: Path, environ: Mapping[str, str]) -> str | None:
    """Return the channel that a session in a folder has: the plugin's, or that of its ``.mcp.json``; None: neither."""
    data, _ = _read_json(folder / ".mcp.json")
    servers = (data or {}).get("mcpServers")
    return find_channel(read_claude(environ, [str(folder)]).settings, servers if isinstance(servers, dict) else {})


def command_of(plugin: Path) -> str:
    """Return what an installed plugin starts as its server; empty where that cannot be seen."""
    data, _ = _read_json(plugin / ".mcp.json")
    servers = (data or {}).get("mcpServers")
    for server in servers.values() if isinstance(servers, dict) else ():
        if isinstance(server, dict) and isinstance(server.get("command"), str):
            return str(server["command"])
    return ""


def version_of(plugin: Path) -> str:
    """Return what an installed plugin says of its version; empty where that cannot be seen."""
    data, _ = _read_json(plugin / ".claude-plugin" / "plugin.json")
    version = (data or {}).get("version")
    return version if isinstance(version, str) else ""


def _layer(file: Path, *, managed: bool = False) -> Layer | None:
    data, fault = _read_json(file)
    return Layer(file, data or {}, fault, managed) if fault or data is not None else None


def _plugins(file: Path) -> tuple[tuple[Plugin, ...], str]:
    data, fault = _read_json(file)
    listed = (data or {}).get("plugins")
    found = [
        Plugin(key, str(entry.get("version", "")), Path(str(entry.get("installPath", ""))))
        for key, entries in (listed.items() if isinstance(listed, dict) else ())
        for entry in (entries if isinstance(entries, list) else [entries])  # one entry alone: older versions
        if isinstance(entry, dict)
    ]
    return tuple(found), fault


def _read_json(file: Path) -> tuple[dict[str, Any] | None, str]:
    """Return the object in a file, None where there is no file, and what is wrong with it."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    except OSError as error:
        return None, error.strerror or "it cannot be read"
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None, "it is no file"
    with os.fdopen(descriptor, "rb") as opened:
        text = opened.read(_LARGEST_BYTES + 1)
    if len(text) > _LARGEST_BYTES:
        return None, "it is too large"
    try:
        data = json.loads(text.decode("utf-8-sig") or "{}")
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        return None, f"it is no JSON{f', line {line}' if line else ''}"
    return (data, "") if isinstance(data, dict) else (None, "it holds no JSON object")
