"""What the service manager gives the daemon, and is told by it: that it is ready, how it is, and that it lives.

See sd_listen_fds(3) and sd_notify(3).
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Final

from channeld.core.errors import StoreUnavailable

_BEATS: Final = 3
"""So many beats fit into the time after which a silent daemon is taken for dead."""
_PATIENCE_S: Final = 1.0
"""How long a manager that is busy may hold us up with what is told once."""
_LOOK_EVERY_S: Final = 20.0
"""How often its status is told where nobody waits for beats."""
_FIRST: Final = 3
"""The descriptor at which those begin that a manager passes on."""


def take_passed(environ: MutableMapping[str, str], pid: int) -> range:
    """Return the descriptors that a manager has passed on to this process, and take them out of the environment.

    Args:
        environ: in which they are counted; a child must not take them for its own.
        pid: of this process. Those that were meant for another are none.
    """
    count, meant = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    environ.pop("LISTEN_FDNAMES", None)
    given = count.isascii() and count.isdecimal() and meant == str(pid)
    return range(_FIRST, _FIRST + int(count)) if given else range(0)


class ServiceManager:
    """The manager that started this process, or nobody: then what is told goes nowhere.

    Args:
        address: of its socket; empty for nobody. It begins with ``@`` where the socket has no place in a file system.
        silent_limit_s: after so many seconds without a beat it ends us; None: it does not wait for beats.
    """

    def __init__(self, address: str = "", silent_limit_s: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._silent_limit_s = silent_limit_s
        self._status = ""

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> ServiceManager:
        """Return the manager that an environment names, and take it out: no child speaks for us."""
        address = environ.pop("NOTIFY_SOCKET", "")
        limit, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", str(os.getpid()))
        waits = limit.isascii() and limit.isdecimal() and int(limit) > 0 and pid == str(os.getpid())
        return cls(address, int(limit) / 1e6 if waits else None)

    def ready(self) -> None:
        """Say that sessions and commands can connect now."""
        self._tell("READY=1", _PATIENCE_S)

    def stopping(self) -> None:
        """Say that what was begun is being ended."""
        self._tell("STOPPING=1\nSTATUS=Stopping", _PATIENCE_S)

    async def watch(self, answers: Callable[[], Awaitable[object]], status: Callable[[], str]) -> None:
        """Beat for as long as the loop and the store's thread answer, and say how the daemon is.

        Args:
            answers: asks the store's thread for something. While that hangs, no beat goes out.
            status: in one line, for ``systemctl status``.
        """
        if not self._address:
            await asyncio.Event().wait()
        while True:
            try:
                await answers()
            except StoreUnavailable:
                pass  # it answers: a full disk is no reason to be ended, and starting anew would not help
            line = status()
            news = [f"STATUS={line}"] if line != self._status else []
            if self._silent_limit_s is not None:
                news.append("WATCHDOG=1")
            if news and self._tell("\n".join(news)):
                self._status = line
            await asyncio.sleep(_LOOK_EVERY_S if self._silent_limit_s is None else self._silent_limit_s / _BEATS)

    def _tell(self, what: str, patience_s: float = 0.0) -> bool:
        """Tell something; False where nobody hears it, as for a moment while the manager is busy."""
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
                out.settimeout(patience_s)
                out.sendto(what.encode(), self._address)
        except OSError:
            return False
        return True
