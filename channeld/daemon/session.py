"""One connection of one Claude Code session: MCP, pushes with a ping behind them, tool calls."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import structlog
from mcp.server.connection import Connection
from mcp.server.runner import serve_connection
from mcp.shared.exceptions import MCPError
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp_types import (
    CONNECTION_CLOSED,
)

from channeld import __version__
from channeld.core.activity import BUSY_AFTER_S, Activity, Work
from channeld.core.delivery import UNCONFIRMED_WINDOW
from channeld.core.errors import StoreUnavailable
from channeld.core.event import present, unpresentable
from channeld.core.listening import DEAF, Listening, Verdict, judge
from channeld.core.model import Lease, StoredEvent
from channeld.core.permission import Request
from channeld.core.routing import Candidate
from channeld.core.symptoms import Refusal, Seat
from channeld.core.text import clean_name
from channeld.core.turns import Turns
from channeld.daemon.mcp_server import INIT_OPTIONS, SERVER
from channeld.daemon.mcp_stream import McpStream
from channeld.daemon.procwatch import start_time
from channeld.daemon.tool_list import SESSION_EVENT, ToolResult
from channeld.faultpoint import reach
from channeld.ipc.framing import FrameProtocol
from channeld.ipc.session import (
    MAX_LINE_BYTES,
    REFUSED,
    SESSION_PROTOCOL,
    Greeting,
    SessionHello,
    Terminal,
    decoder,
    greeting_decoder,
)

log = structlog.get_logger()
_CHANNEL: Final = "notifications/claude/channel"
_PERMISSION: Final = "notifications/claude/channel/permission"
_HELLO_DEADLINE_S: Final = 10.0
_encode: Final = msgspec.json.Encoder().encode
_numbers: Final = itertools.count(1)
"""Of requests to clients."""
_TOOLS_DEADLINE_S: Final = 5.0
"""How long Claude Code may take to ask for the tools before it is taken to be one that never does."""
_SETTLE_S: Final = 0.5
"""From Claude Code having read our tools to its offering them to the model."""


class Owner(Protocol):
    """Who keeps the sessions."""

    async def session_ready(self, session: Session) -> None:
        """The handshake is complete."""

    def session_closed(self, session: Session) -> None:
        """The connection is gone."""

    async def confirmed(self, session: Session, lease: Lease, seqs: list[int]) -> None:
        """The client has read these events."""

    def platform_of(self, worker: str) -> str:
        """Return the platform of a worker, for Claude to read."""

    def session_refused(self, refusal: Refusal) -> None:
        """A shim speaks another protocol."""

    def permission_requested(self, session: Session, request: Request) -> None:
        """Claude Code shows a permission dialog, and takes an answer from us too."""

    def tool_called(self, session: Session) -> None:
        """Claude calls one of the tools that it knows."""


class Tools(Protocol):
    """Who carries out tool calls."""

    async def call(self, session: Session, name: str, arguments: dict[str, Any], tool_use_id: str | None) -> ToolResult:
        """Carry out one call; nothing is raised."""


class _Batch(NamedTuple):
    """Events that were pushed together, with one ping behind them."""

    pushed_at: float  # unix time, seconds
    seqs: list[int]


class Session:
    """One connection. It counts as attached from ``notifications/initialized`` on."""

    def __init__(self, owner: Owner, toolbox: Tools) -> None:
        self._owner, self._toolbox = owner, toolbox
        self._pid = 0
        self.protocol = FrameProtocol(self, MAX_LINE_BYTES)
        self._stream = McpStream(self.protocol)
        self._hello: SessionHello | None = None
        self._verdict = Verdict(Listening.UNKNOWN)
        self.lease: Lease | None = None
        """Set when the mailbox has taken the session in; from then on events may be pushed."""
        self.own_name = ""
        """Set when it is taken in."""
        self.reserved = 0
        """Places of the window promised to events that are being claimed."""
        self.attached_at = self.since = time.time()
        """This connection; and the first one of this process, once that is taken in: coming back is no news."""
        self.activity = Activity()
        self.turns = Turns()
        self.reporting = asyncio.Lock()
        """Held while a report of a hook is followed."""
        self.client = ""
        self.replied = False
        """It has called ``reply``: without hooks the only proof that Claude sees what it is given."""
        self._connection: Connection | None = None
        self._takes_events = False
        self._heard = False
        self._begun = asyncio.Event()
        self._early: list[tuple[list[StoredEvent], list[int]]] = []  # what came before the client took events
        self._batches: list[_Batch] = []  # pushed and not confirmed, one a ping
        self._tools_listed = asyncio.Event()
        self._pings = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._complained = False

    # -- facts

    @property
    def instance(self) -> str:
        """The shim process's own id."""
        return self._hello.instance if self._hello else ""

    @property
    def given_name(self) -> str:
        """What its user calls the session."""
        return self._hello.name if self._hello else ""

    @property
    def name(self) -> str:
        """What tells it from the others: where several were given the same name, the later ones have a number too."""
        return self.own_name or self.given_name

    @property
    def pid(self) -> int:
        """Of the shim; 0 where we cannot see it, as from another pid namespace."""
        return self._pid

    @property
    def pid_start(self) -> int:
        """Of the shim, in clock ticks since boot."""
        return self._hello.pid_start if self._hello else 0

    @property
    def processes(self) -> list[int]:
        """The shim and the Claude Code above it, as far as they can be seen."""
        if self._pid == 0:  # what it says of those above it are numbers of another pid namespace
            return []
        return [self._pid, *([self._hello.claude.pid] if self._hello and self._hello.claude else [])]

    @property
    def claude_pid(self) -> int | None:
        """Of the Claude Code above the shim; None where it cannot be seen."""
        return self._hello.claude.pid if self._pid and self._hello and self._hello.claude else None

    @property
    def terminal(self) -> Terminal | None:
        """The pane of tmux that it may run in."""
        return self._hello.terminal if self._hello else None

    @property
    def is_working(self) -> bool:
        """Whether it works, on a chat's message or on something else."""
        return self.turns.turn is not None or bool(self.work(time.time()))

    @property
    def written(self) -> frozenset[str]:
        """Delivery ids that the shim has taken over for Claude."""
        return frozenset(self._hello.written) if self._hello else frozenset()

    @property
    def is_closed(self) -> bool:
        """Whether the connection is gone."""
        return self.protocol.is_closed

    @property
    def is_attached(self) -> bool:
        """Whether it may be given events, as far as the connection goes."""
        return self.lease is not None and not self.is_closed

    @property
    def candidate(self) -> Candidate:
        """The session as routing sees it."""
        return Candidate(self.instance, self.name, self.verdict.listening, self.since, self.given_name)

    @property
    def verdict(self) -> Verdict:
        """Whether events that are pushed reach Claude."""
        return DEAF if self.turns.deaf_since is not None else self._verdict

    @property
    def unconfirmed(self) -> int:
        """How many events were pushed and not confirmed."""
        return sum(len(events) for events, _ in self._early) + sum(len(batch.seqs) for batch in self._batches)

    @property
    def seat(self) -> Seat:
        """The session as the symptoms are told from it."""
        oldest = self._batches[0].pushed_at if self._batches else None
        return Seat(self.name, self.verdict, self.unconfirmed, oldest, self.given_name)

    @property
    def room(self) -> int:
        """How many events may be pushed now."""
        return max(0, UNCONFIRMED_WINDOW - self.unconfirmed - self.reserved)

    def snapshot(self) -> dict[str, Any]:
        """Return what ``status`` and ``sessions`` show."""
        hello = self._hello
        work = next(iter(self.work(time.time())), None)
        turn = self.turns.turn
        since = work.since if work else turn.since if turn else None
        return {
            "name": self.name, "instance": self.instance, "pid": self.pid, "project": self.project,
            "claude_pid": hello.claude.pid if hello and hello.claude else None, "client": self.client,
            "listening": str(self.verdict.listening), "reason": self.verdict.reason, "mend": self.verdict.mend,
            "state": "attached" if self.is_attached else "connecting", "unconfirmed": self.unconfirmed,
            "attached_at": self.attached_at, "shim_version": hello.version if hello else "",
            "activity": "working" if since is not None else "idle", "working_on": work.chat if work else None,
            "working_since": since,
            "hooks": self.turns.hooked, "permission_mode": self.turns.permission_mode or None,
            "proven": self.turns.hooked or self.replied, "ready": self.is_attached and self._heard,
        }  # fmt: skip

    def work(self, now: float) -> list[Work]:
        """Return the chats that it works on: by its hooks, or else as far as that can be guessed."""
        if not self.turns.hooked:
            return self.activity.work(now)
        turn = self.turns.turn
        return [Work(turn.origin.chat, turn.since)] if turn is not None and turn.origin is not None else []

    def changes_at(self, now: float) -> float | None:
        """Return when what is to be said of its work changes next, if nothing happens."""
        if not self.turns.hooked:
            return self.activity.changes_at(now)
        return next((at for each in self.work(now) if (at := each.since + BUSY_AFTER_S) > now), None)

    # -- FrameHandler

    def frames(self, lines: list[bytes]) -> None:
        """Take lines of the shim: first the hello, then MCP."""
        if self._hello is None:
            first, *lines = lines
            if not self._greet(first):
                return
        self._stream.feed(lines)

    def oversized(self) -> None:
        """A line was too long; the client waits for no answer that we could address."""
        self._complain("oversized_line", limit=MAX_LINE_BYTES)

    def closed(self, half: bool) -> None:
        """The connection is gone."""
        if half:
            self._complain("half_line")
        self._stream.end()
        for task in self._tasks:
            task.cancel()
        self._owner.session_closed(self)

    def expect_hello(self) -> None:
        """Give up on a peer that says nothing."""
        asyncio.get_running_loop().call_later(
            _HELLO_DEADLINE_S, lambda: self.protocol.close() if self._hello is None else None
        )

    def _greet(self, line: bytes) -> bool:
        try:
            greeting = greeting_decoder.decode(line)
            if greeting.channeld != SESSION_PROTOCOL:
                self._refuse(greeting)
                return False
            hello = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._complain("bad_hello", error=str(error))
            self.protocol.close()
            return False
        self._hello = hello
        # The kernel's word on the peer would be a proxy's where one stands in between.
        self._pid = hello.pid if start_time(hello.pid) == hello.pid_start else 0
        argv = hello.claude.argv if hello.claude else None
        self._verdict = judge(hello.listening, argv, readable=hello.readable, plugin=hello.plugin)
        self.turns = Turns(expected=hello.plugin)
        if hello.dropped_reports:
            log.warning("reports_dropped", session=hello.name, count=hello.dropped_reports)
        self._start(self._serve())
        return True

    def _refuse(self, greeting: Greeting) -> None:
        """Tell a shim that speaks another protocol, and everybody else, what has to be started anew."""
        newer = greeting.channeld > SESSION_PROTOCOL
        refusal = Refusal(clean_name(greeting.name), clean_name(greeting.version, 40), __version__, newer)
        self._complain("wrong_shim_version", theirs=greeting.channeld, ours=SESSION_PROTOCOL, version=refusal.version)
        told = {"jsonrpc": "2.0", "method": REFUSED, "params": {"text": refusal.text}}
        self.protocol.write_all([_encode(told) + b"\n"])
        self._owner.session_refused(refusal)
        self.protocol.close()

    # -- pushing

    def push(
        self, events: list[StoredEvent], *, already_read: Iterable[StoredEvent] = (), begins_turn: bool = False
    ) -> None:
        """Write events to Claude, in the order of the calls, and ping behind them.

        Args:
            events: recorded as pushed to this session.
            already_read: written over an earlier connection; only the ping is missing.
            begins_turn: nothing else is pushed before a hook has said that Claude was given it.
        """
        known = [event.seq for event in already_read]
        if begins_turn:
            for seq in (*known, *(event.seq for event in events)):
                self.turns.pushed(seq)
        if self._takes_events:
            self._write(events, known)
        else:
            self._early.append((events, known))

    def _write(self, events: list[StoredEvent], known: list[int]) -> None:
        if self.is_closed or not (events or known):
            return  # what was recorded as pushed is sorted out when the process comes back or ends
        batch = _Batch(time.time(), [*known, *(event.seq for event in events)])
        self._batches.append(batch)
        lines = []
        for event in events:
            reach("session.before_push")
            # Written here and not through the library: this is the path that a waiting person feels.
            lines.append(_encode({"jsonrpc": "2.0", "method": _CHANNEL, "params": self._present(event)}) + b"\n")
        self.protocol.write_all(lines)
        reach("session.after_push")
        # The log is written by the task of the ping, when whoever waits for this push has gone on.
        self._start(self._ping(batch, [f"{event.delivery_id}/{event.pushes}" for event in events]))

    async def _settle(self) -> None:
        """Wait until a Claude Code that has just started takes events.

        Seen with 2.1.330: between ``notifications/initialized`` and having read the answer to ``tools/list`` it drops
        events without a word, and answers the pings behind them all the same. An event that comes within the next
        few milliseconds reaches the model before the ``reply`` tool does.
        """
        assert self._connection is not None
        try:
            async with asyncio.timeout(_TOOLS_DEADLINE_S):
                await self._tools_listed.wait()
                await self._connection.outbound.send_raw_request("ping", None, {"request_id": "channeld-settle"})
                self._heard = True
        except (TimeoutError, MCPError):
            pass
        await asyncio.sleep(_SETTLE_S)

    def _present(self, event: StoredEvent) -> dict[str, object]:
        platform = self._owner.platform_of(event.worker)
        try:
            return present(event, platform)
        except Exception:  # one event of a shape that nobody thought of must cost neither the others nor the daemon
            log.exception("event_not_presentable", delivery_id=event.delivery_id, worker=event.worker)
            return unpresentable(event, platform)

    async def _begin(self) -> None:
        assert self._hello is not None
        if self._hello.claude is not None and not self._hello.resumed:
            await self._settle()
        self._takes_events = True
        self._begun.set()
        early, self._early = self._early, []
        for events, known in early:
            self._write(events, known)
        if not self._heard and self.lease is not None:  # one that has long been there, or is slow: nothing waits for it
            self._heard = await self._read_so_far(f"channeld-ready-{self.lease.epoch}")

    async def _ping(self, last: _Batch, deliveries: list[str]) -> None:
        """Ask whether the client has read everything up to here; it reads in order, so the answer proves it."""
        assert self._connection is not None and self.lease is not None
        if deliveries:  # one line a batch: a line an event would cost more than the push itself
            log.info("events_pushed", session=self.name, count=len(deliveries), deliveries=deliveries)
        self._pings += 1
        # The id carries the epoch: an answer to an earlier connection's ping is nobody's.
        request_id = f"channeld-{self.lease.epoch}-{self._pings}"
        try:
            await self._connection.outbound.send_raw_request("ping", None, {"request_id": request_id})
        except MCPError as error:
            if error.error.code == CONNECTION_CLOSED:
                return
            # An error is an answer too: the client has read the ping, and so everything before it.
        reach("session.ping_returned")
        if last not in self._batches:
            return
        end = self._batches.index(last) + 1
        seqs = [seq for batch in self._batches[:end] for seq in batch.seqs]
        del self._batches[:end]
        await self._owner.confirmed(self, self.lease, seqs)

    # -- dialogs

    @property
    def project(self) -> str:
        """The folder that it works in; empty where that is not known."""
        return self._hello.project if self._hello else ""

    def permission_requested(self, request: Request) -> None:
        """Hear that Claude Code shows a permission dialog."""
        self._owner.permission_requested(self, request)

    async def give_verdict(self, request_id: str, *, allow: bool) -> bool:
        """Answer a permission dialog; a dialog that is closed by then is not affected.

        Returns:
            Whether the client has read it.
        """
        params = {"request_id": request_id, "behavior": "allow" if allow else "deny"}
        self.protocol.write(_encode({"jsonrpc": "2.0", "method": _PERMISSION, "params": params}) + b"\n")
        reach("session.verdict_written")
        return await self._read_so_far(f"channeld-verdict-{request_id}-{next(_numbers)}")

    @property
    def has_forms(self) -> bool:
        """Whether the client can show a form in its terminal."""
        params = self._connection.client_params if self._connection is not None else None
        return params is not None and params.capabilities.elicitation is not None

    async def show_form(self, message: str, schema: dict[str, Any], form_id: str) -> dict[str, Any] | None:
        """Show a form in the terminal; cancelling this withdraws it.

        Args:
            message: what is asked.
            schema: of the fields, as MCP's elicitation has it.
            form_id: never used before, for ``withdraw_form``.

        Returns:
            The fields; None: it was declined or closed, or the connection is gone.
        """
        assert self._connection is not None
        params = {"mode": "form", "message": message, "requestedSchema": schema}
        await self._begun.wait()  # one that comes while it starts is lost, as events are
        try:
            answer = await self._connection.outbound.send_raw_request(
                "elicitation/create", params, {"request_id": form_id}
            )
        except MCPError:
            return None
        content = answer.get("content")
        return content if answer.get("action") == "accept" and isinstance(content, dict) else None

    def withdraw_form(self, form_id: str) -> None:
        """Close a form that was shown over an earlier connection."""
        params = {"requestId": form_id, "reason": "not asked any more"}
        self.protocol.write(_encode({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}) + b"\n")

    async def _read_so_far(self, request_id: str) -> bool:
        assert self._connection is not None
        try:
            await self._connection.outbound.send_raw_request("ping", None, {"request_id": request_id})
        except MCPError as error:
            return error.error.code != CONNECTION_CLOSED  # an error is an answer too
        return True

    # -- MCP

    async def _serve(self) -> None:
        dispatcher = JSONRPCDispatcher(self._stream, self._stream, inline_methods=frozenset({"initialize"}))
        self._connection = Connection.for_loop(dispatcher)
        try:
            await serve_connection(
                SERVER, dispatcher, connection=self._connection, lifespan_state=self, init_options=INIT_OPTIONS
            )
        finally:
            if self._stream.garbage:
                self._complain("not_json_rpc", lines=self._stream.garbage)
            self.protocol.close()

    async def initialized(self) -> None:
        """Take part: the client has said ``notifications/initialized``."""
        if self.lease is not None or self._connection is None:
            return
        if (params := self._connection.client_params) is not None:
            self.client = f"{params.client_info.name[:60]} {params.client_info.version[:20]}"
        await self._owner.session_ready(self)
        if self.lease is not None:
            self._start(self._begin())

    def tools_listed(self) -> None:
        """Hear that the client has asked for the tools."""
        self._tools_listed.set()

    async def call_tool(
        self, name: str, arguments: dict[str, Any], tool_use_id: str | None, request_id: str | int | None
    ) -> ToolResult:
        """Carry out a tool call."""
        if name == SESSION_EVENT and self._hello is not None and request_id in self._hello.answered_reports:
            arguments = {**arguments, "late": "true"}
        if name != SESSION_EVENT:
            self._owner.tool_called(self)
        return await self._toolbox.call(self, name, arguments, tool_use_id)

    # -- inside

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, StoreUnavailable):  # told by the health issue; the shim comes back and asks again
                log.warning("session_waits_for_store", session=self.name, code=error.code)
            else:
                log.error("session_task_failed", session=self.name, exc_info=error)
            self.protocol.close()

    def _complain(self, event: str, **facts: object) -> None:
        if not self._complained:  # once: a broken peer can go on for ever
            self._complained = True
            log.warning(event, session=self.name, pid=self.pid, **facts)
