"""Formatted text: pieces as the Bot API takes them, and spans, which are easier to work with.

The rules are those of https://core.telegram.org/bots/api#formatting-options: of two entities with common characters one
contains the other; ``pre`` and ``code`` contain nothing and are part of nothing but a quote; quotes and links do not
nest. At most 100 entities count.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from channeld_workers.units import units_before

MOST_ENTITIES: Final = 100
"""Entities of a message that Telegram looks at."""
WHITE: Final = " \t\n\r"
"""What may be dropped at a cut. Telegram trims it from the ends of a message."""

QUOTES: Final = frozenset({"blockquote", "expandable_blockquote"})
CODE: Final = frozenset({"pre", "code"})
FENCED: Final = QUOTES | CODE
"""What may end with one part and begin anew with the next."""
STYLES: Final = frozenset({"bold", "italic", "underline", "strikethrough", "spoiler"})
_SOLID: Final = CODE | {"text_link"}
_ORDER: Final = ("blockquote", "expandable_blockquote", "text_link", "pre", "code", *sorted(STYLES))
_RANK: Final = {kind: rank for rank, kind in enumerate(_ORDER)}


class Piece(NamedTuple):
    """A text with its formatting."""

    text: str
    entities: list[dict[str, Any]]  # the Bot API's MessageEntity; offset and length are in UTF-16 units


class Span(NamedTuple):
    """An entity whose place is given in characters of Python."""

    start: int
    end: int
    kind: str
    extra: dict[str, Any]  # url, language


def to_piece(text: str, spans: Iterable[Span]) -> Piece:
    """Return the piece of a text and its spans."""
    units = units_before(text)
    return Piece(
        text,
        [
            {"type": kind, "offset": units[start], "length": units[end] - units[start], **extra}
            for start, end, kind, extra in spans
        ],
    )


def to_spans(piece: Piece) -> list[Span]:
    """Return the spans of a piece. What does not lie within the text is left out, half a character is made whole."""
    units = units_before(piece.text)
    spans = []
    for entity in piece.entities:
        offset, length = entity["offset"], entity["length"]
        if offset < 0 or length <= 0 or offset + length > units[-1]:
            continue
        extra = {key: value for key, value in entity.items() if key not in {"type", "offset", "length"}}
        start, end = bisect_right(units, offset) - 1, bisect_left(units, offset + length)
        spans.append(Span(start, end, entity["type"], extra))
    return spans


def trimmed(text: str, span: Span, first: int = 0, last: int | None = None) -> Span | None:
    """Return the part of a span between two places, without the white space at its ends; None if nothing is left.

    Code and quotes keep what the first line is indented by.
    """
    start, end = max(span.start, first), span.end if last is None else min(span.end, last)
    dropped = "\n\r" if span.kind in FENCED else WHITE
    while start < end and text[start] in dropped:
        start += 1
    while start < end and text[end - 1] in WHITE:
        end -= 1
    if start >= end:
        return None
    return span if (start, end) == (span.start, span.end) else span._replace(start=start, end=end)


def settle(text: str, spans: Iterable[Span]) -> list[Span]:
    """Return the spans as Telegram allows them, in order: trimmed, and nested where they are not apart.

    Where two cannot both be, the container wins, and a link before the code that is its text; of two of a kind at the
    same place the later one, as the library closes containers last. A style that crosses something is cut in two, and
    one around code stops at the code.
    """
    found = [part for span in reversed(list(spans)) if (part := trimmed(text, span))]
    quotes = _apart(span for span in found if span.kind in QUOTES)
    solid = [
        span for span in _apart(span for span in found if span.kind in _SOLID) if _cut_at_edges(span, quotes) == [span]
    ]
    code = [span for span in solid if span.kind in CODE]
    styles = [
        part
        for kind in STYLES
        for whole in _united(span for span in found if span.kind == kind)
        for outside in _without(whole, code)
        for within in _cut_at_edges(outside, quotes)
        for piece in _cut_at_edges(within, solid)
        if (part := trimmed(text, piece))
    ]
    return list(_nested(text, [*quotes, *solid, *styles]))


def _key(span: Span) -> tuple[int, int, int]:
    return (span.start, -span.end, _RANK[span.kind])


def _apart(spans: Iterable[Span]) -> list[Span]:
    """Return the spans without those that overlap an earlier or containing one."""
    kept: list[Span] = []
    for span in sorted(spans, key=_key):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def _united(spans: Iterable[Span]) -> list[Span]:
    """Return spans of one kind, those that overlap made into one."""
    kept: list[Span] = []
    for span in sorted(spans, key=_key):
        if kept and span.start < kept[-1].end:
            kept[-1] = kept[-1]._replace(end=max(span.end, kept[-1].end))
        else:
            kept.append(span)
    return kept


def _without(span: Span, holes: list[Span]) -> Iterator[Span]:
    """Yield what is left of a span outside the holes, which are in order and apart."""
    start = span.start
    for hole in holes[bisect_right(holes, span.start, key=lambda hole: hole.end) :]:
        if hole.start >= span.end:
            break
        if start < hole.start:
            yield span._replace(start=start, end=hole.start)
        start = max(start, hole.end)
    if start < span.end:
        yield span._replace(start=start)


def _cut_at_edges(span: Span, others: list[Span]) -> list[Span]:
    """Return the parts of a span, cut where one of the others crosses it. They are in order and apart."""
    cuts = [span.start]
    at = bisect_right(others, span.start, key=lambda other: other.start) - 1
    if at >= 0 and others[at].start < span.start < others[at].end < span.end:
        cuts.append(others[at].end)
    at = bisect_left(others, span.end, key=lambda other: other.start) - 1
    if at >= 0 and span.start < others[at].start < span.end < others[at].end:
        cuts.append(others[at].start)
    if len(cuts) == 1:
        return [span]
    return [span._replace(start=a, end=b) for a, b in zip(cuts, [*cuts[1:], span.end], strict=True)]


def _nested(text: str, spans: list[Span]) -> Iterator[Span]:
    """Yield the spans in order, each one cut where it would leave the one that it began in."""
    heap = [(_key(span), number, span) for number, span in enumerate(spans)]
    heapq.heapify(heap)
    number = len(heap)
    ends: list[int] = []  # of the spans that are open, the innermost last
    while heap:
        span = heapq.heappop(heap)[2]
        while ends and ends[-1] <= span.start:
            ends.pop()
        if ends and span.end > ends[-1]:
            if rest := trimmed(text, span, ends[-1]):
                heapq.heappush(heap, (_key(rest), number, rest))
                number += 1
            span = span._replace(end=ends[-1])
        ends.append(span.end)
        yield span
