"""What the shim does with each line, as a state machine: lines and times come in, bytes for both sides come out.

The link to the daemon is *away*, *shaking* (``initialize`` is on its way and its answer is not here yet) or *up*. While
it is up, lines pass byte for byte. While it is not, Claude gets at once the answers that must not wait, and what the
daemon must still hear is kept: reports of hooks, permission requests and cancellations, and every request without an
answer; so is what a daemon may have died of before it was read. Nothing here reads a clock, a file or a socket.
"""

from __future__ import annotations

import json
from collections import deque
from enum import StrEnum

TYPE_CHECKING = False  # what `typing` would say, without the 6 ms that importing it takes
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, TypeGuard

MAX_REPORTS: Final = 500
MAX_REPORTS_BYTES: Final = 8 * 1024 * 1024
MAX_WRITTEN: Final = 256
MAX_UNSURE: Final = 64
CALL_DEADLINE_S: Final = 30.0
HANDSHAKE_DEADLINE_S: Final = 20.0

PROTOCOL_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
_METHOD_NOT_FOUND: Final = -32601
_SERVER_ERROR: Final = -32000
_CHANNEL: Final = "notifications/claude/channel"
_CHANNEL_PREFIX: Final = b'{"jsonrpc":"2.0","method":"notifications/claude/channel",'
_DELIVERY_ID: Final = b'"delivery_id":"'
_REFUSED: Final = "channeld/refused"
_PERMISSION_REQUEST: Final = "notifications/claude/channel/permission_request"
_REPORTS: Final = (_PERMISSION_REQUEST, "notifications/cancelled")

_MAYBE_SENT: Final = (
    "channeld restarted during this call: the message may have been sent. Check fetch_messages before repeating it."
)
_NOT_SENT: Final = (
    "channeld is not running: nothing was sent. Ask the user to run `channeld status`, then call the tool again."
)
_OTHER_VERSION: Final = "The running channeld does not understand this session. Restart the session."
_NO_ANSWER: Final = "channeld is not running, so this request has no answer. Run `channeld status`."


class Link(StrEnum):
    """How far the connection to the daemon has come."""

    AWAY = "away"
    SHAKING = "shaking"
    UP = "up"


class Request:
    """A request of Claude's that has no answer yet."""

    __slots__ = ("arrived", "is_call", "is_report", "line", "method", "protocol", "repeatable", "sent")

    def __init__(self, line: bytes, method: str, params: dict[str, Any], now: float) -> None:
        self.line = line
        self.method = method
        self.arrived = now
        self.sent = False  # over any connection: from then on the daemon may have acted on it
        self.is_call = method == "tools/call"
        self.is_report = self.is_call and params.get("name") == "session_event"
        self.repeatable = self.is_call and bool(_dict(params.get("_meta")).get("claudecode/toolUseId"))
        self.protocol = params.get("protocolVersion")


class Bridge:
    """Stands between Claude and a daemon that comes and goes.

    The owner hands over whole lines without their newline, says when the connection comes and goes, and calls ``tick``
    at ``deadline()``. It writes ``to_claude`` and ``to_daemon`` and takes off what it has written.

    Args:
        hello: what to tell the daemon about this session on every connection, besides what the bridge knows itself.
        now: monotonic time in seconds at which the process started.
        load_handshake: returns the cached answers, ``{"initialize": result, "tools_list": result}``.
        call_deadline_s: how long a request waits for a daemon that is away.
        handshake_deadline_s: how long after ``now`` the handshake is completed without a daemon.
    """

    def __init__(
        self,
        hello: dict[str, Any],
        now: float,
        load_handshake: Callable[[], dict[str, Any]],
        *,
        call_deadline_s: float = CALL_DEADLINE_S,
        handshake_deadline_s: float = HANDSHAKE_DEADLINE_S,
    ) -> None:
        self.link = Link.AWAY
        self.to_claude = bytearray()
        self.to_daemon = bytearray()
        self.hang_up = False  # the owner is to close this connection and try again
        self.learned: dict[str, Any] | None = None  # the daemon's own answers, for the owner to cache
        self.notes: list[str] = []  # for stderr
        self.refusal = ""  # what a daemon of another version says is to be done; empty while none has
        self.dropped_reports = 0
        self._hello = hello
        self._load_handshake = load_handshake
        self._call_deadline_s = call_deadline_s
        self._grace_s = handshake_deadline_s / 10  # for a client that is slower than the deadline itself
        self._handshake_deadline = now + handshake_deadline_s
        self._away_since = now
        # Permission requests that the daemon may not have read, and what was asked before: another answer proves it.
        self._unsure: deque[tuple[bytes, frozenset[object]]] = deque(maxlen=MAX_UNSURE)
        self._written: deque[str] = deque(maxlen=MAX_WRITTEN)
        self._pending: dict[str | int, Request] = {}
        self._reports: dict[object, bytes] = {}  # by id for a call that was answered here, else by an anonymous key
        self._reports_bytes = 0
        self._waiting: list[bytes] = []  # came during the replay; means nothing on another connection
        self._initialize: tuple[str | int, bytes] | None = None
        self._initialized: bytes | None = None
        self._answered = False  # Claude has its answer to `initialize`
        self._from_cache = False  # and it was not the daemon's
        self._answers: dict[str, Any] = {}
        self._said: set[str] = set()

    # -- the connection

    def connected(self, now: float) -> None:
        """Greet a daemon, and take the handshake up again where Claude believes it to be."""
        self.to_daemon += _json(
            self._hello
            | {
                "written": list(self._written),
                "dropped_reports": self.dropped_reports,
                "answered_reports": [key for key in self._reports if _is_id(key)],
                "resumed": self._answered,
            }
        )
        if self._initialize is None:
            self._come_up()
        else:
            self._shake(now)

    def disconnected(self, now: float) -> None:
        """Keep what can be told again, and answer what cannot."""
        if self.link is Link.UP:
            self._away_since = now
        self.link = Link.AWAY
        self.hang_up = False
        self.to_daemon.clear()
        self._waiting.clear()
        for line, _ in self._unsure:  # nobody confirms a notification, and nobody asks again for a verdict
            self._keep_report(object(), line)
        self._unsure.clear()
        for key, request in list(self._pending.items()):
            self._answer_at_once(key, request)

    @property
    def owes_daemon(self) -> bool:
        """Whether something that Claude told waits to be written to the daemon that is connected."""
        return bool(self.to_daemon) or (self.link is Link.SHAKING and bool(self._reports or self._waiting))

    def _shake(self, now: float) -> None:
        assert self._initialize is not None
        if self.link is Link.UP:
            self._away_since = now
        self.link = Link.SHAKING
        key, line = self._initialize
        if request := self._pending.get(key):
            request.sent = True
        self._send(line)

    def _come_up(self) -> None:
        self.link = Link.UP
        if self._answered and self._initialized is not None:
            self._send(self._initialized)
        for key, line in list(self._reports.items()):
            self._send(line)
            if not _is_id(key):  # a call is kept until the daemon confirms it; a notification is never confirmed
                self._forget_report(key)
                self._unsure.append((line, frozenset(self._reports)))
        for request in self._pending.values():
            request.sent = True
            self._send(request.line)
        for line in self._waiting:
            self._send(line)
        self._waiting.clear()

    # -- lines of Claude's

    def from_claude(self, line: bytes, now: float) -> None:
        """Take a line from Claude's side."""
        message = _parse(line)
        if message is None:
            self._pass_or_drop(line)  # the daemon says what is wrong with it
            return
        method, key, params = message.get("method"), message.get("id"), _dict(message.get("params"))
        if not isinstance(method, str):
            self._pass_or_drop(line)  # the answer to a question that was asked on this connection, or on one before
        elif _is_id(key):
            self._take_request(key, Request(line, method, params, now), now)
        else:
            self._take_notification(line, method, params)

    def _take_request(self, key: str | int, request: Request, now: float) -> None:
        if request.method == "initialize":
            self._initialize = (key, request.line)
            self._initialized, self._answered, self._from_cache = None, False, False
            self._handshake_deadline = max(self._handshake_deadline, now + self._grace_s)
            self._pending[key] = request
            if self.link is not Link.AWAY:
                self._shake(now)
        else:
            self._pending[key] = request
            if self.link is Link.UP:
                request.sent = True
                self._send(request.line)
            else:
                self._answer_at_once(key, request)

    def _answer_at_once(self, key: str | int, request: Request) -> None:
        """Answer a pending request that must not wait for a daemon to come back; the others stay pending."""
        unrepeatable = request.is_call and request.sent and not request.repeatable
        if request.method == "server/discover":
            del self._pending[key]
            self._error(key, _METHOD_NOT_FOUND, "Method not found")
        elif request.method == "ping":
            del self._pending[key]
            self._result(key, {})
        elif request.is_report:  # anything but `{}` would show in the terminal or decide for the user
            del self._pending[key]
            self._result(key, {"content": [{"type": "text", "text": "{}"}]})
            self._keep_report(key, request.line)
        elif unrepeatable or (request.method == "tools/list" and self._from_cache):
            self._give_up(key, request)

    def _take_notification(self, line: bytes, method: str, params: dict[str, Any]) -> None:
        if method == "notifications/initialized":
            self._initialized = line
            if self.link is Link.UP:
                self._send(line)
            return
        if method == "notifications/cancelled" and _is_id(key := params.get("requestId")):
            self._pending.pop(key, None)
        if method in _REPORTS and self.link is not Link.UP:
            self._keep_report(object(), line)
        elif method == _PERMISSION_REQUEST:
            self._unsure.append((line, frozenset(self._pending)))
            self._send(line)
        else:
            self._pass_or_drop(line)

    def _pass_or_drop(self, line: bytes) -> None:
        if self.link is Link.UP:
            self._send(line)
        elif self.link is Link.SHAKING:
            self._waiting.append(line)

    # -- lines of the daemon's

    def from_daemon(self, line: bytes) -> None:
        """Take a line from the daemon's side."""
        if line.startswith(_CHANNEL_PREFIX) and (found := _find_delivery_id(line)):
            self._written.append(found)
            self._pass(line)
            return
        message = _parse(line)
        if message is not None and self.refusal and message.get("method") != _REFUSED:
            self.refusal = ""  # another daemon, which does understand us
        if message is None:
            self._note("the daemon sent a line that is not a JSON object; it was left out")
        elif message.get("method") == _REFUSED:
            self._take_refusal(_dict(message.get("params")).get("text"))
        elif "method" in message:
            delivery_id = _dict(_dict(message.get("params")).get("meta")).get("delivery_id")
            if message["method"] == _CHANNEL and isinstance(delivery_id, str):
                self._written.append(delivery_id)
            self._pass(line)
        else:
            self._take_answer(line, message)

    def _take_refusal(self, text: object) -> None:
        """Stop waiting for a daemon that does not understand us: nothing but a person's hand helps."""
        self.refusal = text if isinstance(text, str) and text else _OTHER_VERSION
        self._note(self.refusal)
        self.hang_up = True

    def _take_answer(self, line: bytes, message: dict[str, Any]) -> None:
        key = message.get("id")
        if not _is_id(key):
            self._pass(line)  # an error about a line whose id could not be read
            return
        while self.link is Link.UP and self._unsure and key not in self._unsure[0][1]:
            self._unsure.popleft()
        if self.link is Link.SHAKING and self._initialize is not None and key == self._initialize[0]:
            self._take_handshake(key, line, message)
        elif request := self._pending.pop(key, None):
            if request.method == "tools/list" and isinstance(message.get("result"), dict):
                self._learn("tools_list", message["result"])
            self._pass(line)
        else:  # too late, or the answer to a report: Claude has long had its answer
            self._forget_report(key)

    def _take_handshake(self, key: str | int, line: bytes, message: dict[str, Any]) -> None:
        result = message.get("result")
        accepted = isinstance(result, dict)
        if self._pending.pop(key, None):
            self._pass(line)
            self._answered = accepted
            if not accepted:  # Claude may try again with another line
                self._initialize = None
        elif not accepted:
            self._note("the daemon refused the handshake of a running session; trying again")
            self.hang_up = True
            return
        if accepted:
            self._learn("initialize", result)
        self._come_up()

    def _learn(self, name: str, result: Any) -> None:
        self._answers[name] = result
        if "initialize" in self._answers and "tools_list" in self._answers:
            version = {"protocolVersion": PROTOCOL_VERSIONS[-1]}  # each session asks for its own: not a difference
            self.learned = {**self._answers, "initialize": self._answers["initialize"] | version}

    # -- time

    def deadline(self) -> float | None:
        """Return when ``tick`` has something to do; None while it has not."""
        if self.link is Link.UP:
            return None
        return min((self._deadline_of(request) for request in self._pending.values()), default=None)

    def tick(self, now: float) -> None:
        """Answer what has waited too long for a daemon."""
        if self.link is not Link.UP:
            for key, request in list(self._pending.items()):
                if now >= self._deadline_of(request):
                    self._give_up(key, request)

    def _deadline_of(self, request: Request) -> float:
        if self.refusal:
            return request.arrived
        if request.method == "initialize":
            return self._handshake_deadline
        return max(self._away_since, request.arrived) + self._call_deadline_s

    def _give_up(self, key: str | int, request: Request) -> None:
        """Answer a request without the daemon, so that the session goes on."""
        del self._pending[key]
        if request.method == "initialize":
            self._answered = self._from_cache = True
            version = request.protocol if request.protocol in PROTOCOL_VERSIONS else PROTOCOL_VERSIONS[-1]
            self._result(key, self._load_handshake()["initialize"] | {"protocolVersion": version})
            self._note("the daemon is away: the session was registered without it; see: channeld status")
        elif request.method == "tools/list":
            self._result(key, self._load_handshake()["tools_list"])
        elif request.is_call:
            text = _MAYBE_SENT if request.sent else "" if self.refusal else _NOT_SENT
            text = f"{text} {self.refusal}".strip()
            self._result(key, {"content": [{"type": "text", "text": text}], "isError": True})
        else:
            self._error(key, _SERVER_ERROR, self.refusal or _NO_ANSWER)

    # -- reports

    def _keep_report(self, key: object, line: bytes) -> None:
        self._forget_report(key)
        self._reports[key] = line
        self._reports_bytes += len(line)
        while len(self._reports) > MAX_REPORTS or self._reports_bytes > MAX_REPORTS_BYTES:
            self._forget_report(next(iter(self._reports)))
            self.dropped_reports += 1

    def _forget_report(self, key: object) -> None:
        self._reports_bytes -= len(self._reports.pop(key, b""))

    # -- writing

    def _send(self, line: bytes) -> None:
        self.to_daemon += line
        self.to_daemon += b"\n"

    def _pass(self, line: bytes) -> None:
        self.to_claude += line
        self.to_claude += b"\n"

    def _result(self, key: str | int, result: dict[str, Any]) -> None:
        self.to_claude += _json({"jsonrpc": "2.0", "id": key, "result": result})

    def _error(self, key: str | int, code: int, message: str) -> None:
        self.to_claude += _json({"jsonrpc": "2.0", "id": key, "error": {"code": code, "message": message}})

    def _note(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self.notes.append(sentence)


def _json(message: dict[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line holds, None where it holds anything else."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):  # not JSON, not UTF-8, or nested without end
        return None
    return message if isinstance(message, dict) else None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_id(value: object) -> TypeGuard[str | int]:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _find_delivery_id(line: bytes) -> str:
    """Find the delivery id of a pushed event without decoding it, empty where that is not certain.

    A quote inside a JSON string is always escaped, so text of a sender cannot hold this key.
    """
    start = line.find(_DELIVERY_ID)
    end = line.find(b'"', start + len(_DELIVERY_ID))
    if start < 0 or end < 0:
        return ""
    found = line[start + len(_DELIVERY_ID) : end]
    return "" if b"\\" in found else found.decode(errors="replace")
