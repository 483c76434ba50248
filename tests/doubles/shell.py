"""A person at a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.doubles.terminal import on_terminal


def channeld(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the channeld command in a home of its own."""
    return subprocess.run(
        [sys.executable, "-m", "channeld.cli.entry", *arguments],
        env={**os.environ, "CHANNELD_HOME": str(home), **environment}, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def channeld_on_terminal(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it on a terminal of its own."""
    environment = {**os.environ, "CHANNELD_HOME": str(home)}
    return on_terminal(environment, sys.executable, "-m", "channeld.cli.entry", *arguments)
