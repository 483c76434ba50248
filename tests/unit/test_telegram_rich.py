"""Rich messages of Telegram, as plain lines."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from channeld.core.model import Inbound
from channeld_workers.telegram.rich import plain
from channeld_workers.telegram.updates import Account, read
from tests.doubles import telegram_updates as made
from tests.doubles.telegram_updates import BOT

BLOCKS = [
    {"type": "heading", "size": 1, "text": {"type": "bold", "text": "Plan"}},
    {"type": "paragraph", "text": ["Run ", {"type": "code", "text": "make"}, " first."]},
    {"type": "divider"},
    {"type": "list", "items": [{"label": "1. ", "blocks": [{"type": "paragraph", "text": "Tag"}]}]},
    {"type": "table", "cells": [[{"text": "a"}, {"text": "b"}], [{"text": "c"}]], "caption": "Sums"},
    {"type": "details", "summary": ["More ", "here"], "blocks": [{"type": "paragraph", "text": "Secret"}]},
    {"type": "photo", "photo": made.PHOTO, "caption": {"text": "The plot", "credit": "Ann"}},
]


def test_every_block_is_a_line():
    """Styles are left out, words are not."""
    lines = ["Plan", "Run make first.", "1.", "Tag", "a\tb", "c", "Sums", "More here", "Secret", "The plot", "Ann"]
    assert plain({"blocks": BLOCKS}).split("\n") == lines


def test_a_rich_message_is_a_text():
    """Claude reads it like any other."""
    event = read(
        made.update("message", made.holding(rich_message={"blocks": BLOCKS[:2]})), Account(BOT["id"], "b", "telegram")
    )
    assert isinstance(event, Inbound) and event.text == "Plan\nRun make first."


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["text", "blocks", "items", "cells", "caption"]), inner)
        ),
    )
)
def test_any_shape_of_it_is_read(value):
    """Nothing raises, and what comes is text."""
    plain(value).encode()


def test_depth_and_size_are_bounded():
    """However it is nested."""
    deep: Any = "x"
    for _ in range(100_000):
        deep = {"text": [deep]}
    assert plain(deep) == ""
    assert plain({"blocks": [" " * 10_000] * 10 + ["x"]}) == "x"
    assert len(plain({"blocks": ["x" * 100_000] * 100_000})) < 150_000
    while isinstance(deep, dict):  # taken apart by hand: the interpreter would do it by recursion
        deep = deep["text"].pop()
