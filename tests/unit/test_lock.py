"""One daemon at a place; whoever looks whether there is one does not get in its way."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from channeld.cli.client import NotRunning, ask, holds_lock
from channeld.daemon.app import AlreadyRunning, take_lock
from channeld.paths import Paths, find_paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return a place without a daemon."""
    return find_paths({"CHANNELD_HOME": str(tmp_path)})


def test_the_lock_tells_whether_a_daemon_is_there(paths: Paths):
    """Before the first, during one, and after it."""
    assert not holds_lock(paths)
    lock = take_lock(paths)
    assert holds_lock(paths)
    with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"):
        take_lock(paths)
    os.close(lock)
    assert not holds_lock(paths)


def test_who_only_looks_keeps_no_daemon_from_starting(paths: Paths, monkeypatch: pytest.MonkeyPatch):
    """A look holds the lock for a moment."""
    os.close(take_lock(paths))
    with paths.lock.open("rb") as looker:
        fcntl.flock(looker, fcntl.LOCK_SH)

        def look_no_longer(seconds: float) -> None:
            fcntl.flock(looker, fcntl.LOCK_UN)

        monkeypatch.setattr("time.sleep", look_no_longer)
        os.close(take_lock(paths))


def test_a_command_does_not_knock_where_no_daemon_is(paths: Paths, monkeypatch: pytest.MonkeyPatch):
    """Where systemd listens, that would start one."""
    paths.run.mkdir()
    paths.control_socket.touch()
    monkeypatch.setattr("socket.socket", None)
    with pytest.raises(NotRunning):
        ask(paths, "status")
