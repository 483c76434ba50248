"""Buttons under messages, and what a tap on one carries: at most 64 bytes, and nothing that can be guessed or forged.

Telegram alone hands callback data to the bot, for messages of the bot's own; who tapped is Telegram's word too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from channeld_workers.raw import Raw, table, tables

LABEL_LIMIT: Final = 60
"""Characters of a label: more is not shown on a phone."""
REPLY: Final = "b"
"""Begins the data of buttons that Claude gave a message."""
PROMPT: Final = "p"
"""Begins the data of buttons under a prompt."""
CHOICE: Final = "c"
"""Begins the data of a choice among several."""
DONE: Final = "d"
"""Begins the data of the button that ends choosing."""
CHOSEN, FREE = "☑ ", "☐ "
"""Begin the labels of choices: the message itself remembers by them what is chosen."""
_SHORT: Final = 12
"""Characters of a label that has room beside two others."""
_ROW: Final = 3


def reply_keyboard(send_id: str, labels: Sequence[str]) -> dict[str, Any] | None:
    """Return the markup for buttons of a reply."""
    return _markup([[_button(label, f"{REPLY}:{send_id}:{n}") for n, label in row] for row in _rows(labels)])


def prompt_keyboard(prompt_id: str, options: Sequence[str], *, short_first: bool = False) -> dict[str, Any] | None:
    """Return the markup for a prompt that takes one of its options.

    Args:
        prompt_id: of the prompt.
        options: their labels.
        short_first: put the short ones side by side in front, which is where a thumb looks for yes and no.
    """
    rows = _rows(options)
    if short_first:
        row = [(n, label) for n, label in enumerate(options) if len(label) <= _SHORT][:_ROW]
        rows = [row, *([each] for each in enumerate(options) if each not in row)]
    return _markup([[_button(label, f"{PROMPT}:{prompt_id}:{n}") for n, label in row] for row in rows if row])


def choice_keyboard(prompt_id: str, options: Sequence[str], chosen: frozenset[int]) -> dict[str, Any] | None:
    """Return the markup for a prompt that takes several of its options: what is chosen stands in the labels."""
    rows = [
        [_button(f"{CHOSEN if n in chosen else FREE}{label}", f"{CHOICE}:{prompt_id}:{n}")]
        for n, label in enumerate(options)
    ]
    return _markup([*rows, [_button("Done", f"{DONE}:{prompt_id}:0")]])


def chosen_in(markup: object, prompt_id: str) -> frozenset[int]:
    """Return what is chosen in the markup of a message: the message itself remembers it."""
    marked = (button for button in buttons_of(markup) if str(button.get("text")).startswith(CHOSEN))
    found = (read_data(str(button.get("callback_data"))) for button in marked)
    return frozenset(data[2] for data in found if data is not None and data[:2] == (CHOICE, prompt_id))


def buttons_of(markup: object) -> Iterator[Raw]:
    """Yield the inline buttons of a markup, whatever shape that has: at most 100 of each of 100 rows."""
    rows = table(markup).get("inline_keyboard")
    for row in rows[:100] if type(rows) is list else []:
        yield from tables(row)


def read_data(data: str) -> tuple[str, str, int] | None:
    """Return a tap's kind, the id of its prompt or send, and the number of its option; None if it is none of ours."""
    kind, _, rest = data.partition(":")
    owner, _, number = rest.partition(":")
    if kind not in {REPLY, PROMPT, CHOICE, DONE} or not owner or not number.isascii() or not number.isdecimal():
        return None
    return kind, owner, int(number[:4])  # the data is anybody's: no number of a thousand digits is read


def _rows(labels: Sequence[str]) -> list[list[tuple[int, str]]]:
    """Put short labels side by side, long ones below each other."""
    numbered = list(enumerate(labels))
    width = _ROW if all(len(label) <= _SHORT for label in labels) else 1
    return [numbered[start : start + width] for start in range(0, len(numbered), width)]


def _button(label: str, data: str) -> dict[str, str]:
    shown = label.strip() or "…"
    return {"text": shown if len(shown) <= LABEL_LIMIT else f"{shown[: LABEL_LIMIT - 1]}…", "callback_data": data}


def _markup(rows: list[list[dict[str, str]]]) -> dict[str, Any] | None:
    return {"inline_keyboard": rows} if rows else None
