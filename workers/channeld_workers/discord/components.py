"""Buttons, lists and forms, and what using one carries: at most 100 characters, and nothing that can be guessed.

Discord alone hands a custom id to the bot, for messages of the bot's own; who used it is Discord's word too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from channeld_workers.raw import Raw, table, tables, words
from channeld_workers.units import utf16_len, whole

LABEL_LIMIT: Final = 80
"""Characters on a button (https://discord.com/developers/docs/components/reference#button)."""
OPTION_LIMIT: Final = 100
"""Characters of an option in a list."""
TITLE_LIMIT: Final = 45
"""Characters of a form's title, and of what stands above its field."""
ANSWER_LIMIT: Final = 4000
"""Characters that a field of a form takes."""
MOST_BUTTONS: Final = 25
"""In five rows of five."""

REPLY: Final = "b"
"""Begins the id of buttons that Claude gave a message."""
PROMPT: Final = "p"
"""Begins the id of buttons under a prompt."""
CHOICE: Final = "c"
"""Begins the id of a list of which several options may be chosen."""
OTHER: Final = "o"
"""Begins the id of the button that opens a form."""
FORM: Final = "f"
"""Begins the id of a form."""
FIELD: Final = "answer"
"""The id of a form's field."""

_ROW: Final = 5
_SHORT: Final = 20
"""Characters of a label that has room beside others."""
_GRAY: Final = 2
_BLUE: Final = 1
_STYLES: Final = {"Allow": 3, "Deny": 4}
"""Green and red."""


class Used(NamedTuple):
    """What an id of ours says."""

    kind: str
    owner: str  # id of the prompt, or of what was sent
    number: int  # of the option


def reply_rows(send_id: str, labels: Sequence[str]) -> list[dict[str, Any]]:
    """Return the components for the buttons of a reply."""
    return _rows([_button(label, f"{REPLY}:{send_id}:{n}") for n, label in enumerate(labels[:MOST_BUTTONS])])


def prompt_rows(
    prompt_id: str, options: Sequence[str], *, other: str = "", short_first: bool = False
) -> list[dict[str, Any]]:
    """Return the components for a prompt that takes one of its options, or words of one's own.

    Args:
        prompt_id: of the prompt.
        options: their labels.
        other: what the button says that opens a form; empty: there is none.
        short_first: put the short ones side by side in front, which is where a thumb looks for yes and no.
    """
    most = MOST_BUTTONS - bool(other)
    buttons = [
        _button(label, f"{PROMPT}:{prompt_id}:{n}", _STYLES.get(label, _GRAY)) for n, label in enumerate(options[:most])
    ]
    if other:
        buttons.append(_button(other, f"{OTHER}:{prompt_id}:0", _GRAY if options else _BLUE))
    if short_first:
        first = [button for button in buttons if len(button["label"]) <= _SHORT][:_ROW]
        rest = [button for button in buttons if button not in first]
        if len(rest) < _ROW:
            return [*_rows(first), *({"type": 1, "components": [button]} for button in rest)]
    return _rows(buttons)


def choice_rows(prompt_id: str, options: Sequence[str], *, other: str = "") -> list[dict[str, Any]]:
    """Return the components for a prompt that takes several of its options: a list, and perhaps a button for words."""
    some = [{"label": shortened(label, OPTION_LIMIT), "value": str(n)} for n, label in enumerate(options[:25])]
    select = {
        "type": 3, "custom_id": f"{CHOICE}:{prompt_id}:0", "options": some, "min_values": 1, "max_values": len(some),
        "placeholder": "Choose one or more",
    }  # fmt: skip
    rows: list[dict[str, Any]] = [{"type": 1, "components": [select]}]
    return rows + _rows([_button(other, f"{OTHER}:{prompt_id}:0")] if other else [])


def form(prompt_id: str, title: str, *, long: bool) -> dict[str, Any]:
    """Return a form with one field for words."""
    field = {
        "type": 4, "custom_id": FIELD, "label": "Your answer" if long else "The code", "style": 2 if long else 1,
        "required": True, "min_length": 1, "max_length": ANSWER_LIMIT if long else 100,
    }  # fmt: skip
    return {
        "custom_id": f"{FORM}:{prompt_id}:0",
        "title": shortened(title, TITLE_LIMIT),
        "components": [{"type": 1, "components": [field]}],
    }


def read_id(custom_id: object) -> Used | None:
    """Return what an id says; None if it is none of ours."""
    if type(custom_id) is not str:
        return None
    kind, _, rest = custom_id.partition(":")
    owner, _, number = rest.rpartition(":")
    if kind not in {REPLY, PROMPT, CHOICE, OTHER, FORM} or not owner or not number.isascii() or not number.isdecimal():
        return None
    return Used(kind, owner, int(number[:4]))


def values_of(data: Raw) -> list[int]:
    """Return the numbers of the options that were chosen in a list, in order."""
    values = data.get("values")
    some = values[:25] if type(values) is list else []
    return sorted({int(one) for one in some if type(one) is str and one.isascii() and one.isdecimal() and len(one) < 4})


def written_in(data: Raw) -> str:
    """Return what was written into a form, empty if nothing was."""
    for row in tables(data.get("components")):
        for field in (table(row.get("component")), *tables(row.get("components"))):
            value = field.get("value")
            if field.get("custom_id") == FIELD and type(value) is str:
                return words(value, ANSWER_LIMIT)
    return ""


def label_of(message: Raw, custom_id: str) -> str:
    """Return what the button with an id says, empty where there is none."""
    for button in _buttons(message):
        label = button.get("label")
        if button.get("custom_id") == custom_id and type(label) is str:
            return words(label, LABEL_LIMIT)
    return ""


def shortened(text: str, limit: int) -> str:
    """Return a label of at most so many UTF-16 units, and at least one character."""
    shown = whole(text).strip() or "…"
    if utf16_len(shown) <= limit:
        return shown
    shown = shown[: limit - 1]
    while utf16_len(shown) > limit - 1:
        shown = shown[:-1]
    return f"{shown}…"


def _buttons(message: Raw) -> Iterator[Raw]:
    for row in tables(message.get("components")):
        yield from tables(row.get("components"))


def _button(label: str, custom_id: str, style: int = _GRAY) -> dict[str, Any]:
    return {"type": 2, "style": style, "label": shortened(label, LABEL_LIMIT), "custom_id": custom_id}


def _rows(buttons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put short labels side by side, and long ones below each other as far as there are rows for it."""
    short = all(len(button["label"]) <= _SHORT for button in buttons)
    width = _ROW if short else -(-len(buttons) // _ROW) or 1
    return [{"type": 1, "components": buttons[at : at + width]} for at in range(0, len(buttons), width)]
