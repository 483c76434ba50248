"""Claude's Markdown comes out on Discord as it was meant."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channeld_workers.discord.markdown import code, convert, escape, with_commands

SIGNS = st.text(st.sampled_from("`*_~|[]()<>@#:-=!/ \n\\aé\ud800.1"), max_size=200)


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("**a** _b_ ~~c~~ `d` [e](https://example.org)", "**a** _b_ ~~c~~ `d` [e](https://example.org)"),
        ("# a\n### b\n#### c\n###### d", "# a\n### b\n### c\n### d"),
        ("    #### code\n####no", "    #### code\n####no"),
        ("![a graph](https://example.org/g.png)", "[a graph](https://example.org/g.png)"),
        ("![](https://example.org/g.png)", "https://example.org/g.png"),
        ("`![a](https://example.org)`", "`![a](https://example.org)`"),
        ("~~~py\nx\n~~~", "```py\nx\n```"),
        ("````md\n```py\nx\n```\n````\nafter", "```md\n``\u200b`py\nx\n``\u200b`\n```\nafter"),
        ('```py\nprint("```")\n```', '```py\nprint("``\u200b`")\n```'),
        ("```python title=x\ny\n```", "```python\ny\n```"),
        ("```{r}\ny\n```", "```\ny\n```"),
        ("```py \ny\n```", "```py\ny\n```"),
        ("```\n```\nafter", "```\n \n```\nafter"),
        ("```py\nnever closed", "```py\nnever closed\n```"),
        ("1. a\n   ```py\n   x\n   ```\n2. b", "1. a\n   ```py\n   x\n   ```\n2. b"),
        ("- ```sh\n  ls\n  ```\nafter", "- ```sh\n  ls\n  ```\nafter"),
        ("> ```\n> x\n> ```\nafter", "> ```\n> x\n> ```\nafter"),
        ("> ```\n> x\nafter", "> ```\n> x\n> ```\nafter"),
        ("a ```x``` b", "a ```x``` b"),
        ("a\r\nb\0c", "a\nb\ufffdc"),
        ("\ud83d\ude00 \ud83d", "😀 \ufffd"),
    ],
)
def test_only_what_would_do_harm_is_changed(markdown, shown):
    """Discord's Markdown is nearly the same."""
    assert convert(markdown) == shown


def test_a_table_becomes_a_block_of_code():
    """With its columns below each other, and without signs of styles."""
    table = "before\n| name | **size** |\n|:--|--:|\n| `a` | 1 |\n| 한글 | 10 | \n| x\\|y |\nafter"
    assert convert(table) == ("before\n```\nname │ size\n─────┼─────\na    │ 1\n한글 │ 10\nx|y  │\n```\nafter")


def test_a_table_that_would_be_endless_stays_as_it_is():
    """Rows are filled up to the longest one."""
    table = "|a|b|\n|-|-|\n" + "|" + "x" * 5000 + "|y|\n" + "|a|b|\n" * 100
    assert convert(table) == f"```\n{table.strip()}\n```\n"


def test_no_table_is_made_of_what_is_none():
    """A line with a bar is not one, nor a rule below words."""
    assert convert("a | b\nc | d\n\nx\n---") == "a | b\nc | d\n\nx\n---"


@given(st.one_of(SIGNS, st.text(max_size=200)))
def test_no_word_is_lost_and_nothing_raises(text):
    """Letters and digits come out in their order."""
    out = convert(text)
    out.encode()
    assert [*filter(str.isalpha, out.replace("\ufffd", ""))] == [*filter(str.isalpha, text.replace("\ufffd", ""))]


@given(SIGNS)
def test_every_line_that_opens_code_has_one_that_closes_it(text):
    """Else the rest of the message would be code."""
    lines = [line for line in convert(text).split("\n") if re.fullmatch(r"[ \t>*.1-]*```\w*", line)]
    assert len(lines) % 2 == 0


@given(SIGNS)
def test_plain_text_shows_as_it_is(text):
    """What Discord reads as a sign has a backslash before it; without those it is the text."""
    text = text.replace("\ud800", "").replace("\\", "").replace("\r", "").replace("http", "")
    escaped = escape(text)
    assert re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", escaped) == text
    assert not re.search(r"(?<!\\)[*_~`|<\[]", escaped)


def test_addresses_keep_their_signs():
    """A backslash would be part of them."""
    assert escape("see https://example.org/a_b_c *now*") == "see https://example.org/a_b_c \\*now\\*"
    assert escape("# a\n1. b\n> c\n- d") == "\\# a\n1\\. b\n\\> c\n\\- d"


def test_code_cannot_be_left():
    """What a command holds stays in its block."""
    assert code("a\n```\n**b**") == "```\na\n``\u200b`\n**b**\n```"
    assert code("") == "```\n \n```"


def test_commands_in_channelds_own_words_are_code_and_the_rest_is_not():
    """Names in them are somebody's."""
    assert with_commands("*Ann* waits: run `channeld pair`") == "\\*Ann\\* waits: run `channeld pair`"
