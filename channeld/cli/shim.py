"""``channeld mcp``: the MCP server that Claude Code spawns, a thin pipe to the daemon that outlives it.

Claude Code never connects again to a server that ended: this process ends with its standard input and not before. It
is one poll loop around a state machine (shim_bridge) and imports little, because a session's start waits for it. It can
also be run as a file: ``python -I -S shim.py``.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time

if not __package__:  # run as a file, perhaps with -I: nothing of ours is on the path
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

import channeld
from channeld.cli import shim_bridge, shim_host, shim_start

TYPE_CHECKING = False  # what `typing` would say, without the 6 ms that importing it takes
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Final

HELP: Final = """\
Usage: channeld mcp [--name NAME] [--listening auto|yes|no] [--plugin]
                    [--no-start]

The MCP server that Claude Code spawns: connects this session to the daemon,
and starts the daemon if it is not running.

Options:
  --name NAME                 Name of the session [default: CHANNELD_SESSION,
                              else the folder's name]
  --listening auto|yes|no     Whether channel events reach Claude; auto reads
                              the flags of the claude process above [auto]
  --plugin                    The Claude Code plugin started it: its channel
                              has another name in those flags
  --no-start                  Wait for a daemon, never start one
  -h, --help                  Show this message and exit.

Example, in .mcp.json of a project:
  {"mcpServers": {"channeld": {"command": "channeld", "args": ["mcp"]}}}
then:
  claude --dangerously-load-development-channels server:channeld
"""

_SWITCHES: Final = {"-h": "help", "--help": "help", "--no-start": "no-start", "--plugin": "plugin"}

MAX_LINE_BYTES: Final = 16 * 1024 * 1024
_CHUNK_BYTES: Final = 64 * 1024
_HIGH_WATER_BYTES: Final = 1024 * 1024  # unwritten bytes at which the other side is no longer read
_BACKOFF_S: Final = (0.02, 1.0)  # first and longest wait between two attempts to connect
_START_EVERY_S: Final = 10.0
_REFUSED_S: Final = 5.0  # between two attempts where the daemon is of another version
_START_GRACE_S: Final = 1.0  # after a lost connection: a daemon that restarts comes back by itself
_FLUSH_S: Final = 2.0


class LineCutter:
    """Cuts a byte stream into lines; what is longer than ``limit`` bytes is skipped up to its newline and counted."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self.oversized = 0
        self._limit = limit
        self._rest = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read and return the lines that it completes, without newlines; empty ones are left out."""
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and (self._rest or self._skipping):
            lines[0] = b"" if self._skipping else bytes(self._rest + lines[0])
            self.reset()
        if not self._skipping:
            self._rest += rest
            if len(self._rest) > self._limit:
                self.reset()
                self._skipping = True
                self.oversized += 1
        self.oversized += sum(len(line) > self._limit for line in lines)
        return [line for line in lines if 0 < len(line) <= self._limit]

    def reset(self) -> None:
        """Forget the line that has begun."""
        self._rest.clear()
        self._skipping = False


class Shim:
    """The poll loop: moves bytes between standard input, standard output, the daemon's socket and the bridge.

    Args:
        bridge: decides what becomes of each line.
        places: where the daemon listens and the handshake is cached.
        start_daemon: starts a missing daemon, may raise OSError; None: wait for one.
    """

    def __init__(
        self, bridge: shim_bridge.Bridge, places: shim_host.Places, start_daemon: Callable[[], None] | None
    ) -> None:
        self._bridge = bridge
        self._places = places
        self._start_daemon = start_daemon
        self._start_at = 0.0
        self._socket: socket.socket | None = None
        self._connect_at = 0.0
        self._backoff_s = _BACKOFF_S[0]
        self._from_claude = LineCutter()
        self._from_daemon = LineCutter()
        self._stdin_open = True
        self._stdout_open = True
        self._flush_until = 0.0
        self._said: set[str] = set()

    def run(self) -> int:
        """Serve until standard input ends or nobody reads standard output; return the exit status."""
        while self._goes_on(now := time.monotonic()):
            if self._socket is None and now >= self._connect_at:
                self._connect(now)
            self._bridge.tick(now)
            self._write()
            for fd, events in self._poll(now):
                if fd == 0:
                    self._read_claude()
                elif fd != 1 and events & ~select.POLLOUT:
                    self._read_daemon(to_the_end=bool(events & (select.POLLHUP | select.POLLERR)))
            if self._bridge.hang_up:
                self._disconnect()
            self._save_and_say()
            self._write()
        return 0

    def _goes_on(self, now: float) -> bool:
        """Tell whether to stay: after standard input has ended only for what can still be handed over."""
        if not self._stdout_open:
            return False
        if self._stdin_open:
            return True
        self._flush_until = self._flush_until or now + _FLUSH_S
        return now < self._flush_until and bool(self._bridge.to_claude or self._bridge.owes_daemon)

    def _poll(self, now: float) -> list[tuple[int, int]]:
        """Wait until something can be read or written, or is due."""
        poll = select.poll()
        if self._stdin_open and len(self._bridge.to_daemon) < _HIGH_WATER_BYTES:
            poll.register(0, select.POLLIN)
        if self._bridge.to_claude:
            poll.register(1, select.POLLOUT)
        due = [at for at in (self._bridge.deadline(), self._flush_until) if at]
        if self._socket is None:
            due.append(self._connect_at)
        else:
            reads = select.POLLIN if len(self._bridge.to_claude) < _HIGH_WATER_BYTES else 0
            writes = select.POLLOUT if self._bridge.to_daemon else 0
            poll.register(self._socket, reads | writes)  # its end is reported without either
        return poll.poll(max(0.0, min(due) - now) * 1000 + 1 if due else None)

    # -- Claude's side

    def _read_claude(self) -> None:
        try:
            data = os.read(0, _CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:  # a reset is an end of file
            data = b""
        self._stdin_open = bool(data)
        now = time.monotonic()
        for line in self._from_claude.feed(data):
            self._bridge.from_claude(line, now)

    def _write(self) -> None:
        """Write what can be written now, to both sides."""
        try:
            while self._bridge.to_claude:
                del self._bridge.to_claude[: os.write(1, self._bridge.to_claude)]
        except BlockingIOError:
            pass
        except OSError:
            self._stdout_open = False
        try:
            while self._socket is not None and self._bridge.to_daemon:
                del self._bridge.to_daemon[: self._socket.send(self._bridge.to_daemon)]
        except BlockingIOError:
            pass
        except OSError:
            self._read_daemon(to_the_end=True)

    # -- the daemon's side

    def _connect(self, now: float) -> None:
        self._connect_at = now + self._backoff_s
        self._backoff_s = min(self._backoff_s * 2, _BACKOFF_S[1])
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.connect(self._places.session_socket)
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)  # pid, uid, gid
        except OSError as error:
            connection.close()
            if isinstance(error, FileNotFoundError | ConnectionRefusedError):
                self._start(now)
            elif not isinstance(error, BlockingIOError):  # its backlog is full
                self._say(f"cannot connect to the daemon: {error}")
            return
        if int.from_bytes(credentials[4:8], sys.byteorder) != os.getuid():
            connection.close()
            self._say("the session socket belongs to another user: refused")
            return
        self._socket = connection
        self._bridge.connected(now)

    def _start(self, now: float) -> None:
        if self._start_daemon is None or now < self._start_at:
            return
        self._start_at = now + _START_EVERY_S
        try:
            self._start_daemon()
        except OSError as error:
            self._say(f"cannot start the daemon: {error}")

    def _read_daemon(self, *, to_the_end: bool = False) -> None:
        """Read once, or what is left of a connection that can no longer be written to."""
        while self._socket is not None:
            try:
                data = self._socket.recv(_CHUNK_BYTES)
            except BlockingIOError:
                if to_the_end:
                    self._disconnect()
                return
            except OSError:  # a reset is an end of file
                data = b""
            if not data:
                self._disconnect()
                return
            for line in self._from_daemon.feed(data):
                self._bridge.from_daemon(line)
                self._backoff_s = _REFUSED_S if self._bridge.refusal else _BACKOFF_S[0]  # one that speaks is well
            if not to_the_end:
                return

    def _disconnect(self) -> None:
        now = time.monotonic()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._from_daemon.reset()
        self._connect_at = now + self._backoff_s
        self._start_at = max(self._start_at, now + _START_GRACE_S)
        self._bridge.disconnected(now)

    # -- the rest

    def _save_and_say(self) -> None:
        if self._bridge.learned is not None:
            answers, self._bridge.learned = self._bridge.learned, None
            try:
                shim_host.save_handshake(self._places.cache, answers)
            except OSError as error:
                self._say(f"cannot cache the handshake: {error.strerror}")
        if self._from_claude.oversized or self._from_daemon.oversized:
            self._say(f"a line longer than {MAX_LINE_BYTES} bytes was left out")
        while self._bridge.notes:
            self._say(self._bridge.notes.pop())

    def _say(self, sentence: str) -> None:
        """Write a line to standard error, each once: never what a message says, never a secret."""
        if sentence not in self._said:
            self._said.add(sentence)
            try:
                os.write(2, f"channeld mcp: {sentence}\n".encode())
            except OSError:
                pass


class UsageError(Exception):
    """The command line cannot be understood."""


def parse_options(argv: Sequence[str]) -> dict[str, str]:
    """Return the options ``name``, ``listening`` and, if given, ``plugin``, ``no-start`` and ``help``.

    Raises:
        UsageError: an option is unknown, lacks its value or has a wrong one.
    """
    options = {"name": "", "listening": "auto"}
    words = iter(argv)
    for word in words:
        flag, equals, value = word.partition("=")
        if word in _SWITCHES:
            options[_SWITCHES[word]] = "yes"
        elif flag in ("--name", "--listening"):
            given = value if equals else next(words, "")
            if not given or (flag == "--listening" and given not in ("auto", "yes", "no")):
                raise UsageError(f"{flag} needs a value" + ("" if flag == "--name" else ": auto, yes or no"))
            options[flag[2:]] = given
        else:
            raise UsageError(f"no such option or argument: {word}")
    return options


def main(argv: Sequence[str]) -> int:
    """Run ``channeld mcp`` with the words after it; return the exit status."""
    try:
        options = parse_options(argv)
    except UsageError as error:
        os.write(2, f"Error: {error}\nTry: channeld mcp --help\n".encode(errors="replace"))
        return 2
    if "help" in options:
        os.write(1, HELP.encode())
        return 0
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is Claude's to interpret
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    started = time.monotonic()
    try:
        project = os.getcwd()
    except OSError:  # the folder is gone
        project = ""
    os.chdir("/")  # keep no folder busy
    os.umask(0o077)
    environ = os.environ
    places = shim_host.Places(environ, project, channeld.__version__)

    def start_daemon() -> None:
        if os.path.exists(places.stopped):
            return  # `channeld stop` was meant: a session must not undo it
        # The unit serves the user's own channeld; an instance under CHANNELD_HOME is started by hand or by us.
        unit_installed = not environ.get("CHANNELD_HOME") and os.path.exists(places.unit)
        shim_start.spawn_detached(
            shim_start.start_command(unit_installed=unit_installed),
            shim_start.clean_environment(environ, project),
            places.error_log,
        )

    bridge = shim_bridge.Bridge(
        shim_host.describe_session(
            options["name"] or environ.get("CHANNELD_SESSION", ""),
            options["listening"],
            project,
            channeld.__version__,
            plugin="plugin" in options,
        ),
        started,
        lambda: shim_host.load_handshake(places.cache),
        call_deadline_s=float(environ.get("CHANNELD_TEST_CALL_DEADLINE_S", shim_bridge.CALL_DEADLINE_S)),
        handshake_deadline_s=float(environ.get("CHANNELD_TEST_HANDSHAKE_DEADLINE_S", shim_bridge.HANDSHAKE_DEADLINE_S)),
    )
    no_start = "no-start" in options or environ.get("CHANNELD_NO_START") == "1"
    blocking = [(fd, os.get_blocking(fd)) for fd in (0, 1)]
    try:
        for fd, _ in blocking:
            os.set_blocking(fd, False)
        return Shim(bridge, places, None if no_start else start_daemon).run()
    finally:
        for fd, was in blocking:  # a terminal is shared with the shell
            os.set_blocking(fd, was)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
