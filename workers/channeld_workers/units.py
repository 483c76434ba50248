"""UTF-16 units, in which platforms count, and text that can be written as UTF-8."""

from __future__ import annotations

from itertools import accumulate


def utf16_len(text: str) -> int:
    """Return the length in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def units_before(text: str) -> list[int] | range:
    """Return, for every place in the text and its end, how many UTF-16 units are before it."""
    if text.isascii() or max(text) < "\U00010000":
        return range(len(text) + 1)
    return [0, *accumulate(2 if char > "\uffff" else 1 for char in text)]


def whole(text: str) -> str:
    """Return text that can be written as UTF-8: pairs of surrogates joined, halves of them replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
