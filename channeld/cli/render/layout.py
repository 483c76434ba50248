"""Fits text to a terminal: harmless, and as many cells wide as there are."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import click

_WORD: Final = re.compile(r"(?<=: )(?:claude|channeld) .+$|(?:`[^`]*`|\S)+")
"""A word, or a command to be copied, which is never broken: in backticks, or after a colon to the end."""
_COMMAND: Final = re.compile(r"`[^`]+`|^ *(?:claude|channeld) .+$|(?<=: )(?:claude|channeld) .+$")
"""The same on a line that is wrapped already."""
_DEEP: Final = 4
_JOINERS: Final = "\u200c\u200d"
"""Without width and harmless; many scripts and emoji need them."""


def plain(text: object) -> str:
    """Return text on one line that cannot move the cursor or recolour the terminal: senders wrote some of it."""
    return "".join(c if c.isprintable() or c in _JOINERS else "·" for c in str(text).replace("\n", " "))


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - its tables take time to load, and most text needs none

    return cell_len(text)


def cut(text: str, width: int | None) -> str:
    """Return text of at most so many columns, with ``…`` where it was cut; None: as it is."""
    if width is None or (len(text) <= width and cells(text) <= width):
        return text
    kept = text[: max(0, width - 1)]
    while cells(kept) > width - 1:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def pad(text: str, width: int) -> str:
    """Return text filled up with blanks to so many columns."""
    return text + " " * (width - cells(text))


def wrap(text: str, width: int, first: str = "", hang: int | None = None) -> list[str]:
    """Return text of our own as lines of at most ``width`` columns, except for a command or a word that is longer.

    Args:
        text: one paragraph, harmless already.
        width: columns of the terminal.
        first: what the first line begins with.
        hang: blanks before the other lines; None: as wide as ``first``.
    """
    hang = cells(first) if hang is None else hang
    lines, line, begun = [], first, False
    for word in _WORD.findall(text):
        if begun and cells(line) + 1 + cells(word) > width:
            lines.append(line)
            room = width - cells(word)
            line, begun = " " * (hang if hang <= room else _DEEP if room >= _DEEP else 0), False
        line = f"{line} {word}" if begun else line + word
        begun = True
    return [*lines, line.rstrip()]


def wrap_hard(text: str, width: int, first: str = "") -> list[str]:
    """Return text of a sender as lines of at most ``width`` columns: nothing in it can make a terminal begin a line.

    Args:
        text: one paragraph, harmless already.
        width: columns of the terminal.
        first: what the first line begins with; the others begin with as many blanks.
    """
    hang = cells(first)
    lines, line, begun = [], first, False
    for word in text.split():
        for number, piece in enumerate(_pieces(word, max(2, width - hang))):
            if begun and (number or cells(line) + 1 + cells(piece) > width):
                lines.append(line)
                line, begun = " " * hang, False
            line = f"{line} {piece}" if begun else line + piece
            begun = True
    return [*lines, line.rstrip()]


def _pieces(word: str, room: int) -> list[str]:
    """Return a word in pieces of at most so many columns."""
    if cells(word) <= room:
        return [word]
    pieces = [""]
    for character in word:
        if cells(pieces[-1] + character) > room:
            pieces.append("")
        pieces[-1] += character
    return pieces


def with_commands(line: str) -> str:
    """Return a line in which the commands stand out."""
    return _COMMAND.sub(lambda command: click.style(command[0], bold=True), line)


def advice(hint: str, width: int, indent: int = 0) -> list[str]:
    """Return what to do as ``Try: …``; a hint that is nothing but a command stands without backticks."""
    if not hint:
        return []
    told = plain(hint)
    alone = re.fullmatch(r"`[^`]+`", told)
    lines = wrap(told[1:-1] if alone else told, width, " " * indent + "Try: ")
    if alone:
        return [click.style(line, bold=True) for line in lines]
    return [with_commands(line) for line in lines]


def count(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 message``, ``2 messages``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def age(seconds: float) -> str:
    """Return a duration in the largest whole unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def size(number: int) -> str:
    """Return bytes in the largest unit."""
    for unit, step in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= step:
            return f"{number / step:.1f} {unit}"
    return count(number, "byte")


def moment(ts: float, now: float) -> str:
    """Return a time of day of the local time zone, with the date unless that is today's.

    Args:
        ts: unix seconds.
        now: unix seconds.
    """
    there, here = (datetime.fromtimestamp(at).astimezone() for at in (ts, now))
    if there.date() == here.date():
        return there.strftime("%H:%M")
    return there.strftime("%m-%d %H:%M" if there.year == here.year else "%Y-%m-%d")
