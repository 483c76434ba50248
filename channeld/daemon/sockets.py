"""Listening Unix sockets for this user alone."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from channeld.core.errors import ConfigError

log = structlog.get_logger()
_UCRED: Final = struct.Struct("iII")  # pid, uid, gid: see unix(7)
_LONGEST_PATH: Final = 107
"""Bytes of ``sun_path`` less its terminator."""


class Peer(NamedTuple):
    """Who is at the other end, as the kernel says."""

    pid: int  # 0 where it is in another pid namespace
    uid: int


def peer_of(connection: socket.socket) -> Peer:
    """Return the process at the other end of a Unix socket."""
    pid, uid, _ = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return Peer(pid, uid)


def listen(path: Path) -> socket.socket:
    """Bind a socket at 0600 in place of a stale one. The caller holds the daemon's lock, so nobody else owns it.

    Raises:
        ConfigError: the path is too long for a Unix socket.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise ConfigError(
            f"{path} is too long for a Unix socket ({_LONGEST_PATH} bytes at most).",
            hint="Set CHANNELD_HOME or XDG_RUNTIME_DIR to a shorter path.",
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
