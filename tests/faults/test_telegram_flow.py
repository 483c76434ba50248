"""A thousand updates of Telegram while worker and daemon are killed again and again."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from tests.doubles.bot_api_world import Chat, Message
from tests.doubles.pictures import png
from tests.faults.bot_flow import BotScene, bot_scene
from tests.faults.nursery import Nursery

UPDATES = 1000
AHEAD = 100  # so many are written while those before them are on their way: as many as one answer holds
BETWEEN_KILLS = 90
TOLD = 30, 60  # fewer than are written: an edit of what still waits is not told by itself
LABELS = [f"button {n}" for n in range(8)]


class Talk:
    """People who write, change what they wrote, send pictures and tap buttons, as the lot has it."""

    def __init__(self, s: BotScene, lot: random.Random, chats: list[Chat], question: Message) -> None:
        self._s, self._lot, self._chats, self._question = s, lot, chats, question
        self._labels = iter(LABELS)
        self._numbers = itertools.count()
        self._written: list[Message] = []

    def go_on(self, updates: int) -> None:
        """Let so many updates come."""
        for number in itertools.islice(self._numbers, updates):
            chat, die = self._lot.choice(self._chats), self._lot.randrange(100)
            if die < 2 and (label := next(self._labels, None)) is not None:
                self._s.press(self._question, label)
            elif die < 5:
                person = self._s.people[chat.id]
                self._s.wrote(person.send_photo(chat, png(8, 6), f"picture {number}"))
            elif die < 10 and self._written:
                self._s.edit(self._written.pop(self._lot.randrange(len(self._written))), f"changed {number}")
            else:
                self._written += self._s.write(f"text {number}", chat=chat)


@pytest.mark.parametrize("seed", [1])
async def test_everything_arrives_whatever_is_killed(nursery: Nursery, seed):
    """Over four chats, with a kill whenever dozens more have been told: none lost, doubled or out of order."""
    lot = random.Random(seed)
    async with bot_scene(nursery) as s:
        chats = [s.chat, *[(await s.add_person(number, f"Person {number}"))[1] for number in (66, 67, 68)]]
        s.write("ask me")
        await s.settle()
        asked, _ = await asyncio.gather(s.reply("Which?", buttons=LABELS), s.api.until(lambda: s.api.sent))
        assert asked[0].startswith("sent")
        talk = Talk(s, lot, chats, s.api.sent[0])
        talk.go_on(AHEAD)
        for left in range(UPDATES - AHEAD, 0, -BETWEEN_KILLS):
            talk.go_on(min(left, BETWEEN_KILLS))
            await s.until_told(len(s.told()) + lot.randint(*TOLD))
            await s.kill("worker" if left // BETWEEN_KILLS % 2 else "daemon")
        await s.settle()
        s.check_inbound()
