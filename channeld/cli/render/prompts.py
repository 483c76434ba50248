"""What ``prompts`` prints."""

from __future__ import annotations

from typing import Any, Final

import click

from channeld.cli.render.layout import age, plain, wrap, wrap_hard

_COLOURS: Final = {"open": "yellow", "answered": "green"}
_MOST_LINES: Final = 40
"""Lines of one prompt's body."""


def prompt_lines(prompts: list[dict[str, Any]], now: float, width: int) -> list[str]:
    """Return the list, the open prompts with all that is needed to answer them."""
    if not prompts:
        return wrap(
            "Nothing is asked, and nothing was. What Claude Code asks while a session is attached is here.", width
        )
    lines: list[str] = []
    for prompt in prompts:
        lines += _entry(prompt, now, width)
    if any(prompt["state"] == "open" for prompt in prompts):
        lines += ["", *wrap("To answer one: `channeld prompts answer ID ANSWER`", width)]
    return lines


def answered_lines(data: dict[str, Any], now: float, width: int) -> list[str]:
    """Return what is said of an answer: the outcome, or all of a prompt that is still open."""
    if data["prompt"] is not None:
        return _entry(data["prompt"], now, width)
    return wrap(f"{plain(data['outcome'])}.", width)


def _entry(prompt: dict[str, Any], now: float, width: int) -> list[str]:
    state = click.style(prompt["state"], fg=_COLOURS.get(prompt["state"]))
    head = f"{click.style(prompt['id'], bold=True)}  {state}  {prompt['kind']}, {age(now - prompt['asked_at'])} ago"
    lines = [head, *wrap_hard(plain(prompt["title"]), width, "    ")]
    if prompt["state"] != "open":
        return lines + (wrap(_decision(prompt, now), width, "    ") if _decision(prompt, now) else [])
    body = [line for each in prompt["body"].splitlines() for line in wrap_hard(plain(each), width, "      ")]
    lines += body[:_MOST_LINES]
    if len(body) > _MOST_LINES:
        lines.append(f"      … {len(body) - _MOST_LINES} more lines")
    if prompt["file"] is not None:
        lines += wrap(f"All of it: {plain(prompt['file'])}", width, "    ")
    answers = [*map(plain, prompt["options"]), *(["your own words"] if prompt["free"] else [])]
    return [*lines, *wrap(f"Answers: {' | '.join(answers)}", width, "    ")]


def _decision(prompt: dict[str, Any], now: float) -> str:
    """Return who decided what, when and where."""
    said = plain(prompt["outcome"] or prompt["answer"])
    by = prompt["by"]
    if by is None:
        return said
    where = f"in {by['worker']} (user {plain(by['sender_id'])})" if by["worker"] else "at the terminal"
    return f"{said}, {where}, {age(now - prompt['settled_at'])} ago"
