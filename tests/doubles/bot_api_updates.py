"""The updates that wait for a bot, and its polls for them: ``getUpdates`` as Telegram's queue does it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.doubles.bot_api_checks import ApiError

ON_DEMAND = {"chat_member", "message_reaction", "message_reaction_count"}  # they come only when they are named
LOST_OFFSET = 10  # an offset further ahead than this is of another numbering: Telegram answers from the beginning
POLL_S = 50
OTHER_POLL = (
    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"  # word for word
)
WEBHOOK = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"


class UpdateQueue:
    """Updates in their order, those confirmed gone for ever."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._poll: asyncio.Future[None] | None = None
        self.next_id = random.randrange(100_000_000, 900_000_000)
        self.waiting: list[dict[str, Any]] = []
        self.allowed: list[str] = []
        self.dropped: Counter[str] = Counter()
        self.confirmed: list[int] = []
        self.conflicts = 0
        self.webhook = ""

    @property
    def polling(self) -> bool:
        """Whether a poll waits for updates."""
        return self._poll is not None

    def add(self, update: dict[str, Any]) -> int | None:
        """Queue an update; return its id, or nothing if its kind is not wanted."""
        kind = next(key for key in update if key != "update_id")
        if kind not in self.allowed if self.allowed else kind in ON_DEMAND:
            self.dropped[kind] += 1
            self._changed()
            return None
        number = update.get("update_id", self.next_id)
        self.next_id = number + 1
        self.waiting.append({"update_id": number} | update)
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(None)
        self._changed()
        return int(number)

    def renumber(self, next_id: int | None = None) -> None:
        """Number the next update at random, as Telegram may after a week without any."""
        self.next_id = next_id if next_id is not None else random.randrange(100_000_000, 900_000_000)

    async def poll(self, offset: int, limit: int, timeout_s: int, allowed: list[str] | None) -> list[dict[str, Any]]:
        """Answer a poll.

        Raises:
            ApiError: a webhook is set, or another poll came while this one waited.
        """
        if self.webhook:
            raise ApiError(409, WEBHOOK)
        if allowed is not None:
            self.allowed = allowed
        start = self._confirm(offset)
        self.end_poll(OTHER_POLL)
        found = self._from(start, limit)
        if found or timeout_s <= 0:
            return found
        mine = self._poll = asyncio.get_running_loop().create_future()
        self._changed()
        try:
            async with asyncio.timeout(min(timeout_s, POLL_S)):
                await mine
        except TimeoutError:
            return []
        finally:
            if self._poll is mine:
                self._poll = None
                self._changed()
        return self._from(start, limit)

    def end_poll(self, reason: str, code: int = 409) -> None:
        """Answer the poll that waits, if there is one, with an error."""
        if self._poll is not None and not self._poll.done():
            self.conflicts += code == 409
            self._poll.set_exception(ApiError(code, reason))
        self._poll = None

    def _confirm(self, offset: int) -> int:
        """Forget what an offset confirms; return where the answer begins."""
        if offset < 0:
            forgotten, self.waiting = self.waiting[:offset], self.waiting[offset:]
        elif offset == 0 or offset > self.next_id + LOST_OFFSET:
            return 0
        else:
            forgotten = [update for update in self.waiting if update["update_id"] < offset]
            self.waiting = [update for update in self.waiting if update["update_id"] >= offset]
        if forgotten:
            self.confirmed += [update["update_id"] for update in forgotten]
            self._changed()
        return offset

    def _from(self, start: int, limit: int) -> list[dict[str, Any]]:
        """Return the first updates from an id on."""
        return [update for update in self.waiting if update["update_id"] >= start][:limit]
