"""Cutting a long text into messages. It is Discord's Markdown, and each part has to be that by itself."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from channeld_workers.graphemes import is_blank, may_cut
from channeld_workers.units import units_before, utf16_len

TEXT_LIMIT: Final = 2000
"""Characters of a message. Whether those are code points or UTF-16 units is told nowhere: units are never fewer."""
LEAST_LIMIT: Final = 100

_WHITE: Final = " \t\n\r"
_CLOSE: Final = "\n```"
_TOKEN: Final = re.compile(
    r"\\[!-/:-@\[-`{-~]"  # an escaped sign
    r"|```(?:(?P<language>[A-Za-z0-9_+#.-]{1,32})\n)?(?P<code>.+?)```"
    r"|(?P<ticks>`{1,2}+).{1,2000}?(?<!`)(?P=ticks)(?!`)"
    r"|<(?:@[!&]?|#|a?:\w{1,32}:|t:|/[^<>\n]{1,100}:|id:)[^<>\s]{1,40}>"  # mentions, emoji, times
    r"|<?\bhttps?://[^\s<>]+>?"
    r"|!?\[[^\[\]\n]{0,1000}\]\([^\s()]{1,2000}(?:[ \t][^()\n]{0,300})?\)",
    re.DOTALL,
)
_STYLED: Final = re.compile(r"(\*\*|__|~~|\|\|)(?=\S)[^\n]{1,2000}?\1")
"""What would come out with its signs if it were cut, and what is hidden would be seen."""

_PARAGRAPH: Final = re.compile(r"\n[ \t]*\n")
_LINE: Final = re.compile(r"\n")
_SENTENCE: Final = re.compile(r"(?<=[.!?…])[)\]\"'»”\u2019*_]*(?=[ \t\n])|(?<=[。\uff01\uff1f])")
_WORD: Final = re.compile(r"[ \t\n]")


class _Block(NamedTuple):
    """A block of code, fences included."""

    start: int
    end: int
    first: int  # where what it holds begins and ends, without white space
    last: int
    opening: str


def split(text: str, limit: int = TEXT_LIMIT) -> list[str]:
    """Return the parts of a text, each of at most ``limit`` UTF-16 units, none of them blank.

    Nothing but white space at the cuts is left out. A block of code that goes on in the next part is closed and opened
    anew in its language. No cut is within what a reader sees as one character, nor within a link, a mention, inline
    code or a styled passage, unless that alone is longer than the limit. Cuts are at the end of a paragraph, line,
    sentence or word in the second half of the room, as far as there is one.

    Raises:
        ValueError: the limit is below 100, which fences and a language do not leave much of.
    """
    if limit < LEAST_LIMIT:
        raise ValueError(f"A part must have room for {LEAST_LIMIT} UTF-16 units.")
    if utf16_len(text) <= limit:
        return [] if is_blank(text) else [text]
    return list(_Cutter(text, limit).parts())


class _Cutter:
    """The work of one ``split``."""

    def __init__(self, text: str, limit: int) -> None:
        self._text = text
        self._limit = limit
        self._units = units_before(text)
        self._blocks: list[_Block] = []
        self._whole = bytearray(len(text) + 1)  # places within what should stay in one piece
        self._fenced = bytearray(len(text) + 1)  # places within a block of code
        self._edge = bytearray(len(text) + 1)  # places within its fences, or between those and what it holds
        for found in _TOKEN.finditer(text):
            if found["code"] is None:
                self._keep_whole(*found.span())
            elif found["code"].strip():
                self._note(found)
        for found in _STYLED.finditer(text):
            start, end = found.span()
            if self._fenced.find(1, start, end + 1) < 0:
                self._keep_whole(start, end)

    def _keep_whole(self, start: int, end: int) -> None:
        if self._units[end] - self._units[start] <= self._limit:
            self._whole[start + 1 : end] = b"\x01" * (end - start - 1)

    def _note(self, found: re.Match[str]) -> None:
        """Note a block of code."""
        (start, end), content = found.span(), found["code"]
        first = found.start("code") + len(content) - len(content.lstrip())
        last = found.start("code") + len(content.rstrip())
        self._blocks.append(_Block(start, end, first, last, f"```{found['language'] or ''}\n"))
        self._fenced[start + 1 : end] = b"\x01" * (end - start - 1)
        self._edge[start + 1 : first + 1] = b"\x01" * (first - start)
        self._edge[last:end] = b"\x01" * (end - last)

    def parts(self) -> Iterator[str]:
        """Yield the parts in order."""
        start = 0
        while start < len(self._text):
            block = self._block(start)
            opening = block.opening if block else ""
            end = self._end(start, self._limit - len(opening))
            closing = _CLOSE if self._block(end) else ""
            text = self._text[start:end]
            if closing or end < len(self._text):
                text = text.rstrip(_WHITE)
            if not is_blank(text):
                yield f"{opening}{text}{closing}"
            start = self._next(end)

    def _block(self, at: int) -> _Block | None:
        """Return the block of code that a place is within."""
        number = bisect_right(self._blocks, at, key=lambda block: block.start) - 1
        if number < 0:
            return None
        block = self._blocks[number]
        return block if block.start < at < block.end else None

    def _next(self, end: int) -> int:
        """Return where the part after a cut begins: at what is indented, in code; else at the next word."""
        text, start, line = self._text, end, end
        while start < len(text) and text[start] in _WHITE and may_cut(text, start + 1):
            start += 1
            if text[start - 1] == "\n":
                line = start
        return line if start < len(text) and self._fenced[start] and self._fenced[line] else start

    def _end(self, start: int, room: int) -> int:
        """Return the best place for the end of the part that begins at ``start``."""
        last = self._reach(start, room)
        if last == len(self._text):
            return last
        if self._fenced.find(1, start, last + 1) >= 0:
            last = self._reach(start, room - len(_CLOSE))
        half = start + (last - start) // 2

        def anywhere(at: int) -> bool:
            return not self._edge[at] and may_cut(self._text, at)

        def outside(at: int) -> bool:
            return not self._whole[at] and anywhere(at)

        def between(at: int) -> bool:
            return not self._fenced[at] and outside(at)

        steps: list[tuple[re.Pattern[str] | None, int, Callable[[int], bool]]] = [
            (_PARAGRAPH, half, between),
            (_LINE, half, between),
            (_PARAGRAPH, half, outside),
            (_LINE, half, outside),
            (_SENTENCE, half, outside),
            (_WORD, start, outside),
            (None, start, outside),
            (_WORD, half, anywhere),
            (None, start, anywhere),
        ]
        for sign, floor, allows in steps:
            at = self._latest(sign, floor, last, allows)
            if at > start:
                return at
        return last  # one character as a reader sees it, longer than a part

    def _reach(self, start: int, room: int) -> int:
        """Return the last place that a part with so much room can reach."""
        return max(start + 1, min(bisect_right(self._units, self._units[start] + room) - 1, len(self._text)))

    def _latest(self, sign: re.Pattern[str] | None, floor: int, last: int, allows: Callable[[int], bool]) -> int:
        """Return the last allowed place after ``floor``, up to ``last``, where there is a sign; or -1."""
        if sign is None:
            return next((at for at in range(last, floor, -1) if allows(at)), -1)
        places = [self._place(found) for found in sign.finditer(self._text, floor + 1, min(last + 3, len(self._text)))]
        return next((at for at in reversed(places) if floor < at <= last and allows(at)), -1)

    @staticmethod
    def _place(found: re.Match[str]) -> int:
        """Return where a cut at a sign is: before white space, and after the end of a sentence."""
        return found.end() if found.re is _SENTENCE else found.start()
