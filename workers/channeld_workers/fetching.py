"""Brings files of messages into the inbox, within the limits of their size and of the disk."""

from __future__ import annotations

import asyncio
import os
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Final

import aiohttp

from channeld.core.event import size_text
from channeld.ipc.messages import Attachment, Fetch, Fetched, NotFetched
from channeld_workers.files import save

_CONNECT_S: Final = 10.0
_TOTAL_S: Final = 300.0
"""How long one try may take in all."""
_SILENT_S: Final = 30.0
"""How long the server may send nothing."""
_CHUNK_BYTES: Final = 256 * 1024
_MIB: Final = 1024 * 1024
_AT_ONCE: Final = 4
"""Files that are fetched side by side; the others wait."""
_TRIES: Final = 3
_LONGEST_WAIT_S: Final = 20.0
"""What asks to wait for longer is given up: others wait for its place."""


class Unfetchable(Exception):
    """A file cannot be had, and trying it again is of no use; the text says why, for Claude and for people."""


class Interrupted(Exception):
    """A file could not be had now; the text says why, for Claude and for people.

    ``delay_s`` is how long the platform asks to wait, None where it does not.
    """

    def __init__(self, reason: str, delay_s: float | None = None) -> None:
        super().__init__(reason)
        self.delay_s = delay_s


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
                    raise Interrupted(f"the file could not be fetched (HTTP status {answer.status})")
                async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                    got += len(chunk)
                    if got > self._max_bytes:
                        raise self.too_large()
                    await asyncio.to_thread(draft.write, chunk)
            if size is not None and got < size:
                raise Interrupted("the file was cut off")
            draft.seek(0)
            return await asyncio.to_thread(save, draft, name, self._folder)


class Downloads(ABC):
    """Fetches the files of a platform.

    Args:
        title: of the platform, for people.
        inbox: where files go.
    """

    def __init__(self, title: str, inbox: Inbox) -> None:
        self._title, self._inbox = title, inbox
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, wanted: Fetch) -> Fetched | NotFetched:
        """Fetch a file, and return when it is on disk, or why it cannot be had."""
        async with self._slots:
            reason = ""
            for attempt in range(_TRIES):
                wait_s = 2.0**attempt
                try:
                    await self._inbox.check_room()
                    saved = await self._save(wanted)
                    return Fetched(ref=wanted.ref, path=saved.path or "", mime=saved.mime, size=saved.size)
                except Unfetchable as error:
                    reason = str(error)
                    break
                except Interrupted as error:
                    reason, wait_s = str(error), error.delay_s if error.delay_s is not None else wait_s
                    if wait_s > _LONGEST_WAIT_S:
                        break
                except (aiohttp.ClientError, TimeoutError) as error:
                    reason = f"{self._title} could not be reached ({type(error).__name__})"
                except OSError as error:  # not of the network: those are the ones above
                    reason = f"the disk does not take it: {error.strerror}"
                    break
                await asyncio.sleep(wait_s)
            return NotFetched(ref=wanted.ref, reason=reason)

    @abstractmethod
    async def _save(self, wanted: Fetch) -> Attachment:
        """Bring a file into the inbox.

        Raises:
            Unfetchable: it cannot be had.
            Interrupted: it cannot be had now.
        """


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
