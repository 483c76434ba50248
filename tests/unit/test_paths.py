"""Folders: what is said of those that cannot be used."""

import os

import pytest

from channeld.core.errors import ConfigError
from channeld.paths import fault_of, make_private, unusable

DENIED = PermissionError(13, "Permission denied")


def test_a_folder_is_made_for_its_owner_alone(tmp_path):
    """Also one that was there and open to others."""
    open_to_all = tmp_path / "a" / "b"
    open_to_all.mkdir(parents=True, mode=0o755)
    for folder in (open_to_all, tmp_path / "new" / "deep"):
        make_private(folder)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert fault_of(folder) is None


def test_what_sudo_left_behind_is_given_back_by_one_command(tmp_path, monkeypatch):
    """The whole folder of ours, and never one that others share: that one is only named."""
    state = tmp_path / "it's" / "channeld"
    (state / "log").mkdir(parents=True)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    error = unusable(state / "log", DENIED)
    assert f"channeld cannot use {state}/log: permission denied. {state} belongs to " in str(error)
    assert error.hint == f"""sudo chown -R "$(id -un)" '{tmp_path}/it'"'"'s/channeld'"""
    shared = unusable(tmp_path / "it's" / "other", DENIED)
    assert "chown" not in shared.hint
    assert f"have {tmp_path}/it's made writable for you" in shared.hint


def test_a_folder_of_ones_own_that_is_closed_is_named(tmp_path, monkeypatch):
    """A read-only disk looks so: the folder is there and nothing can be written."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ConfigError, match=f"cannot use {tmp_path}: it cannot be written to") as caught:
        make_private(tmp_path)
    assert f"or make {tmp_path} writable" in caught.value.hint
    assert "cannot be written to" in str(fault_of(tmp_path / "new"))
