"""Claude Code's questions and plans: read from the call that asks them, and the call's answer made of what people say.

As seen with 2.1.330: a ``PreToolUse`` hook that returns ``allow`` with an ``updatedInput`` settles the call without a
dialog; without ``updatedInput`` the dialog appears all the same.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from channeld.core.permission import BODY_LIMIT, MESSAGE_LIMIT
from channeld.core.prompts import chosen
from channeld.core.text import unmasked

MOST_QUESTIONS: Final = 8
LABEL_LIMIT: Final = 80
"""Characters of an option, on a button."""
APPROVE: Final = "Approve"
KEEP_PLANNING: Final = "Keep planning"


class _Choice(msgspec.Struct):
    label: str
    description: str = ""


class _Asked(msgspec.Struct, rename="camel"):
    question: str
    options: list[_Choice] = []
    header: str = ""
    multi_select: bool = False


class _Call(msgspec.Struct):
    questions: list[_Asked]


class Question(NamedTuple):
    """One question, as it is put to people."""

    asked: str
    """As Claude put it: the key of its answer."""
    title: str
    body: str
    labels: dict[str, str]
    """Claude's label by the option as it is shown."""
    multiple: bool


class Plan(NamedTuple):
    """A plan, as it is put to people."""

    title: str
    body: str
    text: str | None
    """The whole of it, where ``body`` is only a part."""


def read_questions(fields: dict[str, Any]) -> list[Question]:
    """Return the questions of an ``AskUserQuestion`` call; none where they are not understood."""
    try:
        asked = msgspec.convert(fields, _Call).questions
    except msgspec.ValidationError:
        return []
    if len(asked) > MOST_QUESTIONS or len({each.question for each in asked}) != len(asked):
        return []
    questions = [_question(each, number, len(asked)) for number, each in enumerate(asked, 1)]
    # Options that look the same on a button cannot be told apart: the terminal shows them in full.
    alike = any(len(q.labels) != len(a.options) for q, a in zip(questions, asked, strict=True))
    return [] if alike else questions


def answer_of(question: Question, answer: str) -> str:
    """Return an answer in Claude's own labels; several are joined as the terminal joins them."""
    said = chosen(answer) if question.multiple else [answer]
    return ", ".join(question.labels.get(each, each) for each in said)


def answered(fields: dict[str, Any], answers: dict[str, str]) -> dict[str, Any]:
    """Return the hook's output that answers an ``AskUserQuestion`` call."""
    return _decision("allow", updatedInput={**fields, "answers": answers})


def read_plan(fields: dict[str, Any]) -> Plan | None:
    """Return the plan of an ``ExitPlanMode`` call; None where there is nothing to read."""
    text = fields.get("plan")
    if not isinstance(text, str) or not text.strip():
        return None
    shown = unmasked(text.strip())
    title = "Claude has made a plan: shall it begin?"
    how = "To have it changed, answer in your own words."
    if len(shown) <= MESSAGE_LIMIT:
        return Plan(title, f"{shown}\n\n{how}", None)
    return Plan(title, f"{shown[:BODY_LIMIT]}\n[… the whole plan is in the file that goes with this]\n\n{how}", shown)


def plan_answered(fields: dict[str, Any], answer: str) -> dict[str, Any]:
    """Return the hook's output for a plan: it begins, or Claude is told to go on planning and why."""
    if answer == APPROVE:
        return _decision("allow", updatedInput=fields)
    wish = "" if answer == KEEP_PLANNING else f" They say: {answer}"
    return _decision(
        "deny", permissionDecisionReason=f"The user has read the plan and wants you to go on planning.{wish}"
    )


def _question(asked: _Asked, number: int, total: int) -> Question:
    labels = {_label(choice.label): choice.label for choice in asked.options}
    count = f" ({number} of {total})" if total > 1 else ""
    text = unmasked(asked.question.strip())
    title = f"{_cut(' '.join(text.split()), 200)}{count}"
    lines = [text] if len(text) > 200 or "\n" in text else []
    lines += [f"{_label(c.label)}: {unmasked(c.description)}" for c in asked.options if c.description.strip()]
    lines.append("Choose one or several, or answer in your own words." if asked.multi_select
                 else "Choose one, or answer in your own words.")  # fmt: skip
    return Question(asked.question, title, _cut("\n".join(lines), MESSAGE_LIMIT), labels, asked.multi_select)


def _label(label: str) -> str:
    return _cut(" ".join(unmasked(label).split()), LABEL_LIMIT)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _decision(decision: str, **more: Any) -> dict[str, Any]:
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": decision, **more}}
