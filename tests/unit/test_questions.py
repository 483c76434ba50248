"""Questions and plans, read and answered."""

from __future__ import annotations

import pytest

from channeld.core import questions
from channeld.core.errors import Refused
from channeld.core.prompts import Content, StoredPrompt, check_answer, clipped_title, new_id

ASKED = {
    "questions": [
        {"question": "Which colours?", "header": "Colour", "multiSelect": True, "options": [
            {"label": "Red, warm", "description": "like fire"}, {"label": "Blue\u202e", "description": ""}]},
        {"question": "Name?", "header": "N", "multiSelect": False, "options": [{"label": "A"}, {"label": "B"}]},
    ]
}  # fmt: skip


def prompt(**content):
    """Return an open prompt."""
    facts = {"title": "?", "body": "", "options": ["Red", "Blue"], **content}
    return StoredPrompt(id=new_id(), kind="question", content=Content(**facts), asked_at=0)


def test_questions_become_cards_and_answers_claudes_own_labels():
    """What hides in a label is shown; the answer goes back as Claude spelt it."""
    first, second = questions.read_questions(ASKED)
    assert first.title == "Which colours? (1 of 2)" and first.multiple and "Red, warm: like fire" in first.body
    assert list(first.labels) == ["Red, warm", "Blue[U+202E]"]
    assert questions.answer_of(first, '["Red, warm","Blue[U+202E]"]') == "Red, warm, Blue\u202e"
    assert questions.answer_of(second, "my own words") == "my own words"
    output = questions.answered(ASKED, {"Name?": "A"})["hookSpecificOutput"]
    assert output["permissionDecision"] == "allow"
    assert output["updatedInput"] == {**ASKED, "answers": {"Name?": "A"}}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"questions": "x"},
        {"questions": [{"question": "a"}, {"question": "a"}]},
        {"questions": [{"question": str(n)} for n in range(9)]},
        {"questions": [{"question": "a", "options": [{"label": "b" * 90 + "1"}, {"label": "b" * 90 + "2"}]}]},
        {"questions": [{"question": "a", "options": [{"description": "no label"}]}]},
    ],
)
def test_what_cannot_be_put_well_is_left_to_the_terminal(fields):
    """Not understood, too many, or options that look the same on a button."""
    assert questions.read_questions(fields) == []


def test_a_plan_is_approved_or_sent_back_with_a_wish():
    """Approving needs the input again, else Claude Code shows its dialog all the same."""
    fields = {"plan": "# Plan\n1. go", "planFilePath": "/p.md"}
    plan = questions.read_plan(fields)
    assert plan is not None and plan.text is None and "1. go" in plan.body
    approved = questions.plan_answered(fields, questions.APPROVE)["hookSpecificOutput"]
    assert (approved["permissionDecision"], approved["updatedInput"]) == ("allow", fields)
    again = questions.plan_answered(fields, "more tests")["hookSpecificOutput"]
    assert again["permissionDecision"] == "deny" and again["permissionDecisionReason"].endswith("more tests")
    assert "say" not in questions.plan_answered(fields, questions.KEEP_PLANNING)["hookSpecificOutput"][
        "permissionDecisionReason"
    ].removeprefix("The user")  # fmt: skip
    long = questions.read_plan({"plan": "x" * 5000})
    assert long is not None and long.text == "x" * 5000 and len(long.body) < 2000
    assert questions.read_plan({}) is None and questions.read_plan({"plan": " "}) is None


@pytest.mark.parametrize(
    ("content", "answer", "recorded"),
    [
        ({}, " red ", "Red"),
        ({"free": True}, "green", "green"),
        ({"multiple": True}, '["Blue","red","Blue"]', '["Blue","Red"]'),
        ({"multiple": True}, "Red", '["Red"]'),
        ({"multiple": True, "free": True}, '["Red","and green"]', '["Red","and green"]'),
    ],
)
def test_answers_are_recorded_as_the_options_are_spelt(content, answer, recorded):
    """In whatever case they come."""
    assert check_answer(prompt(**content), answer) == recorded


@pytest.mark.parametrize(
    ("content", "answer"),
    [({}, "green"), ({}, ""), ({"free": True}, " "), ({"multiple": True}, "[]"), ({"free": True}, "x" * 5000),
     ({"multiple": True}, '["Red","green"]'), ({"options": [], "free": True}, "")],
)  # fmt: skip
def test_other_answers_are_refused_with_what_is_taken(content, answer):
    """The prompt stays as it was."""
    with pytest.raises(Refused):
        check_answer(prompt(**content), answer)


def test_options_that_differ_in_case_only_are_told_apart():
    """A tap names the option as it is spelt; words in another case name the first that is alike."""
    content = Content(title="t", body="", options=["deploy to prod", "Deploy to PROD"])
    prompt = StoredPrompt(id="a", kind="question", content=content, asked_at=0.0)
    assert [check_answer(prompt, said) for said in ("Deploy to PROD", "deploy to prod", "DEPLOY TO PROD")] == [
        "Deploy to PROD", "deploy to prod", "deploy to prod"
    ]  # fmt: skip


@pytest.mark.parametrize(("length", "kept"), [(200, 200), (201, 199)])
def test_a_long_title_is_cut_with_a_mark(length, kept):
    """It must not push the rest of its card off the screen."""
    assert clipped_title("x" * length) == "x" * kept + "…" * (length > 200)
