"""What a worker process is given at birth, how it dies with its parent, and where it logs."""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import structlog

from channeld.core.errors import ChanneldError
from channeld.core.ids import WORKER_NAME
from channeld.core.lifecycle import EXIT_BAD_CONFIG, EXIT_BAD_CREDENTIALS

NAME_VARIABLE: Final = "CHANNELD_WORKER"
SOCKET_VARIABLE: Final = "CHANNELD_SOCKET_FD"
TOKEN_VARIABLE: Final = "CHANNELD_TOKEN_FD"  # noqa: S105 - the name of a variable
MAX_TOKEN_BYTES: Final = 64 * 1024
_PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>


class Blocked(ChanneldError):
    """A worker cannot run until a person changes something; it exits with ``exit_code``, and has one try an hour."""

    exit_code = EXIT_BAD_CONFIG


class BadSettings(Blocked):
    """The worker's table of the configuration cannot be used. The sentence says which setting and how to mend it."""

    code = "bad_settings"


class BadCredentials(Blocked):
    """The platform refuses the token, or there is none."""

    code = "bad_credentials"
    exit_code = EXIT_BAD_CREDENTIALS


class Birthright(NamedTuple):
    """What the daemon handed over."""

    worker: str  # its name: the table's name in the configuration
    sock: socket.socket  # its end of the socket pair; an end of file on it means that the daemon is gone
    token: str | None


def take_birthright(environ: MutableMapping[str, str]) -> Birthright:
    """Take the name, the socket and the token out of the environment, so that nothing started from here inherits them.

    Raises:
        BadSettings: a variable is missing or senseless; most likely somebody started the worker by hand.
        BadCredentials: the token is not text.
    """
    worker = environ.pop(NAME_VARIABLE, "")
    link = _descriptor(environ, SOCKET_VARIABLE)
    token_fd = _descriptor(environ, TOKEN_VARIABLE)
    token = None if token_fd is None else _read_token(token_fd)
    if not WORKER_NAME.fullmatch(worker) or link is None:
        raise BadSettings(
            f"A worker is started by the daemon, which sets {NAME_VARIABLE} and {SOCKET_VARIABLE}.",
            hint="Run `channeld run`, or `channeld restart WORKER`.",
        )
    try:
        os.set_inheritable(link, False)
        sock = socket.socket(fileno=link)
    except OSError as error:
        raise BadSettings(f"{SOCKET_VARIABLE} does not name an open socket: {error.strerror}.") from error
    return Birthright(worker, sock, token)


def _descriptor(environ: MutableMapping[str, str], variable: str) -> int | None:
    value = environ.pop(variable, None)
    if value is None:
        return None
    if not value.isascii() or not value.isdecimal() or int(value) <= 2:
        raise BadSettings(f"{variable} must be the number of a descriptor above 2.")
    return int(value)


def _read_token(fd: int) -> str | None:
    """Read a token to the end of the file and close it; None if it is blank."""
    try:
        with os.fdopen(fd, "rb") as pipe:
            raw = pipe.read(MAX_TOKEN_BYTES)
        return raw.decode("ascii").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        # Neither the error nor its context may carry the bytes.
        raise BadCredentials(f"The token cannot be read ({type(error).__name__}).") from None


def die_with_parent(sock: socket.socket) -> None:
    """Ask the kernel to kill this process when the one that started it dies, even while it is stopped.

    Source: prctl(2). The signal comes when the *thread* that forked us ends: the daemon spawns from its main thread.

    Raises:
        ProcessLookupError: the daemon died before the kernel was asked. Its end of the socket pair was closed then,
            and closing comes before the death signal, so one of the two always reaches us.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    try:
        gone = sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        gone = False
    except OSError:
        gone = True
    if gone:
        raise ProcessLookupError("the daemon ended before its worker had started")


def give_back_memory() -> None:
    """Give back to the kernel what importing a platform's library has left unused: some 7 MiB with Telegram's.

    What is there now stays for good, so the collector need not look at it again.
    """
    gc.collect()
    gc.freeze()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)


def configure_log(worker: str, token: str | None) -> Any:
    """Log JSON lines to stderr, dump all stacks there on SIGABRT, and return the bound logger.

    What the platform's libraries log through ``logging`` comes out the same way, from WARNING up: at INFO some of
    them log URLs with the token in them. As a last line of defence the token is struck out of every line.
    """
    faulthandler.enable(file=sys.stderr, all_threads=True)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    render: list[Any] = [structlog.processors.JSONRenderer(), _strike_out(token)]
    structlog.contextvars.bind_contextvars(worker=worker)
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _bind(worker)],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    return structlog.get_logger(worker=worker)


Processor = Callable[[Any, str, Any], Any]


def _bind(worker: str) -> Processor:
    """Return a processor that names the worker: a library's threads do not share our context."""
    return lambda _logger, _method, event: {**event, "worker": worker}


def _strike_out(token: str | None) -> Processor:
    """Return a processor of rendered lines that leaves no token in them."""
    spellings = [token, quote(token, safe="")] if token else []  # in addresses its colon may be spelled otherwise

    def strike(_logger: Any, _method: str, line: Any) -> Any:
        for spelling in spellings:
            line = line.replace(spelling, "[token]")
        return line

    return strike
