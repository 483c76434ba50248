"""What an upgrade meets: sessions of another version, a restart in the midst of a reply."""

from __future__ import annotations

import asyncio
import contextlib
import sys

import pytest

from channeld import __version__
from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.mcp_client import McpClient
from tests.doubles.worker_end import Pager

OTHER = """
import sys
from channeld.cli import shim, shim_host
describe = shim_host.describe_session
shim_host.describe_session = lambda *a, **more: {**describe(*a, **more), %s}
sys.exit(shim.main(sys.argv[1:]))
"""


@contextlib.asynccontextmanager
async def other_shim(daemon, hello):
    """Run the real shim, whose first line is that of another version."""
    argv = [sys.executable, "-c", OTHER % hello, "--name", "api", "--no-start", "--listening", "yes"]
    async with McpClient.spawn(argv, env=daemon.environment) as client:
        yield client


@pytest.fixture
async def pager():
    """Return a platform that the test scripts."""
    async with Pager() as platform:
        yield platform


async def test_a_running_session_of_another_version_goes_on(pager):
    """As long as the protocol is the same, what the two are called does not matter; nor does what the line has more."""
    async with Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin()
        async with other_shim(daemon, "'version': '0.0.9', 'fresh': {'a': 1}") as client:
            await client.initialize()
            await worker.accepted("1", text="still there?")
            assert (await client.next_event())["content"] == "still there?"
            (session,) = (await daemon.ask("sessions"))["sessions"]
            assert session["shim_version"] == "0.0.9"


@pytest.mark.parametrize(
    ("hello", "mend"),
    [
        ("'channeld': 0, 'version': '0.0.1'", "End this session and start it again: `claude --continue`"),
        ("'channeld': 99, 'version': '9.0.0', 'pid': 'text'", "Start the daemon anew: `channeld restart`"),
    ],
    ids=["older", "newer"],
)
async def test_a_session_of_another_protocol_is_told_what_to_start_anew(pager, hello, mend):
    """In the call that Claude makes, on standard error and in ``status``; the session is not kept waiting."""
    async with Daemon(pager.config) as daemon:
        async with other_shim(daemon, hello) as client:
            await client.initialize()
            answer = await client.call_tool("reply", {"chat_id": "pager:a", "text": "hello"})
            assert answer["isError"]
            (said,) = answer["content"]
            assert f"which the running daemon, channeld {__version__}, does not understand" in said["text"]
            assert mend in said["text"]
            status = await daemon.status_where(lambda s: any(i["code"] == "session_refused" for i in s["health"]))
            (issue,) = [issue for issue in status["health"] if issue["code"] == "session_refused"]
            assert issue["text"].startswith("The session api runs `channeld mcp`")
            assert status["sessions"] == []
        assert mend in client.stderr


async def test_a_restart_in_the_midst_of_a_reply_sends_it_once_and_answers_it(pager):
    """The session stays, the call comes back, the worker is given the part no second time."""
    async with Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin()
        async with daemon.client() as client:
            await worker.accepted("1", text="hello")
            await client.next_event()
            calling = asyncio.create_task(client.call_tool("reply", {"chat_id": "pager:a", "text": "hi"}, "toolu_1"))
            part = await worker.expect(m.Send)
            await daemon.ask("stop", again=True)
            await worker.expect(m.Drain)  # the daemon waits for what is under way
            worker.send(m.Sent(ref=part.ref, message_id="77"))
            worker.close()
            assert daemon.process is not None
            assert await asyncio.wait_for(daemon.process.wait(), 20) == 0
            await daemon.start()
            again = await pager.life()
            await again.begin()
            answer = await calling
            assert not answer.get("isError")
            assert answer["content"][0]["text"] == "sent (id: 77)"
            assert await daemon.states("pager:a") == [("hello", "answered"), ("hi", "sent")]
            await again.accepted("2", text="and now?")
            assert (await client.next_event())["content"] == "and now?"
            assert again.passed_over(m.Send) == []
