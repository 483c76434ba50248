"""The test's end of the smallest channel: an MCP server in a real session that says and hears what the test wants."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SERVER = Path(__file__).with_name("channel_server.py")
LIMIT_S = 30.0
LINE_LIMIT_BYTES = 16 * 1024 * 1024

Message = dict[str, Any]


class Channel:
    """A socket on which one such server connects. ``received`` is all that Claude Code has said to it, in order."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._news = asyncio.Condition()
        self._writer: asyncio.StreamWriter | None = None
        self._numbers = itertools.count(1)
        self.received: list[Message] = []

    @classmethod
    @asynccontextmanager
    async def open(cls, socket: Path) -> AsyncIterator[Channel]:
        """Listen for the server."""
        channel = cls(socket)
        server = await asyncio.start_unix_server(channel._read, socket, limit=LINE_LIMIT_BYTES)
        try:
            yield channel
        finally:
            server.close()
            if channel._writer is not None:
                channel._writer.close()

    @property
    def entry(self) -> Message:
        """The server's entry in ``.mcp.json``."""
        return {"command": sys.executable, "args": [str(SERVER), str(self._socket)]}

    def marketplace(self, folder: Path) -> Path:
        """Copy the repository's marketplace, with this server in place of ``channeld mcp``, and return its folder."""
        for part in (".claude-plugin", "config/claude-plugin"):
            shutil.copytree(ROOT / part, folder / part)
        served = folder / "config" / "claude-plugin" / ".mcp.json"
        served.write_text(json.dumps({"mcpServers": {"channeld": self.entry}}))
        return folder

    # -- saying

    def push(self, text: str) -> str:
        """Push an event, and return its ``delivery_id``."""
        delivery_id = f"d{next(self._numbers)}"
        meta = {"chat_id": "lab:main", "user": "tester", "delivery_id": delivery_id}
        self.send({"method": "notifications/claude/channel", "params": {"content": text, "meta": meta}})
        return delivery_id

    def decide(self, event: str, decision: Message, tool: str = "") -> None:
        """Have the hooks of an event answered so from now on, or only those for one tool."""
        self.send({"decide": [event, tool], "with": decision})

    def send(self, message: Message) -> None:
        """Say something to Claude Code."""
        assert self._writer is not None, "the server has not connected"
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def ping(self) -> None:
        """Wait until Claude Code has read what was sent so far."""
        sent = f"ping {next(self._numbers)}"
        self.send({"method": "ping", "id": sent})
        await self.wait(lambda message: message.get("id") == sent)

    # -- hearing

    async def wait(self, wanted: Callable[[Message], bool], timeout_s: float = LIMIT_S) -> Message:
        """Return the first message that ``wanted`` accepts, once it is there."""
        try:
            async with asyncio.timeout(timeout_s), self._news:
                while True:
                    if found := next(filter(wanted, self.received), None):
                        return found
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not among what was said: {json.dumps(self.received[-20:], indent=1)}") from None

    async def is_up(self) -> None:
        """Wait until the session has read the tools."""
        await self.wait(lambda message: message.get("id") == "ready")

    async def call(self, tool: str, number: int = 1) -> Message:
        """Return the arguments of the n-th call of a tool by the model, once it is there."""
        await self.wait(lambda _: len(self._calls(tool)) >= number)
        arguments: Message = self._calls(tool)[number - 1]["params"]["arguments"]
        return arguments

    async def report(self, event: str, number: int = 1) -> dict[str, str]:
        """Return the arguments of the n-th report of a hook, once it is there."""
        await self.wait(lambda _: len(self.reports(event)) >= number)
        return self.reports(event)[number - 1]

    def reports(self, event: str | None = None) -> list[dict[str, str]]:
        """Return what the hooks have reported so far, in order; of one event, or of all."""
        reported = [call["params"]["arguments"] for call in self._calls("session_event")]
        return [report for report in reported if event in {None, report["event"]}]

    def _calls(self, tool: str) -> list[Message]:
        calls = (message for message in self.received if message.get("method") == "tools/call")
        return [call for call in calls if call["params"]["name"] == tool]

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        while line := await reader.readline():
            async with self._news:
                self.received.append(json.loads(line))
                self._news.notify_all()
