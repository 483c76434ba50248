"""Brings files of messages into the inbox. Their links expire, so each message is asked for a fresh one."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from channeld.ipc.messages import Attachment, Fetch
from channeld_workers import fetching
from channeld_workers.discord.api import Api, DiscordError, TooFast
from channeld_workers.discord.content import find_file, read_token
from channeld_workers.discord.ids import snowflake
from channeld_workers.discord.refusals import is_final
from channeld_workers.discord.settings import Settings
from channeld_workers.fetching import Inbox, Interrupted, Unfetchable
from channeld_workers.raw import Raw, table


class Downloads(fetching.Downloads):
    """Fetches files of a bot's messages."""

    def __init__(self, api: Api, settings: Settings, inbox: Path, proxy: str | None) -> None:
        super().__init__("Discord", Inbox(inbox, settings.max_download_bytes, settings.inbox_quota_bytes))
        self._api, self._proxy = api, proxy
        self._own = urlsplit(settings.api_base_url)

    async def _save(self, wanted: Fetch) -> Attachment:
        file = await self._find(wanted.token)
        address, size = file.get("url"), file.get("size")
        if not isinstance(address, str) or not self._is_trusted(address):
            raise Unfetchable("Discord gives no link to it")
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            return await self._inbox.download(
                session, address, wanted.name, size if isinstance(size, int) else None, proxy=self._proxy
            )

    async def _find(self, token: str) -> Raw:
        """Return the attachment that a token names, as its message has it now."""
        wanted = read_token(token)
        if wanted is None:
            raise Unfetchable("it is not known any more")
        try:
            message = await self._api.call(
                "GET", "/channels/{channel_id}/messages/{message_id}", channel_id=wanted.channel_id,
                message_id=wanted.message_id,
            )  # fmt: skip
        except TooFast as wait:
            raise Interrupted("Discord asks to wait", wait.delay_s) from None
        except DiscordError as error:
            if is_final(error):
                raise Unfetchable("Discord does not have it any more") from None
            raise Interrupted(f"Discord could not be reached ({type(error).__name__})") from None
        if snowflake(table(message).get("id")) != wanted.message_id:
            raise Interrupted("what answered is not Discord")
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
