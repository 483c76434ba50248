"""Telegram where things come at the wrong moment, from the wrong person, or not at all."""

import asyncio
import contextlib
import json
import random
import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

from channeld.ipc.messages import Prompt
from channeld_workers.telegram import api
from channeld_workers.telegram.api import NotReached
from channeld_workers.telegram.prompts import Prompts
from tests.doubles.bot_api_faults import Where
from tests.doubles.hooked import Hooked
from tests.doubles.pictures import png
from tests.doubles.telegram import scene
from tests.integration.test_flows import call

COLOURS = {
    "questions": [
        {"question": "Which colours?", "header": "C", "multiSelect": True,
         "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}]},
    ]
}  # fmt: skip
ONE = {
    "questions": [
        {"question": "Name?", "header": "N", "multiSelect": False, "options": [{"label": "A"}, {"label": "B"}]}
    ]
}
NOW = int(time.time())


async def test_an_album_is_one_event_also_while_somebody_else_writes():
    """A long poll ends with the first update, so that one of another chat says nothing about the album."""
    async with scene() as s, s.daemon.client() as client:
        eva = s.api.person(67, "Eva")
        await s.daemon.list_sender("telegram", "67", "approver")
        private = s.api.add_private_chat(eva)
        group: dict[str, Any] = {"media_group_id": "12345678901234567"}
        start = len(s.api.updates.confirmed)
        first = s.ann.send_photo(s.chat, png(10, 10), "one", **group)
        await s.api.until(lambda: len(s.api.updates.confirmed) == start + 1)
        eva.write(private, "meanwhile")
        await s.api.until(lambda: len(s.api.updates.confirmed) == start + 2)
        s.ann.send_photo(s.chat, png(11, 10), "two", **group)
        events = [await client.next_event() for _ in range(2)]
        (album,) = [e for e in events if e["meta"]["message_id"] == str(first.message_id)]
        assert album["content"] == "one\ntwo"


async def test_a_download_whose_connection_is_reset_is_tried_again():
    """A fault of the network is none of the disk, though both are an OSError."""
    async with scene() as s, s.daemon.client() as client:
        s.api.cut("download", Where.BEFORE, times=2)  # aiohttp itself tries a GET on a kept connection once more
        s.ann.send_photo(s.chat, png(40, 30), "look")
        meta = (await client.next_event())["meta"]
        assert "image_path" in meta, meta


async def test_an_update_with_half_a_surrogate_does_not_wedge_the_bot():
    """It costs neither its batch nor the next poll."""
    async with scene() as s, s.daemon.client() as client:
        s.write("before")
        s.api.queue(
            {"message": {"message_id": 900, "date": NOW, "chat": s.chat.raw, "from": s.ann.raw, "text": "\ud83d"}}
        )
        s.write("after")
        async with asyncio.timeout(15):
            texts = [(await client.next_event())["content"]]
            while texts[-1] != "after":
                texts.append((await client.next_event())["content"])


async def test_a_stranger_cannot_mark_choices_on_a_card_in_a_group():
    """What the owner sends with Done is what he has chosen."""
    async with scene() as s, s.daemon.client() as client:
        eve = s.api.person(66, "Eve")
        group = s.api.add_group(-1001654782309, "Team")
        await s.terminal("access", "group", "open", f"telegram:{group.id}")
        session = Hooked(client)
        s.ann.write(group, "@courier_test_bot do it")
        await session.take()
        output = asyncio.create_task(
            session.report(
                "PreToolUse", tool_name="AskUserQuestion", tool_input=json.dumps(COLOURS), tool_use_id="toolu_q",
                hold="true",
            )
        )  # fmt: skip
        card = await s.said("Which colours?")
        query = eve.press(card, "☐ Blue")
        await s.api.until(lambda: any(a.query_id == query for a in s.api.callbacks_answered))
        output.cancel()
        assert "☑ Blue" not in card.labels, card.labels


async def test_words_to_a_card_by_somebody_who_may_not_answer_keep_their_place():
    """They are a message like any other, and come before what he wrote after them."""
    async with scene() as s, s.daemon.client() as client:
        bob = s.api.person(68, "Bob")
        await s.daemon.list_sender("telegram", "68", "chatter")
        group = s.api.add_group(-1001654782309, "Team")
        await s.terminal("access", "group", "open", f"telegram:{group.id}")
        session = Hooked(client)
        s.ann.write(group, "@courier_test_bot do it")
        await session.take()
        output = asyncio.create_task(
            session.report(
                "PreToolUse", tool_name="AskUserQuestion", tool_input=json.dumps(COLOURS), tool_use_id="toolu_q",
                hold="true",
            )
        )  # fmt: skip
        card = await s.said("Which colours?")
        bob.write(group, "@courier_test_bot first", reply_to=card)
        bob.write(group, "@courier_test_bot second")
        await s.api.until(lambda: len(s.api.updates.confirmed) == 3)
        output.cancel()
        history = (await s.daemon.ask("messages", chat=f"telegram:{group.id}"))["messages"]
        texts = [m["text"] for m in sorted(history, key=lambda m: m["seq"])]
        assert texts[-2:] == ["@courier_test_bot first", "@courier_test_bot second"]


async def test_a_file_sent_as_the_answer_to_a_card_is_not_thrown_away():
    """It is a message, because the answer to a card is words."""
    async with scene() as s, s.daemon.client() as client:
        session = Hooked(client)
        s.write("do it")
        await session.take()
        output = asyncio.create_task(
            session.report(
                "PreToolUse", tool_name="AskUserQuestion", tool_input=json.dumps(ONE), tool_use_id="toolu_q",
                hold="true",
            )
        )  # fmt: skip
        card = await s.said("Name?")
        document = s.ann.send_document(s.chat, b"a,b", "names.csv", "one of these", reply_to_message=card.quoted())
        await s.api.until(lambda: len(s.api.updates.confirmed) == 2)
        told, is_error = await call(
            client, "download_attachment", chat_id=s.chat_id, message_id=str(document.message_id)
        )
        output.cancel()
        assert not is_error, told


async def test_a_method_that_the_server_does_not_know_does_not_stop_the_chat():
    """A server of one's own may be older than a method; the token is not doubted, and replies go on."""
    async with scene() as s, s.daemon.client() as client:
        message = s.write("one")
        await client.next_event()
        s.api.fail("setMessageReaction", 404, "Not Found: method not found", times=None)
        react = asyncio.create_task(
            call(client, "react", "r1", chat_id=s.chat_id, message_id=str(message.message_id), emoji="👍")
        )
        await s.api.until(lambda: s.api.calls_of("setMessageReaction"))
        async with asyncio.timeout(40):
            told, _ = await call(client, "reply", "t1", chat_id=s.chat_id, text="the answer")
        assert told.startswith("sent"), told
        await react


async def test_an_album_in_a_group_is_whole_wherever_its_caption_addresses_the_bot():
    """One mention counts for all of its messages."""
    async with scene() as s, s.daemon.client() as client:
        group = s.api.add_group(-1001654782309, "Team")
        await s.terminal("access", "group", "open", f"telegram:{group.id}")
        s.ann.send_album(group, [png(10 + n, 10) for n in range(3)], ["", "@courier_test_bot look", ""])
        assert (await client.next_event())["meta"]["attachment_count"] == "3"


async def test_a_card_is_shown_also_after_an_outage_of_some_minutes(monkeypatch):
    """It is tried for as long as it is open."""
    monkeypatch.setattr(random, "random", lambda: -1.0)  # waits of 0 s
    reached, calls = asyncio.Event(), 0

    async def call_api(method, **parameters):
        nonlocal calls
        calls += 1
        if calls <= 10:
            raise NotReached("no connection")
        reached.set()
        return {"message_id": 5}

    log = SimpleNamespace(warning=lambda *a, **k: None, exception=lambda *a, **k: None)
    runtime: Any = SimpleNamespace(log=log, shown=lambda *a: None, spawn=lambda work, name: asyncio.ensure_future(work))
    client: Any = SimpleNamespace(call=call_api)
    prompts = Prompts(runtime, client)
    prompts.put(
        Prompt(id="p1", chat="telegram:1", kind="permission", title="Bash", body="ls", options=["Allow", "Deny"],
               state="open", answer="")
    )  # fmt: skip
    async with asyncio.timeout(5):
        await reached.wait()


async def test_a_connection_that_was_never_made_is_not_an_unknown_outcome(monkeypatch):
    """Where packets are dropped not a byte of a reply has left: it is sent later."""
    monkeypatch.setattr(api, "CONNECT_S", 1.0)
    with socket.socket() as deaf, contextlib.ExitStack() as stack:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(3):  # its backlog is full: further connections are not answered
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(deaf.getsockname())
        client = api.Client("123456789:" + "A" * 35, f"http://127.0.0.1:{deaf.getsockname()[1]}")
        await client.open()
        try:
            with pytest.raises(NotReached):
                await client.call("sendMessage", chat_id=1, text="x")
        finally:
            await client.close_connections()


async def history(s, chat_id):
    """Return the texts of a chat in the order in which they were taken in."""
    found = (await s.daemon.ask("messages", chat=chat_id, limit=500))["messages"]
    return [each["text"] for each in sorted(found, key=lambda each: each["seq"])]


async def test_what_was_written_before_a_group_moved_is_taken_in():
    """All of it is in one batch, and the old group is open until it has moved."""
    async with scene() as s, s.daemon.client() as client:
        group = s.api.add_group(-654782309, "Team", supergroup=False)
        await s.terminal("access", "group", "open", f"telegram:{group.id}")
        s.ann.write(group, "@courier_test_bot one")
        s.ann.write(group, "@courier_test_bot two")
        new = s.api.migrate(group.id, -1001654782309)
        s.ann.write(new, "@courier_test_bot three")
        event = await client.next_event()
        while not event["content"].endswith("three"):
            event = await client.next_event()
        taken = [*(await history(s, f"telegram:{group.id}")), *(await history(s, f"telegram:{new.id}"))]
        dropped = (await s.daemon.ask("access"))["workers"][0]["dropped"]
        assert [each["code"] for each in dropped] == []
        assert [text.split()[-1] for text in taken] == ["one", "two", "three"]


async def test_a_backlog_with_commands_in_it_keeps_its_order():
    """What looks like a verdict takes longer to judge, and nothing passes it."""
    async with scene() as s:
        written = ["yes abcde" if n % 7 == 0 else f"message {n}" for n in range(150)]
        for text in written:
            s.write(text)
        await s.api.until(lambda: len(s.api.updates.confirmed) >= 150)
        taken = await history(s, s.chat_id)
        assert sorted(taken) == sorted(written)
        assert taken == written


async def test_two_choices_that_are_tapped_quickly_both_count():
    """The second tap was made before the first one's mark was seen."""
    async with scene() as s, s.daemon.client() as client:
        session = Hooked(client)
        s.write("do it")
        await session.take()
        output = asyncio.create_task(
            session.report(
                "PreToolUse",
                tool_name="AskUserQuestion",
                tool_input=json.dumps(COLOURS),
                tool_use_id="toolu_q",
                hold="true",
            )
        )
        card = await s.said("Which colours?")
        queries = [s.ann.press(card, "☐ Red"), s.ann.press(card, "☐ Blue")]
        await s.api.until(lambda: {a.query_id for a in s.api.callbacks_answered} >= set(queries))
        output.cancel()
        assert card.labels == ["☑ Red", "☑ Blue", "Done"]
