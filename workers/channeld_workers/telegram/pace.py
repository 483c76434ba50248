"""How fast may be sent: about a message a second in a chat, 20 a minute in a group, 30 a second in all.

Source: core.telegram.org/bots/faq ("my bot is hitting limits"). Short bursts are tolerated. Only the messages of
replies are counted: edits, reactions, cards and channeld's own words go without.

Pure: times are passed in.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_MOST_CHATS: Final = 1000


class Rate(NamedTuple):
    """A bucket of tokens."""

    per_s: float
    burst: float


PRIVATE: Final = Rate(1.0, 8.0)
GROUP: Final = Rate(20 / 60, 12.0)
OVERALL: Final = Rate(30.0, 30.0)


class _Bucket:
    def __init__(self, rate: Rate, now: float) -> None:
        self.rate, self.left, self.at = rate, rate.burst, now

    def wait_s(self, now: float) -> float:
        """Return how long until a token is there."""
        self.left = min(self.rate.burst, self.left + max(0.0, now - self.at) * self.rate.per_s)
        self.at = now
        return max(0.0, (1.0 - self.left) / self.rate.per_s)


class Pace:
    """The buckets of all chats, and the waits that the server has asked for."""

    def __init__(self) -> None:
        self._chats: dict[int, _Bucket] = {}
        self._overall: _Bucket | None = None
        self._closed_until: dict[int, float] = {}

    def take(self, chat: int, now: float) -> float:
        """Return 0 if a message may be sent now, which then counts; else for how many seconds it has to wait.

        Args:
            chat: Telegram's id of it; those of groups and channels are negative.
            now: monotonic time, seconds.
        """
        closed_s = self._closed_until.get(chat, now) - now
        bucket = self._chats.get(chat)
        if bucket is None:
            self._forget_quiet(now)
            bucket = self._chats[chat] = _Bucket(GROUP if chat < 0 else PRIVATE, now)
        overall = self._overall = self._overall or _Bucket(OVERALL, now)
        wait_s = max(0.0, closed_s, bucket.wait_s(now), overall.wait_s(now))
        if wait_s <= 0:
            bucket.left -= 1
            overall.left -= 1
        return wait_s

    def closed(self, chat: int, delay_s: float, now: float) -> None:
        """The server asks to leave a chat alone for a while."""
        self._closed_until[chat] = now + delay_s

    def _forget_quiet(self, now: float) -> None:
        if len(self._chats) >= _MOST_CHATS:
            self._chats = {
                chat: bucket
                for chat, bucket in self._chats.items()
                if now - bucket.at < bucket.rate.burst / bucket.rate.per_s
            }
            self._closed_until = {chat: until for chat, until in self._closed_until.items() if until > now}
