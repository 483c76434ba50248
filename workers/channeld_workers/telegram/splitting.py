"""Cutting a long text into messages."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, Literal

from channeld_workers.graphemes import is_blank, may_cut
from channeld_workers.telegram.spans import (
    FENCED,
    MOST_ENTITIES,
    WHITE,
    Piece,
    Span,
    to_piece,
    to_spans,
    trimmed,
)
from channeld_workers.units import units_before

TEXT_LIMIT: Final = 4096
"""UTF-16 units of a message, after entity parsing (https://core.telegram.org/bots/api#sendmessage)."""

Mode = Literal["newline", "length"]

_PARAGRAPH: Final = re.compile(r"\r?\n[ \t\r]*\n")
_LINE: Final = re.compile(r"\r?\n")
_SENTENCE: Final = re.compile(r"(?<=[.!?…])[)\]\"'»”\u2019]*(?=[ \t\r\n])|(?<=[。\uff01\uff1f])")
_WORD: Final = re.compile(r"[ \t\r\n]")


def split(piece: Piece, limit: int = TEXT_LIMIT, mode: Mode = "newline") -> list[Piece]:
    """Return the parts of a piece, each of at most ``limit`` UTF-16 units and 100 entities, none of them blank.

    Nothing but white space at the cuts is left out (and runs of characters that do not show, if they fill a part). No
    cut is within what a reader sees as one character, unless that alone is longer than the limit. Code blocks and
    quotes that go on in the next part are closed and opened anew; another entity is cut only if it is too long itself.
    A text with more than 100 entities, of which Telegram would ignore the rest, makes more parts.

    ``newline`` looks for the end of a paragraph, line, sentence or word in the second half of the room; ``length``
    fills each part as far as words go.

    Raises:
        ValueError: the limit is below 2, which not every character fits into.
    """
    if limit < 2:
        raise ValueError("A part must have room for two UTF-16 units.")
    spans = to_spans(piece)
    units = units_before(piece.text)
    if units[-1] <= limit and len(spans) <= MOST_ENTITIES:
        return [] if is_blank(piece.text) else [piece]
    return list(_Cutter(piece.text, spans, units, limit, mode).parts())


class _Cutter:
    """The work of one ``split``."""

    def __init__(self, text: str, spans: list[Span], units: list[int] | range, limit: int, mode: Mode) -> None:
        self._text = text
        self._spans = sorted(spans, key=lambda span: (span.start, -span.end))
        self._units = units
        self._limit = limit
        self._mode = mode
        self._whole = bytearray(len(text) + 1)  # places within an entity that would fit into one part
        self._fenced = bytearray(len(text) + 1)  # places within a code block or a quote
        self._raw = bytearray(len(text) + 1)  # places within a code block
        for span in self._spans:
            inside = slice(span.start + 1, span.end)
            ones = b"\x01" * (span.end - span.start - 1)
            if span.kind in FENCED and span.kind != "code":
                self._fenced[inside] = ones
            elif units[span.end] - units[span.start] <= limit:
                self._whole[inside] = ones
            if span.kind == "pre":
                self._raw[inside] = ones

    def parts(self) -> Iterator[Piece]:
        """Yield the parts in order."""
        start, first = 0, 0
        while start < len(self._text):
            while first < len(self._spans) and self._spans[first].end <= start:
                first += 1
            end = self._end(start, first)
            part = self._part(start, end, first)
            if part is not None:
                yield part
            start = self._next(end)

    def _part(self, start: int, end: int, first: int) -> Piece | None:
        """Return what is between two places, or None if nothing of it shows."""
        if end < len(self._text):
            while end > start and self._text[end - 1] in WHITE:
                end -= 1
        text = self._text[start:end]
        if is_blank(text):
            return None
        spans = []
        for span in islice(self._spans, first, None):
            if span.start >= end:
                break
            if span.end > start and (part := trimmed(self._text, span, start, end)):
                spans.append(part._replace(start=part.start - start, end=part.end - start))
        return to_piece(text, spans)

    def _next(self, end: int) -> int:
        """Return where the part after a cut begins: at what is indented, in code; else at the next word."""
        text, start, line = self._text, end, end
        while start < len(text) and text[start] in WHITE and may_cut(text, start + 1):
            start += 1
            if text[start - 1] == "\n":
                line = start
        return line if start < len(text) and self._raw[start] else start

    def _end(self, start: int, first: int) -> int:
        """Return the best place for the end of the part that begins at ``start``."""
        last = min(bisect_right(self._units, self._units[start] + self._limit) - 1, len(self._text))
        reaching = (span.start for span in islice(self._spans, first, None) if span.end > start)
        last = min(last, next(islice(reaching, MOST_ENTITIES, None), last))
        if last == len(self._text):
            return last
        half = start + (last - start) // 2

        def anywhere(at: int) -> bool:
            return may_cut(self._text, at)

        def outside(at: int) -> bool:
            return not self._whole[at] and anywhere(at)

        def between(at: int) -> bool:
            return not self._fenced[at] and outside(at)

        steps: list[tuple[re.Pattern[str] | None, int, Callable[[int], bool]]] = [
            (_WORD, start, outside),
            (None, start, outside),
            (_WORD, half, anywhere),
            (None, start, anywhere),
        ]
        if self._mode == "newline":
            steps[:0] = [
                (_PARAGRAPH, half, between),
                (_LINE, half, between),
                (_PARAGRAPH, half, outside),
                (_LINE, half, outside),
                (_SENTENCE, half, outside),
            ]
        for sign, floor, allows in steps:
            at = self._latest(sign, floor, last, allows)
            if at > start:
                return at
        return last  # one character as a reader sees it, longer than a part

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
