"""The words of a rich message: headings, paragraphs, lists and tables, as plain lines.

It stands where other messages have their text (https://core.telegram.org/bots/api#richmessage). Its media are left out.
"""

from __future__ import annotations

from typing import Final

from channeld_workers.raw import words

_MOST_PARTS: Final = 5000
"""Parts that are looked at: blocks, styled words, cells."""
_LONGEST: Final = 100_000
"""Characters after which no more are taken."""
_INLINE: Final = ("label", "text", "expression", "alternative_text")
_BLOCKS: Final = ("summary", "blocks", "items", "cells", "caption", "credit")
_SEVERAL: Final = frozenset({"blocks", "items", "cells"})
_MOST_ROW: Final = 100
_BREAK: Final = object()


def plain(message: object) -> str:
    """Return the words of a rich message, a line for each block, list item and row. It may be of any depth."""
    parts: list[str] = []
    length = 0
    waiting: list[object] = [message]
    for _ in range(_MOST_PARTS):
        if not waiting or length > _LONGEST:
            break
        value = waiting.pop()
        if value is _BREAK:
            parts.append("\n")
        elif type(value) is str:
            parts.append(words(value))
            length += len(parts[-1])
        elif type(value) is list:
            waiting += reversed(value[:_MOST_PARTS])
        elif type(value) is dict:
            inner: list[object] = [value[key] for key in _INLINE if key in value]
            for key in _BLOCKS:
                if key in value:
                    inner += _lines(value[key], key)
            waiting += reversed(inner)
    lines = (line.rstrip() for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _lines(value: object, key: str) -> list[object]:
    """Return what stands under a key, with a break before each of its lines."""
    if type(value) is not list or key not in _SEVERAL:
        return [_BREAK, value]
    found: list[object] = []
    for each in value[:_MOST_PARTS]:
        found.append(_BREAK)
        if key == "cells" and type(each) is list:  # a row
            found += [part for cell in each[:_MOST_ROW] for part in (cell, "\t")]
        else:
            found.append(each)
    return found
