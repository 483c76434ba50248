"""Embeds in a few lines: what a bot shows, and what Discord shows of a link.

The words in them are not the sender's: of a link they are whatever its page says. A head in square brackets that they
cannot end is followed by lines that each begin with ``> ``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from channeld_workers.raw import Raw, line, table, tables, words

_MOST: Final = 10
"""Embeds of a message, as Discord has it."""
_TEXT_LIMIT: Final = 1000
_LINES_SHOWN: Final = 12
_FIELDS_SHOWN: Final = 10
_ALL_LIMIT: Final = 4000
"""Characters of all embeds of a message that are shown."""
_LEFT_OUT: Final = "[more in the embeds]"
_ADDRESS_LIMIT: Final = 500
_FORBIDDEN: Final = {ord(sign): f"%{ord(sign):02X}" for sign in '<>[];"`\\'}


def summaries(embeds: object, content: str, resolve: Callable[[str], str]) -> list[str]:
    """Return lines that say what embeds show.

    Args:
        embeds: of a message.
        content: its text; an address that stands there is not repeated.
        resolve: puts names in place of marks.
    """
    lines: list[str] = []
    left = _ALL_LIMIT
    for embed in tables(embeds, _MOST):
        for each in _summary(embed, content, resolve):
            left -= len(each)
            if left < 0:
                return [*lines, _LEFT_OUT]
            lines.append(each)
    return lines


def address(value: object) -> str:
    """Return an address of the web that can stand in a description; empty where there is none."""
    url = words(value, _ADDRESS_LIMIT)
    is_one = url.startswith(("https://", "http://")) and url.isascii() and url.isprintable() and " " not in url
    return url.translate(_FORBIDDEN) if is_one else ""


def _summary(embed: Raw, content: str, resolve: Callable[[str], str]) -> list[str]:
    kind, url = embed.get("type"), address(embed.get("url"))
    written = bool(url) and words(embed.get("url")) in content
    shown = "" if written else url
    if kind == "gifv":
        return [f"[GIF: {shown}]" if shown else "[GIF]"]
    if kind == "image":
        return [f"[picture: {shown}]"] if shown else []
    body = [*_quoted(embed.get("description"), resolve), *_fields(embed, resolve)]
    names = [line(table(embed.get(key)).get("name"), 100) for key in ("provider", "author")]
    head = [*names, line(resolve(words(embed.get("title"), 300)), 300), shown]
    picture = next(
        (found for key in ("image", "thumbnail") if (found := address(table(embed.get(key)).get("url")))), ""
    )
    if not body and not any(head):
        return [f"[embed: {picture}]"] if picture and not written else []
    told = " – ".join(part for part in head if part)
    return [f"[embed: {told}]" if told else "[embed]", *body]


def _quoted(value: object, resolve: Callable[[str], str]) -> list[str]:
    parts = [part.strip() for part in resolve(words(value, _TEXT_LIMIT)).splitlines()]
    parts = [part for part in parts if part]
    is_cut = len(parts) > _LINES_SHOWN or (type(value) is str and len(value) > _TEXT_LIMIT)
    return [f"> {part}" for part in parts[:_LINES_SHOWN]] + (["> …"] if is_cut else [])


def _fields(embed: Raw, resolve: Callable[[str], str]) -> list[str]:
    fields = tables(embed.get("fields"), 25)
    found = [
        ": ".join(part for part in (_flat(field.get("name"), resolve), _flat(field.get("value"), resolve)) if part)
        for field in fields[:_FIELDS_SHOWN]
    ]
    return [f"> {each}" for each in found if each] + (["> …"] if len(fields) > _FIELDS_SHOWN else [])


def _flat(value: object, resolve: Callable[[str], str]) -> str:
    return " ".join(resolve(words(value, 300)).split())
