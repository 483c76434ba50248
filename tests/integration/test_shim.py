"""The shim as a real process between a double of Claude Code and a double of the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import channeld
from channeld.cli import shim, shim_host
from tests.doubles.mcp_client import McpClient, RpcError
from tests.doubles.session_end import INITIALIZE_RESULT, SessionConnection, SessionEnd, encode, event

SHIM = [sys.executable, "-I", "-S", shim.__file__]
INTERPRETER = os.path.realpath(sys.executable)
MIB = 1024 * 1024
AWAY = {"CHANNELD_TEST_CALL_DEADLINE_S": "0.2", "CHANNELD_TEST_HANDSHAKE_DEADLINE_S": "0.2"}


class Place:
    """A ``CHANNELD_HOME`` with a name short enough for a socket, and a session's project folder."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "h"
        self.project = folder / "my project"
        self.socket = self.home / "run" / "session.sock"
        self.socket.parent.mkdir(parents=True)
        self.project.mkdir()

    @property
    def env(self) -> dict[str, str]:
        """The environment of a session that starts no daemon."""
        return {"PATH": os.environ["PATH"], "CHANNELD_HOME": str(self.home), "CHANNELD_NO_START": "1"}

    def spawn(self, *args: str, **env: str) -> contextlib.AbstractAsyncContextManager[McpClient]:
        """Spawn a shim with further options and environment."""
        return McpClient.spawn([*SHIM, *args], self.env | env, self.project)


@pytest.fixture
def place() -> Iterator[Place]:
    """A place of its own for each test."""
    with tempfile.TemporaryDirectory(prefix="channeld-") as folder:
        yield Place(Path(folder))


@pytest.fixture
async def daemon(place: Place) -> AsyncIterator[SessionEnd]:
    """A daemon's session end that listens."""
    async with SessionEnd(place.socket) as end:
        yield end


async def attach(client: McpClient, daemon: SessionEnd) -> SessionConnection:
    """Connect and shake hands."""
    shaking = asyncio.create_task(client.initialize(probe=False))
    connection = await daemon.accept()
    await connection.shake()
    assert await shaking == INITIALIZE_RESULT
    return connection


async def reattach(daemon: SessionEnd) -> SessionConnection:
    """Listen again and take the replayed handshake."""
    daemon.listen()
    connection = await daemon.accept()
    assert connection.hello["resumed"] is True
    await connection.shake()
    return connection


# -- pass-through


async def test_large_and_many_lines_pass_unchanged_in_both_directions(place: Place, daemon: SessionEnd) -> None:
    """A megabyte in one line and a thousand lines in one write, byte for byte and in order."""
    large = encode({"jsonrpc": "2.0", "method": "notifications/x", "params": {"text": "ü<" * MIB}})
    many = [{"jsonrpc": "2.0", "method": "notifications/x", "params": {"n": n}} for n in range(1000)]
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        writing = asyncio.create_task(client.send(large + b"".join(map(encode, many))))
        assert await connection.next_line() == large[:-1]
        assert [await connection.next() for _ in many] == many
        await writing
        writing = asyncio.create_task(connection.send(large, *many))
        assert encode(await client.next_notification()) == large
        assert [await client.next_notification() for _ in many] == many
        await writing


async def test_a_client_that_does_not_read_holds_the_daemon_back(place: Place, daemon: SessionEnd) -> None:
    """The shim takes a bounded amount over; what it says it has written is what it took, and all of it arrives."""
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        await connection.send(event("d0"))
        await client.next_event()
        client.pause_reading()
        flood = b"".join(encode(event(f"d{number}", "x" * MIB)) for number in range(1, 100))
        sending = asyncio.create_task(connection.send(flood))
        done, _ = await asyncio.wait({sending}, timeout=0.5)  # that it does not end is no event to wait for
        assert not done
        sending.cancel()
        daemon.die()
        daemon.listen()
        again = await daemon.accept()
        written = again.hello["written"]
        assert 1 <= len(written) < 20
        client.resume_reading()
        assert [(await client.next_event())["meta"]["delivery_id"] for _ in written[1:]] == written[1:]


async def test_pings_of_the_daemon_come_back_in_order(place: Place, daemon: SessionEnd) -> None:
    """The answer to a ping says that the events before it have arrived."""
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        client.pause_pings()
        await connection.send(event("a"), {"jsonrpc": "2.0", "id": "d-1", "method": "ping"})
        await connection.send(event("b"), {"jsonrpc": "2.0", "id": "d-2", "method": "ping"})
        assert [(await client.next_event())["meta"]["delivery_id"] for _ in "ab"] == ["a", "b"]
        await client.resume_pings()
        assert [(await connection.next())["id"] for _ in "ab"] == ["d-1", "d-2"]


async def test_an_oversized_line_is_left_out_and_the_next_one_passes(place: Place, daemon: SessionEnd) -> None:
    """From either side; standard error says so once and without the content."""
    oversized = b'"' + b"secret" * (3 * MIB) + b'"\n'
    note = {"jsonrpc": "2.0", "method": "notifications/x"}
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        await client.send(oversized + encode(note))
        assert await connection.next() == note
        await connection.send(oversized, note)
        assert await client.next_notification() == note
        assert await client.close_stdin() == 0
    assert client.stderr.count("was left out") == 1
    assert "secret" not in client.stderr


async def test_garbage_goes_to_the_daemon_and_harms_nobody(place: Place, daemon: SessionEnd) -> None:
    """The daemon answers it; while it is away garbage is dropped."""
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        await client.send(b"\xff{garbage\n")
        assert await connection.next_line() == b"\xff{garbage"
        daemon.die()
        await client.send(b"\xff{garbage\n")
        assert await client.request("ping") == {}
        await reattach(daemon)


# -- the hello line


def started_at(pid: int) -> int:
    """Return field 22 of a process's stat: in clock ticks since boot."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


async def test_the_first_line_describes_the_session(place: Place, daemon: SessionEnd) -> None:
    """Who it is, where it runs and what it was told, the same instance on every connection."""
    async with place.spawn("--name", "api", "--listening=yes", "--plugin") as client:
        first = (await daemon.accept()).hello
        daemon.die()
        daemon.listen()
        second = (await daemon.accept()).hello
        pid = client.process.pid
        start, folder = started_at(pid), os.readlink(f"/proc/{pid}/cwd")
    assert first == second
    assert len(bytes.fromhex(first.pop("instance"))) == 16
    assert first == {
        "channeld": 1,
        "version": channeld.__version__,
        "pid": pid,
        "pid_start": start,
        "claude": shim_host.find_claude()[0],  # none, unless Claude Code runs these tests
        "terminal": shim_host.find_terminal(os.environ),
        "readable": True,
        "project": str(place.project),
        "name": "api",
        "listening": "yes",
        "plugin": True,
        "written": [],
        "dropped_reports": 0,
        "answered_reports": [],
        "resumed": False,
    }
    assert folder == "/", "it keeps no folder busy"


async def test_a_session_is_named_after_its_folder(place: Place, daemon: SessionEnd) -> None:
    """Unless it was told another name."""
    async with place.spawn():
        hello = (await daemon.accept()).hello
    assert (hello["name"], hello["listening"]) == ("my project", "auto")


@pytest.mark.parametrize("wrapper", [[], ["/bin/sh", "-c", '"$@"; exit $?', "sh"]], ids=["direct", "wrapped"])
async def test_the_claude_process_above_is_found(place: Place, daemon: SessionEnd, wrapper: list[str]) -> None:
    """Also above a wrapper script; its flags are told, its prompt and other arguments are not."""
    claude = place.project / "claude"
    claude.symlink_to(INTERPRETER)
    spawn = f"import subprocess, sys; sys.exit(subprocess.call({[*wrapper, *SHIM]!r}))"
    flags = ["--dangerously-load-development-channels", "server:channeld"]
    async with McpClient.spawn([claude, "-I", "-S", "-c", spawn, *flags, "-p", "s3cret"], place.env) as client:
        hello = (await daemon.accept()).hello
    assert hello["claude"] == {"pid": client.process.pid, "argv": [str(claude), *flags]}
    assert hello["readable"] is True


# -- a daemon that goes and comes back


async def test_a_session_survives_a_restart_of_the_daemon(place: Place, daemon: SessionEnd) -> None:
    """The handshake is replayed, its second answer swallowed, and lines pass again."""
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        await connection.send(event("before"))
        await client.next_event()
        daemon.die()
        again = await reattach(daemon)
        assert again.hello["written"] == ["before"]
        await again.send(event("after"))
        assert (await client.next_event())["meta"]["delivery_id"] == "after"
        assert len([message for message in client.received if "result" in message]) == 1


async def test_a_reset_connection_is_an_end_of_file(place: Place, daemon: SessionEnd) -> None:
    """The daemon dies with bytes of ours unread; what it had written before still arrives."""
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        await connection.send(event("last"))
        await client.notify("notifications/never-read")
        await connection.reset()
        daemon.die()
        again = await reattach(daemon)
        assert again.hello["written"] == ["last"]
        assert (await client.next_event())["meta"]["delivery_id"] == "last"


async def test_half_a_line_of_a_dead_daemon_is_discarded(place: Place, daemon: SessionEnd) -> None:
    """It is neither written nor joined to the first line of the next daemon."""
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        await connection.send(event("whole"), encode(event("half"))[:-20])
        await client.next_event()
        daemon.die()
        again = await reattach(daemon)
        assert again.hello["written"] == ["whole"]
        await again.send(event("next"))
        assert (await client.next_event())["meta"]["delivery_id"] == "next"


async def test_a_call_in_flight_is_sent_again_under_its_tool_use_id(place: Place, daemon: SessionEnd) -> None:
    """Byte for byte, and Claude gets one answer; without such an id it is told that it may have been sent."""
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        calling = asyncio.create_task(client.call_tool("reply", {"text": "é"}, "toolu_1"))
        sent = await connection.next_line()
        anonymous = asyncio.create_task(client.call_tool("reply"))
        await connection.next()
        daemon.die()
        answer = await anonymous
        assert answer["isError"] is True and "may have been sent" in answer["content"][0]["text"]
        again = await reattach(daemon)
        assert await again.next_line() == sent
        assert sent is not None
        await again.answer(json.loads(sent), {"content": [], "isError": False})
        assert (await calling)["isError"] is False


async def test_calls_are_answered_when_the_daemon_stays_away(place: Place, daemon: SessionEnd) -> None:
    """The turn goes on; what the daemon answers later is dropped."""
    async with place.spawn(CHANNELD_TEST_CALL_DEADLINE_S="0.2") as client:
        connection = await attach(client, daemon)
        calling = asyncio.create_task(client.call_tool("reply", tool_use_id="toolu_1"))
        sent = await connection.next()
        daemon.die()
        assert "may have been sent" in (await calling)["content"][0]["text"]
        assert "nothing was sent" in (await client.call_tool("reply"))["content"][0]["text"]
        with pytest.raises(RpcError, match="-32000"):
            await client.request("prompts/list")
        again = await reattach(daemon)
        await again.answer(sent, {"late": True})
        await again.send(event("behind it"))
        await client.next_event()
        assert not any(message.get("result") == {"late": True} for message in client.received)


async def test_reports_of_hooks_are_answered_and_replayed(place: Place, daemon: SessionEnd) -> None:
    """A hook never shows an error because the daemon is away, and the daemon hears of it later, in order."""
    async with place.spawn() as client:
        await attach(client, daemon)
        daemon.die()
        report = await client.call_tool("session_event", {"hook": "Stop"})
        assert report == {"content": [{"type": "text", "text": "{}"}]}
        await client.notify("notifications/claude/channel/permission_request", {"request_id": "abcde"})
        await client.call_tool("session_event", {"hook": "UserPromptSubmit"})
        again = await reattach(daemon)
        first, second, third = [await again.next() for _ in range(3)]
        assert first["params"]["arguments"] == {"hook": "Stop"}
        assert second["params"] == {"request_id": "abcde"}
        assert third["params"]["arguments"] == {"hook": "UserPromptSubmit"}
        assert again.hello["answered_reports"] == [first["id"], third["id"]]


# -- without a daemon


async def test_a_session_registers_without_a_daemon(place: Place) -> None:
    """From the built-in answers; a daemon that comes later gets the handshake replayed, and then serves."""
    async with place.spawn(**AWAY) as client:
        result = await client.initialize(protocol_version="2025-06-18")
        assert result["protocolVersion"] == "2025-06-18"
        assert "claude/channel" in result["capabilities"]["experimental"]
        assert "reply" in [tool["name"] for tool in await client.list_tools()]
        async with SessionEnd(place.socket) as daemon:
            connection = await daemon.accept()
            assert (await connection.shake())["params"]["protocolVersion"] == "2025-06-18"
            await connection.send(event("late"))
            assert (await client.next_event())["meta"]["delivery_id"] == "late"


async def test_the_daemons_answers_are_cached_for_the_next_session(place: Place, daemon: SessionEnd) -> None:
    """What a daemon said last is what a session without one is told."""
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        listing = asyncio.create_task(client.list_tools())
        await connection.answer(await connection.next(), {"tools": [{"name": "learned"}]})
        assert await listing == [{"name": "learned"}]
    daemon.die()
    async with place.spawn(**AWAY) as client:
        assert await client.initialize() == INITIALIZE_RESULT
        assert await client.list_tools() == [{"name": "learned"}]


async def test_a_daemon_that_accepts_and_says_nothing_does_not_hold_a_session_up(
    place: Place, daemon: SessionEnd
) -> None:
    """A stopped process still has its backlog: the cache answers."""
    async with place.spawn(**AWAY) as client:
        await client.initialize(probe=False)
        assert (await daemon.accept()).hello["resumed"] is False


async def test_a_socket_that_cannot_be_reached_is_named_and_nothing_is_started(place: Place) -> None:
    """Only a missing daemon is started: here the path is longer than a socket's may be."""
    home = place.home / ("x" * 120)
    env = {"PATH": os.environ["PATH"], "CHANNELD_HOME": str(home)}
    async with McpClient.spawn(SHIM, env, place.project) as client:
        assert (await client.exchange("server/discover"))["error"]["code"] == -32601
        assert await client.close_stdin() == 0
    assert client.stderr.startswith("channeld mcp: cannot connect to the daemon: ")
    assert not home.exists()


# -- the end


async def test_the_end_of_input_ends_the_shim_after_handing_over(place: Place, daemon: SessionEnd) -> None:
    """Status 0, also while the daemon is away; a whole line is delivered, half a line is not."""
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        await client.notify("notifications/last", {"text": "x" * 4 * MIB})
        await client.send(b'{"half')
        ending = asyncio.create_task(client.close_stdin())
        assert (await connection.next())["method"] == "notifications/last"
        assert await connection.next_line() is None
        assert await ending == 0
    daemon.die()
    async with place.spawn() as client:
        assert await client.close_stdin() == 0


async def test_what_was_kept_is_still_handed_over_at_the_end_of_input(place: Place, daemon: SessionEnd) -> None:
    """The report of a session's last turn waits for the replay that is under way, within two seconds."""
    async with place.spawn() as client:
        await attach(client, daemon)
        daemon.die()
        await client.call_tool("session_event", {"hook": "Stop"})
        daemon.listen()
        connection = await daemon.accept()
        ending = asyncio.create_task(client.close_stdin())
        await connection.shake()
        assert (await connection.next())["params"]["arguments"] == {"hook": "Stop"}
        assert await ending == 0


async def test_an_interrupt_does_not_end_the_shim(place: Place, daemon: SessionEnd) -> None:
    """Ctrl-C reaches every process of the terminal; it is meant for Claude."""
    async with place.spawn() as client:
        await attach(client, daemon)
        client.process.send_signal(signal.SIGINT)
        asking = asyncio.create_task(client.notify("notifications/still-here"))
        connection = daemon.connections[-1]
        assert (await connection.next())["method"] == "notifications/still-here"
        await asking


async def test_the_shim_ends_when_nobody_reads_its_output(place: Place, daemon: SessionEnd) -> None:
    """There is nobody left to serve."""
    async with place.spawn() as client:
        connection = await attach(client, daemon)
        await client.close_stdout()
        await connection.send(event("to nobody"))
        async with asyncio.timeout(20):
            assert await client.process.wait() == 0


# -- starting a daemon


def serve_once(path: Path) -> socket.socket:
    """Listen for one process that reports about itself."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    listener.settimeout(20)
    return listener


REPORT = """
import json, os, signal, socket, sys
peer = socket.socket(socket.AF_UNIX)
fds = sorted(int(n) for n in os.listdir("/proc/self/fd"))
peer.connect({path!r})
peer.sendall(b"here")
peer.recv(1)
peer.sendall(json.dumps({{
    "argv": sys.argv, "env": dict(os.environ), "cwd": os.getcwd(), "ppid": os.getppid(), "sid": os.getsid(0),
    "fds": [os.readlink("/proc/self/fd/%d" % n) for n in (0, 1, 2)], "others": len(fds) - 3 - 2,
    "sigint": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
}}).encode())
peer.shutdown(socket.SHUT_WR)
peer.recv(1)
"""


async def ask(listener: socket.socket) -> dict[str, Any]:
    """Take the report of a process that runs ``REPORT``, after it was surely left alone by those who started it."""

    def talk() -> dict[str, Any]:
        peer, _ = listener.accept()
        with peer, listener:
            peer.settimeout(20)
            assert peer.recv(4) == b"here"
            peer.sendall(b"!")
            with peer.makefile("rb") as file:
                return dict(json.load(file))

    return await asyncio.to_thread(talk)


async def test_a_missing_daemon_is_started_through_its_unit(place: Place) -> None:
    """Where the user's unit is installed; the shim then connects to it."""
    home, tools = place.home, place.home / "bin"
    tools.mkdir()
    (home / ".config/systemd/user").mkdir(parents=True)
    (home / ".config/systemd/user/channeld.service").touch()
    (home / "channeld").mkdir()
    listener = serve_once(home / "report.sock")
    systemctl = tools / "systemctl"
    systemctl.write_text(f"#!{sys.executable} -IS\n" + REPORT.format(path=str(home / "report.sock")))
    systemctl.chmod(0o755)
    env = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PATH": str(tools), "ANTHROPIC_API_KEY": "s3cret"}
    async with McpClient.spawn(SHIM, env, place.project) as client:
        report = await ask(listener)
        assert report["argv"] == [str(systemctl), "--user", "start", "channeld.service"]
        assert "s3cret" not in str(report["env"])
        async with SessionEnd(home / "channeld" / "session.sock") as daemon:
            await attach(client, daemon)


async def test_a_missing_daemon_is_started_apart_from_the_session(place: Place) -> None:
    """From a checkout, with a shim run as a file: nobody's child, no secrets, nothing inherited, and it imports."""
    root = place.home / "checkout"
    shutil.copytree(Path(shim.__file__).parent, root / "channeld" / "cli")
    shutil.copy(channeld.__file__, root / "channeld")
    listener = serve_once(place.home / "report.sock")
    body = REPORT.format(path=str(place.home / "report.sock")).replace("\n", "\n    ")
    (root / "channeld" / "cli" / "main.py").write_text(f"def cli(**options):\n    {body}\n")
    env = place.env | {"ANTHROPIC_API_KEY": "s3cret", "TELEGRAM_BOT_TOKEN": "s3cret", "HOME": str(place.home)}
    del env["CHANNELD_NO_START"]
    leak = ["/bin/sh", "-c", 'exec "$@" 9</dev/null', "sh"]  # a descriptor that Claude forgot to close
    command = [*leak, *SHIM[:-1], str(root / "channeld" / "cli" / "shim.py")]
    async with McpClient.spawn(command, env, place.project) as client:
        assert await client.exchange("server/discover")  # the shim has started it and goes on
        report = await ask(listener)
        pid = client.process.pid
    assert report["argv"][1:] == ["run"]
    assert set(report["env"]) <= {"PATH", "HOME", "CHANNELD_HOME", "PYTHONPATH", "LC_CTYPE"}
    assert (report["cwd"], report["others"], report["sigint"]) == ("/", 0, True)
    log = place.home / "state" / "log" / "daemon.err"
    assert report["fds"] == ["/dev/null", str(log), str(log)]
    assert report["ppid"] not in {pid, os.getpid()}
    assert report["sid"] not in {os.getsid(0), pid}
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("arguments", [["--no-start"], []], ids=["option", "environment"])
async def test_no_daemon_is_started_when_told_so(place: Place, arguments: list[str]) -> None:
    """The shim waits; nothing appears in the state folder."""
    env = place.env if not arguments else {k: v for k, v in place.env.items() if k != "CHANNELD_NO_START"}
    async with McpClient.spawn([*SHIM, *arguments], env, place.project) as client:
        assert (await client.exchange("server/discover"))["error"]["code"] == -32601
    assert not (place.home / "state").exists()


# -- cost


def resident_kib(pid: int) -> int:
    """Return the resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


async def test_the_shim_is_small(place: Place, daemon: SessionEnd) -> None:
    """At most 12 MiB resident with a session attached."""
    async with place.spawn() as client:
        await attach(client, daemon)
        assert resident_kib(client.process.pid) <= 12 * 1024


def test_the_console_script_reaches_the_shim() -> None:
    """``channeld mcp --help`` shows how to use it."""
    command = [sys.executable, "-m", "channeld.cli.entry", "mcp", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == shim.HELP and "Example" in done.stdout
