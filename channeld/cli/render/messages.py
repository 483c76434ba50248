"""What ``messages`` and ``send`` print: one message a line, or everything about one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

import click

from channeld.cli.render.layout import advice, age, cells, count, cut, moment, pad, plain, size, wrap_hard

_MOST_OF_A_CHAT: Final = 24
_ARROWS: Final = {"in": "→", "out": "←"}
_LABEL: Final = 10


class _Place(NamedTuple):
    """What a state means to a person, and what can be done about it."""

    meaning: str
    next: str = ""  # {ref} stands for the message's number
    colour: str = ""


_RETRY: Final = "channeld messages retry {ref}"
_DROP: Final = "channeld messages drop {ref}"
_PLACES: Final[dict[tuple[str, str], _Place]] = {
    ("in", "held"): _Place("Somebody was asked in a chat whether it may go.", f"Give it up with `{_DROP}`", "yellow"),
    ("in", "queued"): _Place(
        "It is on disk and waits for a session that listens.",
        f"See `channeld sessions` for who listens. Give it up with `{_DROP}`",
        "yellow",
    ),
    ("in", "pushed"): _Place(
        "It was given to a session, which has not confirmed it yet. If that session ends, it waits again.",
        "Wait a little. If it stays so, look at that session's terminal.",
        "yellow",
    ),
    ("in", "delivered"): _Place(
        "Claude Code has it. That Claude has acted on it is not known yet.",
        f"If nothing comes of it, give it to Claude once more with `{_RETRY}`",
        "green",
    ),
    ("in", "seen"): _Place(
        "Claude has been shown it and has not replied yet.",
        f"If nothing comes of it, give it to Claude once more with `{_RETRY}`",
        "green",
    ),
    ("in", "answered"): _Place("Claude has replied to this chat since. Nothing is left to do.", "", "green"),
    ("in", "dropped"): _Place(
        "It was given up by hand: Claude does not get it.", f"Changed your mind? `{_RETRY}`", "red"
    ),
    ("out", "queued"): _Place(
        "It is on disk and waits to be sent: after the earlier ones of its chat, when the worker is up.",
        f"See `channeld status` for the worker. Give it up with `{_DROP}`",
        "yellow",
    ),
    ("out", "sending"): _Place("The worker is sending it now.", "Wait a little.", "yellow"),
    ("out", "sent"): _Place("The platform has taken it. Nothing is left to do.", "", "green"),
    ("out", "failed"): _Place(
        "It was not sent, and nobody in the chat has seen it.",
        f"When the cause is mended, send it again: `{_RETRY}`. Or give it up: `{_DROP}`",
        "red",
    ),
    ("out", "uncertain"): _Place(
        "It may have been sent, and nobody can tell. So it was not repeated.",
        f"Look into the chat. If it is missing, `{_RETRY}`. If it is there, `{_DROP}`",
        "red",
    ),
    ("out", "dropped"): _Place("It was given up by hand and is not sent.", "", "red"),
}


def message_lines(messages: list[dict[str, Any]], now: float, width: int | None, none: str) -> list[str]:
    """Return messages, one a line: number, time, chat, direction, state, text.

    Args:
        messages: as the daemon tells them.
        now: unix seconds.
        width: columns to cut the lines to; None: whole lines, for other programs.
        none: what to say when there are none.
    """
    if not messages:
        return [none]
    rows = [
        (str(m["seq"]), moment(m["ts"], now), cut(plain(m["chat"]), _MOST_OF_A_CHAT), str(m["state"]), m)
        for m in messages
    ]
    seq, when, chat, state = (max(cells(str(row[column])) for row in rows) for column in range(4))
    lines = []
    for row in rows:
        message = row[4]
        head = f"{row[0]:>{seq}}  {row[1]:>{when}}  {pad(row[2], chat)} {_ARROWS.get(message['direction'], '?')} "
        text = cut(_text(message), None if width is None else max(1, width - cells(head) - state - 2))
        colour = _place(message).colour
        lines.append(f"{head}{click.style(pad(plain(row[3]), state), fg=colour or None)}  {text}")
    return lines


def message_page(message: dict[str, Any], now: float, width: int) -> list[str]:
    """Return everything about a message: where it is, what that means, what can be done, and its whole text.

    Args:
        message: as the daemon tells it on ``message``.
        now: unix seconds.
        width: columns of the terminal.
    """
    place = _place(message)
    inward = message["direction"] == "in"
    who = plain(message.get("user") or "?")
    lines = [click.style(f"Message {message['seq']}, {'to' if inward else 'from'} Claude", bold=True), ""]
    lines += _field("State", f"{plain(message['state'])}, for {age(now - message['changed_at'])}", width, place.colour)
    lines += _field("", place.meaning, width)
    if message.get("error"):
        lines += _field("Why", plain(message["error"]), width)
    if place.next:
        lines += advice(place.next.format(ref=message["seq"]), width, 2 + _LABEL)
    lines.append("")
    lines += _field(
        "From" if inward else "To", f"{who}, in {plain(message['chat'])}" if inward else message["chat"], width
    )
    if "kind" in message:
        lines += _field("What", _deed(message), width)
    if not inward and who != "Claude":
        lines += _field("By", who, width)
    lines += _field("When", f"{_full(message['ts'])}, {age(now - message['ts'])} ago", width)
    lines += _field("Worker", message["worker"], width)
    if message.get("session"):
        lines += _field("Session", message["session"], width)
    if message.get("attempts"):
        lines += _field("Tries", _tries(message["attempts"], inward), width)
    lines += _field("Id", message["id"], width)
    if message.get("delivery_id"):
        lines += _field("Delivery", message["delivery_id"], width)
    if message.get("reply_to"):
        lines += _field("Quotes", message["reply_to"], width)
    if message.get("reactions"):
        lines += _field("Reactions", " ".join(message["reactions"]), width)
    for attachment in message.get("attachments", []):
        lines += _file(attachment, width)
    lines += ["", click.style("Text, as edited last" if message.get("edited") else "Text", bold=True)]
    lines += _quoted(message["text"], width)
    return lines


def sent_text(data: dict[str, Any]) -> str:
    """Return in one sentence what became of a message that a person sent."""
    states = {message["state"] for message in data["messages"]}
    errors = "; ".join(plain(message["error"]).rstrip(".") for message in data["messages"] if message.get("error"))
    if "uncertain" in states:
        return f"It may or may not have been sent: {errors}. Look into the chat before you send it again."
    if data["failed"]:
        return f"It was not sent: {errors or 'somebody dropped it'}."
    ids = ", ".join(plain(message["id"]) for message in data["messages"])
    return f"sent (id: {ids})" if data["done"] else "It is on disk and goes out as soon as the platform takes it."


def _place(message: dict[str, Any]) -> _Place:
    return _PLACES.get((message["direction"], message["state"]), _Place("This channeld does not know that state."))


def _deed(message: dict[str, Any]) -> str:
    """Return what was done to which message, of an entry that is no message itself."""
    about = {"edited": "edit of", "edit": "edit of", "reaction": "reaction to", "react": "reaction to"}
    words = about.get(message["kind"], plain(message["kind"]).replace("_", " "))
    return f"{words} {plain(message['id'])}" if message["kind"] in about else words


def _text(message: dict[str, Any]) -> str:
    """Return a message's text on one line, after what a reader must know of it."""
    notes = [_deed(message)] if "kind" in message else []
    notes += [plain(message["error"])] if message.get("error") else []
    if files := message.get("attachments"):
        notes.append(count(len(files), "file"))
    if message.get("edited"):
        notes.append("edited")
    text = " ".join(plain(message["text"]).split())
    return f"({', '.join(notes)}) {text}".rstrip() if notes else text


def _field(name: str, text: object, width: int, colour: str = "") -> list[str]:
    first, *rest = wrap_hard(plain(text), width, f"  {name:<{_LABEL}}")
    head = 2 + _LABEL
    return [first[:head] + (click.style(first[head:], fg=colour) if colour else first[head:]), *rest]


def _file(attachment: dict[str, Any], width: int) -> list[str]:
    kind = attachment.get("mime", "application/octet-stream")
    where = attachment.get("path")
    lines = _field("File", f"{plain(attachment['name'])}, {size(attachment.get('size', 0))}, {kind}", width)
    return lines + _field("", where or "not fetched from the platform yet", width)


def _quoted(text: str, width: int) -> list[str]:
    """Return a text behind a bar, so that nothing in it can be taken for a line of ours."""
    lines = []
    for raw in text.splitlines() or [""]:
        line = plain(raw.expandtabs(4)).rstrip()
        indent = line[: min(len(line) - len(line.lstrip()), width // 2)]
        parts = [line] if cells(line) <= width - 4 else wrap_hard(line, width - 4, indent)
        lines += [f"  │ {part}".rstrip() for part in parts]
    return lines


def _tries(number: int, inward: bool) -> str:
    return f"given to a session {_times(number)}" if inward else f"sent {_times(number)}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _full(ts: float) -> str:
    return datetime.fromtimestamp(ts).astimezone().strftime("%Y-%m-%d %H:%M:%S")
