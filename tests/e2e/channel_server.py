"""The smallest MCP server with a channel, to prove the lab by itself. Standard library only.

``channel_server.py SOCKET`` connects to a Unix socket: each line that arrives there becomes a channel event, each call
of its one tool, ``reply``, is written there as a line of JSON. It ends when stdin does.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from typing import Any

TOOL = {
    "name": "reply",
    "description": "Answer a chat.",
    "inputSchema": {
        "type": "object",
        "properties": {"chat_id": {"type": "string"}, "text": {"type": "string"}},
        "required": ["chat_id", "text"],
    },
    "_meta": {"anthropic/alwaysLoad": True},
}
METHOD_NOT_FOUND = -32601
READY_PING = "ready"
SETTLE_S = 0.5  # from the tools having been read to their being offered to the model


def write(message: dict[str, Any]) -> None:
    """Send one JSON-RPC message to the client."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def push(test: socket.socket) -> None:
    """Turn each line from the test into an event."""
    for number, line in enumerate(test.makefile(encoding="utf-8"), 1):
        meta = {"chat_id": "lab:main", "message_id": str(number), "user": "tester"}
        write({"method": "notifications/claude/channel", "params": {"content": line.strip(), "meta": meta}})


def answer(request: dict[str, Any], test: socket.socket) -> dict[str, Any]:
    """Return ``result`` or ``error`` for a request."""
    match request["method"]:
        case "initialize":
            capabilities: dict[str, Any] = {"experimental": {"claude/channel": {}}, "tools": {}}
            version = request["params"]["protocolVersion"]
            info = {"name": "channeld", "version": "0"}
            return {"result": {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}}
        case "tools/list":
            return {"result": {"tools": [TOOL]}}
        case "tools/call":
            test.sendall(json.dumps(request["params"]["arguments"]).encode() + b"\n")
            return {"result": {"content": [{"type": "text", "text": "sent (id: 1)"}]}}
        case "ping":
            return {"result": {}}
        case method:
            return {"error": {"code": METHOD_NOT_FOUND, "message": f"Method not found: {method}"}}


def main() -> None:
    """Serve until stdin ends."""
    with socket.socket(socket.AF_UNIX) as test:
        test.connect(sys.argv[1])
        for line in sys.stdin:
            message = json.loads(line)
            if "method" in message and "id" in message:
                write({"id": message["id"], **answer(message, test)})
                if message["method"] == "tools/list":
                    # Claude Code drops events that come before it has read its tools, and says nothing.
                    write({"id": READY_PING, "method": "ping"})
            elif message.get("id") == READY_PING:
                pushing = threading.Timer(SETTLE_S, push, [test])
                pushing.daemon = True
                pushing.start()


if __name__ == "__main__":
    main()
