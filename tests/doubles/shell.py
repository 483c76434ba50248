"""A person at a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def channeld(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the channeld command in a home of its own."""
    return subprocess.run(
        [sys.executable, "-m", "channeld.cli.entry", *arguments],
        env={**os.environ, "CHANNELD_HOME": str(home), **environment}, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
