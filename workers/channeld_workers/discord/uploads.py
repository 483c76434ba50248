"""How files go: ten with a message, and no more than a request may hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import BufferedIOBase, BytesIO
from pathlib import Path
from typing import Any, Final

import discord

from channeld.core.model import Attachment
from channeld.core.text import short_name
from channeld_workers.files import safe_name

MOST_FILES: Final = 10
"""Of one message (https://discord.com/developers/docs/resources/message#create-message)."""
REQUEST_BYTES: Final = 25 * 1024 * 1024
"""Of one request, in all (https://discord.com/developers/docs/reference#uploading-files)."""
_AROUND_BYTES: Final = 64 * 1024
"""For the text and what separates the files."""
_MIB: Final = 1024 * 1024


def plan(files: Sequence[Attachment]) -> list[list[Attachment]]:
    """Return the files that go with one message each, in their order. One that is too large goes alone."""
    batches: list[list[Attachment]] = []
    room = 0
    for file in files:
        if not batches or len(batches[-1]) == MOST_FILES or file.size > room:
            batches.append([])
            room = REQUEST_BYTES - _AROUND_BYTES
        batches[-1].append(file)
        room -= file.size
    return batches


def refusal(files: Sequence[Attachment], max_bytes: int, place_bytes: int | None) -> str | None:
    """Return why the first file that is too large cannot go, in a sentence; None if all can.

    Args:
        files: what is to be sent.
        max_bytes: the most by the settings.
        place_bytes: the most that Discord takes there; None: that is not known.
    """
    most = max_bytes if place_bytes is None else min(max_bytes, place_bytes)
    for file in files:
        if file.size > most:
            size, limit = (f"{count / _MIB:.1f}".removesuffix(".0") for count in (file.size, most))
            whose = "Discord takes here" if most == place_bytes else "max_upload_mb allows"
            return f"{short_name(file.name)} has {size} MiB, and {limit} MiB is the most that {whose}: make it smaller"
    return None


@contextmanager
def opened(files: Sequence[Attachment]) -> Iterator[list[discord.File]]:
    """Open copies in the spool for the time of a call.

    Raises:
        OSError: one cannot be read.
    """
    with ExitStack() as stack:
        yield [_upload(stack, stack.enter_context(Path(file.path or "").open("rb")), file.name) for file in files]


@contextmanager
def text_file(text: str, name: str) -> Iterator[list[discord.File]]:
    """Return a text as a file for the time of a call."""
    with ExitStack() as stack:
        yield [_upload(stack, BytesIO(text.encode("utf-8", "replace")), name)]


def _upload(stack: ExitStack, content: BufferedIOBase, name: str) -> discord.File:
    """Return an upload under a name that is one on every system."""
    upload = discord.File(content, filename=safe_name(name))
    stack.callback(upload.close)  # gives the file back its own way to be closed
    return upload


def listed(uploads: Sequence[discord.File]) -> list[dict[str, Any]]:
    """Return the ``attachments`` of a message that the uploads go with."""
    return [{"id": number, "filename": upload.filename} for number, upload in enumerate(uploads)]
