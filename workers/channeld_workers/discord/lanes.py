"""Channels, each read in its order: first what was missed, from the history, then what is told live.

A lane stands for one channel. While it is behind, live dispatches wait behind the history; what came both ways is one
event in the daemon. The watermark follows what the daemon has answered, and never passes what it has not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from channeld.ipc.messages import Accepted, Refused
from channeld_workers.discord.api import Api, DiscordError, TooFast, Unknown
from channeld_workers.discord.ids import snowflake
from channeld_workers.discord.refusals import is_final
from channeld_workers.discord.watermarks import Watermarks
from channeld_workers.raw import table, tables
from channeld_workers.runtime import Runtime

MESSAGE: Final = "MESSAGE_CREATE"
CLOSED: Final = "closed_chat"
"""The daemon's code for a channel that was not opened: nothing of it is wanted."""
_PAGE: Final = 100
"""Messages of one request. Source: discord.com/developers/docs/resources/message#get-channel-messages."""
_MOST_WAITING: Final = 10_000
"""Dispatches of one channel that wait, as while a disk is full; if more come, they are read from the history later."""
_ALL: Final = 10**9
_TOGETHER: Final = 50
"""Events of one channel that are under way to the daemon at once."""
_OFFER_AGAIN_S: Final = 2.0
_WAITS_S: Final = (1.0, 5.0, 30.0, 60.0)
_AT_ONCE: Final = 4
"""Channels whose history is read at the same time."""

Answer = Accepted | Refused | None


class Item(NamedTuple):
    """A dispatch, or a message of the history as one."""

    event: str
    data: Any

    @property
    def message_id(self) -> int | None:
        """The id of a new message; None for anything else."""
        return snowflake(table(self.data).get("id")) if self.event == MESSAGE else None

    @property
    def goes_alone(self) -> bool:
        """Whether it has to wait for what came before it, and what comes after it for it: it may answer a card."""
        return self.event != MESSAGE or table(self.data).get("message_reference") is not None


def together(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Cut items into lists of those that may be under way at once."""
    batch: list[Item] = []
    for item in items:
        if batch and (item.goes_alone or batch[0].goes_alone or len(batch) == _TOGETHER):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


class Lanes:
    """All channels.

    Args:
        runtime: the daemon.
        api: for the history.
        marks: how far each channel was read.
        handle: offers items of a channel in their order, and returns the daemon's answers; None where there was
            nothing to offer.
        closed: hears of a channel of which nothing is wanted.
        limit: messages that are read of a channel's history at once, the latest.
    """

    def __init__(
        self,
        runtime: Runtime,
        api: Api,
        marks: Watermarks,
        handle: Callable[[int, list[Item]], Awaitable[list[Answer]]],
        closed: Callable[[int], None],
        limit: int,
    ) -> None:
        self.runtime, self.api, self.marks, self.handle = runtime, api, marks, handle
        self.closed, self.limit = closed, limit
        self.slots = asyncio.Semaphore(_AT_ONCE)
        self._lanes: dict[int, _Lane] = {}

    def put(self, channel: int, item: Item) -> None:
        """Take a live dispatch of a channel."""
        self._lane(channel).put(item)

    def catch_up(self, channel: int, after: int | None = None) -> None:
        """Read what was missed in a channel: all behind its watermark, or behind ``after`` where it has none."""
        self._lane(channel).fall_behind(after)

    def _lane(self, channel: int) -> _Lane:
        if channel not in self._lanes:
            self._lanes[channel] = _Lane(self, channel)
        return self._lanes[channel]

    def leave(self, channel: int) -> None:
        """Forget a lane on which nothing is left to do."""
        del self._lanes[channel]


class _Lane:
    """One channel. Its task lives for as long as there is something to do."""

    def __init__(self, lanes: Lanes, channel: int) -> None:
        self._lanes, self._channel = lanes, channel
        self._waiting: deque[Item] = deque()
        self._behind: int | None = None
        """After which message the history has to be read; None: it need not be."""
        self._gaps = 0
        """How often that was said: also while it is being read."""
        self._made_up: set[int] = set()
        """What was taken from the history: it may also be told live, and a command would be carried out twice."""
        self._limit = lanes.limit
        self._failures = 0
        lanes.runtime.spawn(self._run(), f"lane-{channel}")

    def put(self, item: Item) -> None:
        self._waiting.append(item)
        if len(self._waiting) > _MOST_WAITING:
            first = next((number for each in self._waiting if (number := each.message_id) is not None), None)
            self._waiting.clear()
            self._limit = _ALL  # they were told: none of them may be left out
            self.fall_behind(first - 1 if first is not None else None)

    def fall_behind(self, after: int | None) -> None:
        marks = self._lanes.marks
        if marks.of(self._channel) is None and after is not None:
            marks.answered(self._channel, [after])  # else the next process would not know of it, if this one dies
            marks.flush()
        after = marks.begin(self._channel)
        self._gaps += 1
        if after is not None:
            self._behind = after if self._behind is None else min(after, self._behind)

    async def _run(self) -> None:
        await asyncio.sleep(0)  # what is put on the lane comes before its first step
        while self._waiting or self._behind is not None:
            if self._behind is None:
                waiting, self._waiting = self._waiting, deque()
                await self._take(item for item in waiting if item.message_id not in self._made_up)
                continue
            try:
                async with self._lanes.slots:
                    await self._read_history(self._behind)
            except TooFast as wait:
                await asyncio.sleep(wait.delay_s)
            except DiscordError as error:
                if is_final(error):  # what is told live must not wait for it
                    self._lanes.runtime.log.info("channel_not_readable", channel=self._channel, reason=error.message)
                    self._behind = None
                    continue
                self._lanes.runtime.log.warning("history_not_read", channel=self._channel, reason=error.message)
                await asyncio.sleep(_WAITS_S[min(self._failures, len(_WAITS_S) - 1)])
                self._failures += 1
        self._lanes.leave(self._channel)

    async def _read_history(self, after: int) -> None:
        """Read what came after a message, and hand it on, oldest first."""
        gaps = self._gaps
        missed = await self._missed(after)
        await self._take(missed)
        self._made_up.update(number for each in missed if (number := each.message_id) is not None)
        self._failures = 0
        if self._gaps == gaps:
            self._behind, self._limit = None, self._lanes.limit
        if missed:
            self._lanes.runtime.log.info("caught_up", channel=self._channel, messages=len(missed))

    async def _missed(self, after: int) -> list[Item]:
        """Return what came after a message, oldest first; of very much the latest."""
        found: list[dict[str, Any]] = []
        before: int | None = None
        while len(found) < self._limit:
            params: dict[str, Any] = {"limit": _PAGE} | ({"before": before} if before is not None else {})
            answer = await self._lanes.api.call(
                "GET", "/channels/{channel_id}/messages", params=params, channel_id=self._channel
            )
            if type(answer) is not list:  # a portal's page is no empty history
                raise Unknown("what answered is not Discord")
            page = tables(answer, _PAGE)
            numbers = [number for each in page if (number := snowflake(each.get("id"))) is not None]
            found += [each for each in page if (snowflake(each.get("id")) or 0) > after]
            if len(answer) < _PAGE or not numbers or min(numbers) <= after:
                break
            before = min(numbers)
        else:
            self._lanes.runtime.log.warning("history_cut", channel=self._channel, limit=self._limit)
        found.sort(key=lambda each: snowflake(each.get("id")) or 0)
        items = (Item(MESSAGE, each) for each in found[-self._limit :])
        return [each for each in items if not self._is_answered(each.message_id or 0)]

    def _is_answered(self, message: int) -> bool:
        """Tell whether a message is known to have been answered for good."""
        return message in self._made_up or self._lanes.marks.is_answered(self._channel, message)

    async def _take(self, items: Iterable[Item]) -> None:
        for batch in together(items):
            await self._take_together(batch)

    async def _take_together(self, items: list[Item]) -> None:
        """Offer items until each is answered for good, in their order; the watermark follows."""
        marks = self._lanes.marks
        numbers = [number for each in items if (number := each.message_id) is not None]
        if numbers and marks.of(self._channel) is None:
            marks.answered(self._channel, [numbers[0] - 1])  # whoever dies from here on finds it again
            marks.flush()
        left, wanted = items, True
        while left:
            answers = await self._lanes.handle(self._channel, left)
            wanted = wanted and not any(isinstance(answer, Refused) and answer.code == CLOSED for answer in answers)
            left = [
                item for item, answer in zip(left, answers, strict=True)
                if isinstance(answer, Refused) and answer.retry
            ]  # fmt: skip
            if left:
                await asyncio.sleep(_OFFER_AGAIN_S)
        if wanted:
            marks.answered(self._channel, numbers)
        else:
            self._lanes.closed(self._channel)
