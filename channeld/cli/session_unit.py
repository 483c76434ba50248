"""The unit of systemd that keeps Claude Code sessions: one instance each."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from channeld.cli import service
from channeld.cli.service_unit import SESSION
from channeld.paths import Paths


def is_usable(environ: Mapping[str, str]) -> bool:
    """Tell whether systemd keeps sessions: the unit is installed, for this place, and this user's systemd answers."""
    is_installed = not environ.get("CHANNELD_HOME") and (service.unit_folder() / SESSION).exists()
    if not is_installed or shutil.which("systemctl") is None:
        return False
    return service.systemctl("show-environment").returncode == 0


def start(name: str) -> str:
    """Start a session, now and with every login; return why that is not possible, or nothing."""
    service.systemctl("reset-failed", _instance(name))  # a person wants it: what was before does not count
    done = service.systemctl("enable", "--now", "--no-block", _instance(name))
    return service.said(done)


def stop(name: str) -> str:
    """Stop a session, and start it with no login any more; return why that is not possible, or nothing."""
    done = service.systemctl("disable", "--now", _instance(name))
    service.systemctl("reset-failed", _instance(name))
    return service.said(done)


def enabled_names(paths: Paths) -> list[str]:
    """Return the sessions that were declared and so may have an instance: what `uninstall` has to stop first."""
    return [file.stem for file in sorted((paths.state / "sessions").glob("*.json"))]


def _instance(name: str) -> str:
    return SESSION.replace("@", f"@{name}")
