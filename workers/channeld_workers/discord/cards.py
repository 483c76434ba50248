"""A prompt as Discord shows it: a text and components. What it asks about is hostile: it stays plain text."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from channeld.core.permission import without_words_to_write
from channeld.ipc.messages import Prompt
from channeld_workers.discord.components import choice_rows, prompt_rows
from channeld_workers.discord.markdown import code, convert, escape, unfenced
from channeld_workers.discord.splitting import split
from channeld_workers.units import utf16_len

MOST_UNITS: Final = 1900
"""UTF-16 code units of a card: nearly what a message may have."""
_MOST_TAIL: Final = 600
_PASSING: Final = frozenset({"waiting", "stale", "unattended"})
"""Kinds of which only the outcome is of interest once they are settled."""
_MARKS: Final = {"answered": "✔", "elsewhere": "✔", "expired": "✖"}
_ENDED: Final = {"elsewhere": "Settled elsewhere.", "expired": "Nobody waits for an answer any more."}
_LINK: Final = re.compile(r"(```.*?```|`[^`\n]*`)|\]\(", re.DOTALL)


class Card(NamedTuple):
    """A message that shows a prompt."""

    content: str
    components: list[dict[str, Any]]


def card(prompt: Prompt) -> Card:
    """Return how a prompt looks now."""
    head = f"**{escape(_title(prompt))}**"
    tail = split(_tail(prompt), _MOST_TAIL)[:1]
    room = MOST_UNITS - sum(utf16_len(text) + 2 for text in (head, *tail))
    body = _body(prompt, room)
    return Card("\n\n".join([head, *([body] if body else []), *tail]), _components(prompt))


def question_of(prompt: Prompt) -> str:
    """Return what a form is called that takes the answer."""
    return _title(prompt)


def _title(prompt: Prompt) -> str:
    return " ".join(prompt.title.split())[:200] or "A question"


def _body(prompt: Prompt, room: int) -> str:
    """Return what a prompt says below its title, cut where it is too long: a command as code, no links under words."""
    text = prompt.body.strip()
    if not text or (prompt.state != "open" and prompt.kind in _PASSING):
        return ""
    if prompt.kind == "permission":
        text = without_words_to_write(text).strip()
        return _cut(unfenced(text), room - len(code("x")), prompt, in_code=True) if text else ""
    if prompt.kind in {"plan", "question"}:
        return _cut(_LINK.sub(lambda found: found[1] or "]\\(", convert(text)), room, prompt)
    return _cut(escape(text), room, prompt)


def _cut(text: str, room: int, prompt: Prompt, *, in_code: bool = False) -> str:
    more = "all of it is in the file" if prompt.file else "the rest is at the terminal"
    note = f"\n… (cut here; {more})"
    if utf16_len(text) <= room:
        note = ""
    else:
        text = next(iter(split(text, room - len(note))), "")
    return f"{code(text) if in_code else text}{note}"


def _tail(prompt: Prompt) -> str:
    if prompt.state == "open":
        return ""
    return f"{_MARKS.get(prompt.state, '✔')} {escape(prompt.answer) or _ENDED.get(prompt.state, 'Answered.')}"


def _components(prompt: Prompt) -> list[dict[str, Any]]:
    if prompt.state != "open":
        return []
    other = ""
    if prompt.free:
        other = "Enter the code" if prompt.kind == "pairing" else "Other…" if prompt.options else "Answer…"
    if prompt.multiple and prompt.options:
        return choice_rows(prompt.id, prompt.options, other=other)
    return prompt_rows(prompt.id, prompt.options, other=other, short_first=prompt.kind == "permission")
