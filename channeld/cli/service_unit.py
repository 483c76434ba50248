"""The units of systemd that ``install`` writes: which, and their text."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from channeld.cli.shim_host import PACKAGE_ROOT
from channeld.cli.shim_start import clean_environment

SOCKET: Final = "channeld.socket"
SERVICE: Final = "channeld.service"
SESSION: Final = "claude-session@.service"
UNITS: Final = (SOCKET, SERVICE, SESSION)
"""All that are written, and removed."""
STARTED: Final = (SOCKET, SERVICE)
"""Those of them that run from the login on."""
_PROGRAMS: Final = {SERVICE: "channeld.daemon", SESSION: "channeld.cli.entry"}
"""Modules that the units run."""
_TEMPLATE: Final = ("channeld/_data/systemd", "systemd")
"""Folders of the package in which the template lies: of an installed one, and of a checkout."""
_BACKOFF: Final = "RestartSteps=5\nRestartMaxDelaySec=60s\n"
"""From one start to the next it waits longer."""
_BACKOFF_SINCE: Final = 254
_PASSED: Final = re.compile(
    "PATH|PYTHONPATH|LANG|LC_[A-Z]+|TZ|XDG_CONFIG_HOME|XDG_STATE_HOME|SSL_CERT_(FILE|DIR)"
    "|(HTTPS?|ALL|NO)_PROXY|(https?|all|no)_proxy"
)
"""What the daemon takes from the terminal in which it is installed: the rest belongs to the login."""


def unit_text(
    name: str,
    environ: Mapping[str, str],
    root: str = PACKAGE_ROOT,
    executable: str = sys.executable,
    *,
    systemd: int = 0,
) -> str:
    """Return a unit.

    Args:
        name: one of ``UNITS``.
        environ: of the terminal in which it is installed.
        root: folder that holds the package.
        executable: of Python.
        systemd: version of systemd; 0: it is not known.
    """
    passed = clean_environment(environ, "/", root)
    settings = [
        f"Environment={_word(f'{name}={value}')}"
        for name, value in sorted(passed.items())
        if _PASSED.fullmatch(name) and value.isprintable()
    ]
    program = _PROGRAMS.get(name, "")
    command = " ".join(_word(word, in_command=True) for word in (executable, "-P", "-m", program))
    folder = next(place for part in _TEMPLATE if (place := Path(root, part)).is_dir())
    template = (folder / name).read_text(encoding="utf-8")
    backoff = _BACKOFF if systemd >= _BACKOFF_SINCE else ""
    text = template.replace("@command@", command).replace("@environment@", "\n".join(settings))
    return text.replace("@backoff@\n", backoff)


def is_ours(text: str) -> bool:
    """Tell whether ``channeld install`` has written a unit."""
    return text.startswith("# Written by `channeld install`")


def _word(text: str, *, in_command: bool = False) -> str:
    """Return a word that systemd takes as it is; see systemd.syntax(7) and, for the dollar, systemd.service(5)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped.replace("$", "$$") if in_command else escaped}"'
