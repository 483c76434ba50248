"""How far each channel has been read: the end of the run of messages that the daemon has answered for good.

Kept by the daemon, a moment late: what is offered twice because of that is one message there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from channeld_workers.discord.ids import made_at, snowflake

_PREFIX: Final = "read:"
_PARENT: Final = "parent:"
_LATER_S: Final = 1.0
_KEPT_S: Final = 90 * 86400.0
"""A channel that was silent for so long is one never seen before."""
_DAY: Final = 86_400_000 << 22
"""As ids: how exactly it is kept when a thread of a channel was last read."""


class Watermarks:
    """The ids up to which channels were read.

    Args:
        remember: hands small facts to the daemon, an empty one to forget it.
    """

    def __init__(self, remember: Callable[[dict[str, str]], None]) -> None:
        self._remember = remember
        self._read: dict[int, int] = {}
        self._parents: dict[int, int] = {}
        """Channels with threads that were read: the threads may be archived by now, and forums have no messages."""
        self._news: dict[str, str] = {}
        self._timer: asyncio.TimerHandle | None = None

    def load(self, marks: dict[str, str]) -> None:
        """Take over what an earlier process has left, and forget what is too old to be of use."""
        oldest = time.time() - _KEPT_S
        for key, value in marks.items():
            prefix, colon, number = key.partition(":")
            channel, message = snowflake(number), snowflake(value)
            known = {_PREFIX: self._read, _PARENT: self._parents}.get(prefix + colon)
            if channel is None or message is None or known is None:
                continue
            if made_at(message) >= oldest:
                known[channel] = max(message, known.get(channel, 0))
            else:
                self._note(key, "")

    def of(self, channel: int) -> int | None:
        """Return the id up to which a channel was read, None for one never seen before."""
        return self._read.get(channel)

    @property
    def channels(self) -> list[int]:
        """The channels that were ever read."""
        return list(self._read)

    @property
    def latest(self) -> int:
        """The id of the latest message of all, 0 if there is none: about when this account was last heard by us."""
        return max(self._read.values(), default=0)

    def raise_to(self, channel: int, message: int) -> None:
        """Everything up to a message has been answered for good."""
        if message > self._read.get(channel, 0):
            self._read[channel] = message
            self._note(f"{_PREFIX}{channel}", str(message))

    def thread_read(self, parent: int, message: int) -> None:
        """A message in a thread of a channel is wanted."""
        if message > self._parents.get(parent, 0) + _DAY:
            is_first = parent not in self._parents
            self._parents[parent] = message
            self._note(f"{_PARENT}{parent}", str(message))
            if is_first:
                self.flush()

    def has_read_thread(self, parent: int) -> bool:
        """Tell whether a thread of a channel was ever read."""
        return parent in self._parents

    def forget(self, channel: int) -> None:
        """Read a channel no more."""
        if self._read.pop(channel, None) is not None:
            self._note(f"{_PREFIX}{channel}", "")

    def flush(self) -> None:
        """Hand over what is new."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        news, self._news = self._news, {}
        if news:
            self._remember(news)

    def _note(self, key: str, value: str) -> None:
        self._news[key] = value
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATER_S, self.flush)
