"""Logging: stable event names with bound fields, as JSON lines in a file and readable on a terminal.

Never message text at INFO, never a secret.
"""

from __future__ import annotations

import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import structlog

_ROTATE_BYTES: Final = 10 * 1024 * 1024
_KEPT_FILES: Final = 3
_PRIORITIES: Final = (
    (logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7),
)  # fmt: skip
"""Of syslog(3), by the lowest level that has them."""


def configure(level: str, file: Path) -> None:
    """Send the log to a rotated file, and to stderr where a person or the journal reads it."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    to_file = RotatingFileHandler(file, maxBytes=_ROTATE_BYTES, backupCount=_KEPT_FILES, encoding="utf-8")
    file.chmod(0o600)
    to_file.setFormatter(_formatter(shared, structlog.processors.JSONRenderer()))
    handlers: list[logging.Handler] = [to_file]
    if sys.stderr.isatty():
        to_terminal = logging.StreamHandler()
        to_terminal.setFormatter(_formatter(shared, structlog.dev.ConsoleRenderer()))
        handlers.append(to_terminal)
    elif _is_journal(sys.stderr.fileno()):
        to_journal = logging.StreamHandler()
        to_journal.setFormatter(_formatter(shared, _render_for_journal))
        handlers.append(to_journal)
    logging.raiseExceptions = False  # a full disk takes no log line either; saying so for every line would not help
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    # The MCP library logs what peers send at these levels; ours says what matters.
    logging.getLogger("mcp").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )


def _is_journal(descriptor: int) -> bool:
    """Tell whether a descriptor leads to systemd's journal, which says itself which it made; see systemd.exec(5)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    at = os.fstat(descriptor)
    return (device, inode) == (str(at.st_dev), str(at.st_ino))


def _render_for_journal(logger: Any, name: str, entry: structlog.typing.EventDict) -> str:
    """Return an entry as JSON behind its priority, which the journal takes off; see sd-daemon(3)."""
    level = logging.getLevelNamesMapping().get(str(entry.get("level", "")).upper(), logging.INFO)
    priority = next(number for lowest, number in _PRIORITIES if level >= lowest)
    return f"<{priority}>{structlog.processors.JSONRenderer()(logger, name, entry)!s}"


def _formatter(
    shared: list[structlog.typing.Processor], renderer: structlog.typing.Processor
) -> structlog.stdlib.ProcessorFormatter:
    """Return a formatter for our entries and, after the shared steps, for those of libraries."""
    meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[meta, renderer])
