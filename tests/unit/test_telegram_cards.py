"""Prompts as messages with buttons, and what a tap says."""

import pytest

from channeld.ipc.messages import Prompt
from channeld_workers.telegram.cards import MOST_UNITS, card
from channeld_workers.telegram.courtesies import with_commands
from channeld_workers.telegram.keyboards import choice_keyboard, chosen_in, read_data, reply_keyboard
from channeld_workers.telegram.rendering import utf16_len


def prompt(**more):
    """Return a permission that is open."""
    facts = {
        "id": "abcdefgh",
        "chat": "telegram:7",
        "kind": "permission",
        "title": "Run a command",
        "body": "rm -r build",
    }
    return Prompt(**{**facts, "options": ["Allow", "Deny"], "state": "open", **more})


def data_of(markup):
    """Return what the buttons carry, by label."""
    return {button["text"]: button["callback_data"] for row in markup["inline_keyboard"] for button in row}


def test_a_permission_shows_its_command_as_code():
    """Nothing in it is formatting or a link."""
    looks = card(prompt(body="rm -r **build** [x](http://y)"))
    assert looks.text == "Run a command\n\nrm -r **build** [x](http://y)"
    assert [(e["type"], e["offset"], e["length"]) for e in looks.entities] == [("bold", 0, 13), ("pre", 15, 29)]
    assert data_of(looks.markup) == {"Allow": "p:abcdefgh:0", "Deny": "p:abcdefgh:1"}


@pytest.mark.parametrize(("changed", "tail"), [
    ({"state": "answered", "answer": "Allow – Ann"}, "✔ Allow – Ann"),
    ({"state": "elsewhere"}, "✔ Settled elsewhere."),
    ({"state": "expired"}, "✖ Nobody waits for an answer any more."),
])  # fmt: skip
def test_a_settled_prompt_says_what_has_become_of_it(changed, tail):
    """And has no buttons."""
    looks = card(prompt(**changed))
    assert looks.text.endswith(f"\n\n{tail}")
    assert looks.markup is None


@pytest.mark.parametrize(("changed", "tail", "markup"), [
    ({"free": True}, "For your own words, reply to this message.", "inline_keyboard"),
    ({"free": True, "options": []}, "Reply to this message with your answer.", "force_reply"),
    ({"free": True, "options": [], "kind": "pairing"}, "Reply to this message with the code.", "force_reply"),
])  # fmt: skip
def test_what_takes_words_says_how(changed, tail, markup):
    """Replying is what a phone makes easy."""
    looks = card(prompt(**changed))
    assert looks.text.endswith(tail)
    assert looks.markup is not None
    assert markup in looks.markup


def test_yes_and_no_stand_side_by_side_in_front():
    """Where a thumb looks for them; what can be written instead is left out, because here are buttons."""
    again = "Allow exactly this again in this session"
    options = ["Allow", again, "Deny", "Details"]
    looks = card(prompt(options=options, body="rm -r build\n\nOr write: yes abcde / no abcde"))
    assert looks.markup is not None
    assert [[button["text"] for button in row] for row in looks.markup["inline_keyboard"]] == [
        ["Allow", "Deny", "Details"], [again],
    ]  # fmt: skip
    assert data_of(looks.markup)["Deny"] == "p:abcdefgh:2"
    assert looks.text == "Run a command\n\nrm -r build"


def test_a_plan_is_formatted_and_hides_no_address():
    """What is approved is what is read."""
    looks = card(prompt(kind="plan", title="A plan", body="1. **first** [here](https://evil.example)"))
    assert [entity["type"] for entity in looks.entities] == ["bold", "bold"]
    assert "first" in looks.text


def test_what_has_passed_is_one_line():
    """Nobody needs to know any more why it waited."""
    looks = card(prompt(kind="waiting", title="Waits", body="A long story.", state="elsewhere", answer="It goes in."))
    assert looks.text == "Waits\n\n✔ It goes in."


@pytest.mark.parametrize("letter", ["x", "😀", "e\u0301"])
def test_a_long_body_is_cut_and_says_so(letter):
    """Within the limit, whatever it is made of, and its entities with it."""
    looks = card(prompt(body=letter * 5000, file="/spool/x.txt"))
    assert utf16_len(looks.text) <= MOST_UNITS + 10
    assert looks.text.endswith("(cut here; all of it is in the file)")
    assert all(e["offset"] + e["length"] <= utf16_len(looks.text) for e in looks.entities)


def test_the_message_itself_remembers_what_is_chosen():
    """So a choice survives whatever is restarted."""
    markup = choice_keyboard("abcdefgh", ["red", "green", "blue"], frozenset({0, 2}))
    assert chosen_in(markup, "abcdefgh") == {0, 2}
    assert chosen_in(markup, "another") == frozenset()
    assert chosen_in({"inline_keyboard": [None, [3, {"text": "☑ x"}]]}, "abcdefgh") == frozenset()


@pytest.mark.parametrize("data", ["", "p", "p:", "p::1", "x:abc:1", "p:abc:-1", "p:abc:²", "p:abc:one", "p:a:1:2"])
def test_data_that_is_none_of_ours_is_nothing(data):
    """Telegram hands on what the bot has sent, also by an older version."""
    assert read_data(data) is None


def test_data_is_short_and_opaque():
    """At most 64 bytes: no label, no id of a person."""
    markup = reply_keyboard("c7f96d03bf2a0083", ["production, really " * 4, " ", "ok"])
    shown = data_of(markup)
    assert all(len(data.encode()) <= 64 and read_data(data) for data in shown.values())
    assert [len(label) <= 60 and bool(label.strip()) for label in shown] == [True] * 3
    assert reply_keyboard("c7f96d03bf2a0083", []) is None


def test_commands_in_our_own_words_can_be_copied():
    """What stands in backticks is code; offsets count UTF-16 units."""
    text, entities = with_commands("😀 Run `channeld pair` or `channeld status`.")
    assert text == "😀 Run channeld pair or channeld status."
    assert entities == [{"type": "code", "offset": 7, "length": 13}, {"type": "code", "offset": 24, "length": 15}]
    assert utf16_len(with_commands("`x` " + "word " * 2000)[0]) <= 4096
