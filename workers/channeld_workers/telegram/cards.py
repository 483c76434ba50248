"""A prompt as Telegram shows it: text, entities and buttons. What it asks about is hostile: it stays plain text."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from channeld.core.permission import without_words_to_write
from channeld.ipc.messages import Prompt
from channeld_workers.telegram.keyboards import choice_keyboard, prompt_keyboard
from channeld_workers.telegram.rendering import Piece, convert, plain, split, utf16_len

MOST_UNITS: Final = 3500
"""UTF-16 code units of a card: less than a message may have, so that its outcome has room."""
_PASSING: Final = frozenset({"waiting", "stale", "unattended"})
"""Kinds of which only the outcome is of interest once they are settled."""
_MARKS: Final = {"answered": "✔", "elsewhere": "✔", "expired": "✖"}
_ENDED: Final = {"elsewhere": "Settled elsewhere.", "expired": "Nobody waits for an answer any more."}


class Card(NamedTuple):
    """A message that shows a prompt."""

    text: str
    entities: list[dict[str, Any]]
    markup: dict[str, Any] | None


def card(prompt: Prompt, chosen: frozenset[int] = frozenset()) -> Card:
    """Return how a prompt looks now.

    Args:
        prompt: what is asked, or what has become of it.
        chosen: of a prompt with several choices, the numbers of those that are marked.
    """
    title = prompt.title.strip() or "A question"
    entities: list[dict[str, Any]] = [{"type": "bold", "offset": 0, "length": utf16_len(title)}]
    text, tail = title, _tail(prompt)
    body = _body(prompt)
    if body.text:
        start = utf16_len(title) + 2
        room = MOST_UNITS - start - utf16_len(tail)
        if utf16_len(body.text) > room:
            more = "all of it is in the file" if prompt.file else "the rest is at the terminal"
            note = f"\n… (cut here; {more})"
            body = split(body, room - utf16_len(note), "length")[0]
            body = body._replace(text=body.text + note)
        text = f"{title}\n\n{body.text}"
        entities += [{**entity, "offset": entity["offset"] + start} for entity in body.entities]
    if tail:
        text = f"{text}\n\n{tail}"
    return Card(text, entities, _markup(prompt, chosen))


def _body(prompt: Prompt) -> Piece:
    """Return what a prompt says below its title: a command as code, and Claude's Markdown formatted without links."""
    if prompt.state != "open" and prompt.kind in _PASSING:
        return plain("")
    if prompt.kind == "permission":
        text = without_words_to_write(prompt.body).strip()
        return Piece(text, [{"type": "pre", "offset": 0, "length": utf16_len(text)}] if text else [])
    if prompt.kind in {"plan", "question"}:
        body = convert(prompt.body.strip())
        return Piece(body.text, [entity for entity in body.entities if entity["type"] != "text_link"])
    return plain(prompt.body.strip())


def _tail(prompt: Prompt) -> str:
    if prompt.state != "open":
        return f"{_MARKS.get(prompt.state, '✔')} {prompt.answer or _ENDED.get(prompt.state, 'Answered.')}"
    if not prompt.free:
        return ""
    if prompt.kind == "pairing":
        return "Reply to this message with the code."
    if prompt.options:
        return "For your own words, reply to this message."
    return "Reply to this message with your answer."


def _markup(prompt: Prompt, chosen: frozenset[int]) -> dict[str, Any] | None:
    if prompt.state != "open":
        return None
    if prompt.multiple and prompt.options:
        return choice_keyboard(prompt.id, prompt.options, chosen)
    if prompt.options:
        return prompt_keyboard(prompt.id, prompt.options, short_first=prompt.kind == "permission")
    return {"force_reply": True} if prompt.free else None
