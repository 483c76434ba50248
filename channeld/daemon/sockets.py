"""Listening Unix sockets for this user alone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from channeld.core.errors import ChanneldError, ConfigError

log = structlog.get_logger()
_UCRED: Final = struct.Struct("iII")  # pid, uid, gid: see unix(7)
_LONGEST_PATH: Final = 107
"""Bytes of ``sun_path`` less its terminator."""


_TABLE_LINE: Final = re.compile(rb"^\S+: \S+ \S+ ([0-9A-F]{8}) \S+ \S+ +[0-9]+ (.+)$", re.MULTILINE)
"""Flags and path in a line of /proc/net/unix."""
_ACCEPTS: Final = 0x10000
"""The flag of a socket that listens, in /proc/net/unix: ``__SO_ACCEPTCON`` of Linux."""


class PlaceTaken(ChanneldError):
    """Something else listens where the daemon would."""

    code = "place_taken"


class Peer(NamedTuple):
    """Who is at the other end, as the kernel says."""

    pid: int  # 0 where it is in another pid namespace
    uid: int


def peer_of(connection: socket.socket) -> Peer:
    """Return the process at the other end of a Unix socket."""
    pid, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(pid, uid)


class Entrance:
    """A listening socket at a path: one of our own, or one that the service manager keeps open beyond our end."""

    def __init__(self, path: Path, given: socket.socket | None = None) -> None:
        """Listen at a path. The caller holds the daemon's lock, so no other daemon does.

        Args:
            path: of the socket.
            given: one that listens there already, and is neither bound nor removed by us.

        Raises:
            ConfigError: the path is too long for a Unix socket.
            PlaceTaken: something listens there that was not given to us.
        """
        self.is_given = given is not None
        self.listening = listen(path) if given is None else given
        self._path = path
        self._bound = path.stat()

    def close(self) -> None:
        """Listen no longer. Who waits at a given one waits for the next daemon."""
        self.listening.close()
        if self.is_given:
            return
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self._path.lstat(), self._bound):  # and not one that systemd has bound in its place
                self._path.unlink()


def take_given(descriptors: Iterable[int]) -> dict[str, socket.socket]:
    """Return the Unix sockets that listen among descriptors which were passed to us, by path; others are closed.

    None of them is inherited by what we start.
    """
    found: dict[str, socket.socket] = {}
    for descriptor in descriptors:
        try:
            os.set_inheritable(descriptor, False)
            given = socket.socket(fileno=descriptor)
        except OSError:  # none, or no socket
            with contextlib.suppress(OSError):
                os.close(descriptor)
            continue
        listens = given.family == socket.AF_UNIX and given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        name = given.getsockname() if listens else None
        if not isinstance(name, str) or not name:
            given.close()
            continue
        given.setblocking(False)
        found[os.path.realpath(name)] = given
    return found


def open_entrances(paths: Iterable[Path], given: dict[str, socket.socket]) -> list[Entrance]:
    """Listen at every path, at those that were given with what was given; a given one for elsewhere is closed.

    Raises:
        ConfigError: a path is too long for a Unix socket.
        PlaceTaken: something listens there that was not given to us.
    """
    entrances: list[Entrance] = []
    try:
        for path in paths:
            entrances.append(Entrance(path, given.pop(os.path.realpath(path), None)))
    except BaseException:
        for entrance in entrances:
            entrance.close()
        raise
    finally:
        for unknown in given.values():
            unknown.close()
        given.clear()
    return entrances


def listen(path: Path) -> socket.socket:
    """Bind a socket at 0600 in place of a stale one.

    Raises:
        ConfigError: the path is too long for a Unix socket.
        PlaceTaken: something listens there.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ConfigError(
            f"{path} is too long for a Unix socket ({_LONGEST_PATH} bytes at most).",
            hint="Set CHANNELD_HOME or XDG_RUNTIME_DIR to a shorter path.",
        )
    if path.is_socket() and _somebody_listens(path):
        raise PlaceTaken(
            f"systemd, or another program, listens at {path}: a daemon in here would cut it off.",
            hint="`channeld start` starts the service. For a daemon in this terminal: channeld stop, then channeld run",
        )
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(128)
    return listening


def _somebody_listens(path: Path) -> bool:
    """Tell whether a socket listens at a path, without a connection: that would have systemd start a daemon."""
    try:
        table = Path("/proc/net/unix").read_bytes()
    except OSError:
        return False
    return listens_at(table, os.fsencode(path)) or listens_at(table, os.fsencode(os.path.realpath(path)))


def listens_at(table: bytes, path: bytes) -> bool:
    """Tell whether a table of Unix sockets has one that listens at a path: see proc(5), ``/proc/net/unix``."""
    return any(found[2] == path and int(found[1], 16) & _ACCEPTS for found in _TABLE_LINE.finditer(table))


async def serve(
    listening: socket.socket, accept: Callable[[socket.socket, Peer], Awaitable[None]], uid: int | None = None
) -> None:
    """Accept connections of this user for ever; others are closed at once.

    Args:
        listening: non-blocking.
        accept: takes over a connection; must return soon.
        uid: the only user allowed, by default our own.
    """
    own = os.getuid() if uid is None else uid
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection, _ = await loop.sock_accept(listening)
        except OSError as error:  # too many open files: the listener must outlive it
            log.error("accept_failed", error=str(error))
            await asyncio.sleep(0.2)
            continue
        connection.setblocking(False)
        try:
            peer = peer_of(connection)
            if peer.uid != own:
                log.warning("peer_refused", uid=peer.uid)
                connection.close()
                continue
            await accept(connection, peer)
        except OSError as error:
            log.warning("connection_lost_at_accept", error=str(error))
            connection.close()
