"""Tells whether a process still lives, and waits for its end. A pid alone may be another process by now."""

from __future__ import annotations

import asyncio
import os

_GRACE_S = 60.0
"""How long a process that we cannot see is taken to be alive after its connection was lost."""


def start_time(pid: int) -> int | None:
    """Return when a process started, in clock ticks since boot, or None if it has ended or is a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {b"Z", b"X"} else int(fields[19])


async def wait_end(pid: int, pid_start: int) -> None:
    """Return when that very process has ended. For one in another pid namespace (pid 0): after a grace time."""
    if pid == 0:
        await asyncio.sleep(_GRACE_S)
        return
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    try:
        if start_time(pid) != pid_start:  # checked with the descriptor open: it cannot be reused in between
            return
        loop.add_reader(descriptor, ended.set)
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
