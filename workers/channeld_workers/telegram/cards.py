"""A prompt as Telegram shows it: text, entities and buttons. What it asks about is hostile: it stays plain text."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from channeld.ipc.messages import Prompt
from channeld_workers.telegram.keyboards import choice_keyboard, prompt_keyboard
from channeld_workers.telegram.rendering import plain, split, utf16_len

MOST_UNITS: Final = 3500
"""UTF-16 code units of a card: less than a message may have, so that its outcome has room."""
_CODE: Final = frozenset({"permission"})
"""Kinds whose body is shown as it would be in a terminal."""
_MARKS: Final = {"answered": "✔", "elsewhere": "✔", "expired": "✖"}
_ENDED: Final = {"elsewhere": "Settled elsewhere.", "expired": "Nobody waits for an answer any more."}
_CUT: Final = "\n… (cut here"


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
    text = title
    tail = _tail(prompt)
    body = prompt.body.strip()
    if body:
        room = MOST_UNITS - utf16_len(title) - utf16_len(tail)
        if utf16_len(body) > room:
            more = "; all of it is in the file)" if prompt.file else ")"
            body = split(plain(body), room - 40, "length")[0].text + _CUT + more
        start = utf16_len(title) + 2
        text = f"{title}\n\n{body}"
        if prompt.kind in _CODE:
            entities.append({"type": "pre", "offset": start, "length": utf16_len(body)})
    if tail:
        text = f"{text}\n\n{tail}"
    return Card(text, entities, _markup(prompt, chosen))


def _tail(prompt: Prompt) -> str:
    if prompt.state != "open":
        return f"{_MARKS.get(prompt.state, '✔')} {prompt.answer or _ENDED.get(prompt.state, 'Answered.')}"
    if not prompt.free:
        return ""
    if prompt.kind == "pairing":
        return "Reply to this message with the code."
    return (
        "Or reply to this message in your own words." if prompt.options else "Reply to this message with your answer."
    )


def _markup(prompt: Prompt, chosen: frozenset[int]) -> dict[str, Any] | None:
    if prompt.state != "open":
        return None
    if prompt.multiple and prompt.options:
        return choice_keyboard(prompt.id, prompt.options, chosen)
    if prompt.options:
        return prompt_keyboard(prompt.id, prompt.options)
    return {"force_reply": True} if prompt.free else None
