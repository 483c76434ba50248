"""Prompts as messages with components, and what using one says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channeld.ipc.messages import Prompt
from channeld_workers.discord.cards import MOST_UNITS, card
from channeld_workers.discord.components import (
    Used,
    form,
    label_of,
    prompt_rows,
    read_id,
    reply_rows,
    shortened,
    values_of,
    written_in,
)
from channeld_workers.units import utf16_len
from tests.doubles.discord_api_checks import check_components, check_message, check_modal

KINDS = ["permission", "question", "plan", "pairing", "waiting", "stale", "unattended"]
WRONG: list[Any] = [
    None,
    True,
    1,
    1.5,
    "",
    "x",
    "b:",
    "b::",
    "b:a:",
    "b:a:x",
    "b:a:²",
    "z:a:1",
    [],
    {},
    ["x"],
    "b:" + "9" * 300,
]


def prompt(**more):
    """Return a permission that is open."""
    facts = {"id": "abcdefgh", "chat": "discord:7", "kind": "permission", "title": "Run a command", "body": "rm -r b"}
    return Prompt(**{**facts, "options": ["Allow", "Deny"], "state": "open", **more})


def ids_of(rows):
    """Return what the buttons carry, by label."""
    return {one["label"]: one["custom_id"] for row in rows for one in row["components"]}


def test_a_permission_shows_its_command_as_code():
    """Nothing in it is formatting, and it cannot leave its block."""
    looks = card(prompt(body="rm -r **build**\n```\n@everyone\n\nOr write: yes abcde"))
    assert looks.content == "**Run a command**\n\n```\nrm -r **build**\n``\u200b`\n@everyone\n```"
    assert ids_of(looks.components) == {"Allow": "p:abcdefgh:0", "Deny": "p:abcdefgh:1"}


@pytest.mark.parametrize(("changed", "tail"), [
    ({"state": "answered", "answer": "Allow – *Ann*"}, "✔ Allow – \\*Ann\\*"),
    ({"state": "elsewhere"}, "✔ Settled elsewhere."),
    ({"state": "expired"}, "✖ Nobody waits for an answer any more."),
])  # fmt: skip
def test_a_settled_prompt_says_what_has_become_of_it(changed, tail):
    """And has no buttons."""
    looks = card(prompt(**changed))
    assert looks.content.endswith(f"\n\n{tail}")
    assert looks.components == []


@pytest.mark.parametrize(("changed", "label"), [
    ({"free": True}, "Other…"),
    ({"free": True, "options": []}, "Answer…"),
    ({"free": True, "options": [], "kind": "pairing"}, "Enter the code"),
])  # fmt: skip
def test_what_takes_words_has_a_button_for_a_form(changed, label):
    """Which is where they are written."""
    assert ids_of(card(prompt(**changed)).components)[label] == "o:abcdefgh:0"


def test_several_options_are_chosen_from_a_list():
    """All at once."""
    list_row, other_row = card(prompt(options=["a", "a", "c" * 200], multiple=True, free=True)).components
    (select,) = list_row["components"]
    assert (select["custom_id"], select["min_values"], select["max_values"]) == ("c:abcdefgh:0", 1, 3)
    assert [one["value"] for one in select["options"]] == ["0", "1", "2"]
    assert ids_of([other_row]) == {"Other…": "o:abcdefgh:0"}


def test_a_question_has_no_links_under_words():
    """What is to be answered must be what it says; code stays as it is."""
    looks = card(prompt(kind="question", body="see [the docs](https://example.org)\n`a[0](x)`"))
    assert "[the docs]\\(https://example.org)" in looks.content
    assert "`a[0](x)`" in looks.content


def test_what_asks_in_passing_shows_its_outcome_only():
    """Once it is settled."""
    looks = card(prompt(kind="waiting", body="a message waits", state="answered", answer="Delivered."))
    assert looks.content == "**Run a command**\n\n✔ Delivered."


@given(
    st.text(max_size=300), st.text(max_size=4000), st.lists(st.text(max_size=200), max_size=30), st.sampled_from(KINDS),
    st.booleans(), st.booleans(), st.sampled_from(["open", "answered", "expired"]), st.text(max_size=3000),
)  # fmt: skip
def test_discord_takes_every_card(title, body, options, kind, multiple, free, state, answer):
    """Whatever is asked: text and components are within all limits."""
    asked = prompt(
        title=title, body=body * 2, options=options, kind=kind, multiple=multiple, free=free, state=state, answer=answer
    )
    looks = card(asked)
    assert utf16_len(looks.content) <= MOST_UNITS
    complaints: list[str] = []
    body = {"content": looks.content, "components": looks.components, "allowed_mentions": {"parse": []}}
    check_message(body, files=0, complaints=complaints)
    check_components(looks.components)
    check_modal(form(asked.id, title, long=True))
    assert not complaints and looks.content.count("```") % 2 == 0


@given(st.lists(st.text(max_size=100), max_size=30))
def test_discord_takes_every_row_of_buttons(labels):
    """Of replies as well, up to 25."""
    rows = reply_rows("0123456789abcdef", labels)
    check_components(rows)
    assert sum(len(row["components"]) for row in rows) == min(len(labels), 25)


def test_short_answers_to_a_permission_come_first():
    """Side by side, whatever stands between them."""
    rows = prompt_rows("x", ["Allow", "Always allow " + "y" * 30, "Deny"], short_first=True)
    assert [[one["label"][:5] for one in row["components"]] for row in rows] == [["Allow", "Deny"], ["Alway"]]


@pytest.mark.parametrize("value", WRONG)
def test_a_foreign_id_is_none_of_ours(value):
    """Whatever it is."""
    assert read_id(value) is None


def test_an_id_is_read_as_it_was_written():
    """With its number."""
    assert read_id("p:a:b:12") == Used("p", "a:b", 12)


@pytest.mark.parametrize("value", [*WRONG, ["1", 2, None, "²", "-1", "2", "1", "9999"]])
def test_choices_are_read_from_anything(value):
    """Those that can be numbers of options."""
    assert values_of({"values": value}) == ([1, 2] if isinstance(value, list) and len(value) > 1 else [])


@pytest.mark.parametrize("wrong", [None, 1, "x", [], {}, [None], [{}], [{"components": 5}], [{"component": [1]}]])
def test_forms_and_buttons_are_read_from_anything(wrong):
    """Nothing is empty text."""
    assert written_in({"components": wrong}) == ""
    assert label_of({"components": wrong}, "b:x:0") == ""


def test_what_was_written_is_read_from_either_kind_of_row():
    """Discord has two."""
    field = {"custom_id": "answer", "value": "words \ud800", "type": 4}
    assert written_in({"components": [{"type": 1, "components": [field]}]}) == "words ?"
    assert written_in({"components": [{"type": 18, "component": field}]}) == "words ?"
    assert written_in({"components": [{"type": 18, "component": field | {"value": 5}}]}) == ""


@given(st.text(max_size=200), st.integers(2, 100))
def test_a_label_is_never_too_long_or_empty(text, limit):
    """In UTF-16 units."""
    assert 1 <= utf16_len(shortened(text, limit)) <= limit
