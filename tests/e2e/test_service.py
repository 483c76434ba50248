"""The daemon as a service, under a real systemd of a user's."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.e2e.service_story import STORIES

WITH_SYSTEMD = Path(__file__).with_name("with_user_systemd")
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("story", STORIES)
def test_the_service_is_installed_survives_and_is_removed(story):
    """The whole story, see ``service_story``: what it printed is shown where it fails, the exposure always."""
    with tempfile.TemporaryDirectory(prefix="cd") as home, tempfile.TemporaryDirectory(prefix="cd") as runtime:
        told = subprocess.run(
            [WITH_SYSTEMD, sys.executable, "-m", "tests.e2e.service_story", story],
            cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=170,
            env={
                "HOME": home, "XDG_RUNTIME_DIR": runtime, "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                "PYTHONPATH": str(ROOT),
            },
        )  # fmt: skip
    print(*(line for line in told.stdout.splitlines() if line.startswith("exposure")))
    assert told.returncode == 0, told.stdout + told.stderr
