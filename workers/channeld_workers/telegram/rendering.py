"""Claude's Markdown as Telegram shows it: text and entities, so that no character needs escaping."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from html import unescape
from typing import Final
from urllib.parse import urlsplit

import telegramify_markdown
from telegramify_markdown.config import RenderConfig

from channeld_workers.graphemes import is_blank
from channeld_workers.telegram.spans import Piece, Span, settle, to_piece, to_spans
from channeld_workers.telegram.splitting import TEXT_LIMIT, Mode, split
from channeld_workers.units import utf16_len, whole

__all__ = ["TEXT_LIMIT", "Mode", "Piece", "convert", "plain", "split", "utf16_len"]

MOST_CHARACTERS: Final = 100_000
"""Longer texts are sent as they are: no chat reply is that long, and the library's time is not always linear."""

MOST_GROWTH: Final = 3
"""How many times as long as its source a text may become, by blanks in tables and before the items of lists."""
_SMALL: Final = 5000

_SIGN: Final = re.compile(r"[`*_~\[\]<>&\\|$\r\0]|^[\s#+=-]|\s$|^\d{1,9}[.)]|^\n|\n\n\n|\n\Z", re.MULTILINE)
"""What a text without Markdown has none of: it is its own conversion."""

_ENDLESS: Final = re.compile(r"^(?:[ \t>]*+(?:[*+-]|\d{1,9}[.)])[ \t]++){20}", re.MULTILINE)
"""Lists in lists, opened in one line. Each would get a line with all their indentation: of 100 kB, a gigabyte."""

_SHIELDED: Final = "<$|:"
_MEANT: Final = re.compile(
    r"\\."  # escaped already
    r"|<(?:https?://|mailto:)[^\s<>]+>"  # a link
    # a formula
    r"|\$\$[^$]{0,500}?\\[A-Za-z][^$]{0,500}\$\$|\$(?!\s)[^$\n]{0,200}?\\[A-Za-z][^$\n]{0,200}(?<!\s)\$(?!\d)"
    r"|([<$]|(?<=\s)\|(?=\|\s)|(?<=\]):)",
    re.DOTALL,
)
"""Signs that would make the library leave something out are group 1: of HTML, sums of money, a logical or, and the
definition of a link's target. What is meant as Markdown is matched first."""

_RULE: Final = re.compile(r"^[ \t>]*+[|:-][ \t|:-]*+\r?$", re.MULTILINE)
"""The line below the head of a table."""

_SCHEMES: Final = frozenset({"http", "https", "mailto"})
_MENTION: Final = "tg://user?id="
_LONGEST_URL: Final = 2048
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9_+#.-]{1,32}")
_EXTRA: Final = frozenset({"url", "language"})
_NO_URL: Final = re.compile(r"[\x00-\x20\x7f]")
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_TARGET: Final = re.compile(r"\]\(<?(https?://[^\s<>()]+)")


def _settings() -> RenderConfig:
    config = RenderConfig.isolated()
    symbol = config.markdown_symbol
    symbol.heading_level_1 = symbol.heading_level_2 = symbol.heading_level_3 = symbol.heading_level_4 = ""
    symbol.image = ""
    symbol.task_completed, symbol.task_uncompleted = "✅", "⬜"
    symbol.unordered_list_item = "•"
    symbol.horizontal_rule = "──────────"
    config.cite_expandable = False  # a quote that is folded up is not read
    return config


_CONFIG: Final = _settings()


def plain(text: str) -> Piece:
    """Return the text as it is, without formatting.

    A half of a surrogate pair, which UTF-8 has no way to write, becomes U+FFFD.
    """
    return Piece(whole(text), [])


def convert(markdown: str) -> Piece:
    """Return Markdown as text and entities that Telegram accepts.

    Whatever the text is, this does not raise, and of its words none is lost: HTML, footnotes and the targets of links
    that cannot be links stay as text. Only http, https, mailto and ``tg://user?id=`` become links. What the library
    cannot do is returned as it is.
    """
    text = whole(markdown)
    if not _SIGN.search(text) or len(text) > MOST_CHARACTERS or _ENDLESS.search(text):
        return Piece(text, [])
    try:
        piece = _converted(text)
    except Exception:  # the library is not ours, and a reply that is not pretty is better than none
        return Piece(text, [])
    return Piece(text, []) if is_blank(piece.text) else piece


def _converted(markdown: str) -> Piece:
    """Return the library's conversion, put right."""
    shields = _shields(markdown)
    back = {ord(shield): char for char, shield in shields.items()}
    source = _MEANT.sub(lambda found: shields[found[1]] if found[1] else found[0], markdown)
    source = _with_fair_tables(source, shields["|"])
    text, entities = telegramify_markdown.convert(source, latex_escape=_may_have_formulas(markdown), config=_CONFIG)
    if len(text) > _most(markdown):
        return Piece(markdown, [])
    text = text.translate(back)
    spans = to_spans(Piece(text, [entity.to_dict() for entity in entities]))
    text, spans = _noted(text, [_restored(span, back) for span in spans])
    text, spans = _without_edges(text, spans)
    spans = settle(text, spans)
    return to_piece("\n".join(line for line in (text, *_unshown(markdown, text, spans)) if line), spans)


def _most(markdown: str) -> int:
    """Return how many characters a conversion may have."""
    return MOST_GROWTH * len(markdown) + _SMALL


def _may_have_formulas(markdown: str) -> bool:
    """Tell whether to look for formulas between escaped brackets.

    The library looks in code as well, where they are most likely a regular expression, and takes quadratic time.
    """
    return (
        "\\" in markdown
        and len(markdown) <= _SMALL
        and not ("`" in markdown or "~~~" in markdown or "\n    " in markdown or "\n\t" in markdown)
    )


def _shields(text: str) -> dict[str, str]:
    """Return for each sign a private character (U+E000 to U+F8FF) that the text does not contain."""
    unused = (char for code in range(0xE000, 0xF900) if (char := chr(code)) not in text)
    return {sign: next(unused) for sign in _SHIELDED}


def _with_fair_tables(source: str, shield: str) -> str:
    """Return Markdown in which a table that the library would spoil is no table: its lines stay as they are.

    Of a row that is longer than the head the rest would be left out (mostly it is code with a | in it), and cells that
    differ much would be filled up with blanks, for megabytes.
    """
    if not _RULE.search(source):
        return source
    lines = source.split("\n")
    at = 1
    while at < len(lines):
        rule = at
        at += 1
        if not ("|" in lines[rule] and "-" in lines[rule] and _RULE.fullmatch(lines[rule])):
            continue
        while at < len(lines) and lines[at].strip(" \t\r>"):
            at += 1
        rows = [_cells(line) for line in lines[rule - 1 : at]]
        widths: dict[int, int] = {}
        for row in rows:
            widths |= {column: max(len(cell) + 3, widths.get(column, 0)) for column, cell in enumerate(row)}
        if len(widths) > len(rows[1]) or sum(widths.values()) * len(rows) > _most(source):
            lines[rule] = lines[rule].replace("|", shield)
    return "\n".join(lines)


def _cells(row: str) -> list[str]:
    """Return the cells of a table's row."""
    bare = row.replace("\\|", "").strip(" \t\r>")
    return bare.removeprefix("|").removesuffix("|").split("|")


def _restored(span: Span, back: dict[int, str]) -> Span:
    """Return a span whose link or language has its own signs again."""
    if not span.extra:
        return span
    return span._replace(extra={key: str(value).translate(back) for key, value in span.extra.items() if key in _EXTRA})


def _noted(text: str, spans: list[Span]) -> tuple[str, list[Span]]:
    """Return text and spans without what Telegram does not take of links and languages.

    The target of a link is written behind its text, and before a code block what follows the name of its language.
    """
    kept, notes = [], []
    for span in spans:
        if span.kind == "pre" and "language" in span.extra:
            name, note = _language(span.extra["language"])
            kept.append(span._replace(extra={"language": name} if name else {}))
            if note:
                notes.append((span.start, f"{note}\n"))
            continue
        url = span.extra.get("url", "")
        if span.kind != "text_link" or _is_link(url):
            kept.append(span)
        elif not url.startswith("#") and url not in text[span.start : span.end]:
            notes.append((span.end, f" ({url})"))
    if not notes:
        return text, kept
    notes.sort()
    places = [place for place, _ in notes]
    sums = [0]
    for _, note in notes:
        sums.append(sums[-1] + len(note))
    parts = [text[a:b] + note for a, (b, note) in zip([0, *places], [*notes, (len(text), "")], strict=True)]
    moved = [
        span._replace(
            start=span.start + sums[bisect_right(places, span.start)],
            end=span.end + sums[bisect_left(places, span.end)],
        )
        for span in kept
    ]
    return "".join(parts), moved


def _language(info: str) -> tuple[str, str]:
    """Return the name of a language as Telegram takes it, and the rest of what stands behind a fence."""
    name, _, rest = info.partition(" ")
    return (name, rest.strip()) if _LANGUAGE.fullmatch(name) else ("", info)


def _is_link(url: str) -> bool:
    if len(url) > _LONGEST_URL or _NO_URL.search(url):
        return False
    if url.startswith(_MENTION):
        return url.removeprefix(_MENTION).isdecimal()
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in _SCHEMES and bool(parts.path if parts.scheme == "mailto" else parts.netloc)


def _without_edges(text: str, spans: list[Span]) -> tuple[str, list[Span]]:
    """Return text and spans without the empty lines before and after."""
    begin = len(text) - len(text.lstrip("\r\n"))
    shorter = text[begin:].rstrip()
    return shorter, [
        span._replace(start=max(span.start - begin, 0), end=min(span.end - begin, len(shorter))) for span in spans
    ]


def _unshown(markdown: str, text: str, spans: list[Span]) -> list[str]:
    """Return the targets of links that became neither link nor text.

    Those are in tables, or of images without a text.
    """
    if "](" not in markdown:
        return []
    shown = "\n".join([text, *(span.extra.get("url", "") for span in spans)])
    targets = dict.fromkeys(unescape(_ESCAPED.sub(r"\1", url)) for url in _TARGET.findall(markdown))
    return [url for url in targets if url not in shown]
