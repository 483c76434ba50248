"""A line of a log file for people."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final, NamedTuple

import click

from channeld.cli.render.layout import cut, plain

_COLOURS: Final = {"debug": "bright_black", "warning": "yellow", "error": "red", "critical": "red"}
_MOST_OF_A_FACT: Final = 160
_MOST_OF_A_NAME: Final = 9
_TOLD_APART: Final = frozenset({"timestamp", "level", "event", "exception"})


class Entry(NamedTuple):
    """One line of a log file."""

    source: str  # channeld, or a worker's name
    raw: str  # without the line break
    fields: dict[str, Any] | None  # None: the line is no JSON object, as what a library writes to stderr
    at: float | None  # unix seconds; None: it does not say


def parse(raw: str, source: str) -> Entry:
    """Return a line of a log file, taken apart as far as it goes."""
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return Entry(source, raw, None, None)
    try:
        at = datetime.fromisoformat(str(fields.get("timestamp"))).timestamp()
    except (ValueError, OverflowError):
        at = None
    return Entry(source, raw, fields, at)


def entry_lines(entry: Entry) -> list[str]:
    """Return an entry as a line, a traceback below it indented."""
    if entry.fields is None:
        return [click.style(f"    {plain(entry.raw)}", dim=True)]
    # A worker's own log need not name it in every line.
    hidden = _TOLD_APART | ({"worker"} if entry.source != "channeld" else set())
    facts = "  ".join(
        f"{plain(key)}={_fact(value)}"
        for key, value in entry.fields.items()
        if key not in hidden and value not in ("", None)
    )
    when = datetime.fromtimestamp(entry.at).astimezone().strftime("%m-%d %H:%M:%S") if entry.at is not None else "?"
    level = plain(entry.fields.get("level", ""))
    event = plain(entry.fields.get("event", "")).replace("_", " ")
    shown = click.style(f"{level:<7}", fg=_COLOURS.get(level))
    line = f"{click.style(f'{when:<14}', dim=True)} {shown} {plain(entry.source):<{_MOST_OF_A_NAME}} {event}"
    trace = str(entry.fields.get("exception") or "").splitlines()
    return [line + (click.style(f"  {facts}", dim=True) if facts else ""), *(f"    {plain(each)}" for each in trace)]


def _fact(value: object) -> str:
    text = plain(value)
    text = text if text and " " not in text else f'"{text}"'
    return cut(text, _MOST_OF_A_FACT)
