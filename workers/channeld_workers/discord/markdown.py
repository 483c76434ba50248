"""Claude's Markdown as Discord shows it: mostly as it is, without what would do harm.

Discord has bold, italic, underlined, struck out and hidden text, headings of three levels, lists, quotes, links and
code of its own (https://support.discord.com/hc/en-us/articles/210298617). It has no tables and no pictures in a text;
its blocks of code end at the next three backticks, wherever those are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from channeld_workers.units import whole

_FENCE: Final = re.compile(r"((?:[ \t]*+(?:>|(?:[-*+]|\d{1,9}[.)])(?=[ \t])))*+[ \t]*+)(`{3,}+|~{3,}+)([^\n]*+)")
_LANGUAGE: Final = re.compile(r"[ \t]*([A-Za-z0-9_+#.-]{1,32})(?![^\s,])")
_HEADING: Final = re.compile(r"( {0,3})#{4,6}(?=[ \t])")
_RULE: Final = re.compile(r"[ \t]*+\|?[ \t]*+:?-++:?[ \t]*+(?:\|[ \t]*+:?-++:?[ \t]*+)*+\|?[ \t]*+")
_CELLS: Final = re.compile(r"(?<!\\)\|")
_MARKS: Final = re.compile(r"\*\*([^*]+)\*\*|`([^`]+)`")
_PICTURE: Final = re.compile(r"(`+)(?!`)[^\n]*?(?<!`)\1(?!`)|!\[([^\[\]\n]{0,300})\]\((https?://[^\s()<>]{1,2000})\)")
_LONGEST_LINE: Final = 20_000
"""Of longer ones no picture is looked for: nobody writes them."""
_MOST_PADDING: Final = 3
"""How many times as long as its source a table may become; a longer one stays as it is, in a block of code."""
_NO_MEETING: Final = "\u200b"
"""Between backticks that are meant as such, where three in a row would end a block of code: zero width."""

_SIGNS: Final = re.compile(
    r"(https?://[^\s<>]+)"  # a sign in an address is part of it
    r"|[\\*_~`|<\[]"
    r"|^[ \t]*(?:[#>+-]|\d{1,9}[.)])",
    re.MULTILINE,
)

_COMMAND: Final = re.compile(r"(`[^`\n]+`)")


def convert(markdown: str) -> str:
    """Return Markdown as Discord takes it.

    Headings below the third level become the third, a table a block of code, a picture a link. Every block of code is
    fenced by three backticks, closed, and has no three backticks in it. Of the words none is lost, and whatever the
    text is, this does not raise.
    """
    return "\n".join(_lines(_clean(markdown)))


def escape(text: str) -> str:
    """Return text whose signs Discord shows as they are, with addresses left alone."""
    return _SIGNS.sub(_escaped, _clean(text))


def with_commands(text: str) -> str:
    """Return a text of channeld's own as Discord takes it: commands in `backticks` are code, the rest has no signs."""
    pieces = _COMMAND.split(text)
    return "".join(_clean(piece) if number % 2 else escape(piece) for number, piece in enumerate(pieces))


def code(text: str, language: str = "") -> str:
    """Return text as a block of code; three backticks in it are kept from ending it."""
    return f"```{language}\n{unfenced(_clean(text)) or ' '}\n```"


def unfenced(text: str) -> str:
    """Return text in which no three backticks meet."""
    return re.sub("``(?=`)", f"``{_NO_MEETING}", text)


def _escaped(found: re.Match[str]) -> str:
    if found[1]:
        return found[1]
    return f"{found[0][:-1]}\\{found[0][-1]}"


def _clean(text: str) -> str:
    return whole(text).replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")


def _lines(text: str) -> Iterator[str]:
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        if (fence := _FENCE.fullmatch(lines[at])) and not (fence[2][0] == "`" and "`" in fence[3]):
            end, closing = _end_of_code(lines, at + 1, fence)
            yield from _code(fence, lines[at + 1 : end], closing)
            at = end + (closing is not None)
        elif (end := _end_of_table(lines, at)) > at:
            yield from _table(lines[at:end])
            at = end
        else:
            yield _line(lines[at])
            at += 1


def _line(line: str) -> str:
    """Return a line outside code."""
    if heading := _HEADING.match(line):
        line = f"{heading[1]}###{line[heading.end() :]}"
    if "![" not in line or len(line) > _LONGEST_LINE:
        return line
    return _PICTURE.sub(lambda found: found[0] if found[1] else _link(found[2], found[3]), line)


def _link(text: str, url: str) -> str:
    return f"[{text}]({url})" if text.strip() else url


def _end_of_code(lines: list[str], at: int, fence: re.Match[str]) -> tuple[int, str | None]:
    """Return the number of the line after the code, and what is before the fence there; None if there is no fence."""
    closing = re.compile(rf"([ \t>]*+){re.escape(fence[2])}{re.escape(fence[2][0])}*+[ \t]*+")
    quoted = ">" in fence[1]
    for number in range(at, len(lines)):
        if found := closing.fullmatch(lines[number]):
            return number, found[1]
        if quoted and not lines[number].lstrip(" \t").startswith(">"):
            return number, None
    return len(lines), None


def _code(fence: re.Match[str], content: list[str], closing: str | None) -> Iterator[str]:
    language = _LANGUAGE.match(fence[3])
    quote = "> " if ">" in fence[1] else ""
    yield f"{fence[1]}```{language[1] if language else ''}"
    if any(line.strip(" \t>") for line in content):
        yield from (unfenced(line) for line in content)
    else:
        yield f"{quote} "  # in an empty one Discord would not see the end
    yield f"{quote if closing is None else closing}```"


def _end_of_table(lines: list[str], at: int) -> int:
    """Return the number of the line after the table that begins at a line; the same if none does."""
    if at + 1 >= len(lines) or "|" not in lines[at] or "|" not in lines[at + 1] or not _RULE.fullmatch(lines[at + 1]):
        return at
    end = at + 2
    while end < len(lines) and "|" in lines[end] and lines[end].strip():
        end += 1
    return end


def _table(lines: list[str]) -> Iterator[str]:
    rows = _filled([_cells(line) for number, line in enumerate(lines) if number != 1])
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    yield "```"
    if (sum(widths) + 3 * len(widths)) * len(lines) > _MOST_PADDING * sum(map(len, lines)) + 1000:
        yield from (unfenced(line) for line in lines)
    else:
        for number, row in enumerate(rows):
            cells = [cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)]
            yield unfenced(" │ ".join(cells).rstrip()) or " "
            if number == 0:
                yield "─┼─".join("─" * width for width in widths)
    yield "```"


def _cells(line: str) -> list[str]:
    cells = _CELLS.split(line.strip().removeprefix("|"))
    if len(cells) > 1 and not cells[-1].strip():
        cells.pop()
    return [_MARKS.sub(lambda found: found[1] or found[2], cell.strip()).replace("\\|", "|") for cell in cells]


def _filled(rows: list[list[str]]) -> list[list[str]]:
    columns = max(map(len, rows))
    return [row + [""] * (columns - len(row)) for row in rows]


def _width(text: str) -> int:
    """Return how many columns a text takes in a font with letters of one width, nearly."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else not unicodedata.combining(char) for char in text)
