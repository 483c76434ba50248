"""Brings files of messages into the inbox, within their limits."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import Final

import aiohttp
from telegram.error import BadRequest, Forbidden, TelegramError

from channeld.core.event import size_text
from channeld.ipc.messages import Fetch, Fetched, NotFetched
from channeld_workers.files import save
from channeld_workers.telegram.api import CONNECT_S, Client, TooFast
from channeld_workers.telegram.settings import Settings

_AT_ONCE: Final = 4
"""Files that are fetched side by side; the others wait."""
_TRIES: Final = 3
_LONGEST_WAIT_S: Final = 20.0
_TOTAL_S: Final = 300.0
"""How long one try may take in all."""
_SILENT_S: Final = 30.0
"""How long the server may send nothing."""
_CHUNK_BYTES: Final = 256 * 1024


class _TooLarge(Exception):
    """More came than may."""


class Downloads:
    """Fetches files through a bot."""

    def __init__(self, client: Client, settings: Settings, inbox: Path) -> None:
        self._client, self._settings, self._inbox = client, settings, inbox
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, wanted: Fetch) -> Fetched | NotFetched:
        """Fetch a file, and return when it is on disk, or why it cannot be had."""
        async with self._slots:
            reason = ""
            for attempt in range(_TRIES):
                try:
                    return await self._fetch(wanted)
                except TooFast as wait:
                    reason = "Telegram asks to wait"
                    if wait.delay_s > _LONGEST_WAIT_S:  # others wait for this place
                        break
                    await asyncio.sleep(wait.delay_s)
                except _TooLarge:
                    return self._refused(wanted, self._too_large())
                except (BadRequest, Forbidden) as error:
                    too_big = "too big" in error.message.lower()
                    return self._refused(wanted, self._too_large() if too_big else "Telegram does not have it any more")
                except (TelegramError, aiohttp.ClientError, TimeoutError) as error:
                    reason = f"Telegram could not be reached ({type(error).__name__})"
                    await asyncio.sleep(2**attempt)
                except OSError as error:  # not of the network: those are the ones above
                    return self._refused(wanted, f"the disk does not take it: {error.strerror}")
            return self._refused(wanted, reason)

    async def _fetch(self, wanted: Fetch) -> Fetched | NotFetched:
        if (used := await asyncio.to_thread(_used_bytes, self._inbox)) > self._settings.inbox_quota_bytes:
            return self._refused(
                wanted, f"the inbox is full ({size_text(used)}): the owner raises inbox_quota_mb or tidies up"
            )
        found = await self._client.call("getFile", file_id=wanted.token)
        size, place = found.get("file_size"), found.get("file_path")
        if isinstance(size, int) and size > self._settings.max_download_bytes:
            raise _TooLarge
        if not isinstance(place, str) or place.startswith("/"):
            return self._refused(wanted, "the Bot API server keeps it in a folder of its own: run that without --local")
        with tempfile.TemporaryFile(dir=self._inbox) as draft:
            timeout = aiohttp.ClientTimeout(total=_TOTAL_S, sock_connect=CONNECT_S, sock_read=_SILENT_S)
            address, got = self._client.file_address(place), 0
            async with self._client.session.get(address, timeout=timeout, allow_redirects=False) as answer:
                if answer.status != 200:
                    raise TelegramError(f"HTTP status {answer.status}")
                async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
                    got += len(chunk)
                    if got > self._settings.max_download_bytes:
                        raise _TooLarge
                    await asyncio.to_thread(draft.write, chunk)
            if isinstance(size, int) and got < size:
                raise TelegramError("the file was cut off")
            draft.seek(0)
            saved = await asyncio.to_thread(save, draft, wanted.name, self._inbox)
        return Fetched(ref=wanted.ref, path=saved.path or "", mime=saved.mime, size=saved.size)

    def _too_large(self) -> str:
        return f"larger than the {self._settings.max_download_mb} MB that may be fetched"

    @staticmethod
    def _refused(wanted: Fetch, reason: str) -> NotFetched:
        return NotFetched(ref=wanted.ref, reason=reason)


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
