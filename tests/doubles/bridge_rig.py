"""The shim's state machine on a test bench, and the messages that tests feed it."""

from __future__ import annotations

import json
from typing import Any

from channeld.cli.shim_bridge import Bridge

CACHED: dict[str, Any] = {
    "initialize": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "cached"}},
    "tools_list": {"tools": [{"name": "cached"}]},
}
RESULT = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "real"}}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def line(message: dict[str, Any]) -> bytes:
    """Return a message as the line that carries it."""
    return json.dumps(message, separators=(",", ":")).encode()


def request(key: int | str, method: str, **params: Any) -> dict[str, Any]:
    """Return a request."""
    return {"jsonrpc": "2.0", "id": key, "method": method, "params": params}


def initialize(key: int = 0, version: str = "2025-06-18") -> dict[str, Any]:
    """Return the client's ``initialize``."""
    return request(key, "initialize", protocolVersion=version)


def call(key: int, name: str = "reply", tool_use_id: str | None = None) -> dict[str, Any]:
    """Return a call of a tool."""
    meta = {"_meta": {"claudecode/toolUseId": tool_use_id}} if tool_use_id else {}
    return request(key, "tools/call", name=name, arguments={}, **meta)


def result(key: int | str, value: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return an answer."""
    return {"jsonrpc": "2.0", "id": key, "result": value or {}}


def cancelled(key: int) -> dict[str, Any]:
    """Return the cancellation of a request."""
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": key}}


def permission(letters: str) -> dict[str, Any]:
    """Return a permission request of the terminal."""
    method = "notifications/claude/channel/permission_request"
    return {"jsonrpc": "2.0", "method": method, "params": {"request_id": letters}}


def event(**meta: str) -> dict[str, Any]:
    """Return a channel event with this meta."""
    return {"jsonrpc": "2.0", "method": "notifications/claude/channel", "params": {"content": "x", "meta": meta}}


class BridgeRig:
    """A bridge with a clock, and the two sides as lists of messages."""

    def __init__(self) -> None:
        self.now = 100.0
        self.bridge = Bridge({"channeld": 1}, self.now, lambda: CACHED)

    def claude(self, *messages: dict[str, Any]) -> None:
        """Take messages from Claude."""
        for message in messages:
            self.bridge.from_claude(line(message), self.now)

    def daemon(self, *messages: dict[str, Any]) -> None:
        """Take messages from the daemon."""
        for message in messages:
            self.bridge.from_daemon(line(message))

    def connect(self) -> dict[str, Any]:
        """Connect and return the hello line."""
        self.bridge.connected(self.now)
        hello, _, rest = bytes(self.bridge.to_daemon).partition(b"\n")
        self.bridge.to_daemon[:] = rest
        return dict(json.loads(hello))

    def lose(self) -> None:
        """Lose the connection."""
        self.bridge.disconnected(self.now)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.bridge.tick(self.now)

    @staticmethod
    def _take(buffer: bytearray) -> list[dict[str, Any]]:
        messages = [json.loads(each) for each in bytes(buffer).splitlines()]
        buffer.clear()
        return messages

    def to_claude(self) -> list[dict[str, Any]]:
        """Return what was written to Claude since the last call."""
        return self._take(self.bridge.to_claude)

    def to_daemon(self) -> list[dict[str, Any]]:
        """Return what was written to the daemon since the last call."""
        return self._take(self.bridge.to_daemon)

    def attach(self) -> None:
        """Connect and shake hands."""
        self.connect()
        self.claude(initialize())
        self.daemon(result(0, RESULT))
        self.claude(INITIALIZED)
        assert self.to_daemon() == [initialize(), INITIALIZED]
        assert self.to_claude() == [result(0, RESULT)]

    def reattach(self) -> list[dict[str, Any]]:
        """Connect again, answer the replayed handshake and return what comes after it."""
        self.connect()
        assert self.to_daemon() == [initialize()]
        self.daemon(result(0, RESULT))
        assert self.to_claude() == []
        first, *rest = self.to_daemon()
        assert first == INITIALIZED
        return rest


def is_error_result(message: dict[str, Any], words: str) -> bool:
    """Tell whether a tool result is an error that says ``words``."""
    return message["result"]["isError"] is True and words in message["result"]["content"][0]["text"]
