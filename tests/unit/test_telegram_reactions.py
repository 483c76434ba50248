"""Reactions: the fixed list of Telegram, and the nearest of it to what Claude wishes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channeld_workers.telegram.reactions import ALLOWED, SOME, nearest


def test_every_allowed_emoji_is_its_own_nearest():
    """What Telegram takes stays as it is; the list has the 73 emoji of the Bot API."""
    assert len(ALLOWED) == 73
    assert {emoji: nearest(emoji) for emoji in ALLOWED} == {emoji: emoji for emoji in ALLOWED}


@pytest.mark.parametrize(
    ("wish", "taken"),
    [
        ("❤️", "❤"),
        ("✍️", "✍"),
        ("❤️\u200d🔥", "❤\u200d🔥"),
        ("🤷🏽\u200d♀️", "🤷\u200d♀"),
        (" 👍 ", "👍"),
        ("👍🏿", "👍"),
        ("✅", "👌"),
        ("✔️", "👍"),
        ("❌", "👎"),
        ("⏳", "👀"),
        ("🚀", "🔥"),
        ("😂", "🤣"),
        ("⚠️", "😱"),
        ("👩🏻\u200d💻", "👨\u200d💻"),
    ],
)
def test_a_wish_becomes_what_telegram_takes(wish, taken):
    """Styles and skin tones do not matter, and a common wish has a neighbour."""
    assert nearest(wish) == taken


@pytest.mark.parametrize("wish", ["", " ", "\ufe0f", "🏽", "ok", "👍👍", "🪗", "\ud83d"])
def test_what_has_no_neighbour_is_told(wish):
    """Nothing is guessed: the caller names some that can be had."""
    assert nearest(wish) is None


def test_the_dozen_to_name_is_allowed():
    """What an error recommends works."""
    assert len(set(SOME)) == 12
    assert set(SOME) <= ALLOWED


@settings(deadline=None)
@given(st.text(max_size=6))
def test_only_what_is_allowed_comes_out(wish):
    """Whatever is wished for, Telegram takes what comes out."""
    assert nearest(wish) in {None, *ALLOWED}
