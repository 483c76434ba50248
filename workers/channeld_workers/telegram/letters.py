"""What a reply is on Telegram: the messages that it has to be sent as. Pure but for the size of pictures.

``Piece`` is the worker protocol's: a message to be sent. ``Rendered`` is text with its formatting (``spans.Piece``).
"""

from __future__ import annotations

from typing import Final

from channeld.ipc.messages import Attachment, Piece, Send
from channeld_workers.telegram import media
from channeld_workers.telegram.rendering import Piece as Rendered
from channeld_workers.telegram.rendering import convert, plain, split, utf16_len
from channeld_workers.telegram.settings import Settings

ENTITIES: Final = "entities"
"""Format of a piece whose text is as Telegram takes it."""
AS_FILE: Final = "file"
"""Format of a piece whose text goes as a file."""
_UNDER_FILES: Final = "Please choose:"
"""What buttons stand under where a reply has no text."""
_CAPTION_LIMIT: Final = 1024
"""UTF-16 code units. Source: core.telegram.org/bots/api#sendphoto."""


def rendered(part: Send) -> Rendered:
    """Return a part's text as Telegram takes it."""
    if part.format == ENTITIES:
        return Rendered(part.text, part.entities)
    return convert(part.text) if part.format == "markdown" else plain(part.text)


def pieces_of(part: Send, settings: Settings) -> list[Piece]:
    """Return the messages that a part of the daemon's has to be sent as; buttons stand under the last one of text."""
    batches = media.plan(part.files) if part.files else []
    texts = _texts(part, settings)
    if part.buttons and not texts:
        texts = [plain(_UNDER_FILES)]
    if len(texts) == 1 and len(batches) == 1 and _fits_caption(texts[0], batches[0], part):
        pieces = [_piece(texts[0], batches[0].files)]
    else:
        pieces = [_piece(text) for text in texts]
    if part.buttons and pieces:
        pieces[-1].buttons = part.buttons
    if not (pieces and pieces[0].files):
        pieces += [Piece(text="", format=ENTITIES, files=batch.files) for batch in batches]
    _quote(pieces, part.reply_to, settings.reply_to_mode)
    return pieces


def _texts(part: Send, settings: Settings) -> list[Rendered | str]:
    """Return the texts of a part: rendered, or as it is where it goes as a file."""
    if not part.text.strip():
        return []
    if 0 < settings.text_file_above < len(part.text):
        return [part.text]
    return [*split(rendered(part), settings.text_chunk_limit, settings.chunk_mode)]


def _fits_caption(text: Rendered | str, batch: media.Batch, part: Send) -> bool:
    """Tell whether a text can stand under its files, in one message with them."""
    if isinstance(text, str) or utf16_len(text.text) > _CAPTION_LIMIT:
        return False
    return batch.method != "album" or not part.buttons  # an album has no place for buttons


def _piece(text: Rendered | str, files: list[Attachment] | None = None) -> Piece:
    if isinstance(text, str):
        return Piece(text=text, format=AS_FILE)
    return Piece(text=text.text, format=ENTITIES, entities=text.entities, files=files or [])


def _quote(pieces: list[Piece], reply_to: str | None, mode: str) -> None:
    """Set what the pieces quote. Mode: ``reply_to_mode`` of the settings."""
    for place, piece in enumerate(pieces):
        if mode == "all" or (mode == "first" and place == 0):
            piece.reply_to = reply_to
