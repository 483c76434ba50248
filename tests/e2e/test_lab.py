"""The lab proves itself: what the other e2e tests rely on, without any of channeld."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.e2e.lab import ClaudeLab

SERVER = Path(__file__).with_name("channel_server.py")


@asynccontextmanager
async def listen(path: Path) -> AsyncIterator[asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    """Wait on a Unix socket for the one connection of the test's MCP server."""
    connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Future()
    server = await asyncio.start_unix_server(lambda reader, writer: connected.set_result((reader, writer)), path)
    try:
        yield connected
    finally:
        server.close()
        if connected.done():
            connected.result()[1].close()
            await connected.result()[1].wait_closed()


def server_entry(socket: Path) -> dict[str, object]:
    """Return the entry of ``.mcp.json`` that runs the test's server."""
    return {"command": sys.executable, "args": [str(SERVER), str(socket)]}


async def test_an_event_reaches_the_model_and_its_reply_comes_back(lab: ClaudeLab, tmp_path: Path):
    """An opted-in session shows the model a ``<channel>`` block, and the tool call that it makes is carried out."""
    async with listen(tmp_path / "server") as connected:
        await lab.start(server_entry(tmp_path / "server"))
        reader, writer = await asyncio.wait_for(connected, 20)
        writer.write(b"good morning\n")
        event = await lab.model.wait_event("good morning")
        assert event.meta["source"] == "channeld"
        assert event.meta["chat_id"] == "lab:main"
        reply = json.loads(await asyncio.wait_for(reader.readline(), 20))
        assert reply == {"chat_id": "lab:main", "text": "echo: good morning"}


async def test_a_held_answer_comes_after_the_release_alone(lab: ClaudeLab, tmp_path: Path):
    """While the model is held nothing is called; once it is released the call comes."""
    async with listen(tmp_path / "server") as connected:
        await lab.start(server_entry(tmp_path / "server"))
        reader, writer = await asyncio.wait_for(connected, 20)
        lab.model.hold()
        writer.write(b'tool __reply {"chat_id": "lab:other", "text": "by name"}\n')
        await lab.model.wait_request(lambda request: "by name" in json.dumps(request["messages"]))
        call = asyncio.ensure_future(reader.readline())
        done, _ = await asyncio.wait({call}, timeout=1)
        assert not done
        lab.model.release()
        assert json.loads(await asyncio.wait_for(call, 20)) == {"chat_id": "lab:other", "text": "by name"}


async def test_without_the_opt_in_an_event_never_reaches_the_model(lab: ClaudeLab, tmp_path: Path):
    """A session without the flag drops the event, while what is typed into it arrives."""
    async with listen(tmp_path / "server") as connected:
        await lab.start(server_entry(tmp_path / "server"), opt_in=False)
        _, writer = await asyncio.wait_for(connected, 20)
        writer.write(b"nobody hears this\n")
        await lab.terminal.type("typed by hand")
        await lab.model.wait_request(lambda request: "typed by hand" in json.dumps(request["messages"]))
        assert lab.model.events() == []


async def test_a_wrapper_script_may_start_the_session(lab: ClaudeLab, tmp_path: Path):
    """Behind a script that stays as the parent, the session works as it does without."""
    async with listen(tmp_path / "server") as connected:
        await lab.start(server_entry(tmp_path / "server"), wrapper='"$@"; exit $?')
        _, writer = await asyncio.wait_for(connected, 20)
        writer.write(b"mute heard\n")
        await lab.model.wait_event("mute heard")
        await lab.terminal.wait_for("● heard")
