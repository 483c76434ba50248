"""Claude's Markdown as Telegram shows it, and long texts as several messages."""

from __future__ import annotations

import itertools
import re
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from channeld_workers.graphemes import is_blank, may_cut
from channeld_workers.telegram import rendering
from channeld_workers.telegram.rendering import Piece, convert, plain, split, utf16_len
from channeld_workers.telegram.spans import settle, to_piece, to_spans

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
SCOTLAND = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"
CLUSTERS = (
    "e\u0301", "a\u0308\u0323", "👍🏽", FAMILY, "❤\ufe0f\u200d🔥", "🇩🇪", "🇫🇷", SCOTLAND, "1\ufe0f\u20e3", "각",
    "\u1100\u1161\u11a8", "क्षि", "நி", "שָׁ", "กำ", "☕\ufe0f", "🤷🏿\u200d♀\ufe0f", "\U0001d11e", "ｶﾞ",
)  # fmt: skip
"""Each of them is one character to a reader."""


def shown(piece: Piece) -> list[tuple[str, str]]:
    """Return the kind and the text of each entity, cut out of the text as Telegram does."""
    data = piece.text.encode("utf-16-le")
    return [
        (entity["type"], data[2 * entity["offset"] : 2 * (entity["offset"] + entity["length"])].decode("utf-16-le"))
        for entity in piece.entities
    ]


def entity(kind: str, offset: int, length: int, **extra: str) -> dict[str, Any]:
    """Return an entity of the Bot API."""
    return {"type": kind, "offset": offset, "length": length, **extra}


# What Claude writes, and what is read.


@pytest.mark.parametrize(
    ("markdown", "text", "entities"),
    [
        ("Done.", "Done.", []),
        (
            "**b** *i* ~~s~~ `c` ||x||",
            "b i s c x",
            [("bold", "b"), ("italic", "i"), ("strikethrough", "s"), ("code", "c"), ("spoiler", "x")],
        ),
        ("👍 **yes**", "👍 yes", [("bold", "yes")]),
        ("# Plan\n\nGo", "Plan\n\nGo", [("bold", "Plan"), ("underline", "Plan")]),
        ("### Plan", "Plan", [("bold", "Plan")]),
        ("- a\n  - b\n- [x] c\n- [ ] d", "• a\n  • b\n✅ c\n⬜ d", []),
        ("3. a\n4. b", "3. a\n4. b", []),
        ("> one\n> > two", "one\ntwo", [("blockquote", "one\ntwo")]),
        ("a\n\n---\n\nb", "a\n\n──────────\n\nb", []),
        ("| a | bc |\n|---|---|\n| 1 | 2 |", "a | bc\n--+---\n1 | 2", [("pre", "a | bc\n--+---\n1 | 2")]),
        ("**run `ls` now**", "run ls now", [("bold", "run"), ("code", "ls"), ("bold", "now")]),
        ("**a *b* c**", "a b c", [("bold", "a b c"), ("italic", "b")]),
        ("> ```\n> x = 1\n> ```", "x = 1", [("blockquote", "x = 1"), ("pre", "x = 1")]),
        (r"\*not\* bold, 1 \< 2", "*not* bold, 1 < 2", []),
        ("snake_case_name", "snake_case_name", []),
        (r"$\frac{1}{2}$", "½", [("code", "½")]),
    ],
)
def test_markdown_becomes_text_and_entities(markdown, text, entities):
    """The signs are gone, and what they meant is an entity."""
    piece = convert(markdown)
    assert piece.text == text
    assert shown(piece) == entities


def test_a_code_block_keeps_its_language_and_indentation():
    """Telegram colours it. What else stands behind the fence is written before it."""
    assert convert("```python\n    if a:\n        b\n```") == Piece(
        "    if a:\n        b", [entity("pre", 0, 19, language="python")]
    )
    assert convert("```c++ title=x.cc\nf();\n```") == Piece("title=x.cc\nf();", [entity("pre", 11, 4, language="c++")])
    assert convert("```{r}\nf()\n```") == Piece("{r}\nf()", [entity("pre", 4, 3)])


@pytest.mark.parametrize(
    "text",
    [
        "Use List<T> and <b>not</b> this.",
        "<div>\nhello\n</div>",
        "<!-- note -->",
        "A fee of $5 or $6, and $HOME$PATH.",
        "if a || b || c",
        "[1]: https://example.org/one",
        "[^1]: A footnote.",
        "| a | b |\n|---|---|\n| x | y | z |",
        "~5 minutes, ~6 at most",
        "```\n```",
        "\N{PRIVATE USE ONE} \ue000\ue001 <i>",
    ],
)
def test_what_the_library_would_leave_out_stays(text):
    """Of Claude's words none is lost, be they HTML, prices or footnotes."""
    assert convert(text) == Piece(text, [])


@pytest.mark.parametrize(
    ("markdown", "text", "urls"),
    [
        ("[a](https://example.org/a?b=1)", "a", ["https://example.org/a?b=1"]),
        ("<https://example.org>", "https://example.org", ["https://example.org"]),
        ("[Ann](tg://user?id=17)", "Ann", ["tg://user?id=17"]),
        ("[mail](mailto:ann@example.org)", "mail", ["mailto:ann@example.org"]),
        ("![plot](https://example.org/p.png)", "plot", ["https://example.org/p.png"]),
        ("[`f`](https://example.org)", "f", ["https://example.org"]),
        ("[a](javascript:alert)", "a (javascript:alert)", []),
        ("[a](tg://resolve?domain=x)", "a (tg://resolve?domain=x)", []),
        ("[a](tg://user?id=1&x=2)", "a (tg://user?id=1&x=2)", []),
        ("**see [main.py](src/main.py) 👍** *now*", "see main.py (src/main.py) 👍 now", []),
        ("[x.py](x.py)", "x.py", []),
        ("[above](#top)", "above", []),
        ("[a](https://example.org/a_(b)?c=1&amp;d=2)", "a", ["https://example.org/a_(b)?c=1&d=2"]),
        (
            "[![b](https://example.org/b.png)](https://example.org)",
            "b\nhttps://example.org/b.png",
            ["https://example.org"],
        ),
        ("![](https://example.org/p.png)", "https://example.org/p.png", []),
        ("|a|\n|-|\n|[b](https://example.org)|", "a\n-\nb\nhttps://example.org", []),
    ],
)
def test_only_links_that_can_be_foreseen_are_links(markdown, text, urls):
    """Another target is written out, so that a path still says where something is."""
    piece = convert(markdown)
    assert piece.text == text
    assert [entity["url"] for entity in piece.entities if entity["type"] == "text_link"] == urls


def test_entities_move_with_a_target_that_is_written_out():
    """What stands behind it keeps its formatting."""
    assert shown(convert("**see [main.py](src/main.py) 👍** *now*")) == [
        ("bold", "see main.py (src/main.py) 👍"),
        ("italic", "now"),
    ]


def test_a_table_with_a_bar_in_its_code_is_no_table():
    """Its last cell would be left out; so its lines stay as they are."""
    assert shown(convert("| a | b |\n|---|---|\n| `x | y` | **z** |")) == [("code", "x | y"), ("bold", "z")]
    assert shown(convert("> | a | b |\n> |---|---|\n> | `x \\| y` | z |"))[1][0] == "pre"


def test_plain_text_is_not_touched():
    """Only what cannot be written in UTF-8 changes."""
    assert plain("  **a**\r\n\n\nb ") == Piece("  **a**\r\n\n\nb ", [])
    assert plain("\ud83d\udc4d \ud83d!") == Piece("👍 \ufffd!", [])


@pytest.mark.parametrize(
    "sign", [*"`*_~[<&\\|$#->+=", "1. ", "1) > ", "* - ", "  ", "\t", "||", "**", "![", "\\(", "$$", "- ", "\ud800"]
)
def test_long_nonsense_is_converted_in_time(sign):
    """No sign, however often it comes, stops the worker."""
    begin = time.process_time()
    piece = convert(sign * (20_000 // len(sign)))
    assert split(piece) or is_blank(piece.text)
    assert time.process_time() - begin < 2


def test_a_text_beyond_all_measure_is_sent_as_it_is():
    """The library is not asked."""
    text = "**a** " * 20_000
    assert convert(text) == Piece(text, [])


@pytest.mark.parametrize(
    "table",
    [
        "|a|b|\n|-|-|\n" + f"|{'x' * 2000}|y|\n" + "|1|2|\n" * 300,
        "a|" * 9000 + "\n" + "-|" * 9000 + "\n" + "1|2|3\n" * 9000,
    ],
)
def test_a_table_that_would_be_mostly_blanks_is_no_table(table):
    """Padding makes no hundred messages, and does not fill the memory. The rest is formatted."""
    piece = convert(f"**see**\n\n{table}")
    assert piece.text == f"see\n\n{table}".rstrip()
    assert shown(piece) == [("bold", "see")]


def test_a_library_that_fails_costs_the_formatting_only(monkeypatch):
    """The reply is sent as it was written."""

    def fail(*args: object, **kwargs: object) -> None:
        raise RecursionError

    monkeypatch.setattr("telegramify_markdown.convert", fail)
    assert convert("**a**") == Piece("**a**", [])


def test_entities_that_telegram_forbids_are_put_right():
    """Outside, empty, of white space, crossing or within code: what can be kept is kept."""
    text = "👍 one two three four"
    spans = to_spans(
        Piece(
            text,
            [
                entity("bold", -1, 5),
                entity("bold", 3, 90),
                entity("bold", 3, 0),
                entity("italic", 6, 1),
                entity("bold", 3, 8),
                entity("italic", 7, 10),
                entity("code", 13, 3),
                entity("underline", 0, 1),
            ],
        )
    )
    assert shown(to_piece(text, settle(text, spans))) == [
        ("underline", "👍"),
        ("bold", "one two"),
        ("italic", "two"),
        ("italic", "th"),
        ("code", "ree"),
    ]


# A long text as several messages.


def texts(piece: Piece, limit: int, mode: Any = "newline") -> list[str]:
    """Return the texts of the parts."""
    return [part.text for part in split(piece, limit, mode)]


def test_a_text_that_fits_is_one_part():
    """4096 UTF-16 units, not characters."""
    assert texts(plain("👍" * 2048), 4096) == ["👍" * 2048]
    assert texts(plain("👍" * 2049), 4096) == ["👍" * 2048, "👍"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("one two three.\n\nfour five\nsix", ["one two three.", "four five\nsix"]),
        ("one two three four\nfive six", ["one two three four", "five six"]),
        ("One two. Three four five six", ["One two. Three", "four five six"]),
        ("Once upon a. Time seven", ["Once upon a.", "Time seven"]),
        ("once upona time therewas", ["once upona time", "therewas"]),
        ("a\n\nb c d e f g h i j k l", ["a\n\nb c d e f g h i", "j k l"]),
        ("abcdefghijklmnopqrstuvwxyz", ["abcdefghijklmnopqr", "stuvwxyz"]),
        ("see abcdefghijklmnopqr", ["see", "abcdefghijklmnopqr"]),
    ],
)
def test_newline_looks_for_the_end_of_a_paragraph_line_sentence_or_word(text, parts):
    """In this order, in the second half of the room."""
    assert texts(plain(text), 18) == parts


def test_length_fills_each_part():
    """Only words are kept whole."""
    assert texts(plain("one two three.\n\nfour five\nsix"), 18, "length") == ["one two three.", "four five\nsix"]
    assert texts(plain("one two.\n\nthree four five"), 18, "length") == ["one two.\n\nthree", "four five"]


@pytest.mark.parametrize("cluster", CLUSTERS)
@pytest.mark.parametrize("limit", [16, 17, 18, 19, 21])
def test_what_a_reader_sees_as_one_character_is_not_cut(cluster, limit):
    """Wherever the limit falls."""
    parts = texts(plain(cluster * 20), limit)
    assert "".join(parts) == cluster * 20
    assert {part.replace(cluster, "") for part in parts} == {""}


def test_white_space_at_a_cut_goes_as_a_whole():
    """Blanks and line feeds of any sort; no-break spaces stay."""
    assert texts(plain("one\r\n\r\n\t two"), 5) == ["one", "two"]
    assert texts(plain("one two\u00a0three"), 9) == ["one", "two\u00a0three"]


def test_one_character_longer_than_a_part_is_cut_all_the_same():
    """There is nothing else to do; only surrogate pairs stay whole."""
    parts = texts(plain("a" + "\u0301" * 30), 10)
    assert [len(part) for part in parts] == [10, 10, 10, 1]
    assert texts(plain(FAMILY), 3) == ["👨\u200d", "👩\u200d", "👧\u200d", "👦"]


def test_an_entity_is_not_cut():
    """It goes to the next part as a whole."""
    assert [shown(part) for part in split(convert("one two **three four** five"), 12)] == [
        [],
        [("bold", "three four")],
        [],
    ]


def test_an_entity_that_is_too_long_is_cut_and_goes_on():
    """A bold text of many pages is bold on each."""
    parts = split(convert("**one two three four**"), 10)
    assert [shown(part) for part in parts] == [[("bold", "one two")], [("bold", "three four")]]


def test_code_goes_on_in_the_next_part_in_the_same_language():
    """Its lines are kept whole and indented; only the line feed at the cut is dropped."""
    parts = split(convert("```python\ndef f():\n    one()\n    two()\n```"), 20)
    assert parts == [
        Piece("def f():\n    one()", [entity("pre", 0, 18, language="python")]),
        Piece("    two()", [entity("pre", 0, 9, language="python")]),
    ]


def test_a_quote_goes_on_in_the_next_part():
    """Both parts are quoted."""
    assert [shown(part) for part in split(convert("> one two\n> three four"), 12)] == [
        [("blockquote", "one two")],
        [("blockquote", "three four")],
    ]


def test_a_part_has_at_most_a_hundred_entities():
    """Telegram would ignore the rest; so there are more parts."""
    parts = split(convert(" ".join(f"`{number}`" for number in range(250))))
    assert [len(part.entities) for part in parts] == [100, 100, 50]


@pytest.mark.parametrize("text", ["", " \n\t", "\u200b\u2060", "\u3164", "\u00a0" * 5000, "\ufeff"])
def test_nothing_that_shows_makes_no_part(text):
    """Telegram does not take an empty message."""
    assert split(plain(text)) == []
    assert split(plain(text), 2) == []


@pytest.mark.parametrize("text", ["\u0600", "\ue000", "\u0301a", ".", "\U000110bd"])
def test_what_shows_is_a_part(text):
    """A number sign of Arabic is no control character, and a private one is a box."""
    assert texts(plain(text), 2) == [text]


def test_a_limit_below_a_character_is_a_mistake():
    """An emoji would have no room."""
    with pytest.raises(ValueError, match="two UTF-16 units"):
        split(plain("a"), 1)


# Any Markdown at all.

WORDS = st.one_of(
    st.sampled_from(
        ["word", "a", "Wort.", "end!", "שלום", "مرحبا", "日本語。", "\r\n", "x" * 40, "https://example.org/x_y_z"]
    ),
    st.sampled_from(CLUSTERS),
    st.text(st.characters(exclude_categories=()), max_size=6),
    st.text("`*_~[]()<>&\\|$#+-=.!:\n\r\t \"'0123456789\u200b\u00a0\u0301\u200d\ue000", max_size=8),
)


def _inline(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return what can be made of inline text."""
    return st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(" ".join),
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.tuples(st.sampled_from(["**", "*", "_", "~~", "`", "||", "***", "<b>", "$"]), inner).map(
            lambda pair: f"{pair[0]}{pair[1]}{pair[0]}"
        ),
        st.tuples(
            inner, st.sampled_from(["https://example.org", "x.py", "javascript:a", "tg://user?id=1", "", "#a"])
        ).map(lambda pair: f"[{pair[0]}]({pair[1]})"),
    )


def _prefixed(first: str, rest: str) -> Any:
    """Return a function that puts something before the first and the further lines."""
    return lambda text: first + text.replace("\n", "\n" + rest)


def _block(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return what can be made of blocks."""
    return st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("\n\n".join),
        st.lists(inner, min_size=1, max_size=3).map("\n".join),
        inner.map(_prefixed("> ", "> ")),
        inner.map(_prefixed("- ", "  ")),
        inner.map(_prefixed("2. ", "   ")),
        inner.map(_prefixed("- [x] ", "  ")),
        st.tuples(st.sampled_from(["```python\n", "```\n", "~~~ a b\n"]), inner).map(
            lambda pair: "".join(pair) + "\n```"
        ),
    )


def markdown_of(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return any Markdown made of such words."""
    inline = st.recursive(words, _inline, max_leaves=8)
    leaves = st.one_of(
        inline,
        st.tuples(st.sampled_from(["# ", "## ", "##### ", "    ", "<div>\n", "[^1]: ", "[a]: "]), inline).map("".join),
        st.lists(inline, min_size=2, max_size=4).map(
            lambda cells: f"|{'|'.join(cells[:2])}|\n|-|-|\n" + "\n".join(f"| {cell} | b |" for cell in cells)
        ),
        st.sampled_from(["---", "***", "", "<!-- x -->", "&amp; &lt;", "```\n```"]),
    )
    return st.recursive(leaves, _block, max_leaves=6)


MARKDOWN = markdown_of(WORDS)
NAMES = st.integers(100, 999).map(lambda number: f"name{number}")
SOME_TIME = settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def assert_accepted(piece: Piece) -> None:
    """Check that Telegram takes the entities of a piece, by the rules of the Bot API."""
    text, entities = piece
    data = text.encode("utf-16-le")
    places = [(entity["offset"], entity["offset"] + entity["length"]) for entity in entities]
    assert places == sorted(places, key=lambda place: (place[0], -place[1]))
    for one, (start, end) in zip(entities, places, strict=True):
        assert 0 <= start < end <= len(data) // 2
        inside = data[2 * start : 2 * end].decode("utf-16-le")  # raises where a surrogate pair is cut
        assert inside == inside.rstrip(" \t\r\n")
        assert inside == (
            inside.lstrip("\r\n")
            if one["type"] in {"pre", "code", "blockquote", "expandable_blockquote"}
            else inside.lstrip(" \t\r\n")
        )
        assert set(one) <= {"type", "offset", "length", "url", "language"}
        if one["type"] == "text_link":
            assert one["url"].startswith(("https://", "http://", "mailto:", "tg://user?id="))
    for (one, (start, end)), (other, (begin, stop)) in itertools.combinations(zip(entities, places, strict=True), 2):
        if begin >= end or start >= stop:
            continue
        kinds = one["type"], other["type"]
        assert (start <= begin and stop <= end) or (begin <= start and end <= stop), kinds
        assert kinds[0] != kinds[1]
        alone = {"pre", "code", "text_link"}
        assert not (kinds[0] in alone and kinds[1] in alone), kinds
        for kind, beside in (kinds, kinds[::-1]):
            assert kind not in {"pre", "code"} or beside == "blockquote", kinds
            assert kind != "blockquote" or not (beside in alone and (begin < start or stop > end) and kind == kinds[0])


def assert_split(piece: Piece, limit: int, mode: Any) -> None:
    """Check the parts of a piece: within the limit, accepted, in order, and nothing lost but white space at cuts."""
    parts = split(piece, limit, mode)
    at = 0
    for part in parts:
        assert utf16_len(part.text) <= limit
        assert len(part.entities) <= 100
        assert not is_blank(part.text)
        assert_accepted(part)
        begin = piece.text.find(part.text, at)
        assert begin >= 0
        assert is_blank(piece.text[at:begin])
        for cut in (begin, begin + len(part.text)):
            assert may_cut(piece.text, cut) or _longest_cluster(piece.text) > limit
        at = begin + len(part.text)
    assert is_blank(piece.text[at:])


def _longest_cluster(text: str) -> int:
    """Return the length of the longest run without a place to cut, in UTF-16 units."""
    cuts = [at for at in range(len(text) + 1) if may_cut(text, at)]
    return max((utf16_len(text[a:b]) for a, b in itertools.pairwise(cuts)), default=0)


@SOME_TIME
@given(MARKDOWN)
@example("||a [b|| c](https://example.org)")
@example("**a `b` c** ~~**d** e~~")
@example("> a\n> - b\n>\n>       c")
def test_any_markdown_is_accepted(markdown):
    """Whatever Claude writes, Telegram takes the entities, and a text that shows something is not blank."""
    piece = convert(markdown)
    assert_accepted(piece)
    assert is_blank(piece.text) <= is_blank(plain(markdown).text)


@SOME_TIME
@given(MARKDOWN, st.sampled_from([2, 3, 7, 16, 40, 100, 4096]), st.sampled_from(["newline", "length"]))
def test_any_markdown_is_split_without_loss(markdown, limit, mode):
    """Small limits cut everywhere; only white space at the cuts goes."""
    assert_split(convert(markdown), limit, mode)


@SOME_TIME
@given(st.lists(WORDS, min_size=1, max_size=30), st.integers(2, 50), st.sampled_from(["newline", "length"]))
def test_any_plain_text_is_split_without_loss(words, limit, mode):
    """Without formatting the same holds."""
    assert_split(plain(" ".join(words)), limit, mode)


@settings(SOME_TIME, max_examples=60)
@given(st.lists(MARKDOWN, min_size=1, max_size=4), st.sampled_from(["newline", "length"]))
def test_a_text_of_many_pages_is_split_without_loss(blocks, mode):
    """At Telegram's own limit."""
    text = "\n\n".join(blocks)
    markdown = "\n\n".join([text] * min(40, 9000 // (len(text) + 1) + 1))
    assert_split(convert(markdown), 4096, mode)


@SOME_TIME
@given(markdown_of(st.one_of(NAMES, NAMES, st.sampled_from(["a", "1", "*", "|", "\\", "<", ">", "&", "](", "\n"]))))
def test_no_word_is_lost_in_any_markdown(markdown):
    """No construct swallows what stands in it or after it."""
    piece = convert(markdown)
    shown = "\n".join([piece.text, *(str(one.get("language", "")) for one in piece.entities)])
    assert [name for name in re.findall(r"name\d{3}", markdown) if name not in shown] == []


@SOME_TIME
@given(st.lists(st.one_of(WORDS, st.sampled_from(["\n", "\n\n", ". ", "- ", "1) "])), max_size=12).map("".join))
def test_the_short_cut_for_plain_text_changes_nothing(text):
    """What is taken for text without Markdown is what the library makes of it."""
    if rendering._SIGN.search(text) is None:
        assert rendering._converted(plain(text).text) == plain(text)
