"""A session without Claude: attaches through the real shim and answers every message with itself. For the demo."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from typing import Any

from channeld import __version__

_LINE_LIMIT = 16 * 1024 * 1024


class EchoSession:
    """The client side of MCP, as small as it goes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._last_id = 0

    @classmethod
    async def start(cls, environment: Mapping[str, str]) -> EchoSession:
        """Start the shim, as Claude Code would."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "channeld.cli.entry", "mcp", "--name", "echo", "--listening", "yes", "--no-start",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=dict(environment), limit=_LINE_LIMIT,
            start_new_session=True,
        )  # fmt: skip
        return cls(process)

    async def run(self) -> None:
        """Take part until the shim ends."""
        self._request(
            "initialize",
            {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "channeld-echo", "version": __version__},
            },
        )
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            message = json.loads(line)
            if message.get("method") == "ping":
                self._write({"id": message["id"], "result": {}})
            elif message.get("method") == "notifications/claude/channel":
                self._answer(message["params"])
            elif message.get("id") == 1 and "result" in message:
                self._write({"method": "notifications/initialized"})

    async def stop(self) -> None:
        """End the shim by closing its input, as Claude Code does."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    def _answer(self, params: dict[str, Any]) -> None:
        meta = params["meta"]
        if meta.get("event"):
            return
        arguments = {
            "chat_id": meta["chat_id"],
            "text": f"echo: {params['content']}",
            "reply_to": meta["message_id"],
        }
        call = {"name": "reply", "arguments": arguments}
        # The delivery id as the call's id: an event that is delivered twice is answered once.
        self._request("tools/call", {**call, "_meta": {"claudecode/toolUseId": f"echo-{meta['delivery_id']}"}})

    def _request(self, method: str, params: dict[str, Any]) -> None:
        self._last_id += 1
        self._write({"id": self._last_id, "method": method, "params": params})

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
