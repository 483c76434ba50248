"""What the service manager is told, by a daemon that lives and by one that hangs."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from channeld.core.errors import StoreUnavailable
from channeld.daemon.service_manager import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """Return the manager's socket, and the address that it gives us."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.setblocking(False)
        if request.param == "path":
            address = str(tmp_path / "notify")
            listening.bind(address)
        else:
            listening.bind(b"")  # Linux chooses one
            address = "@" + listening.getsockname()[1:].decode()
        yield listening, address


async def hear(listening):
    """Return what is told next."""
    return (await asyncio.get_running_loop().sock_recv(listening, 4096)).decode()


async def nothing_wrong():
    """Be a store that answers."""


async def test_it_is_told_when_the_daemon_can_be_used_and_when_it_ends(manager):
    """In the protocol's words."""
    listening, address = manager
    environment = {"NOTIFY_SOCKET": address, "HOME": "/"}
    told = ServiceManager.take(environment)
    assert environment == {"HOME": "/"}, "a child could speak for us"
    told.ready()
    assert await hear(listening) == "READY=1"
    told.stopping()
    assert await hear(listening) == "STOPPING=1\nSTATUS=Stopping"


async def test_beats_go_out_while_the_store_answers_and_not_while_it_hangs(manager):
    """A store that refuses answers: it is the disk that is full, and not the daemon that is dead."""
    listening, address = manager
    told = ServiceManager.take({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000", "WATCHDOG_PID": str(os.getpid())})
    lines = iter(["2 workers", "2 workers"])
    hangs = asyncio.Event()
    asked = []

    async def answers():
        asked.append(1)
        match len(asked):
            case 1:
                return
            case 2:
                raise StoreUnavailable("The disk is full.")
            case _:
                hangs.set()
                await asyncio.Event().wait()

    watching = asyncio.create_task(told.watch(answers, lambda: next(lines)))
    assert await hear(listening) == "STATUS=2 workers\nWATCHDOG=1"
    assert await hear(listening) == "WATCHDOG=1"
    await hangs.wait()
    with pytest.raises(BlockingIOError):
        listening.recv(4096)
    watching.cancel()


@pytest.mark.parametrize(
    "more", [{}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "30000", "WATCHDOG_PID": "1"}]
)
async def test_where_nobody_waits_for_beats_only_the_status_is_told(manager, more):
    """Also where they are for another process."""
    listening, address = manager
    told = ServiceManager.take({"NOTIFY_SOCKET": address} | more)
    watching = asyncio.create_task(told.watch(nothing_wrong, lambda: "well"))
    assert await hear(listening) == "STATUS=well"
    watching.cancel()


async def test_without_a_manager_nothing_is_asked():
    """A daemon in a terminal."""
    told = ServiceManager.take({})
    told.ready()
    told.stopping()

    async def never():
        raise AssertionError

    watching = asyncio.create_task(told.watch(never, lambda: ""))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not watching.done()
    watching.cancel()


async def test_a_manager_that_does_not_listen_costs_nothing(tmp_path):
    """It may be starting anew itself."""
    ServiceManager(str(tmp_path / "nobody")).ready()
