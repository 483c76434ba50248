"""The unit of systemd that runs the daemon: its text, and what ``systemctl`` says of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from channeld.cli.shim_host import PACKAGE_ROOT
from channeld.cli.shim_start import clean_environment

NAME: Final = "channeld.service"
_TEMPLATE: Final = ("channeld/_data/systemd", "systemd")
"""Folders of the package in which the template lies: of an installed one, and of a checkout."""
_PASSED: Final = re.compile(
    "PATH|PYTHONPATH|LANG|LC_[A-Z]+|TZ|XDG_CONFIG_HOME|XDG_STATE_HOME|SSL_CERT_(FILE|DIR)"
    "|(HTTPS?|ALL|NO)_PROXY|(https?|all|no)_proxy"
)
"""What the daemon takes from the terminal in which it is installed: the rest belongs to the login."""
_TIMEOUT_S: Final = 90.0


def unit_text(environ: Mapping[str, str], root: str = PACKAGE_ROOT, executable: str = sys.executable) -> str:
    """Return the unit.

    Args:
        environ: of the terminal in which it is installed.
        root: folder that holds the package.
        executable: of Python.
    """
    passed = clean_environment(environ, "/", root)
    settings = [
        f"Environment={_word(f'{name}={value}')}"
        for name, value in sorted(passed.items())
        if _PASSED.fullmatch(name) and value.isprintable()
    ]
    command = " ".join(_word(word, in_command=True) for word in (executable, "-P", "-m", "channeld.daemon"))
    folder = next(place for part in _TEMPLATE if (place := Path(root, part)).is_dir())
    template = (folder / NAME).read_text(encoding="utf-8")
    return template.replace("@command@", command).replace("@environment@", "\n".join(settings))


def is_ours(text: str) -> bool:
    """Tell whether ``channeld install`` has written a unit."""
    return text.startswith("# Written by `channeld install`")


def systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask this user's systemd for something; what it says goes with the result, as well as that it says nothing.

    Raises:
        OSError: there is no systemctl.
    """
    words = ["systemctl", "--user", *arguments]
    try:
        return subprocess.run(  # noqa: S603 - our own words
            words, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 1, "", f"no answer within {_TIMEOUT_S:.0f} s")


def properties(*names: str) -> dict[str, str]:
    """Return properties of the unit; of one that is not loaded they are empty or of no meaning."""
    lines = systemctl("show", NAME, "--property", ",".join(names)).stdout.splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def lingers() -> bool:
    """Tell whether services of this user run without a login; see loginctl(1)."""
    import pwd  # noqa: PLC0415

    name = pwd.getpwuid(os.getuid()).pw_name
    return Path("/var/lib/systemd/linger", name).exists()


def enable_linger() -> str:
    """Let services of this user run without a login; return why that is not possible, or nothing."""
    words: Sequence[str] = ("loginctl", "enable-linger")
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


def _word(text: str, *, in_command: bool = False) -> str:
    """Return a word that systemd takes as it is; see systemd.syntax(7) and, for the dollar, systemd.service(5)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped.replace("$", "$$") if in_command else escaped}"'
