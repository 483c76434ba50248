"""What waited at Telegram for long, comes under other numbers, twice, or among answers and updates that are none."""

from __future__ import annotations

import json
import math
import random
import time
from typing import Any

import pytest

from tests.doubles.bot_api_faults import Garbage, Where
from tests.doubles.bot_api_world import Chat
from tests.doubles.telegram import ANN_ID
from tests.doubles.telegram_updates import every_kind
from tests.faults.bot_flow import BotScene, bot_scene
from tests.faults.nursery import Nursery
from tests.unit.test_telegram_hostile import WRONG, paths, put

MALLORY_ID = 77
DAY_S = 20 * 3600
PATIENT = "[delivery]\nstale_after_s = 1000000000"


def write_backlog(s: BotScene, chats: list[Chat], number: int) -> None:
    """Have people write while nothing runs, over the last hours."""
    now = int(time.time())
    for n in range(number):
        chat = chats[n % len(chats)]
        s.wrote(s.people[chat.id].write(chat, f"text {n}", date=now - DAY_S + n * DAY_S // number))


async def test_the_backlog_of_a_day_is_delivered_in_order(nursery: Nursery):
    """Two thousand updates over three chats."""
    async with bot_scene(nursery, rest=PATIENT) as s:
        chats = [s.chat, *[(await s.add_person(n, f"Person {n}"))[1] for n in (66, 67)]]
        await s.daemon.kill()
        write_backlog(s, chats, 2000)
        await s.daemon.start()
        await s.settle()
        s.check_inbound()


async def test_an_old_backlog_is_asked_about_and_comes_in_order_when_it_is_still_wanted(nursery: Nursery):
    """One card a chat; what is younger than the limit does not pass the rest of its chat when the word is given."""
    async with bot_scene(nursery) as s:
        _, eve = await s.add_person(66, "Eve")
        await s.daemon.kill()
        now = int(time.time())
        for n in range(150):
            for chat in (s.chat, eve):
                s.wrote(s.people[chat.id].write(chat, f"text {n}", date=now - DAY_S + n))
        await s.daemon.start()
        await s.api.until(lambda: not s.api.updates.waiting and len(s.api.sent) == 2)
        await s.daemon.events_where(held=300)
        cards = list(s.api.sent)
        assert all("Still wanted?" in card.text for card in cards)
        await s.kill("daemon")
        await s.daemon.events_where(held=300)
        assert s.told() == []
        for card in cards:
            s.people[card.chat_id].press(card, "Still wanted")
        await s.settle()
        s.check_inbound()
        await s.api.until(lambda: all(card.labels == [] for card in cards))
        assert s.api.sent == cards


async def test_numbers_that_begin_anew_and_updates_that_come_twice(nursery: Nursery):
    """Lower, higher, after a restart; the same message under another number, and an answer that was lost."""
    async with bot_scene(nursery) as s:
        for victim in (None, "worker", "daemon"):
            for distance in (-50_000_000, 50_000_000) if victim is None else (-50_000_000,):
                s.write("before")
                await s.settle()
                s.api.renumber(s.api.updates.next_id + distance)
                s.write("one", "two")
                if victim is not None:
                    await s.kill(victim)
                s.write("three")
                await s.settle()
        (message,) = s.write("once")
        for _ in range(3):
            s.api.queue({"message": dict(message.raw)})
            s.api.cut("getUpdates", Where.AFTER)
            s.write("behind it")
            await s.settle()
        s.check_inbound()
        assert s.daemon.log().count("worker_started") == 3


def hostile(lot: random.Random) -> dict[str, Any]:
    """Return an update of somebody else with one thing in it wrong."""
    made = lot.choice(list(every_kind().values()))
    bad: dict[str, Any] = json.loads(json.dumps(made).replace(str(ANN_ID), str(MALLORY_ID)))
    del bad["update_id"]
    wrong = lot.choice(
        [each for each in WRONG if not (isinstance(each, float) and math.isnan(each))]
    )  # that is no JSON
    put(bad, lot.choice([path for path in paths(bad) if len(path) > 1]), wrong)
    return bad | {"hostile": True}


@pytest.mark.parametrize("seed", [1])
async def test_garbage_and_hostile_updates_hold_nothing_up(nursery: Nursery, seed):
    """Every second update is wrong somewhere, and every kind of wrong answer comes: the good ones arrive at once."""
    lot = random.Random(seed)
    async with bot_scene(nursery, rest=PATIENT) as s:
        _, eve = await s.add_person(66, "Eve")
        await s.add_person(MALLORY_ID, "Mallory")
        s.write("first")
        await s.settle()
        polls = len(s.api.calls_of("getUpdates"))
        for number in range(300):
            s.write(f"good {number}", chat=s.chat if number % 3 else eve)
            s.api.queue(hostile(lot))
        await s.settle()
        assert len(s.api.calls_of("getUpdates")) - polls <= 600 // 100 + 2
        for kind in Garbage:
            s.api.garbage("getUpdates", kind, where=lot.choice(list(Where)))
            s.write(f"before {kind}")
            await s.api.until(lambda: not s.api.updates.waiting)
            s.write(f"in it {kind}")  # where that is made of the right answer
            await s.api.until(lambda: not s.api.faults_left)
        await s.settle()
        s.check_inbound()
        (worker,) = (await s.daemon.ask("status"))["workers"]
        assert (worker["state"], worker["starts"]) == ("ready", 1)
