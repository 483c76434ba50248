"""Brings a file from an address into the inbox, within the limits of its size and of the disk."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Any, Final

import aiohttp

from channeld.core.event import size_text
from channeld.ipc.messages import Attachment
from channeld_workers.files import save

_CONNECT_S: Final = 10.0
_TOTAL_S: Final = 300.0
"""How long one try may take in all."""
_SILENT_S: Final = 30.0
"""How long the server may send nothing."""
_CHUNK_BYTES: Final = 256 * 1024
_MIB: Final = 1024 * 1024


class Unfetchable(Exception):
    """A file cannot be had, and trying it again is of no use; the text says why, for Claude and for people."""


class Interrupted(Exception):
    """A file could not be had now."""


class Inbox:
    """The folder of received files.

    Args:
        folder: where files go.
        max_bytes: of one file.
        quota_bytes: of all files together.
    """

    def __init__(self, folder: Path, max_bytes: int, quota_bytes: int) -> None:
        self._folder, self._max_bytes, self._quota_bytes = folder, max_bytes, quota_bytes

    async def check_room(self) -> None:
        """Raise where nothing more may come in.

        Raises:
            Unfetchable: the quota is used up.
        """
        if (used := await asyncio.to_thread(_used_bytes, self._folder)) > self._quota_bytes:
            raise Unfetchable(f"the inbox is full ({size_text(used)}): the owner raises inbox_quota_mb or tidies up")

    def too_large(self) -> Unfetchable:
        """Return what to raise for a file over the limit."""
        return Unfetchable(f"larger than the {self._max_bytes // _MIB} MB that may be fetched")

    async def download(
        self, session: aiohttp.ClientSession, address: str, name: str, size: int | None, **options: Any
    ) -> Attachment:
        """Save what an address answers.

        Args:
            session: to ask with.
            address: of the file. It may hold a secret and is in no error.
            name: the sender's name for it.
            size: bytes that are to come, None if nobody said.
            options: of the request, such as a proxy.

        Raises:
            Unfetchable: it is too large.
            Interrupted: it did not come whole.
            aiohttp.ClientError, TimeoutError, OSError: of the network, or of the disk (``OSError`` alone).
        """
        if size is not None and size > self._max_bytes:
            raise self.too_large()
        timeout, got = aiohttp.ClientTimeout(total=_TOTAL_S, sock_connect=_CONNECT_S, sock_read=_SILENT_S), 0
        with tempfile.TemporaryFile(dir=self._folder) as draft:
            async with session.get(address, timeout=timeout, allow_redirects=False, **options) as answer:
                if answer.status != 200:
                    raise Interrupted(f"HTTP status {answer.status}")
                async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                    got += len(chunk)
                    if got > self._max_bytes:
                        raise self.too_large()
                    await asyncio.to_thread(draft.write, chunk)
            if size is not None and got < size:
                raise Interrupted("the file was cut off")
            draft.seek(0)
            return await asyncio.to_thread(save, draft, name, self._folder)


def _used_bytes(folder: Path) -> int:
    """Return how many bytes lie in a folder; what vanishes meanwhile does not count. Blocks: call it in a thread."""
    used = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                used += entry.stat(follow_symlinks=False).st_size
            except FileNotFoundError:
                continue
    return used
