"""How fast people write: a bucket of messages each, and an end to talks between bots."""

from __future__ import annotations

from typing import Final

BOT_MESSAGES: Final = 10
"""So many messages of bots a chat takes in a row; then a person must write there."""
BOT_PAUSE_S: Final = 3600.0
"""Or the bots must have been silent for so long."""


class _Bucket:
    __slots__ = ("at", "left", "sent_at", "told")

    def __init__(self, capacity: float, now: float, sent_at: float) -> None:
        self.left, self.at, self.sent_at, self.told = capacity, now, sent_at, False


class Pace:
    """What each sender may still write. Its memory is as long as the list of senders that it is asked about."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, sender: tuple[str, str], per_minute: int, now: float, sent_at: float) -> tuple[bool, bool]:
        """Count a message.

        A backlog is no flood: what was sent with pauses may arrive at once.

        Args:
            sender: (worker, sender id).
            per_minute: how many he may send in a minute, which is also how many he may send at once.
            now: unix seconds.
            sent_at: unix seconds, as the platform says.

        Returns:
            Whether it is one too many, and whether that must be told: once, until he has paused.
        """
        bucket = self._buckets.get(sender)
        if bucket is None:
            bucket = self._buckets[sender] = _Bucket(per_minute, now, sent_at)
        passed = max(0.0, now - bucket.at, sent_at - bucket.sent_at)
        bucket.at, bucket.sent_at = now, max(sent_at, bucket.sent_at)
        bucket.left = min(per_minute, bucket.left + passed * per_minute / 60)
        if bucket.left >= 1:
            bucket.told = bucket.told and bucket.left < per_minute / 2
            bucket.left -= 1
            return False, False
        news = not bucket.told
        bucket.told = True
        return True, news


class BotTalk:
    """Ends talks in which only bots take part: two that answer each other would never stop."""

    def __init__(self) -> None:
        self._in_a_row: dict[str, tuple[int, float]] = {}

    def take(self, chat: str, *, bot: bool, now: float) -> bool:
        """Count a message of a chat, and return whether it is a bot's and one too many."""
        if not bot:
            if self._in_a_row:
                self._in_a_row.pop(chat, None)
            return False
        count, last = self._in_a_row.get(chat, (0, now))
        count = 1 if now - last > BOT_PAUSE_S else count + 1
        if count > BOT_MESSAGES:
            return True  # the time of its last message stands, so that a bot which goes on cannot put off the end
        self._in_a_row[chat] = (count, now)
        return False
