"""A double of the MCP client that Claude Code is: spawns a stdio server and speaks newline-delimited JSON-RPC with it.

Like the real client it reads in order, answers a ping when it has read everything before it, asks ``server/discover``
first, and never starts a server again that has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

TIMEOUT_S = 20.0
_LINE_LIMIT = 64 * 1024 * 1024
_STDERR_LIMIT = 100_000

Message = dict[str, Any]


class RpcError(Exception):
    """A request was answered with a JSON-RPC error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class McpClient:
    """A client and the server process that it spawned. Everything that awaits gives up after ``TIMEOUT_S``.

    Attributes:
        received: every message of the server, in order.
        process: the server's process.
        on_request: answers requests of the server other than ``ping``: the result, or None for "method not found".
        held_methods: requests that are left to ``next_request`` and ``respond``, as a person takes his time.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.received: list[Message] = []
        self.on_request: Callable[[Message], Message | None] = lambda _: None
        self.held_methods: set[str] = set()
        self._asked: asyncio.Queue[Message] = asyncio.Queue()
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._notifications: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: dict[int | str, asyncio.Future[Message]] = {}
        self._last_id = -1
        self._held_pongs: list[Message] | None = None
        self._reading = asyncio.Event()
        self._reading.set()
        self._stderr = bytearray()
        self._transport: asyncio.SubprocessTransport = process._transport  # type: ignore[attr-defined]
        stdout = self._transport.get_pipe_transport(1)
        assert isinstance(stdout, asyncio.ReadTransport)
        self._stdout = stdout
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._read_stderr())]

    @classmethod
    @contextlib.asynccontextmanager
    async def spawn(
        cls, argv: Sequence[str | Path], env: Mapping[str, str] | None = None, cwd: str | Path | None = None
    ) -> AsyncIterator[Self]:
        """Spawn a server and end it with the block: at the end of its input, or killed if that is not enough.

        Args:
            argv: command line of the server.
            env: its whole environment; None: this process's.
            cwd: its folder; None: this process's.
        """
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=None if env is None else dict(env),
            cwd=cwd,
            limit=_LINE_LIMIT,
        )
        client = cls(process)
        try:
            yield client
        finally:
            await client._end()

    # -- asking

    async def initialize(self, *, probe: bool = True, protocol_version: str = "2025-11-25") -> Message:
        """Go through the handshake as Claude Code 2.1.330 does; return the result of ``initialize``.

        Args:
            probe: ask ``server/discover`` first, and expect it to be unknown.
            protocol_version: the revision to ask for.
        """
        if probe:
            version = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
            answer = await self.exchange("server/discover", version)
            assert answer["error"]["code"] == -32601, answer
        info = {"name": "claude-code", "version": "2.1.330"}
        capabilities = {"roots": {"listChanged": True}, "elicitation": {}}
        params = {"protocolVersion": protocol_version, "capabilities": capabilities, "clientInfo": info}
        result = await self.request("initialize", params)
        await self.notify("notifications/initialized")
        return result

    async def list_tools(self) -> list[Message]:
        """Return the tools of the server."""
        tools: list[Message] = (await self.request("tools/list", {}))["tools"]
        return tools

    async def call_tool(self, name: str, args: Message | None = None, tool_use_id: str | None = None) -> Message:
        """Call a tool and return its result, which may be ``isError``.

        Args:
            name: of the tool, listed or not.
            args: its arguments.
            tool_use_id: what Claude Code sends as ``claudecode/toolUseId``; None: leave it out.
        """
        return await self.request("tools/call", self.tool_params(name, args, tool_use_id))

    @staticmethod
    def tool_params(name: str, args: Message | None = None, tool_use_id: str | None = None) -> Message:
        """Return the params of a ``tools/call``."""
        params: Message = {"name": name, "arguments": args or {}}
        if tool_use_id is not None:
            params["_meta"] = {"progressToken": tool_use_id, "claudecode/toolUseId": tool_use_id}
        return params

    async def request(self, method: str, params: Message | None = None) -> Message:
        """Send a request and return its result.

        Raises:
            RpcError: it was answered with an error.
        """
        answer = await self.exchange(method, params)
        if "error" in answer:
            raise RpcError(answer["error"]["code"], answer["error"]["message"])
        result: Message = answer["result"]
        return result

    async def exchange(self, method: str, params: Message | None = None) -> Message:
        """Send a request and return the whole answer."""
        _, answer = await self.start_request(method, params)
        async with asyncio.timeout(TIMEOUT_S):
            return await answer

    async def start_request(self, method: str, params: Message | None = None) -> tuple[int, asyncio.Future[Message]]:
        """Send a request without waiting; return its id and the answer to come."""
        self._last_id += 1
        key = self._last_id
        answer = self._answers[key] = asyncio.get_running_loop().create_future()
        message = {"jsonrpc": "2.0", "id": key, "method": method}
        await self.send(message if params is None else message | {"params": params})
        return key, answer

    async def notify(self, method: str, params: Message | None = None) -> None:
        """Send a notification."""
        message: Message = {"jsonrpc": "2.0", "method": method}
        await self.send(message if params is None else message | {"params": params})

    async def send(self, message: Message | bytes) -> None:
        """Write a message, or bytes as they are."""
        assert self.process.stdin is not None
        data = message if isinstance(message, bytes) else json.dumps(message, separators=(",", ":")).encode() + b"\n"
        async with asyncio.timeout(TIMEOUT_S):
            self.process.stdin.write(data)
            await self.process.stdin.drain()

    # -- hearing

    async def next_event(self, timeout_s: float = TIMEOUT_S) -> Message:
        """Return the params of the next channel event: ``{"content": …, "meta": {…}}``."""
        async with asyncio.timeout(timeout_s):
            return await self._events.get()

    def nothing_came(self) -> bool:
        """Tell whether no channel event waits to be taken; say so after something that would have come behind it."""
        return self._events.empty()

    async def next_notification(self, timeout_s: float = TIMEOUT_S) -> Message:
        """Return the next notification that is not a channel event."""
        async with asyncio.timeout(timeout_s):
            return await self._notifications.get()

    async def next_request(self, timeout_s: float = TIMEOUT_S) -> Message:
        """Return the next request of the server that is held."""
        async with asyncio.timeout(timeout_s):
            return await self._asked.get()

    def nothing_asked(self) -> bool:
        """Tell whether no request that is held has come so far that ``next_request`` has not returned."""
        return self._asked.empty()

    async def respond(self, request: Message, result: Message) -> None:
        """Answer a held request."""
        await self.send({"jsonrpc": "2.0", "id": request["id"], "result": result})

    async def notified(self, method: str) -> Message:
        """Return the params of the next notification of a method; others are left out."""
        while (note := await self.next_notification())["method"] != method:
            pass
        params: Message = note["params"]
        return params

    @property
    def stderr(self) -> str:
        """What the server wrote to standard error so far."""
        return self._stderr.decode(errors="replace")

    # -- misbehaving

    def pause_pings(self) -> None:
        """Read on, but hold the answers to pings back."""
        if self._held_pongs is None:
            self._held_pongs = []

    async def resume_pings(self) -> None:
        """Answer the pings that were held back, in order, and all further ones."""
        held, self._held_pongs = self._held_pongs or [], None
        for pong in held:
            await self.send(pong)

    def pause_reading(self) -> None:
        """Leave what the server writes in its pipe."""
        self._reading.clear()
        self._stdout.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._stdout.resume_reading()
        self._reading.set()

    async def close_stdout(self) -> None:
        """Close the pipe that the server writes to."""
        self._stdout.close()
        await asyncio.wait(self._tasks[:1], timeout=TIMEOUT_S)  # it ends when the pipe is closed

    # -- the end

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)

    async def close_stdin(self) -> int:
        """End the server's input and return its exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(TIMEOUT_S):
            return await self.process.wait()

    async def _end(self) -> None:
        self.resume_reading()  # the end of a process is seen at the ends of its pipes
        try:
            await self.close_stdin()
        except TimeoutError:
            self.kill()
            await self.process.wait()
            raise
        finally:
            _, late = await asyncio.wait(self._tasks, timeout=TIMEOUT_S)
            for task in late:  # somebody else holds the pipe open
                task.cancel()
            ends = await asyncio.gather(*self._tasks, return_exceptions=True)
            for answer in self._answers.values():
                answer.cancel()
            self._transport.close()  # else a pipe is left to the collector
        for end in ends:
            if isinstance(end, Exception):  # such as a line that is not JSON
                raise end

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            message = json.loads(line)
            self.received.append(message)
            if "method" not in message:
                answer = self._answers.pop(message.get("id"), None)
                if answer is not None and not answer.done():
                    answer.set_result(message)
            elif "id" in message:
                await self._answer(message)
            elif message["method"] == "notifications/claude/channel":
                self._events.put_nowait(message["params"])
            else:
                self._notifications.put_nowait(message)
            await self._reading.wait()

    async def _answer(self, request: Message) -> None:
        reply: Message = {"jsonrpc": "2.0", "id": request["id"]}
        if request["method"] == "ping":
            reply["result"] = {}
            if self._held_pongs is not None:
                self._held_pongs.append(reply)
                return
        elif request["method"] in self.held_methods:
            self._asked.put_nowait(request)
            return
        elif (result := self.on_request(request)) is not None:
            reply["result"] = result
        else:
            reply["error"] = {"code": -32601, "message": "Method not found"}
        with contextlib.suppress(ConnectionError):  # it has ended: there is nobody to tell
            await self.send(reply)

    async def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        while data := await self.process.stderr.read(4096):
            self._stderr += data[: max(0, _STDERR_LIMIT - len(self._stderr))]
