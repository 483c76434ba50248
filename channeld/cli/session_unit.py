"""The unit of systemd that keeps a Claude Code session: its text, and one instance a session."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from channeld import __version__
from channeld.cli import service_unit
from channeld.cli.shim_host import PACKAGE_ROOT, Places
from channeld.paths import Paths

TEMPLATE_NAME: Final = "claude-session@.service"
_FOLDERS: Final = ("channeld/_data/systemd", "systemd")


def unit_text(environ: Mapping[str, str], root: str = PACKAGE_ROOT, executable: str = sys.executable) -> str:
    """Return the unit.

    Args:
        environ: of the terminal in which it is installed.
        root: folder that holds the package.
        executable: of Python.
    """
    daemon = service_unit.unit_text(environ, root, executable).splitlines()
    settings = "\n".join(line for line in daemon if line.startswith("Environment="))
    command = " ".join((_quoted(executable), "-P", "-m", "channeld.cli.entry"))
    folder = next(place for part in _FOLDERS if (place := Path(root, part)).is_dir())
    template = (folder / TEMPLATE_NAME).read_text(encoding="utf-8")
    return template.replace("@command@", command).replace("@environment@", settings)


def unit_file(environ: Mapping[str, str]) -> Path:
    """Return where the unit lies, if it is installed."""
    return Path(Places(environ, os.getcwd(), __version__).unit).with_name(TEMPLATE_NAME)


def is_usable(environ: Mapping[str, str]) -> bool:
    """Tell whether systemd keeps sessions: the unit is installed, for this place, and this user's systemd answers."""
    if environ.get("CHANNELD_HOME") or not unit_file(environ).exists() or shutil.which("systemctl") is None:
        return False
    return service_unit.systemctl("show-environment").returncode == 0


def start(name: str) -> str:
    """Start a session, now and with every login; return why that is not possible, or nothing."""
    service_unit.systemctl("reset-failed", _instance(name))  # a person wants it: what was before does not count
    done = service_unit.systemctl("enable", "--now", "--no-block", _instance(name))
    return done.stderr.strip() or f"exit status {done.returncode}" if done.returncode else ""


def stop(name: str) -> str:
    """Stop a session, and start it with no login any more; return why that is not possible, or nothing."""
    done = service_unit.systemctl("disable", "--now", _instance(name))
    service_unit.systemctl("reset-failed", _instance(name))
    return done.stderr.strip() or f"exit status {done.returncode}" if done.returncode else ""


def enabled_names(paths: Paths) -> list[str]:
    """Return the sessions that were declared and so may have an instance: what `uninstall` has to stop first."""
    return [file.stem for file in sorted((paths.state / "sessions").glob("*.json"))]


def _instance(name: str) -> str:
    return TEMPLATE_NAME.replace("@", f"@{name}")


def _quoted(word: str) -> str:
    """Return a word of a command that systemd takes as it is; see systemd.syntax(7) and systemd.service(5)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'
