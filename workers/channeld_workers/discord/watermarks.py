"""How far each channel has been read: the end of the run of messages that the daemon has answered for good.

Messages may be told in another order than that of their ids. So reading begins a little before that end, and leaves
out what is known to have been answered: offered again, a message would be one with the first, but a command would be
carried out twice. Kept by the daemon, a moment late.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from channeld_workers.discord.ids import made_at, snowflake

_PREFIX: Final = "read:"
_PARENT: Final = "parent:"
_SINCE: Final = "since:1"
_LATER_S: Final = 1.0
_KEPT_S: Final = 90 * 86400.0
"""A channel that was silent for so long is one never seen before."""
_UNORDERED: Final = 5000 << 22
"""Five seconds, as ids: how far messages are thought to be told out of order."""
_LATELY_S: Final = 3600.0
"""For so long a channel is read from before its end: the daemon certainly knows what it was offered."""
_MOST_RECENT: Final = 10
"""Ids of a channel that are known to have been answered, the end among them: a fact of the daemon's holds so many."""
_DAY: Final = 86_400_000 << 22
"""As ids: how exactly it is kept when a thread of a channel was last read."""


class Watermarks:
    """The ids up to which channels were read.

    Args:
        remember: hands small facts to the daemon, an empty one to forget it.
    """

    def __init__(self, remember: Callable[[dict[str, str]], None]) -> None:
        self._remember = remember
        self._read: dict[int, tuple[int, ...]] = {}
        """The latest ids that were answered, in their order; the last is the end."""
        self._parents: dict[int, int] = {}
        """Channels with threads that were read: the threads may be archived by now, and forums have no messages."""
        self._since = 0
        """See ``look_back``; 0 where that is not under way."""
        self._news: dict[str, str] = {}
        self._timer: asyncio.TimerHandle | None = None

    def load(self, marks: dict[str, str]) -> None:
        """Take over what an earlier process has left, and forget what is too old to be of use."""
        oldest = time.time() - _KEPT_S
        for key, value in marks.items():
            prefix, colon, number = key.partition(":")
            channel, messages = snowflake(number), [snowflake(each) for each in value.split(",")[:_MOST_RECENT]]
            known = sorted(each for each in messages if each is not None)
            if channel is None or not known:
                continue
            if key == _SINCE:
                self._since = known[-1]
            elif made_at(known[-1]) < oldest:
                self._note(key, "")
            elif prefix + colon == _PREFIX:
                self._read[channel] = tuple(known)
            elif prefix + colon == _PARENT:
                self._parents[channel] = known[-1]

    def of(self, channel: int) -> int | None:
        """Return the id up to which a channel was read, None for one never seen before."""
        return self._read[channel][-1] if channel in self._read else None

    def begin(self, channel: int) -> int | None:
        """Return behind which id a channel is to be read, None for one never seen before."""
        end = self.of(channel)
        return end - _UNORDERED if end is not None and time.time() - made_at(end) < _LATELY_S else end

    def is_answered(self, channel: int, message: int) -> bool:
        """Tell whether a message is known to have been answered for good."""
        return message in self._read.get(channel, ())

    @property
    def channels(self) -> list[int]:
        """The channels that were ever read."""
        return list(self._read)

    def look_back(self) -> int:
        """Return the id of the latest message of all, 0 if there is none: about when this account was last heard by us.

        It stays the same, also for later processes, until ``looked_back``: what is read meanwhile is no sign that
        all was found that began before it.
        """
        if not self._since:
            self._since = max((recent[-1] for recent in self._read.values()), default=0)
            if self._since:
                self._note(_SINCE, str(self._since))
                self.flush()
        return self._since

    def looked_back(self) -> None:
        """All that began since this account was last heard by us was found."""
        if self._since:
            self._since = 0
            self._note(_SINCE, "")

    def answered(self, channel: int, messages: Iterable[int]) -> None:
        """Messages of a channel, and all before the first of them, have been answered for good."""
        recent = sorted({*self._read.get(channel, ()), *messages})[-_MOST_RECENT:]
        recent = [each for each in recent if each >= recent[-1] - _UNORDERED]
        if recent and tuple(recent) != self._read.get(channel):
            self._read[channel] = tuple(recent)
            self._note(f"{_PREFIX}{channel}", ",".join(map(str, recent)))

    def thread_read(self, parent: int, message: int) -> None:
        """A message in a thread of a channel is wanted, or would be if there were one."""
        if message > self._parents.get(parent, 0) + _DAY:
            is_first = parent not in self._parents
            self._parents[parent] = message
            self._note(f"{_PARENT}{parent}", str(message))
            if is_first:
                self.flush()

    def is_known(self, channel: int) -> bool:
        """Tell whether a channel or a thread of it was ever read, or begun to be listened to."""
        return channel in self._read or channel in self._parents

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
