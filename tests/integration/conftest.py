"""A scripted platform, a daemon that has it, and its worker: what most of these tests begin with."""

import tempfile
from pathlib import Path

import pytest

from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import Pager


@pytest.fixture
async def pager():
    """Return a platform that the test scripts."""
    async with Pager() as platform:
        yield platform


@pytest.fixture
async def daemon(pager):
    """Return a running daemon with that platform."""
    async with Daemon(pager.config) as running:
        yield running


@pytest.fixture
async def worker(daemon, pager):
    """Return a worker that is ready."""
    life = await pager.life()
    await life.begin()
    return life


@pytest.fixture
def home():
    """Return a short folder for a daemon."""
    with tempfile.TemporaryDirectory(prefix="cd") as folder:
        yield Path(folder)
