"""Reads what Claude Code's settings say of channels and of our plugin. Nothing is ever written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from channeld.cli.shim_host import PACKAGE_ROOT
from channeld.core.opt_in import find_channel

_MANAGED: Final = "/etc/claude-code"


def managed_settings(environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the managed settings of this machine, a later one rules over an earlier one.

    Source: the settings page of Claude Code's documentation, for Linux.
    """
    folder = Path(environ.get("CHANNELD_TEST_MANAGED_SETTINGS") or _MANAGED)
    files = [folder / "managed-settings.json", *sorted((folder / "managed-settings.d").glob("*.json"))]
    return [_read(file) for file in files]


def channel_of(folder: Path, environ: Mapping[str, str]) -> str | None:
    """Return the channel that a session in a folder has: the plugin's, or that of its ``.mcp.json``; None: neither."""
    own = Path(environ.get("CLAUDE_CONFIG_DIR") or Path(environ.get("HOME") or os.path.expanduser("~"), ".claude"))
    project = folder / ".claude"
    files = (own / "settings.json", project / "settings.json", project / "settings.local.json")
    servers = _read(folder / ".mcp.json").get("mcpServers")
    settings = [*map(_read, files), *managed_settings(environ)]
    return find_channel(settings, servers if isinstance(servers, dict) else {})


def marketplace(root: str = PACKAGE_ROOT) -> Path:
    """Return the folder that is the plugin's marketplace: of an installed package, or of a checkout."""
    packed = Path(root, "channeld", "_data")
    return packed if (packed / ".claude-plugin").is_dir() else Path(root)


def _read(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
