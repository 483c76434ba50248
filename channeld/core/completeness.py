"""When an event that came in pieces is whole: albums whose messages arrive one by one, files that are fetched later."""

from __future__ import annotations

from typing import Final

from channeld.core.model import Inbound

ALBUM_S: Final = 120.0
"""How long an album is waited for where its worker does not say that it is complete."""
FETCH_S: Final = 60.0
"""How long the files of a message are waited for; then it goes to Claude without them, and says so."""
_LATE: Final = "not here yet: try download_attachment"


def missing(event: Inbound) -> list[int]:
    """Return the places of the files that are to be fetched before an event goes to Claude."""
    return [
        place
        for place, file in enumerate(event.attachments)
        if file.wanted and file.token and not (file.path or file.note)
    ]


def is_incomplete(event: Inbound) -> bool:
    """Tell whether an event has to wait for the rest of it."""
    return event.album is not None or (bool(event.attachments) and bool(missing(event)))


def patience_s(event: Inbound) -> float:
    """Return how long the rest of an event is waited for, in seconds."""
    return ALBUM_S if event.album is not None else FETCH_S


def grow(album: Inbound, further: Inbound) -> None:
    """Add a further message of an album to its event: every caption and every file, in the order of their coming."""
    album.text = "\n".join(text for text in (album.text, further.text) if text)
    album.attachments = [*album.attachments, *further.attachments]
    album.mentioned = album.mentioned or further.mentioned


def go_without(event: Inbound) -> None:
    """Say of the files that are missing that they are; they can still be had later."""
    for place in missing(event):
        event.attachments[place].note = _LATE
