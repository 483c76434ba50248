"""A stand-in for the Messages API that does what each channel event tells it to. Run as a process of its own.

``python3 scripted_model.py`` serves on a free port of 127.0.0.1 of the network namespace it was started in, after
bringing that namespace's loopback up. It speaks JSON lines: on stdout ``{"port": N}`` once, then one ``{"tools": […],
"messages": […]}`` for each request to the model; on stdin ``hold`` keeps every further answer back until ``release``.
It ends when stdin does, so it never outlives its test.

What the model does is decided by the text of each channel event it has not answered yet:

    run COMMAND      runs it with the tool Bash
    ask              asks which colour: Red or Blue (AskUserQuestion); ``ask-many`` lets several be chosen
    plan TEXT        goes into plan mode and then proposes TEXT as its plan
    look             looks at the picture that came with it (Read)
    tool NAME JSON   calls the tool whose name ends in NAME with these arguments
    say TEXT         writes TEXT to the terminal and calls no tool
    anything else    calls the tool whose name ends in ``__reply`` with ``echo: `` and the text

What somebody types into the terminal is obeyed too, where it begins with one of these words. After every tool result
it says ``done``.
"""

from __future__ import annotations

import fcntl
import html
import itertools
import json
import re
import socket
import struct
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

EVENT = re.compile(r"<channel ([^>]*)>\n(.*?)\n</channel>", re.DOTALL)
ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
PLAN_FILE = re.compile(r"/\S+/plans/\S+\.md")
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1

WORDS = {"run", "ask", "ask-many", "plan", "tool", "say"}

Block = dict[str, Any]

SAID: Block = {"type": "text", "text": "done"}


class Script:
    """Decides what the model says; remembers which events it has answered."""

    def __init__(self) -> None:
        self._answered: set[str] = set()
        self._next: list[Callable[[list[dict[str, Any]], list[str]], Block]] = []  # what follows on a tool's result
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def answer(self, messages: list[dict[str, Any]], tools: list[str]) -> list[Block]:
        """Return content blocks for a request: one for every channel event that is new, else a closing word.

        Requests without tools (titles, summaries) quote events too and must not use them up.
        """
        if not tools:
            return [SAID]
        with self._lock:
            blocks = [
                self._act(meta, text, tools) for meta, text in new_events(messages) if self._is_new(event_key(meta))
            ]
            blocks += [self._act({}, text, tools) for key, text in typed(messages) if self._is_new(key)]
            if not blocks and self._next:
                blocks = [self._next.pop(0)(messages, tools)]
        return blocks or [SAID]

    def _is_new(self, key: str) -> bool:
        known = key in self._answered
        self._answered.add(key)
        return not known

    def _act(self, meta: dict[str, str], text: str, tools: list[str]) -> Block:
        word, _, rest = text.partition(" ")
        match word:
            case "say":
                return {"type": "text", "text": rest}
            case "run":
                return self._call("Bash", {"command": rest, "description": "Do as told"}, tools)
            case "ask" | "ask-many":
                return self._call("AskUserQuestion", {"questions": [question(several=word == "ask-many")]}, tools)
            case "plan":
                self._next = [
                    lambda messages, tools: self._call("Write", {**plan_file(messages), "content": rest}, tools),
                    lambda _, tools: self._call("ExitPlanMode", {}, tools),
                ]
                return self._call("EnterPlanMode", {}, tools)
            case "look":
                return self._call("Read", {"file_path": meta.get("image_path", "")}, tools)
            case "tool":
                name, _, arguments = rest.partition(" ")
                return self._call(name, json.loads(arguments or "{}"), tools)
        return self._call("__reply", {"chat_id": meta.get("chat_id", ""), "text": f"echo: {text}"}, tools)

    def _call(self, ending: str, arguments: dict[str, Any], tools: list[str]) -> Block:
        name = next((tool for tool in tools if tool.endswith(ending)), ending)
        return {"type": "tool_use", "id": f"toolu_{next(self._numbers):016d}", "name": name, "input": arguments}


def question(*, several: bool) -> Block:
    """Return one question of the tool AskUserQuestion."""
    options = [{"label": name, "description": f"As {name.lower()} as can be"} for name in ("Red", "Blue")]
    return {"question": "Which colour?", "header": "Colour", "multiSelect": several, "options": options}


def plan_file(messages: list[dict[str, Any]]) -> Block:
    """Return the file into which Claude Code wants a plan written: it says so when plan mode begins."""
    said = "\n".join(part for message in messages for part in parts_of(message))
    return {"file_path": PLAN_FILE.findall(said)[-1]}


def event_key(meta: dict[str, str]) -> str:
    """Return what tells an event from every other; one that is pushed again is the same one."""
    return meta.get("delivery_id") or meta.get("message_id", "")


def typed(messages: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield a key and the text of each command that was typed into the terminal, oldest first."""
    for number, message in enumerate(messages):
        for part in parts_of(message) if message.get("role") == "user" else ():
            if part.partition(" ")[0] in WORDS:
                yield f"{number}: {part}", part.strip()


def parts_of(message: dict[str, Any]) -> list[str]:
    """Return the texts of a message of the conversation."""
    content = message.get("content", "")
    return [content] if isinstance(content, str) else [part.get("text", "") for part in content]


def new_events(messages: list[dict[str, Any]]) -> Iterator[tuple[dict[str, str], str]]:
    """Yield attributes and text of the channel events in a conversation, oldest first.

    One that starts a turn is the user's. One that comes within a turn is handed over as a system message: which of the
    two it is depends on how fast the turn before it was.
    """
    for message in messages:
        if message.get("role") not in {"user", "system"}:
            continue
        for attributes, text in EVENT.findall("\n".join(parts_of(message))):
            yield {key: html.unescape(value) for key, value in ATTRIBUTE.findall(attributes)}, text.strip()


def stream_of(model: str, blocks: list[Block]) -> Iterator[dict[str, Any]]:
    """Yield the server-sent events that carry an answer."""
    called = any(block["type"] == "tool_use" for block in blocks)
    usage = {"input_tokens": 1, "output_tokens": 1}
    # Claude Code takes messages of one id for one message.
    identity = {"id": f"msg_{uuid.uuid4().hex}", "type": "message", "role": "assistant", "model": model}
    message: Block = {**identity, "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": usage}  # fmt: skip
    yield {"type": "message_start", "message": message}
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            start: Block = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": block["text"]}
        else:
            start = {**block, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        yield {"type": "content_block_start", "index": index, "content_block": start}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    reason = {"stop_reason": "tool_use" if called else "end_turn", "stop_sequence": None}
    yield {"type": "message_delta", "delta": reason, "usage": {"output_tokens": 1}}
    yield {"type": "message_stop"}


def assembled(model: str, blocks: list[Block]) -> dict[str, Any]:
    """Return the same answer in one piece, for a request that did not ask for a stream."""
    *_, end, _ = events = list(stream_of(model, blocks))
    return {**events[0]["message"], **end["delta"], "content": blocks}


class Handler(BaseHTTPRequestHandler):
    """The few routes of the API that Claude Code needs."""

    protocol_version = "HTTP/1.1"
    script = Script()
    gate = threading.Event()
    printing = threading.Lock()

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: stdout is the test's."""

    def do_HEAD(self) -> None:
        self._send("application/json", b"")

    def do_GET(self) -> None:
        self._send("application/json", b"{}")

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        if not self.path.partition("?")[0].endswith("/messages"):
            self._send("application/json", b'{"input_tokens": 1}')
            return
        messages = request.get("messages", [])
        tools = [tool["name"] for tool in request.get("tools", [])]
        with self.printing:
            tell({"tools": tools, "messages": messages})
        self.gate.wait()
        model, blocks = str(request.get("model")), self.script.answer(messages, tools)
        if request.get("stream"):
            events = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in stream_of(model, blocks)]
            self._send("text/event-stream", "".join(events).encode())
        else:
            self._send("application/json", json.dumps(assembled(model, blocks)).encode())

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def tell(line: dict[str, Any]) -> None:
    """Say one thing to the test."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def bring_loopback_up() -> None:
    """Do what ``ip link set lo up`` does; a fresh network namespace starts with it down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        if not flags & IFF_UP:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def main() -> None:
    """Serve until stdin ends."""
    bring_loopback_up()
    Handler.gate.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tell({"port": server.server_port})
    for line in sys.stdin:
        if line.strip() == "hold":
            Handler.gate.clear()
        elif line.strip() == "release":
            Handler.gate.set()


if __name__ == "__main__":
    main()
