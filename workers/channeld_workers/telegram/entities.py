"""Entities of a text: what part of it is a mention, a command or a link.

Offsets count UTF-16 units (https://core.telegram.org/bots/api#messageentity), and may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from channeld_workers.raw import Raw, integer, tables, words

_URL_LIMIT: Final = 2048
_UNSHOWN: Final = re.compile(r"^https?://|/$", re.IGNORECASE)
"""What Telegram adds to a link that was typed without it."""


class Entity(NamedTuple):
    """A part of a text with a meaning of its own."""

    kind: str
    text: str
    end: int  # where it ends, in characters
    raw: Raw


def entities(message: Raw, text: str) -> Iterator[Entity]:
    """Yield the entities of a message's text or caption, those that lie within it."""
    found = message.get("entities") if "text" in message else message.get("caption_entities")
    if not found:
        return
    units = None if text.isascii() else text.encode("utf-16-le", "surrogatepass")
    for raw in tables(found):
        kind, start, length = raw.get("type"), integer(raw.get("offset")), integer(raw.get("length"))
        if type(kind) is not str or start is None or length is None or start < 0 or length <= 0:
            continue
        end = start + length
        if units is not None:
            if end * 2 > len(units):
                continue
            start, end = (len(units[: 2 * place].decode("utf-16-le", "ignore")) for place in (start, end))
        if end <= len(text):
            yield Entity(kind, text[start:end], end, raw)


def with_links(message: Raw, text: str) -> str:
    """Return the text with the address of every link in parentheses behind it that does not show it itself."""
    links = [(entity.end, _address(entity)) for entity in entities(message, text) if entity.kind == "text_link"]
    for end, address in sorted(links, reverse=True):
        if address:
            text = f"{text[:end]} ({address}){text[end:]}"
    return text


def _address(entity: Entity) -> str:
    """Return where a link leads, empty if it shows that."""
    address = "".join(words(entity.raw.get("url"), _URL_LIMIT).split())
    return "" if _plain(address) == _plain(entity.text) else address


def _plain(address: str) -> str:
    return _UNSHOWN.sub("", address.strip()).casefold()
