"""How files go: as photos, documents, albums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final, Literal, NamedTuple

from channeld.core.model import Attachment
from channeld.core.text import short_name
from channeld_workers.telegram.pictures import dimensions

PHOTO_BYTES: Final = 10_000_000
PHOTO_SIDES: Final = 10_000
PHOTO_RATIO: Final = 20
"""What a photo may have (https://core.telegram.org/bots/api#sendphoto): width and height together, in pixels."""
ALBUM: Final = 10
"""Files of an album, at most; two at least (https://core.telegram.org/bots/api#sendmediagroup)."""

Method = Literal["photo", "document", "album", "audio", "video", "voice", "animation"]
Dimensions = Callable[[str], tuple[int, int] | None]

_PHOTOS: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
_METHODS: Final[dict[str, Method]] = {
    "image/gif": "animation",
    "audio/mpeg": "audio",
    "audio/mp4": "audio",
    "audio/x-m4a": "audio",
    "video/mp4": "video",
}
_SHARING: Final[dict[Method, str]] = {"photo": "seen", "video": "seen", "document": "document", "audio": "audio"}
"""What can share an album: photos with videos, documents with documents, audio with audio."""


class Batch(NamedTuple):
    """Files that go with one call, and how. An album's files go each as ``methods`` says."""

    method: Method
    files: list[Attachment]
    methods: list[Method]


def plan(files: Sequence[Attachment], measure: Dimensions = dimensions) -> list[Batch]:
    """Return the calls that send the files, in their order.

    Two to ten in a row that can share an album become one. A picture that Telegram would refuse as a photo goes as a
    document, and so does whatever has no player.
    """
    ways = [(file, _method(file, measure)) for file in files]
    batches: list[Batch] = []
    for group, run in groupby(ways, key=lambda way: _SHARING.get(way[1])):
        members = list(run)
        room = ALBUM if group else 1
        for start in range(0, len(members), room):
            some = members[start : start + room]
            methods = [method for _, method in some]
            batches.append(Batch("album" if len(some) > 1 else methods[0], [file for file, _ in some], methods))
    return batches


def refusal(files: Sequence[Attachment], max_bytes: int) -> str | None:
    """Return why the first file that is empty or too large cannot go, in a sentence; None if all can."""
    for file in files:
        name = short_name(file.name)
        if file.size > max_bytes:
            size, most = (f"{count / 1e6:.1f}".removesuffix(".0") for count in (file.size, max_bytes))
            return f"{name} has {size} MB, and Telegram takes at most {most} MB from a bot."
        if file.size <= 0:
            return f"{name} is empty, and Telegram takes no empty files."
    return None


def _method(file: Attachment, measure: Dimensions) -> Method:
    """Return how one file goes."""
    if file.mime in _PHOTOS:
        return "photo" if _fits(file, measure) else "document"
    return _METHODS.get(file.mime, "document")


def _fits(file: Attachment, measure: Dimensions) -> bool:
    """Tell whether a picture can be a photo."""
    if file.size > PHOTO_BYTES or file.path is None:
        return False
    size = measure(file.path)
    return size is not None and sum(size) <= PHOTO_SIDES and max(size) <= PHOTO_RATIO * min(size)
