"""Brings files of messages into the inbox."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import aiohttp
from telegram.error import BadRequest, Forbidden, TelegramError

from channeld.ipc.messages import Fetch, Fetched, NotFetched
from channeld_workers.fetching import Inbox, Interrupted, Unfetchable
from channeld_workers.telegram.api import Client, TooFast
from channeld_workers.telegram.settings import Settings

_AT_ONCE: Final = 4
"""Files that are fetched side by side; the others wait."""
_TRIES: Final = 3
_LONGEST_WAIT_S: Final = 20.0


class Downloads:
    """Fetches files through a bot."""

    def __init__(self, client: Client, settings: Settings, inbox: Path) -> None:
        self._client = client
        self._inbox = Inbox(inbox, settings.max_download_bytes, settings.inbox_quota_bytes)
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, wanted: Fetch) -> Fetched | NotFetched:
        """Fetch a file, and return when it is on disk, or why it cannot be had."""
        async with self._slots:
            reason = ""
            for attempt in range(_TRIES):
                try:
                    return await self._fetch(wanted)
                except Unfetchable as error:
                    return NotFetched(ref=wanted.ref, reason=str(error))
                except TooFast as wait:
                    reason = "Telegram asks to wait"
                    if wait.delay_s > _LONGEST_WAIT_S:  # others wait for this place
                        break
                    await asyncio.sleep(wait.delay_s)
                except (BadRequest, Forbidden) as error:
                    too_big = "too big" in error.message.lower()
                    reason = str(self._inbox.too_large()) if too_big else "Telegram does not have it any more"
                    break
                except (TelegramError, aiohttp.ClientError, TimeoutError, Interrupted) as error:
                    reason = f"Telegram could not be reached ({type(error).__name__})"
                    await asyncio.sleep(2**attempt)
                except OSError as error:  # not of the network: those are the ones above
                    reason = f"the disk does not take it: {error.strerror}"
                    break
            return NotFetched(ref=wanted.ref, reason=reason)

    async def _fetch(self, wanted: Fetch) -> Fetched:
        await self._inbox.check_room()
        found = await self._client.call("getFile", file_id=wanted.token)
        size, place = found.get("file_size"), found.get("file_path")
        if not isinstance(place, str) or place.startswith("/"):
            raise Unfetchable("the Bot API server keeps it in a folder of its own: run that without --local")
        saved = await self._inbox.download(
            self._client.session, self._client.file_address(place), wanted.name, size if isinstance(size, int) else None
        )
        return Fetched(ref=wanted.ref, path=saved.path or "", mime=saved.mime, size=saved.size)
