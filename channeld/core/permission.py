"""Permission prompts of Claude Code, as people in chats see and answer them.

Claude Code tells of one prompt twice, within a millisecond and with no common id: a notification with an id and a
display text of the input, in which long values are elided, and, with the plugin, a hook with the whole input.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable
from enum import IntEnum, StrEnum
from pathlib import PurePosixPath
from typing import Any, Final, NamedTuple

import msgspec

from channeld.core.text import clean_name, unmasked

REQUEST_ID: Final = re.compile(r"[a-km-z]{5}")
_VERDICT: Final = re.compile(r"\s*(y|yes|n|no)\s+([a-km-z]{5})\s*", re.IGNORECASE)
_OWN_TOOL: Final = re.compile(r"mcp__(?:plugin_channeld_)?channeld__(?:reply|edit_message|react)")
_ELIDED: Final = re.compile(r"⋯ \d+ code points elided ⋯")
_MASKED: Final = "[REDACTED"
"""What Claude Code shows in place of what it takes for a credential."""
_TOOL_LIMIT: Final = 80
_WHOLE_VALUE: Final = 3500
"""Code points of a value up to which Claude Code does not elide it."""
_HEAD, _TAIL = 2000, 1500
BODY_LIMIT: Final = 1500
"""Characters of a prompt as it is first shown: what a phone shows on one screen or two."""
MESSAGE_LIMIT: Final = 3500
"""Characters that fit into one message on every platform; what is longer goes as a file."""
_PLAIN_NAME: Final = re.compile(r"\w{1,60}", re.ASCII)
_raw_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Option(StrEnum):
    """The answers to a permission prompt."""

    ALLOW = "Allow"
    AGAIN = "Allow exactly this again in this session"
    DENY = "Deny"
    DETAILS = "Details"


class Request(NamedTuple):
    """What the notification tells."""

    request_id: str
    tool: str
    description: str
    preview: str


class Fit(IntEnum):
    """How well a display text and an input belong together."""

    NONE = 0
    LIKELY = 1  # all that can be seen is the same, and something cannot be seen
    CERTAIN = 2  # the display text is that of this very input, all of it


_BY_TEXT: Final = "Or write: "


def without_words_to_write(body: str) -> str:
    """Return a prompt's body without how to answer it in a message: for those who have buttons under it."""
    rest, found, last = body.rpartition("\n\n")
    return rest if found and last.startswith(_BY_TEXT) else body


class Card(NamedTuple):
    """A permission prompt as it is shown."""

    title: str
    body: str
    options: list[str]
    text: str | None = None
    """What goes along as a file, because it is too long for a message."""


def read_verdict(text: str) -> tuple[Option, str] | None:
    """Return what ``yes abcde`` or ``no abcde`` says and of which request; None for any other text."""
    found = _VERDICT.fullmatch(text)
    if found is None:
        return None
    return (Option.ALLOW if found[1].lower().startswith("y") else Option.DENY), found[2].lower()


def fit(preview: str, tool_input: str) -> Fit:
    """Tell whether ``preview`` is Claude Code's display text of an input.

    As seen with 2.1.330: ``{ "name": value, … }`` with each value as compact JSON. Of a value of more than 3,500 code
    points only the first 2,000 and the last 1,500 are there; blanks stand in place of characters that cannot be seen.
    """
    try:
        fields = _raw_fields(tool_input)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Fit.NONE
    whole, shown = True, []
    for name, raw in fields.items():
        value = bytes(raw).decode()
        if (left_out := len(value) - _WHOLE_VALUE) > 0:
            whole = False
            value = f"{value[:_HEAD]}\n⋯ {left_out} code points elided ⋯\n{value[-_TAIL:]}"
        shown.append(f"{json.dumps(name, ensure_ascii=False)}: {value}")
    text = f"{{ {', '.join(shown)} }}"
    if text == preview:
        return Fit.CERTAIN if whole else Fit.LIKELY
    return Fit.LIKELY if _visible(text) == _visible(preview) else Fit.NONE


def pick(preview: str, inputs: Iterable[str]) -> str | None:
    """Return the one input that a display text belongs to without doubt, or None.

    Args:
        preview: the notification's.
        inputs: of all hooks of that session and tool that it could belong to.
    """
    fits = {tool_input: how for tool_input in inputs if (how := fit(preview, tool_input)) is not Fit.NONE}
    certain = [tool_input for tool_input, how in fits.items() if how is Fit.CERTAIN]
    if certain:
        return certain[0]  # different inputs have different display texts where all of it is displayed
    return next(iter(fits)) if len(fits) == 1 else None


def is_certain(preview: str, tool_input: str) -> bool:
    """Tell whether an input needs no other hook to be waited for."""
    return fit(preview, tool_input) is Fit.CERTAIN


def may_be(preview: str, tool_input: str) -> bool:
    """Tell whether a call that has ended can be the one that was asked about; masked credentials match anything."""
    if fit(preview, tool_input) is not Fit.NONE:
        return True
    pieces = _visible(preview).split("[REDACTED]")
    if len(pieces) == 1:
        return False
    try:
        fields = _raw_fields(tool_input)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    text = _visible(", ".join(f"{json.dumps(n, ensure_ascii=False)}: {bytes(v).decode()}" for n, v in fields.items()))
    at = 0
    for piece in (pieces[0].lstrip("{"), *pieces[1:-1], pieces[-1].rstrip("}")):
        if (found := text.find(piece, at)) < 0:
            return False
        at = found + len(piece)
    return True


def digest(tool: str, tool_input: str) -> str:
    """Return what stands for exactly this call: the tool and its whole input."""
    return hashlib.sha256(f"{tool}\0{tool_input}".encode("utf-8", "surrogatepass")).hexdigest()


def lets_through(tool: str, fields: dict[str, Any], chat: str | None, inbox: str) -> bool:
    """Tell whether a call needs no leave.

    That is an answer, without files, to the chat that the turn came from, and to read a received file by its name,
    which cannot be guessed: whoever sends a picture wants it looked at.

    Args:
        tool: its name.
        fields: of its input.
        chat: that the turn came from; None where it came from none.
        inbox: the folder of received files, an absolute path.
    """
    if chat is None:
        return False
    if tool == "Read":
        return _is_in(inbox, fields.get("file_path"))
    return _OWN_TOOL.fullmatch(tool) is not None and fields.get("chat_id") == chat and not fields.get("files")


def _is_in(folder: str, path: object) -> bool:
    """Tell whether a path names something right in a folder, and does not lead out of it again."""
    if not isinstance(path, str):
        return False
    file = PurePosixPath(path)
    return file.parent == PurePosixPath(folder) and file.name not in {"", ".."}


def card(
    request: Request, tool_input: str | None, *, session: str, full: bool, facts: str = "", doubtful: bool = False
) -> Card:
    """Return how a prompt is shown.

    Args:
        request: the notification.
        tool_input: the whole input as JSON text, where it belongs to the request without doubt.
        session: its name.
        full: the whole was asked for.
        facts: what else is known about it.
        doubtful: an input was told that may be the request's and does not fit its display text.
    """
    tool = clean_name(request.tool, 10 * _TOOL_LIMIT) or "?"
    cut = len(tool) > _TOOL_LIMIT
    title = f"May Claude use {tool[:_TOOL_LIMIT]}{'…' if cut else ''}{f' in {session}' if session else ''}?"
    shown = unmasked(request.preview if tool_input is None else describe(tool_input))
    if cut:
        shown = f"Tool: {tool}\n\n{shown}"
    by_text = f"{_BY_TEXT}yes {request.request_id} / no {request.request_id}"
    if tool_input is None and (doubtful or _ELIDED.search(request.preview) or _MASKED in request.preview):
        why = "Not all of what it is about is known here, so it can be allowed at the terminal only."
        return Card(title, _joined(_clipped(shown, MESSAGE_LIMIT), facts, why), [Option.DENY])
    again = [Option.AGAIN] if tool_input is not None else []
    if not full and len(shown) > BODY_LIMIT:
        more = f"Only a part is shown. {Option.DETAILS} sends all of it; then it can be allowed."
        return Card(title, _joined(_clipped(shown, BODY_LIMIT), facts, more), [Option.DETAILS, Option.DENY])
    options = [Option.ALLOW, *again, Option.DENY, *([] if full else [Option.DETAILS])]
    if len(shown) > MESSAGE_LIMIT:
        more = "All of it is in the file that goes with this."
        body = _joined(_clipped(shown, BODY_LIMIT), facts, more, by_text)
        return Card(title, body, list(options), text=f"{title}\n\n{shown}\n")
    return Card(title, _joined(shown, facts, by_text), list(options))


def describe(tool_input: str) -> str:
    """Return a whole input for people: a line a value, further lines of a value indented.

    Nothing is left out, and no value can pass for another: what follows a line feed within one is indented. To be shown
    it has to go through ``unmasked``.
    """
    try:
        fields = msgspec.json.decode(tool_input, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return tool_input
    return "\n".join(_field(name, bytes(raw)) for name, raw in fields.items()) or "(nothing)"


def _field(name: str, raw: bytes) -> str:
    shown = name if _PLAIN_NAME.fullmatch(name) else json.dumps(name)
    try:
        value = msgspec.json.decode(raw, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"{shown} = {raw.decode(errors='replace')}"
    if "\n" not in value:  # other characters that break lines are named by ``unmasked``: a shell runs on over them
        return f"{shown}: {value}"
    return "\n".join([f"{shown}:", *(f"  {line}" for line in value.split("\n"))])


def _clipped(text: str, limit: int) -> str:
    """Return the beginning and the end of a long text, and how much is between them."""
    if len(text) <= limit:
        return text
    head, tail = limit * 2 // 3, limit // 3
    return f"{text[:head]}\n[… {len(text) - head - tail} more characters …]\n{text[-tail:]}"


def _joined(*paragraphs: str) -> str:
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _visible(text: str) -> str:
    """Return the characters of a text that a person sees: blanks and what is invisible may have been changed."""
    return "".join(c for c in text if not c.isspace() and unmasked(c) == c and unicodedata.category(c)[0] != "C")
