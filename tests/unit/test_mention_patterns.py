"""Mention patterns: what may be one, and that none takes long."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channeld_workers.patterns import SEARCHED, BadPattern, compile_patterns, matches

LONGEST_S = 0.05
FAR_TOO_LONG_S = 0.25
EVIL = [
    r"(a+)+$",
    r"(a*)*b",
    r"(a|a)*$",
    r"(a|aa)+$",
    r"(?:a|ab)*c",
    r"(.*a){20}",
    r"(.*)*x",
    r"^(\w+\s?)*$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(\w*\d*)*x",
    r"(x+x+)+y",
    r"\s*\s*\s*x",
    r"\w*\w*c",
    r".*.*=.*",
    r".*claude.*please.*now",
    r"a{1,2000}a{1,2000}b",
    r"(a{0,100}){0,100}b",
    r"\w*[ab]{150}c",
    r".*a{100}b",
    "a?" * 30 + "a" * 30,
    r"(a?){60}b",
    r"(?:(?:a|b|ab){1,20}){1,20}c",
    r"(?=(a+)+$)a",
    r"(?!.*.*.*x)a",
    r"(a)\1",
    r"(a)?(?(1)b|c)",
    r"(?P<n>\w+) (?P=n)",
    r"(?<=a{3})b",
    r"(?<!(?:ab){2})c",
    r"(?>a*)*b",
    r"(?:a*+b*+)*c",
]
ORDINARY = [
    r"\bclaude\b",
    r"^hey claude",
    r"(bot|claude)[,:]",
    r"@?claude[!?.]*$",
    r"^\s*claude\b",
    r"\bclaudes?\b",
    r"(?i)claude",
    r"hey,?\s*claude",
    r"(hey|hi).*claude",
    r"claude.*please",
    r"claude.*\?",
    r"(?:claude|bot)\s*[:,]",
    r"(?<!\w)cc(?!\w)",
    r"c.?l.?a.?u.?d.?e",
    r"клод",
    r"[a-z]{1,60}\d",
    r"^.*\?$",
    r"(?:hey|ok|okay) claude",
    r"aab.*aab",
]
HOSTILE = [
    "a" * 3000,
    "ab" * 1500,
    "aab" * 1000,
    " " * 3000,
    "ß" * 3000,
    "İ" * 3000,
    "1" * 2999 + "!",
    "\n" * 3000,
    "claude" * 500,
    "claude " * 400,
    "hey" * 1000,
    "hi" * 1500,
    "hey, " * 600,
    "bot claude" * 300,
    "c l a u d " * 300,
    "pleas" * 600,
]


@pytest.mark.parametrize("pattern", EVIL)
def test_what_could_take_long_is_refused_with_its_name(pattern):
    """Before it has seen any text."""
    with pytest.raises(BadPattern, match=re.escape(repr(pattern[:60]))):
        compile_patterns(["fine", pattern])


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(claude", "no regular expression"),
        ("a{5,2}", "no regular expression"),
        ("[[a]&&b]", "no regular expression"),
        ("a" * 201, "longer than 200 characters"),
        ("(" * 100 + ")" * 100, "could take very long|empty"),
        ("", "empty"),
        ("a*", "empty"),
        (r"(claude)?", "empty"),
        (r"(a)\1", "refers back"),
        (r"(?<=a{3})b", "must stand before"),
        (r"(a+)+", "several ways"),
    ],
)
def test_the_reason_is_told_in_words(pattern, reason):
    """For whoever wrote the configuration."""
    with pytest.raises(BadPattern, match=reason):
        compile_patterns([pattern])


@pytest.mark.parametrize("pattern", ORDINARY)
def test_an_ordinary_pattern_is_taken_and_fast(pattern):
    """On texts made to slow it down."""
    compiled = compile_patterns([pattern])
    for text in HOSTILE:
        took = []
        for _ in range(3):  # the best of three: the machine may be busy with something else
            began = time.thread_time()
            matches(compiled, text)
            took.append(time.thread_time() - began)
        assert min(took) < LONGEST_S, text[:20]


PIECES = st.sampled_from(
    ["a", "b", "ab", "a*", "a+", "b?", ".", ".*", r"\w", r"\w*", r"\s*", "[ab]", "[ab]*", "a{1,9}", "^", "$", "|"]
)
SHAPES = st.recursive(
    st.lists(PIECES, min_size=1, max_size=5).map("".join),
    lambda inner: st.tuples(inner, st.sampled_from(["", "*", "+", "?", "{2}", "{1,5}"])).map(
        lambda p: f"(?:{p[0]}){p[1]}"
    ),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None)
@given(SHAPES)
def test_no_pattern_that_is_taken_is_slow(pattern):
    """Whatever it is made of: taken or refused, but never taken and slow."""
    try:
        compiled = compile_patterns([pattern + "c"])
    except BadPattern:
        return
    for text in ("a" * SEARCHED, "ab" * SEARCHED, "aab" * SEARCHED):
        assert min(_timed(compiled, text) for _ in range(3)) < FAR_TOO_LONG_S


def _timed(compiled, text):
    began = time.thread_time()
    matches(compiled, text)
    return time.thread_time() - began


def test_upper_and_lower_case_are_the_same():
    """Also beyond ASCII."""
    assert matches(compile_patterns(["клод"]), "Эй, КЛОД")
    assert matches(compile_patterns(["nope", "claude"]), "CLAUDE")
    assert not matches((), "claude")


def test_only_the_beginning_of_a_text_is_searched():
    """A mention stands near it."""
    patterns = compile_patterns(["claude"])
    assert matches(patterns, "x" * (SEARCHED - 6) + "claude")
    assert not matches(patterns, "x" * (SEARCHED - 5) + "claude")
