"""Brings files of messages into the inbox. Their links expire, so each message is asked for a fresh one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from channeld.ipc.messages import Fetch, Fetched, NotFetched
from channeld_workers.discord.api import Api, DiscordError, Refusal, TooFast
from channeld_workers.discord.content import find_file, read_token
from channeld_workers.discord.settings import Settings
from channeld_workers.fetching import Inbox, Interrupted, Unfetchable
from channeld_workers.raw import Raw

_AT_ONCE: Final = 4
"""Files that are fetched side by side; the others wait."""
_TRIES: Final = 3
_LONGEST_WAIT_S: Final = 20.0


class Downloads:
    """Fetches files of a bot's messages."""

    def __init__(self, api: Api, settings: Settings, inbox: Path, proxy: str | None) -> None:
        self._api, self._proxy = api, proxy
        self._inbox = Inbox(inbox, settings.max_download_bytes, settings.inbox_quota_bytes)
        self._own = urlsplit(settings.api_base_url)
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
                    reason = "Discord asks to wait"
                    if wait.delay_s > _LONGEST_WAIT_S:  # others wait for this place
                        break
                    await asyncio.sleep(wait.delay_s)
                except Refusal:
                    reason = "Discord does not have it any more"
                    break
                except (DiscordError, aiohttp.ClientError, TimeoutError, Interrupted) as error:
                    reason = f"Discord could not be reached ({type(error).__name__})"
                    await asyncio.sleep(2**attempt)
                except OSError as error:  # not of the network: those are the ones above
                    reason = f"the disk does not take it: {error.strerror}"
                    break
            return NotFetched(ref=wanted.ref, reason=reason)

    async def _fetch(self, wanted: Fetch) -> Fetched:
        await self._inbox.check_room()
        file = await self._find(wanted.token)
        address, size = file.get("url"), file.get("size")
        if not isinstance(address, str) or not self._is_trusted(address):
            raise Unfetchable("Discord gives no link to it")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            saved = await self._inbox.download(
                session, address, wanted.name, size if isinstance(size, int) else None, proxy=self._proxy
            )
        return Fetched(ref=wanted.ref, path=saved.path or "", mime=saved.mime, size=saved.size)

    async def _find(self, token: str) -> Raw:
        """Return the attachment that a token names, as its message has it now."""
        wanted = read_token(token)
        if wanted is None:
            raise Unfetchable("it is not known any more")
        message = await self._api.call(
            "GET", "/channels/{channel_id}/messages/{message_id}", channel_id=wanted.channel_id,
            message_id=wanted.message_id,
        )  # fmt: skip
        found = find_file(message, wanted.attachment_id)
        if found is None:
            raise Unfetchable("its sender has taken it back")
        return found

    def _is_trusted(self, address: str) -> bool:
        """Tell whether a link is one that can be Discord's, or of the server that stands for it."""
        try:
            parts = urlsplit(address)
            ours = (parts.scheme, parts.hostname, parts.port) == (self._own.scheme, self._own.hostname, self._own.port)
        except ValueError:
            return False
        host = parts.hostname or ""
        return ours or (parts.scheme == "https" and host.endswith((".discordapp.com", ".discordapp.net")))
