"""Brings files of messages into the inbox."""

from __future__ import annotations

from pathlib import Path

from telegram.error import BadRequest, Forbidden, TelegramError

from channeld.ipc.messages import Attachment, Fetch
from channeld_workers import fetching
from channeld_workers.fetching import Inbox, Interrupted, Unfetchable
from channeld_workers.raw import table
from channeld_workers.telegram.api import Client, TooFast
from channeld_workers.telegram.settings import Settings


class Downloads(fetching.Downloads):
    """Fetches files through a bot."""

    def __init__(self, client: Client, settings: Settings, inbox: Path) -> None:
        super().__init__("Telegram", Inbox(inbox, settings.max_download_bytes, settings.inbox_quota_bytes))
        self._client = client

    async def _save(self, wanted: Fetch) -> Attachment:
        try:
            found = table(await self._client.call("getFile", file_id=wanted.token))
        except TooFast as wait:
            raise Interrupted("Telegram asks to wait", wait.delay_s) from None
        except (BadRequest, Forbidden) as error:
            if "too big" in error.message.lower():
                raise self._inbox.too_large() from None
            raise Unfetchable("Telegram does not have it any more") from None
        except TelegramError as error:
            raise Interrupted(f"Telegram could not be reached ({type(error).__name__})") from None
        size, place = found.get("file_size"), found.get("file_path")
        if not isinstance(place, str) or place.startswith("/"):
            raise Unfetchable("the Bot API server keeps it in a folder of its own: run that without --local")
        return await self._inbox.download(
            self._client.session, self._client.file_address(place), wanted.name, size if isinstance(size, int) else None
        )
