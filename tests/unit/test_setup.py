"""``.ci/setup``: every dead end of a first ``make`` ends in a sentence that says what to do."""

import os
import re
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = 'case "$*" in *version_info*|*ensurepip*) exit 0 ;; esac\n'


@pytest.fixture
def setup(tmp_path):
    """Return a way to run the script with a Python that is a shell script of the test's."""

    def run(python=None, **environment):
        program = tmp_path / "python3"
        if python is not None:
            program.write_text(f"#!/bin/sh\n{python}")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        done = subprocess.run(
            [ROOT / ".ci" / "setup", program, tmp_path / "env"], env={"PATH": os.environ["PATH"], **environment},
            capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return done.returncode, done.stderr.replace(str(program), "python3")

    return run


def fake_environment(pip_install):
    """Return a Python whose virtual environment has a pip that answers as the test says."""
    return GOOD + (
        'if [ "$2" = venv ]; then mkdir -p "$4/bin"; cat > "$4/bin/python" <<\'EOF\'\n#!/bin/sh\n'
        f'case "$*" in *--version*) exit 0 ;; *"config list"*) exit 0 ;; *install*) {pip_install} ;; esac\n'
        'EOF\nchmod +x "$4/bin/python"; fi\n'
    )


def test_no_python_at_all(setup):
    """The name that was looked for, and how to give another."""
    assert setup() == (
        1,
        "Error: there is no python3.\nTry: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3\n",
    )


def test_a_python_that_is_too_old(setup):
    """Its version and the one that is needed stand side by side."""
    old = 'case "$*" in -V) echo Python 3.9.2 ;; *version_info*) exit 1 ;; esac\n'
    assert setup(old) == (
        1,
        "Error: python3 is Python 3.9.2, and channeld needs 3.11 or newer.\n"
        "Try: install a newer Python, or name one: make PYTHON=/path/to/python3\n",
    )


def test_a_python_without_venv(setup):
    """As Debian ships it; the package is named."""
    status, told = setup('case "$*" in *ensurepip*) exit 1 ;; esac\n')
    assert status == 1
    assert told.startswith("Error: python3 cannot make virtual environments.\nTry: install python3-venv")


def test_an_environment_that_cannot_be_made(setup):
    """A full disk, for example: what Python says stays readable above."""
    status, told = setup(GOOD + 'if [ "$2" = venv ]; then echo "No space left on device" >&2; exit 1; fi\n')
    assert status == 1
    assert told == (
        "No space left on device\nError: no virtual environment could be made.\nTry: look at the message above\n"
    )


def test_no_registry(setup):
    """Without a network, or behind a mirror that nobody named."""
    status, told = setup(fake_environment('echo "Connection refused" >&2; exit 1'))
    assert status == 1
    assert told.endswith(
        "Error: uv could not be installed.\n"
        "Try: check the network; behind a mirror, set PIP_INDEX_URL to its address, then run make again\n"
    )


def test_a_registry_that_pip_knows_and_uv_is_refused_by(setup, tmp_path):
    """The second step can fail where the first did not."""
    uv = 'printf \'#!/bin/sh\\nexit 1\\n\' > "$(dirname "$0")/uv"; chmod +x "$(dirname "$0")/uv"'
    status, told = setup(fake_environment(uv))
    assert status == 1
    assert "Error: the packages of uv.lock could not be installed.\nTry: check the network;" in told


def test_pip_and_the_script_ask_for_the_same_python():
    """``pip install`` of an old Python refuses by ``requires-python``, with the version that the script names."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["requires-python"]
    match = re.fullmatch(r">=(\d+)\.(\d+)", needed)
    assert match is not None
    script = (ROOT / ".ci" / "setup").read_text("utf-8")
    assert f"({match[1]}, {match[2]})" in script
    assert f"needs {match[1]}.{match[2]} or newer" in script
