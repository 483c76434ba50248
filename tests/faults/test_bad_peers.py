"""What comes in over the three sockets is hostile: each costs its sender an error, is logged once, and hurts nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from channeld.core.errors import ConfigError
from channeld.daemon.sockets import Peer, listen, serve
from channeld.ipc import messages as m
from channeld.ipc.session import MAX_LINE_BYTES
from tests.doubles.daemon import TIMEOUT_S
from tests.doubles.stores import message
from tests.doubles.worker_end import Pager
from tests.faults.flow import Scene, scene
from tests.faults.nursery import Nursery, QuickDaemon

NOBODY = 65534
MALFORMED = [
    b"no json\n",
    b"[]\n",
    b"{}\n",
    b'"offer"\n',
    b'{"type":"offer"}\n',
    b'{"type":"offer","ref":"one","event":{}}\n',
    b'{"type":"rm -rf"}\n',
    b'{"type":"sent","ref":1e999,"message_id":"x"}\n',
    b'{"type":"trouble","code":"\xff\xfe"}\n',
    b"[" * 100_000 + b"\n",
    b"\0\0\0\n",
]


class Peers:
    """A scene, and a second platform whose worker misbehaves."""

    def __init__(self, s: Scene, bad: Pager) -> None:
        self.scene, self.bad = s, bad

    async def check_others(self) -> None:
        """Everybody else is as before: the good worker and the session hold the connections that they had."""
        key = f"a{len(self.scene.platform.said)}"
        self.scene.platform.say(key)
        await self.scene.settle()
        await self.scene.check_inbound()
        status = await self.scene.daemon.ask("status")
        good = next(worker for worker in status["workers"] if worker["name"] == "pager")
        assert (good["state"], good["starts"]) == ("ready", 1)
        await self.scene.check_one_session()

    def logged(self, event: str) -> list[dict[str, object]]:
        """Return what the daemon has logged under a name."""
        lines = map(json.loads, self.scene.daemon.log().splitlines())
        return [line for line in lines if line["event"] == event]


@pytest.fixture
async def peers(nursery: Nursery) -> AsyncIterator[Peers]:
    """Return a daemon with a good worker, a good session, and a worker that is up to the test."""
    async with Pager("bad") as bad, scene(nursery, more_config=bad.config) as s:
        await s.attach()
        yield Peers(s, bad)


# -- the worker socket


async def test_malformed_frames_of_a_worker_are_answered_and_cost_it_nothing_else(peers: Peers):
    """Each is told what is wrong with it, the log has one line for all, and the next good frame counts."""
    bad = await peers.bad.life()
    await bad.begin()
    for garbage in MALFORMED:
        bad.raw(garbage)
        assert (await bad.expect(m.Fault)).code == "malformed"
    assert not (await bad.accepted("1", chat="bad:a")).duplicate
    assert [line["worker"] for line in peers.logged("bad_frame")] == ["bad"]
    await peers.scene.daemon.status_where(lambda status: all(worker["starts"] == 1 for worker in status["workers"]))
    await peers.scene.client.next_event()
    await peers.check_others()


async def test_an_oversized_frame_of_a_worker_is_skipped(peers: Peers):
    """It is answered once it is too long, not kept, and what follows its newline is read."""
    bad = await peers.bad.life()
    await bad.begin()
    for _ in range(2):
        bad.raw(b"x" * (m.MAX_FRAME_BYTES + 1))
        assert (await bad.expect(m.Fault)).code == "oversized"
        bad.raw(b"x" * 100_000 + b"\n")
        bad.raw(b'{"type":"offer","ref":1,"event":"' + b"x" * m.MAX_FRAME_BYTES + b'"}\n')
        assert (await bad.expect(m.Fault)).code == "oversized"
    await bad.accepted("1", chat="bad:a")
    assert len(peers.logged("bad_frame")) == 1
    await peers.scene.client.next_event()
    await peers.check_others()


async def test_half_a_frame_and_then_nothing(peers: Peers):
    """A worker that ends within a frame is started again; the half frame is forgotten and logged once."""
    bad = await peers.bad.life()
    await bad.begin(m.Capabilities(tools=["reply"], presence=True))
    await bad.expect(m.Presence)  # the daemon writes nothing more: a write that fails would spare it the half frame
    whole = m.encode(m.Offer(ref=1, event=message("1", chat="bad:a")))
    bad.raw(whole[:-10])
    bad.close()
    back = await peers.bad.life()
    await back.begin()
    assert not (await back.accepted("1", chat="bad:a")).duplicate
    assert [line["worker"] for line in peers.logged("half_frame")] == ["bad"]
    await peers.scene.client.next_event()
    await peers.check_others()


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (m.Ready(account="me"), "did not begin with hello"),
        (m.Hello(protocol=99, worker="bad", platform="bad", version="1", capabilities=m.Capabilities()), "protocol 99"),
        (m.Hello(protocol=1, worker="pager", platform="p", version="1", capabilities=m.Capabilities()), "'pager'"),
    ],
    ids=["no hello", "version", "name"],
)
async def test_a_worker_that_begins_wrongly_is_refused(peers: Peers, first, reason):
    """It is told why, its connection is closed, and status shows the reason; it cannot pass for another."""
    bad = await peers.bad.life()
    bad.send(first)
    fault = await bad.expect(m.Fault)
    assert fault.code == "refused"
    assert reason in fault.text
    await bad.gone()
    again = await peers.bad.life()  # it is tried again, as a worker of the right version may be there by then
    await again.begin()
    assert len(peers.logged("worker_refused")) == 1
    assert any(reason in str(line["detail"]) for line in peers.logged("worker_state"))
    await peers.check_others()


# -- the session socket


def hello(**facts: object) -> bytes:
    """Return a shim's first line."""
    good = {"channeld": 1, "version": "0", "instance": "raw", "pid": os.getpid(), "pid_start": 0, "name": "raw"}
    return json.dumps({**good, **facts}).encode() + b"\n"


INITIALIZE = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
    b'"clientInfo":{"name":"raw","version":"0"}}}\n'
)


@contextlib.asynccontextmanager
async def connected(path: Path) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Connect to a socket of the daemon's, with no shim in between."""
    reader, writer = await asyncio.open_unix_connection(str(path), limit=1 << 25)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("first", "event"),
    [
        (b"GET / HTTP/1.1\n", "bad_hello"),
        (INITIALIZE, "bad_hello"),
        (b"\xff\n", "bad_hello"),
        (b"[" * 100_000 + b"\n", "bad_hello"),
        (hello(instance=""), "bad_hello"),
        (hello(instance="x" * 65), "bad_hello"),
    ],
    ids=["http", "initialize", "no text", "deep", "no instance", "long instance"],
)
async def test_a_session_that_begins_wrongly_is_closed(peers: Peers, first, event):
    """What is no shim of this version is shown the door, and logged once."""
    async with connected(peers.scene.daemon.paths.session_socket) as (reader, writer):
        writer.write(first + INITIALIZE)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    assert len(peers.logged(event)) == 1
    await peers.check_others()


async def test_garbage_after_a_good_beginning_costs_a_session_only_its_line(peers: Peers):
    """Lines that are no JSON-RPC get an error and an oversized one is skipped; the connection lives on."""
    async with connected(peers.scene.daemon.paths.session_socket) as (reader, writer):
        writer.write(hello() + INITIALIZE)
        assert json.loads(await reader.readline())["result"]["serverInfo"]["name"] == "channeld"
        for garbage in MALFORMED:
            writer.write(garbage)
            assert json.loads(await reader.readline())["error"]["code"] == -32700
        writer.write(b"x" * (MAX_LINE_BYTES + 1) + b"\n")
        writer.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
        assert json.loads(await reader.readline()) == {"jsonrpc": "2.0", "id": 1, "result": {}}
        assert len(peers.logged("oversized_line")) == 1
        writer.write(b'{"jsonrpc":"2.0","id":2,"method":"pi')  # half a line, then the end
    await peers.scene.daemon.status_where(lambda status: len(status["sessions"]) == 1)
    complaints = [len(peers.logged(event)) for event in ("oversized_line", "half_line", "not_json_rpc")]
    assert complaints == [1, 0, 0]  # one a connection
    await peers.check_others()


@pytest.mark.parametrize(
    "part", [b"", hello()[:20], hello(), hello() + INITIALIZE[:30]], ids=["none", "half", "one", "one and a half"]
)
async def test_a_session_that_ends_within_a_line(peers: Peers, part):
    """It leaves nothing behind, and is logged once if a line had begun."""
    async with connected(peers.scene.daemon.paths.session_socket) as (_, writer):
        writer.write(part)
        await writer.drain()
    await peers.check_others()
    await peers.scene.daemon.status_where(lambda status: len(status["sessions"]) == 1)
    assert len(peers.logged("half_line")) == (not part.endswith(b"\n") and part != b"")


# -- the control socket


@pytest.mark.parametrize("garbage", MALFORMED, ids=lambda garbage: repr(garbage[:20]))
async def test_a_malformed_command_is_answered_with_an_error(peers: Peers, garbage):
    """It says what is wrong, and the next line of the same connection is served."""
    async with connected(peers.scene.daemon.paths.control_socket) as (reader, writer):
        writer.write(garbage)
        assert json.loads(await reader.readline())["error"]["code"] == "malformed"
        writer.write(b'{"command":"dance"}\n')
        assert json.loads(await reader.readline())["error"]["code"] == "unknown_command"
        writer.write(b'{"command":"sessions"}\n')
        assert len(json.loads(await reader.readline())["data"]["sessions"]) == 1
    await peers.check_others()


async def test_an_oversized_command_and_half_a_command(peers: Peers):
    """The first is answered and ends the connection, the second is nothing."""
    path = peers.scene.daemon.paths.control_socket
    async with connected(path) as (reader, writer):
        writer.write(b'{"command":"' + b"x" * 1_000_000)
        assert json.loads(await reader.readline())["error"]["code"] == "oversized"
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    async with connected(path) as (reader, writer):
        writer.write(b'{"command":"stop"')
        writer.write_eof()
        assert await reader.read() == b""
    await peers.check_others()


# -- other users


CONNECT_AS_NOBODY = f"""
import os, socket, sys
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
with socket.socket(socket.AF_UNIX) as connection:
    try:
        connection.connect(sys.argv[1])
        connection.settimeout({TIMEOUT_S})
        print("closed" if connection.recv(1) == b"" else "served")
    except PermissionError:
        print("no way in")
    except ConnectionError:
        print("closed")
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
async def test_another_user_gets_in_nowhere(nursery: Nursery):
    """The folder keeps others out, and the kernel's word on the peer does where somebody has opened the folder."""
    async with QuickDaemon(nursery, "") as daemon:
        sockets = (daemon.paths.control_socket, daemon.paths.session_socket)
        assert {path.stat().st_mode & 0o777 for path in sockets} == {0o600}
        assert daemon.paths.run.stat().st_mode & 0o777 == 0o700
        assert [await connect_as_nobody(path) for path in sockets] == ["no way in"] * 2
        for place in (daemon.home, daemon.paths.run, *sockets):
            place.chmod(0o777)
        assert [await connect_as_nobody(path) for path in sockets] == ["closed"] * 2
        assert daemon.log().count("peer_refused") == 2
        assert (await daemon.ask("status"))["sessions"] == []


async def connect_as_nobody(path: Path) -> str:
    """Connect as another user and return how that went."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", CONNECT_AS_NOBODY, str(path), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(child.communicate(), TIMEOUT_S)
    return said.decode().strip()


async def test_only_the_named_user_is_served():
    """The check of the peer by itself: a listener for another user serves us nothing, one for us does."""
    served: list[Peer] = []

    async def accept(connection: socket.socket, peer: Peer) -> None:
        served.append(peer)
        connection.close()

    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name, uid, expected in (("theirs", os.getuid() + 1, []), ("ours", None, [Peer(os.getpid(), os.getuid())])):
            listening = stack.enter_context(listen(folder / name))
            serving = asyncio.create_task(serve(listening, accept, uid))
            async with connected(folder / name) as (reader, _):
                assert await reader.read() == b""
            serving.cancel()
            assert served == expected


async def test_a_path_that_is_too_long_for_a_socket_is_refused_with_a_hint(tmp_path: Path):
    """The kernel's limit is 107 bytes."""
    with pytest.raises(ConfigError, match="too long for a Unix socket") as error:
        listen(tmp_path / ("x" * 108))
    assert "CHANNELD_HOME" in error.value.hint
