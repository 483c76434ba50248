"""An MCP server with a channel that is the test's mouth and ears. Standard library only.

``channel_server.py SOCKET`` connects to a Unix socket. Everything that Claude Code says to it is written there, a line
of JSON each. Each line that arrives there is a message for Claude Code, in JSON-RPC; one with ``decide`` instead says
how the hooks of an event are answered from now on, for one tool or, where that is empty, for any: ``{"decide":
["PreToolUse", "Bash"], "with": {…}}``. Every call of a tool is answered at once. It ends when stdin does.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from typing import Any

REPLY = {
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

decisions: dict[tuple[str, str], Any] = {}


def write(message: dict[str, Any]) -> None:
    """Send one JSON-RPC message to the client."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def obey(test: socket.socket) -> None:
    """Do what each line from the test says."""
    for line in test.makefile(encoding="utf-8"):
        message = json.loads(line)
        if "decide" in message:
            decisions[tuple(message["decide"])] = message["with"]
        else:
            write(message)


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Return ``result`` or ``error`` for a request."""
    match method:
        case "initialize":
            experimental: dict[str, Any] = {"claude/channel": {}, "claude/channel/permission": {}}
            version, info = params["protocolVersion"], {"name": "channeld", "version": "0"}
            capabilities = {"experimental": experimental, "tools": {}}
            return {"result": {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}}
        case "tools/list":
            return {"result": {"tools": [REPLY]}}
        case "tools/call":
            told = "sent (id: 1)"
            if params["name"] == "session_event":
                event, tool = params["arguments"]["event"], params["arguments"].get("tool_name", "")
                told = json.dumps(decisions.get((event, tool), decisions.get((event, ""), {})))
            return {"result": {"content": [{"type": "text", "text": told}]}}
        case "ping":
            return {"result": {}}
    return {"error": {"code": METHOD_NOT_FOUND, "message": f"Method not found: {method}"}}


def main() -> None:
    """Serve until stdin ends."""
    with socket.socket(socket.AF_UNIX) as test:
        test.connect(sys.argv[1])
        for line in sys.stdin:
            message = json.loads(line)
            test.sendall(line.encode())
            if "method" in message and "id" in message:
                write({"id": message["id"], **answer(message["method"], message.get("params", {}))})
                if message["method"] == "tools/list":
                    # Claude Code drops events that come before it has read its tools, and says nothing.
                    write({"id": READY_PING, "method": "ping"})
            elif message.get("id") == READY_PING:
                obeying = threading.Timer(SETTLE_S, obey, [test])
                obeying.daemon = True
                obeying.start()


if __name__ == "__main__":
    main()
