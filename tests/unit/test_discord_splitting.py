"""A long text is cut into messages each of which is good Markdown by itself, and nothing is lost."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from channeld_workers.discord.markdown import convert
from channeld_workers.discord.splitting import TEXT_LIMIT, split
from channeld_workers.graphemes import is_blank, may_cut
from channeld_workers.units import utf16_len

FENCE = re.compile(r"```(?:py\n)?")
LANGUAGE = re.compile(r"```(?!py\n)[A-Za-z0-9_+#.-]+\n")
CODE_OF = re.compile(
    r"\\[!-/:-@\[-`{-~]|```(?:[A-Za-z0-9_+#.-]+\n)?(?P<code>.+?)```|(`{1,2})(?!`).+?(?<!`)\2(?!`)", re.DOTALL
)
BLOCK = re.compile(r"```.+?```", re.DOTALL)

WORDS = st.text("abcxyz .,é😀한", min_size=1, max_size=60)
CODE = st.lists(st.text("ab =#(){}  ", max_size=50), min_size=1, max_size=12).filter(lambda ls: "".join(ls).strip())
BLOCKS = st.builds(lambda lines, name: "\n".join([f"```{name}", *lines, "```"]), CODE, st.sampled_from(["", "py"]))
LINKS = st.builds(lambda n: f"[a link](https://example.org/{'x' * n})", st.integers(1, 60))
TEXTS = st.lists(st.one_of(WORDS, BLOCKS, LINKS), max_size=12).map("\n\n".join)
SIGNS = st.text(st.sampled_from("`*_~|[]()<>@#:/ \n\\aé😀\u200d🇩🇪\ud800"), max_size=400)


def shown(text):
    """Return the characters of a text that show by themselves, without fences."""
    return [char for char in FENCE.sub("", text) if not is_blank(char)]


def in_code(text):
    """Return the characters that show in blocks of code, as Discord finds those: escapes and inline code go first."""
    return [char for found in CODE_OF.finditer(text) for char in found["code"] or "" if not is_blank(char)]


def bare(text):
    """Return a text without fences and white space, which is all that a cut may change."""
    return re.sub(r"\s", "", FENCE.sub("", text))


@given(st.one_of(TEXTS, SIGNS, st.text(max_size=400)), st.integers(100, 300))
def test_every_part_is_within_the_limit(text, limit):
    """Whatever the text is; and none is blank."""
    parts = split(convert(text), limit)
    assert all(utf16_len(part) <= limit for part in parts)
    assert not any(is_blank(part) for part in parts)


@given(st.one_of(TEXTS, SIGNS, st.text(max_size=400).filter(lambda text: "``" not in text)), st.integers(100, 300))
def test_nothing_is_lost(text, limit):
    """But white space at the cuts, and what does not show."""
    text = convert(text)
    assume(not LANGUAGE.search(text))
    kept, whole = shown("".join(split(text, limit))), shown(text)
    assert kept == whole


@given(TEXTS, st.integers(100, 300))
def test_every_part_closes_the_code_that_it_opens(text, limit):
    """A block that goes on is closed, and opened again in its language."""
    parts = split(convert(text), limit)
    assert bare("".join(parts)) == bare(text)
    for part in parts:
        assert part.count("```") % 2 == 0
        assert all(block.strip("`py\n ") or "=" in block for block in BLOCK.findall(part)), part


@given(st.one_of(TEXTS, SIGNS), st.integers(100, 300))
def test_what_is_code_stays_code_and_nothing_else_becomes_it(text, limit):
    """As Discord reads each part by itself."""
    text = convert(text)
    assume(not LANGUAGE.search(text))
    assert [char for part in split(text, limit) for char in in_code(part)] == in_code(text)


@given(st.lists(LINKS, min_size=2, max_size=20).map(" ".join), st.integers(120, 200))
def test_a_link_that_fits_stays_in_one_part(text, limit):
    """So do mentions and inline code, by the same rule."""
    links = re.findall(r"\[a link\]\([^)]*\)", text)
    assert [link for part in split(text, limit) for link in re.findall(r"\[a link\]\([^)]*\)", part)] == links


@given(st.text("aé👍🏽\u200d👩\u0301🇩🇪", min_size=150, max_size=400))
def test_no_character_is_taken_apart(text):
    """As a reader sees them."""
    at = 0
    for part in split(text, 100)[:-1]:
        at = text.index(part, at) + len(part)
        assert may_cut(text, at)


def test_a_short_text_is_one_part_as_it_is():
    """With the white space that it has."""
    assert split("  a\n") == ["  a\n"]
    assert split("x" * TEXT_LIMIT) == ["x" * TEXT_LIMIT]


@pytest.mark.parametrize("text", ["", "  \n", "\u200b\u2060"])
def test_what_does_not_show_is_no_part(text):
    """Discord takes no empty messages."""
    assert split(text) == []


def test_units_are_counted():
    """An emoji beyond the first 65,536 characters is two."""
    assert split("😀" * 1001) == ["😀" * 1000, "😀"]


def test_a_long_block_of_code_goes_on_in_the_next_part():
    """In its language, with its lines whole and indented."""
    lines = [f"    line {n:02}" for n in range(20)]
    first, *others = split("before\n\n```python\n" + "\n".join(lines) + "\n```\nafter", 150)
    assert first.startswith("before\n\n```python\n    line 00\n") and first.endswith("\n```")
    assert all(part.startswith("```python\n    line ") for part in others)
    assert others[-1].endswith("line 19\n```\nafter")


def test_a_cut_is_rather_before_a_block_than_within():
    """If that is in the second half of the room."""
    text = "word " * 20 + "\n```\n" + "code\n" * 12 + "```"
    assert [part[:3] for part in split(text, 150)] == ["wor", "```"]


@pytest.mark.parametrize(
    "kept",
    ["<@123456789012345678>", "<:name:123456789012345678>", "`some code here`", "**bold words in it**", "||no||"],
)
def test_what_belongs_together_stays_together(kept):
    """Mentions, emoji, inline code and styles."""
    for length in range(70, 100):
        parts = split(f"{'x' * length} {kept} {'y' * 40}", 100)
        assert sum(kept in part for part in parts) == 1


def test_a_link_longer_than_a_part_is_cut():
    """There is no other way."""
    parts = split("https://example.org/" + "x" * 300, 100)
    assert "".join(parts) == "https://example.org/" + "x" * 300


def test_a_paragraph_is_a_better_end_than_a_sentence_and_that_than_a_word():
    """In the second half of the room."""
    assert split(f"{'a' * 60}. b\n\nc {'d' * 60}", 100)[0] == f"{'a' * 60}. b"
    assert split(f"{'a' * 60}. b c {'d' * 60}", 100)[0] == f"{'a' * 60}."
    assert split(f"{'a' * 60} b c {'d' * 60}", 100)[0] == f"{'a' * 60} b c"


def test_too_small_a_limit_is_a_mistake():
    """Fences would leave no room."""
    with pytest.raises(ValueError, match="100"):
        split("x", 99)


@pytest.mark.parametrize("text", ["`" * 20_000, "[a](" * 10_000, "** " * 20_000, "```py\n" * 10_000, "<@" * 20_000])
def test_signs_without_end_take_no_time_without_end(text):
    """Claude's text is not to be trusted with that."""
    assert all(utf16_len(part) <= TEXT_LIMIT for part in split(convert(text)))


@pytest.mark.parametrize("limit", range(100, 150))
def test_no_part_has_an_empty_block(limit):
    """A cut just behind the fence that opens, or before the one that closes, would make one, which shows as signs."""
    lines = ["x" * 20] * 9
    parts = split("\n".join(["before " * 10, "```py", *lines, "", "```", "after"]), limit)
    blocks = [block for part in parts for block in re.findall(r"```py\n(.*?)```", part, re.DOTALL)]
    assert all("x" in block for block in blocks)
    assert "".join(blocks).count("x") == 180
