"""Sockets that the daemon binds, and those that the service manager gives it."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from channeld.daemon.service_manager import take_passed
from channeld.daemon.sockets import Entrance, PlaceTaken, listens_at, open_entrances, take_given


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder whose path is short enough."""
    with tempfile.TemporaryDirectory(prefix="cd") as name:
        yield Path(name)


def passed(path: Path) -> int:
    """Return a descriptor as a manager passes one on: it listens at a path, and whatever is started inherits it."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        descriptor = os.dup(listening.fileno())
    os.set_inheritable(descriptor, True)
    return descriptor


@pytest.mark.parametrize(
    ("environ", "count"),
    [
        ({"LISTEN_FDS": "2", "LISTEN_PID": "7", "LISTEN_FDNAMES": "a:b"}, 2),
        ({"LISTEN_FDS": "2", "LISTEN_PID": "8"}, 0),
        ({"LISTEN_FDS": "2"}, 0),
        ({"LISTEN_FDS": "-1", "LISTEN_PID": "7"}, 0),
        ({"LISTEN_FDS": "many", "LISTEN_PID": "7"}, 0),
        ({"LISTEN_PID": "7"}, 0),
        ({}, 0),
    ],
)
def test_what_is_passed_to_this_process_is_counted_and_a_child_knows_nothing_of_it(environ, count):
    """Descriptors for another process are none of ours, whatever lies there."""
    environ["HOME"] = "/"
    assert list(take_passed(environ, 7)) == list(range(3, 3 + count))
    assert environ == {"HOME": "/"}


def test_sockets_that_listen_are_taken_by_their_path_and_anything_else_is_closed(folder: Path):
    """They do not block, and nobody inherits them."""
    good = passed(folder / "a")
    file = os.open(folder / "file", os.O_CREAT | os.O_RDWR)
    ours, theirs = socket.socketpair()
    silent = ours.detach()
    closed = os.dup(0)
    os.close(closed)
    given = take_given([good, file, silent, closed])
    try:
        assert list(given) == [os.path.realpath(folder / "a")]
        (listening,) = given.values()
        assert (listening.fileno(), listening.getblocking(), os.get_inheritable(good)) == (good, False, False)
        for gone in (file, silent):
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(gone)
    finally:
        theirs.close()
        for each in given.values():
            each.close()


def test_a_given_socket_is_neither_bound_nor_removed_and_who_waits_there_is_served_by_the_next(folder: Path):
    """The other path has none: one is bound there, and removed at the end."""
    kept, own = folder / "kept", folder / "own"
    manager = passed(kept)
    given = take_given([os.dup(manager)])
    first = open_entrances((kept, own), given)
    assert [entrance.is_given for entrance in first] == [True, False]
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.connect(str(kept))
        for entrance in first:
            entrance.close()
        assert (kept.exists(), own.exists()) == (True, False)
        (second,) = open_entrances((kept,), take_given([manager]))
        connection, _ = second.listening.accept()
        connection.close()
        second.close()
        assert waiting.recv(1) == b""


def test_a_given_socket_for_another_place_is_closed(folder: Path):
    """The daemon has a place of its own there, and listens in that."""
    descriptor = passed(folder / "elsewhere")
    (entrance,) = open_entrances((folder / "here",), take_given([descriptor]))
    assert not entrance.is_given
    entrance.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_place_where_somebody_listens_is_left_to_them(folder: Path):
    """Also the first of two is given up then; a socket that is left of a killed daemon is replaced."""
    first, second = folder / "first", folder / "second"
    descriptor = passed(second)
    with pytest.raises(PlaceTaken, match="listens at") as error:
        open_entrances((first, second), {})
    assert "channeld start" in error.value.hint
    assert (first.exists(), second.exists()) == (False, True)
    os.close(descriptor)  # the file stays
    Entrance(second).close()
    assert not second.exists()


def test_what_another_has_bound_in_our_place_is_not_removed(folder: Path):
    """As systemd does when its socket unit is started under a daemon that runs."""
    entrance = Entrance(folder / "a")
    (folder / "a").unlink()
    descriptor = passed(folder / "a")
    entrance.close()
    assert (folder / "a").exists()
    os.close(descriptor)


def test_the_kernels_table_tells_who_listens():
    """Not who is connected there; the inode's column is padded."""
    table = (
        b"Num       RefCount Protocol Flags    Type St Inode Path\n"
        b"0000000055f95df0: 00000003 00000000 00000000 0001 03  1141\n"
        b"0000000055f95df1: 00000002 00000000 00010000 0001 01   941 /run/a b\n"
        b"0000000055f95df2: 00000002 00000000 00010000 0001 01 11056617 /run/c\n"
        b"0000000055f95df3: 00000003 00000000 00000000 0001 03 11056618 /run/d\n"
    )
    assert [listens_at(table, path) for path in (b"/run/a b", b"/run/c", b"/run/d", b"/run", b"")] == [
        True, True, False, False, False,
    ]  # fmt: skip
