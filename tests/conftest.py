"""What holds for every test: nothing leaks, nothing blocks the loop, and with ``--no-skips`` nothing is skipped."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

ENDING_S = 1.0
IN_A_LOOP = ("channeld.core", "channeld.store", "channeld.ipc", "channeld.daemon", "channeld_workers")
INTEGRATION = Path(__file__).parent / "integration"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--no-skips`` and ``--update-snapshots``."""
    parser.addoption("--no-skips", action="store_true", help="a skipped test is a failed one")
    parser.addoption("--update-snapshots", action="store_true", help="write tests/unit/snapshots anew; then read them")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure where that was asked for."""
    report = yield
    if item.config.getoption("--no-skips") and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, and --no-skips was given: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _no_leaked_processes_or_descriptors() -> Iterator[None]:
    """Fail a test that leaves a child process or an open descriptor behind."""
    children, descriptors = child_processes(), open_descriptors()
    yield
    left = [f"process {pid}: {what}" for pid, what in child_processes().items() if pid not in children]
    # By number and target: the number of a leaked descriptor may have been another's before.
    left += [f"descriptor {fd}: {what}" for fd, what in sorted(open_descriptors().items() - descriptors.items())]
    assert not left, "the test left behind: " + "; ".join(left)


@pytest.fixture(autouse=True)
async def _no_leaked_tasks(_no_leaked_processes_or_descriptors: None) -> AsyncIterator[None]:
    """Fail a test that leaves a task behind; one that is about to end may."""
    mine = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - mine - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=ENDING_S)
    assert not left, f"the test left tasks behind: {sorted(map(repr, left))}"


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Raise on blocking calls in the loop where our own asyncio code runs in the test's process."""
    if not request.path.is_relative_to(INTEGRATION):
        yield
        return
    with blockbuster_ctx(list(IN_A_LOOP)):
        yield


def child_processes() -> dict[int, str]:
    """Return the command lines of this process's children."""
    found = {}
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has just ended
            for pid in map(int, (thread / "children").read_text().split()):
                found[pid] = command_line(pid)
    return found


def command_line(pid: int) -> str:
    """Return a process's command line, or that it has none any more."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "ended"
    return os.fsdecode(b" ".join(words)).strip() or "ended, and nobody waited for it"


def open_descriptors() -> dict[int, str]:
    """Return what this process's descriptors refer to."""
    found = {}
    for entry in os.listdir("/proc/self/fd"):
        try:
            found[int(entry)] = os.readlink(f"/proc/self/fd/{entry}")
        except OSError:  # the listing's own
            continue
    return found
