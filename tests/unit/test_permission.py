"""Permission prompts, as far as they are decided without anybody else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channeld.core import permission
from channeld.core.permission import Fit, Option, Request
from tests.doubles.hooked import preview

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
)


def written(fields):
    """Return an input as the hook's JSON text."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("yes abcde", (Option.ALLOW, "abcde")),
        ("  Y  ABCDE\n", (Option.ALLOW, "abcde")),
        ("no abcde", (Option.DENY, "abcde")),
        ("n abcde", (Option.DENY, "abcde")),
        ("yes abcdl", None),
        ("yes abcd", None),
        ("yes abcdef", None),
        ("oh yes abcde", None),
        ("yes abcde please", None),
        ("yes", None),
    ],
)
def test_a_verdict_in_words(text, means):
    """The words and an id of five letters without l, and nothing else."""
    assert permission.read_verdict(text) == means


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_an_input_fits_its_own_display_text_and_no_others(fields):
    """Whatever the input is, its display text belongs to it for certain, and not to one that is different."""
    assert permission.fit(preview(fields), written(fields)) is Fit.CERTAIN
    assert permission.fit(preview({**fields, "more": 1}), written(fields)) is Fit.NONE


def test_the_real_clients_display_texts_fit():
    """As they were seen: escapes stay, what is invisible has become a blank."""
    hook = '{"command":"echo \\"a b\\"\\n\\techo \'c\' \\\\ /\u202etest\u200b \xe9 \U0001f600 <b>","description":"x"}'
    seen = '{ "command": "echo \\"a b\\"\\n\\techo \'c\' \\\\ / test \xe9 \U0001f600 <b>", "description": "x" }'
    assert permission.fit(seen, hook) is Fit.LIKELY
    nested = '{"a":1,"b":[1,"x",{"c":null}],"d":{"e":true,"f":1.5},"g":[],"h":{}}'
    assert permission.fit('{ "a": 1, "b": [1,"x",{"c":null}], "d": {"e":true,"f":1.5}, "g": [], "h": {} }', nested)


@pytest.mark.parametrize("length", [3498, 3499, 4000, 9000])
def test_long_values_are_elided_one_by_one(length):
    """The display text of a value of more than 3,500 code points, quotes included, shows both of its ends only."""
    fields = {"a": "x" * length, "b": "short"}
    how = permission.fit(preview(fields), written(fields))
    assert how is (Fit.CERTAIN if length + 2 <= 3500 else Fit.LIKELY)
    assert permission.fit(preview(fields), written({**fields, "a": "x" * (length + 1)})) is Fit.NONE


def test_inputs_that_differ_where_nothing_is_shown_are_in_doubt():
    """One hidden difference is enough that neither is taken; the one that is shown whole is certain."""
    one, other = ({"a": "x" * 3000 + middle + "y" * 3000} for middle in "12")
    assert permission.pick(preview(one), [written(one)]) == written(one)
    assert permission.pick(preview(one), [written(one), written(other)]) is None
    short = {"a": "rm /tmp /x"}
    assert permission.pick(preview(short), [written({"a": "rm /tmp/x"}), written(short)]) == written(short)
    assert permission.pick(preview(short), []) is None


def test_masked_credentials_belong_to_a_call_that_has_ended_but_to_no_input():
    """The display text with a mask never lends its id to an input; it is closed when the call was carried out."""
    seen = '{ "command": "TOKEN=[REDACTED] echo", "description": "z" }'
    hook = '{"command":"TOKEN=ghp_secret echo","description":"z"}'
    assert permission.fit(seen, hook) is Fit.NONE
    assert permission.may_be(seen, hook)
    assert not permission.may_be(seen, '{"command":"TOKEN=ghp_secret ls","description":"z"}')
    assert not permission.may_be(seen, "no JSON")


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_no_value_passes_for_another(fields):
    """Every line that is not indented is one of the input's own names, in their order."""
    shown = permission.describe(written(fields)).split("\n")
    heads = [line for line in shown if not line.startswith("  ")]
    assert len(heads) == max(1, len(fields))


@pytest.mark.parametrize("broken", ["", "nonsense", "[]", "1", '{"a":'])
def test_what_is_no_object_fits_nothing(broken):
    """Whatever a hook brings along, it costs nothing."""
    assert permission.fit("{  }", broken) is Fit.NONE
    assert permission.describe(broken) == broken


def test_what_is_offered_depends_on_what_can_be_read():
    """Allow only for what was shown whole; again only with an input that belongs to it without doubt."""
    request = Request("abcde", "Bash", "d", '{ "command": "ls" }')
    small = permission.card(request, '{"command":"ls"}', session="main", full=False)
    assert small.options == [Option.ALLOW, Option.AGAIN, Option.DENY, Option.DETAILS]
    assert "main" in small.title and "yes abcde" in small.body
    unpaired = permission.card(request, None, session="main", full=False)
    assert unpaired.options == [Option.ALLOW, Option.DENY, Option.DETAILS]
    big = written({"command": "x" * 2000})
    assert permission.card(request, big, session="", full=False).options == [Option.DETAILS, Option.DENY]
    whole = permission.card(request, big, session="", full=True)
    assert whole.options == [Option.ALLOW, Option.AGAIN, Option.DENY] and "x" * 2000 in whole.body
    assert whole.text is None
    huge = permission.card(request, written({"command": "x" * 9000}), session="", full=True)
    assert huge.text is not None and "x" * 9000 in huge.text and len(huge.body) < 3000
    cut = request._replace(preview='{ "a": "x\n⋯ 7 code points elided ⋯\ny" }')
    assert permission.card(cut, None, session="", full=False).options == [Option.DENY]


@pytest.mark.parametrize(
    ("tool", "fields", "through"),
    [
        ("mcp__channeld__reply", {"chat_id": "web:main", "text": "x"}, True),
        ("mcp__plugin_channeld_channeld__edit_message", {"chat_id": "web:main"}, True),
        ("mcp__plugin_channeld_channeld__react", {"chat_id": "web:main", "files": []}, True),
        ("mcp__channeld__reply", {"chat_id": "web:main", "files": ["/a"]}, False),
        ("mcp__channeld__reply", {"chat_id": "web:other"}, False),
        ("mcp__channeld__reply", {}, False),
        ("mcp__channeld__reply_all", {"chat_id": "web:main"}, False),
        ("mcp__evil_channeld__reply", {"chat_id": "web:main"}, False),
        ("mcp__channeld__download_attachment", {"chat_id": "web:main"}, False),
        ("Bash", {"chat_id": "web:main"}, False),
        ("Read", {"file_path": "/state/inbox/8f3a.png"}, True),
        ("Read", {"file_path": "/state/inbox/8f3a.pdf", "pages": "1-3"}, True),
        ("Read", {"file_path": "/state/inbox"}, False),
        ("Read", {"file_path": "/state/inbox/"}, False),
        ("Read", {"file_path": "/state/inbox/.."}, False),
        ("Read", {"file_path": "/state/inbox/../channeld.db"}, False),
        ("Read", {"file_path": "/state/inbox/deeper/8f3a.png"}, False),
        ("Read", {"file_path": "inbox/8f3a.png"}, False),
        ("Read", {"file_path": ["/state/inbox/8f3a.png"]}, False),
        ("Read", {}, False),
        ("Write", {"file_path": "/state/inbox/8f3a.png"}, False),
    ],
)
def test_what_needs_no_leave(tool, fields, through):
    """An answer without files to the turn's own chat, a look at a received file, and nothing else."""
    assert permission.lets_through(tool, fields, "web:main", "/state/inbox") is through
    assert not permission.lets_through(tool, fields, None, "/state/inbox")


@pytest.mark.parametrize(
    ("preview_text", "doubtful"), [('{ "command": "echo [REDACTED]" }', False), ('{ "command": "ls" }', True)]
)
def test_what_is_masked_or_in_doubt_cannot_be_allowed_from_afar(preview_text, doubtful):
    """Neither what a mask stands for nor an input that does not fit was shown to whoever would allow it."""
    request = Request("abcde", "Bash", "d", preview_text)
    for full in (False, True):
        shown = permission.card(request, None, session="", full=full, doubtful=doubtful)
        assert shown.options == [Option.DENY] and "at the terminal only" in shown.body


def test_a_long_tool_name_is_cut_with_a_mark_and_told_in_full():
    """Two tools that begin alike can be told apart."""
    names = [f"mcp__{'a' * 73}__{end}" for end in ("read", "wipe")]
    cards = [permission.card(Request("abcde", n, "", ""), "{}", session="", full=False) for n in names]
    assert all("…?" in card.title and name in card.body for card, name in zip(cards, names, strict=True))
