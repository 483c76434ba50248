"""The test's end of the scripted model: starts it in a network namespace of its own and hears what Claude Code asks."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.e2e.scripted_model import new_events

SCRIPT = Path(__file__).with_name("scripted_model.py")
LINE_LIMIT_BYTES = 64 * 1024 * 1024  # one request holds the whole conversation


class Event(NamedTuple):
    """A channel event as it stood in a request to the model."""

    meta: dict[str, str]
    text: str


class ScriptedModel:
    """A running scripted model. ``join`` is the command prefix that puts a process into its network namespace."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read(), name="scripted model")
        self.port = port
        self.requests: list[dict[str, Any]] = []

    @classmethod
    async def start(cls) -> ScriptedModel:
        """Start it and wait until it serves."""
        new = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
        process = await asyncio.create_subprocess_exec(
            *new, sys.executable, "-I", str(SCRIPT),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE_LIMIT_BYTES, env={},
        )  # fmt: skip
        assert process.stdout is not None
        first = await asyncio.wait_for(process.stdout.readline(), 20)
        assert first, "the scripted model did not start; a network namespace needs root or user namespaces"
        return cls(process, json.loads(first)["port"])

    @property
    def join(self) -> list[str]:
        """Command prefix that enters the namespace whose loopback the model serves."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", *user, "--net", "--target", str(self._process.pid), "--"]

    async def stop(self) -> None:
        """End it: its stdin ends."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reader

    # -- what it was asked

    async def wait_request(self, wanted: Callable[[dict[str, Any]], bool], timeout_s: float = 30) -> dict[str, Any]:
        """Return the first request that ``wanted`` accepts, once it is there."""
        async with asyncio.timeout(timeout_s), self._news:
            while True:
                if found := next(filter(wanted, self.requests), None):
                    return found
                await self._news.wait()

    async def wait_event(self, text: str, timeout_s: float = 30) -> Event:
        """Return the channel event with this text, once a request holds it."""
        request = await self.wait_request(lambda request: any(e.text == text for e in events_of(request)), timeout_s)
        return next(event for event in events_of(request) if event.text == text)

    def events(self) -> list[Event]:
        """Return every channel event of the conversation so far, in order; repeats included."""
        conversations = [events_of(request) for request in self.requests if request["tools"]]
        return max(conversations, key=len, default=[])

    # -- what it does

    def hold(self) -> None:
        """Keep back every answer that is not on its way yet."""
        self._say("hold")

    def release(self) -> None:
        """Let the answers go."""
        self._say("release")

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            async with self._news:
                self.requests.append(json.loads(line))
                self._news.notify_all()


def events_of(request: dict[str, Any]) -> list[Event]:
    """Return the channel events in one request, oldest first."""
    return [Event(meta, text) for meta, text in new_events(request["messages"])]
