"""The connection between shim and daemon is cut at a line, while both live on."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.doubles.mcp_client import McpClient
from tests.doubles.socket_proxy import TIMEOUT_S, Cut, Held, SocketProxy, Way
from tests.faults.flow import Scene, scene
from tests.faults.nursery import Nursery


@contextlib.asynccontextmanager
async def proxied(nursery: Nursery):
    """Start a scene with a proxy in front of its daemon."""
    async with scene(nursery) as s, SocketProxy(s.daemon.paths.session_socket) as proxy:
        yield s, proxy


async def attach(s: Scene, proxy: SocketProxy) -> McpClient:
    """Attach a session through the proxy."""
    return await s.attach(CHANNELD_HOME=str(proxy.home))


async def cut(s: Scene, line: asyncio.Future[Held], how: Cut) -> None:
    """Wait for a line and cut the connection there."""
    held = await asyncio.wait_for(line, TIMEOUT_S)
    await held.cut(how, lambda: s.client.notify("notifications/unknown"))


@pytest.mark.parametrize("how", Cut)
@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
async def test_cut_at_each_line_of_a_push(nursery: Nursery, how, nth):
    """Four events and the ping behind them: each arrives, those that the shim has handed over are not repeated."""
    async with proxied(nursery) as (s, proxy):
        await attach(s, proxy)
        line = proxy.arm(Way.DOWN, nth)
        s.platform.say("a1", "b1", "a2", "b2")
        await cut(s, line, how)
        s.platform.say("a3")
        await s.settle()
        await s.check_inbound()
        await s.check_one_session()
        assert proxy.connections == 2
        told = [(telling.key, telling.redelivered) for telling in s.told()]
        keys = ["a1", "b1", "a2", "b2"]
        assert told == [(key, at >= nth) for at, key in enumerate(keys, 1)] + [("a3", False)]


@pytest.mark.parametrize("how", Cut)
async def test_cut_at_the_answer_to_a_ping(nursery: Nursery, how):
    """What was read is confirmed by the next connection's ping and not pushed again."""
    async with proxied(nursery) as (s, proxy):
        await attach(s, proxy)
        line = proxy.arm(Way.UP)
        s.platform.say("a1", "b1")
        await cut(s, line, how)
        await s.settle()
        assert [(telling.key, telling.redelivered) for telling in s.told()] == [("a1", False), ("b1", False)]
        await s.check_one_session()


@pytest.mark.parametrize("how", Cut)
@pytest.mark.parametrize("way", Way)
async def test_cut_at_a_call_or_its_answer(nursery: Nursery, how, way):
    """The call is sent again under its ``toolUseId``: one message at the platform, one answer to Claude."""
    async with proxied(nursery) as (s, proxy):
        await attach(s, proxy)
        s.platform.say("a1")
        await s.settle()
        line = proxy.arm(way)
        running = asyncio.create_task(s.call("reply", "toolu_1", chat_id="pager:a", text="hi"))
        await cut(s, line, how)
        text, is_error = await running
        assert (text, is_error) == (f"sent (id: p-{s.platform.sends[0].send_id})", False)
        assert s.platform.times_posted("hi") == len(s.platform.sends) == 1
        await s.check_one_session()


async def test_cut_at_each_line_of_the_shaking_of_hands(nursery: Nursery):
    """Hello, ``initialize``, its answer, ``initialized``, also when they are replayed: the session attaches at last."""
    async with proxied(nursery) as (s, proxy):
        lines = [(way, how, nth) for way, most in ((Way.UP, 3), (Way.DOWN, 1)) for how in (Cut.END, Cut.HALF)
                 for nth in range(1, most + 1)]  # fmt: skip
        client = await attach(s, proxy)
        for number, (way, how, nth) in enumerate(lines):
            s.platform.say(f"a{number}")
            await s.settle()
            # The hello of the connection that follows, and so on.
            line, now = proxy.arm(way, nth + (way is Way.DOWN)), proxy.arm(Way.DOWN)
            s.platform.say(f"b{number}")
            await cut(s, now, Cut.END)
            await cut(s, line, how)
            await s.settle()
        await s.check_inbound()
        await s.check_one_session()
        assert client is s.client
        assert proxy.connections == 1 + 2 * len(lines)


async def test_the_daemon_restarts_behind_a_proxy_that_stays(nursery: Nursery):
    """Connections that end at once are tried again for as long as it takes."""
    async with proxied(nursery) as (s, proxy):
        await attach(s, proxy)
        s.platform.say("a1")
        await s.settle()
        await s.daemon.kill()
        await proxy.until_connections(proxy.connections + 3)
        await s.daemon.start()
        s.platform.say("a2")
        await s.settle()
        await s.check_inbound()
        await s.check_one_session()
