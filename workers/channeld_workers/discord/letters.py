"""What a reply is on Discord: the messages that it has to be sent as. Pure.

``Piece`` is the worker protocol's: a message to be sent.
"""

from __future__ import annotations

from typing import Final

from channeld.ipc.messages import Piece, Send
from channeld_workers.discord import uploads
from channeld_workers.discord.markdown import convert, escape
from channeld_workers.discord.settings import Settings
from channeld_workers.discord.splitting import TEXT_LIMIT, split
from channeld_workers.graphemes import is_blank

READY: Final = "ready"
"""Format of a piece whose text is as Discord takes it."""
AS_FILE: Final = "file"
"""Format of a piece whose text goes as a file."""
_UNDER_NOTHING: Final = "Please choose:"
"""What buttons stand under where a reply has no text."""


def rendered(part: Send) -> str:
    """Return a part's text as Discord takes it."""
    if part.format == READY:
        return part.text
    return convert(part.text) if part.format == "markdown" else escape(part.text)


def pieces_of(part: Send, settings: Settings) -> list[Piece]:
    """Return the messages that a part of the daemon's has to be sent as.

    Files go with the last one of text, under which the buttons stand as well; further files follow.
    """
    batches = uploads.plan(part.files)
    pieces = _texts(part, settings) or [Piece(text=_UNDER_NOTHING if part.buttons else "", format=READY)]
    if batches and pieces[-1].format == READY:
        pieces[-1].files = batches.pop(0)
    if part.buttons:
        pieces[-1].buttons = part.buttons
    pieces += [Piece(text="", format=READY, files=batch) for batch in batches]
    if not (pieces[0].text or pieces[0].files):
        return []
    _quote(pieces, part.reply_to, settings.reply_to_mode)
    return pieces


def _texts(part: Send, settings: Settings) -> list[Piece]:
    if is_blank(part.text):
        return []
    if 0 < settings.text_file_above < len(part.text):
        return [Piece(text=part.text, format=AS_FILE)]
    limit = min(settings.text_chunk_limit, TEXT_LIMIT)
    return [Piece(text=text, format=READY) for text in split(rendered(part), limit)]


def _quote(pieces: list[Piece], reply_to: str | None, mode: str) -> None:
    """Set what the pieces quote. Mode: ``reply_to_mode`` of the settings."""
    for place, piece in enumerate(pieces):
        if mode == "all" or (mode == "first" and place == 0):
            piece.reply_to = reply_to
