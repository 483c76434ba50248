"""Telegram both ways, through the real worker process and a test server of the Bot API: messages, files, replies."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.bot_api_faults import Garbage, Where
from tests.doubles.pictures import png
from tests.doubles.telegram import scene
from tests.integration.test_flows import call


async def answer(client, s, text, tool_use_id="toolu_1", **more):
    """Have Claude reply to Ann."""
    return await call(client, "reply", tool_use_id, chat_id=s.chat_id, text=text, **more)


NOW = int(time.time())


def content(path):
    """Return what is in a file."""
    return Path(path).read_bytes()


def contents(folder):
    """Return the files below a folder, by name."""
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_a_message_goes_to_claude_and_the_formatted_answer_comes_back():
    """With the quote, the entities and the id that Telegram gave it; only then is the update confirmed."""
    async with scene() as s, s.daemon.client() as client:
        question = s.write("Is the build green?")
        event = await client.next_event()
        assert event["content"] == "Is the build green?"
        meta = event["meta"]
        assert (meta["platform"], meta["chat_id"], meta["user"], meta["user_id"], meta["message_id"]) == (
            "telegram", s.chat_id, "Ann", str(s.ann.id), str(question.message_id),
        )  # fmt: skip
        told, is_error = await answer(client, s, "**Yes**, all of `main`.", reply_to=meta["message_id"])
        sent = await s.said("Yes")
        assert (told, is_error) == (f"sent (id: {sent.message_id})", False)
        assert sent.text == "Yes, all of main."
        assert [(e["type"], e["offset"], e["length"]) for e in sent.entities] == [("bold", 0, 3), ("code", 12, 4)]
        assert sent.reply_to == question.message_id
        await s.api.until(lambda: s.api.confirmed)


async def test_a_long_answer_is_several_messages_with_its_code_fenced_in_each():
    """In order, within the limit, quoted by the first, with the buttons under the last."""
    async with scene() as s, s.daemon.client() as client:
        question = s.write("show me")
        await client.next_event()
        code = "\n".join(f"line {n:04} of the program" for n in range(400))
        text = f"Here it is:\n\n```python\n{code}\n```"
        told, is_error = await answer(client, s, text, reply_to=str(question.message_id), buttons=["More"])
        parts = s.api.sent
        assert not is_error
        assert told == f"sent {len(parts)} parts (ids: {', '.join(str(p.message_id) for p in parts)})"
        assert len(parts) == 3
        assert "".join(p.text for p in parts).replace("\n", "") == f"Here it is:{code}".replace("\n", "")
        assert all(any(e["type"] == "pre" and e["language"] == "python" for e in p.entities) for p in parts)
        assert [p.reply_to for p in parts] == [question.message_id, None, None]
        assert [p.labels for p in parts] == [[], [], ["More"]]


def answered(s, query):
    """Return the answer to a tap, as soon as there is one."""
    return next((one for one in s.api.callbacks_answered if one.query_id == query), None)


@pytest.mark.parametrize(("mode", "quotes"), [("all", 3), ("off", 0)])
async def test_reply_to_mode_says_which_messages_quote(mode, quotes):
    """As in the official plugin."""
    async with scene(settings=f'reply_to_mode = "{mode}"') as s, s.daemon.client() as client:
        question = s.write("show me")
        await client.next_event()
        await answer(client, s, "word " * 2400, reply_to=str(question.message_id))
        assert sum(part.reply_to is not None for part in s.api.sent) == quotes


async def test_a_very_long_answer_can_go_as_a_file():
    """Where that was asked for."""
    async with scene(settings="text_file_above = 500") as s, s.daemon.client() as client:
        s.write("show me")
        await client.next_event()
        text = "# A report\n" + "word " * 500
        assert (await answer(client, s, text))[0].startswith("sent (id:")
        (sent,) = s.api.sent
        (file,) = sent.files
        assert (file.name, file.data.decode()) == ("answer.md", text)


async def test_a_tap_on_a_button_arrives_as_an_event(tmp_path):
    """With its label, from whoever tapped; the tap is answered."""
    async with scene() as s, s.daemon.client() as client:
        s.write("deploy?")
        await client.next_event()
        await answer(client, s, "Which one?", buttons=["staging", "production, really"])
        query = s.ann.press(await s.said("Which one?"), "production, really")
        event = await client.next_event()
        assert (event["content"], event["meta"]["event"]) == ("production, really", "button")
        await s.api.until(lambda: answered(s, query))
        stranger = s.api.person(66, "Eve")
        foreign = stranger.press(await s.said("Which one?"), "staging")
        assert not (await s.api.until(lambda: answered(s, foreign))).text


async def test_pictures_and_files_come_as_files():
    """A photo is fetched at once, in its largest size; a document when Claude asks for it."""
    async with scene() as s, s.daemon.client() as client:
        picture = png(40, 30)
        s.ann.send_photo(s.chat, picture, "look")
        meta = (await client.next_event())["meta"]
        assert content(meta["image_path"]) == picture
        assert meta["image_path"].endswith(".png")  # by its bytes, whatever Telegram calls it
        document = s.ann.send_document(s.chat, b"a,b\n1,2\n", "../../etc/table.csv")
        event = await client.next_event()
        assert event["meta"]["attachments"] == "table.csv (text/csv, 8 B)"
        told, is_error = await call(
            client, "download_attachment", chat_id=s.chat_id, message_id=str(document.message_id)
        )
        assert not is_error
        assert content(told) == b"a,b\n1,2\n"
        assert Path(told).parent == s.daemon.paths.inbox


async def test_a_file_that_is_too_large_is_said_to_be():
    """It arrives as an event that says so, and nothing is fetched."""
    async with scene() as s, s.daemon.client() as client:
        huge = s.ann.send_document(s.chat, b"x", "film.mkv", size=30_000_000)
        meta = (await client.next_event())["meta"]
        assert "larger than the 20 MB" in meta["attachments"]
        told, is_error = await call(client, "download_attachment", chat_id=s.chat_id, message_id=str(huge.message_id))
        assert is_error
        assert "film.mkv: larger than the 20 MB" in told


async def test_an_album_is_one_event_with_every_caption_and_file():
    """However its messages are spread over polls."""
    async with scene() as s, s.daemon.client() as client:
        pictures = [png(10 + n, 10) for n in range(4)]
        s.ann.send_album(s.chat, pictures, ["before", "", "after"])
        s.write("and a word")
        event = await client.next_event()
        assert (event["content"], event["meta"]["attachment_count"]) == ("before\nafter", "4")
        assert (await client.next_event())["content"] == "and a word"


async def test_claude_sends_photos_albums_and_documents(tmp_path):
    """Each as Telegram takes it; one photo carries the text as its caption."""
    async with scene() as s, s.daemon.client() as client:
        s.write("show me")
        await client.next_event()
        files = {}
        for name, data in (
            ("a.png", png(20, 20)),
            ("b.png", png(21, 20)),
            ("wide.png", png(900, 20)),
            ("c.txt", b"text"),
        ):
            (tmp_path / name).write_bytes(data)
            files[name] = str(tmp_path / name)
        told, is_error = await answer(client, s, "**one**", files=[files["a.png"]], buttons=["ok"])
        assert not is_error, told
        (one,) = s.api.sent
        assert (one.raw["caption"], one.raw["caption_entities"][0]["type"], one.labels) == ("one", "bold", ["ok"])
        assert one.files[0].data == png(20, 20)
        told, is_error = await answer(client, s, "several", "toolu_2", files=list(files.values()))
        assert not is_error, told
        methods = [c.method for c in s.api.calls if c.method.startswith("send") and c.method != "sendChatAction"]
        assert methods == ["sendPhoto", "sendMessage", "sendMediaGroup", "sendMediaGroup"]  # photos, then documents
        assert sorted(f.name for m in s.api.sent[1:] for f in m.files) == ["a.png", "b.png", "c.txt", "wide.png"]


async def test_an_empty_file_is_refused_before_anything_is_sent(tmp_path):
    """A clear error for Claude."""
    async with scene() as s, s.daemon.client() as client:
        s.write("show me")
        await client.next_event()
        (tmp_path / "empty.log").write_bytes(b"")
        told, is_error = await answer(client, s, "here", files=[str(tmp_path / "empty.log")])
        assert is_error
        assert "empty.log" in told
        assert s.api.sent == []


async def test_edits_and_reactions():
    """Claude changes what it sent and reacts; what Ann changes and reacts with comes as events."""
    async with scene() as s, s.daemon.client() as client:
        question = s.write("count")
        await client.next_event()
        await answer(client, s, "1")
        sent = await s.said("1")
        edited = await call(
            client, "edit_message", "e1", chat_id=s.chat_id, message_id=str(sent.message_id), text="**2**"
        )
        assert edited == (f"edited (id: {sent.message_id})", False)
        assert (sent.text, sent.entities[0]["type"]) == ("2", "bold")
        same = await call(
            client, "edit_message", "e2", chat_id=s.chat_id, message_id=str(sent.message_id), text="**2**"
        )
        assert same == (f"edited (id: {sent.message_id})", False)
        react = {"chat_id": s.chat_id, "message_id": str(question.message_id)}
        assert await call(client, "react", "r1", emoji="✅", **react) == ("reacted", False)
        assert s.api.reactions[-1].emoji
        told, is_error = await call(client, "react", "r2", emoji="🧇", **react)
        assert is_error
        assert "👍" in told
        s.ann.edit(question, "count to three")
        event = await client.next_event()
        assert (event["meta"]["event"], event["content"]) == ("edited", "count to three")
        s.ann.react(sent, "🔥")
        event = await client.next_event()
        assert (event["meta"]["event"], event["content"], event["meta"]["message_id"]) == (
            "reaction", "🔥", str(sent.message_id),
        )  # fmt: skip


async def test_a_group_is_heard_where_it_was_opened_and_in_its_topics():
    """Mentions count, topics are chats of their own, and a quote of a stranger is left out."""
    async with scene() as s, s.daemon.client() as client:
        eve = s.api.person(66, "Eve")
        group, thread = s.api.add_group(-1001654782309, "Team", topics={17: "Build"}), 17
        s.ann.write(group, "@courier_test_bot before it was opened")
        await s.api.until(lambda: s.api.confirmed)
        await s.terminal("access", "group", "open", f"telegram:{group.id}")
        rumour = eve.write(group, "the password is 1234")
        s.ann.write(group, "no mention")
        s.ann.write(group, "@courier_test_bot is that so?", reply_to=rumour)
        event = await client.next_event()
        assert (event["content"], event["meta"]["chat_title"]) == ("@courier_test_bot is that so?", "Team")
        assert event["meta"]["reply_to_user"] == "unlisted"
        assert "1234" not in json.dumps(event)
        s.ann.write(group, "@courier_test_bot and here?", thread=thread)
        topic = (await client.next_event())["meta"]["chat_id"]
        assert topic == f"telegram:{group.id}/{thread}"
        await call(client, "reply", "t2", chat_id=topic, text="here too")
        assert (await s.said("here too")).thread_id == thread


async def test_a_group_that_becomes_a_supergroup_stays_open():
    """Told by a message as it happens, or by Telegram's answer to a message to the old id."""
    async with scene() as s, s.daemon.client() as client:
        group = s.api.add_group(-654782309, "Team", supergroup=False)
        await s.terminal("access", "group", "open", f"telegram:{group.id}")
        s.ann.write(group, "@courier_test_bot one")
        old = (await client.next_event())["meta"]["chat_id"]
        new = s.api.migrate(group.id, -1001654782309)
        s.ann.write(new, "@courier_test_bot two")
        assert (await client.next_event())["meta"]["chat_id"] == f"telegram:{new.id}"
        told, is_error = await call(client, "reply", "t3", chat_id=old, text="to the old one")
        assert not is_error, told
        assert (await s.said("to the old one")).chat_id == new.id


async def test_commands_pairing_and_the_owners_link():
    """A stranger learns his code and nothing else; the one-time code lists whoever starts the bot with it."""
    async with scene() as s:
        eve = s.api.person(66, "Eve")
        private = s.api.add_private_chat(eve)
        eve.write(private, "/status")
        assert "Your pairing code is" in (await s.said("pairing code")).text
        s.write("/status")
        told = (await s.said("Nothing of yours waits.")).text
        assert "No Claude Code session is attached" in told
        printed = await s.terminal("setup", "telegram", typed=[("hidden", "")])
        code = printed.partition("?start=")[2].split()[0]
        eve.write(private, f"/start {code}")
        assert "You are on the list" in (await s.said("You are on the list")).text
        async with s.daemon.client() as client:
            eve.write(private, "hello")
            assert (await client.next_event())["content"] == "hello"


async def test_a_permission_is_given_with_a_button_and_the_card_says_so():
    """Only an approver's tap counts."""
    async with scene() as s, s.daemon.client() as client:
        s.write("clean up")
        await client.next_event()
        await client.notify(
            "notifications/claude/channel/permission_request",
            {
                "request_id": "abcde", "tool_name": "Bash", "description": "Remove the build",
                "input_preview": '{"command": "rm -r build"}',
            },
        )  # fmt: skip
        card = await s.said("rm -r build")
        assert "Allow" in card.labels
        eve = s.api.person(66, "Eve")
        query = eve.press(card, "Allow")
        assert "may not answer" in (await s.api.until(lambda: answered(s, query))).text
        s.ann.press(card, "Allow")
        verdict = await client.notified("notifications/claude/channel/permission")
        assert verdict == {"request_id": "abcde", "behavior": "allow"}
        await s.api.until(lambda: "Ann" in card.text)
        assert card.labels == []


async def test_the_bot_is_seen_typing_while_claude_works():
    """From when Claude was given the message until it has answered."""
    async with scene() as s, s.daemon.client() as client:
        s.write("think")
        await client.next_event()
        await s.api.until(lambda: s.api.actions)
        assert (s.api.actions[0].chat_id, s.api.actions[0].action) == (s.chat.id, "typing")


async def test_an_emoji_marks_what_was_taken_in():
    """As in the official plugin, for those who are listed."""
    async with scene(settings='ack_reaction = "👀"') as s:
        message = s.write("hello")
        await s.api.until(lambda: s.api.reactions)
        assert (s.api.reactions[0].message_id, s.api.reactions[0].emoji) == (message.message_id, "👀")


async def test_who_writes_while_nobody_listens_is_told_once():
    """That it is kept, and what to do; again only after somebody has listened."""
    async with scene() as s:
        for text in ("one", "two"):
            s.write(text)
        await s.said("No Claude Code session is attached.")
        async with s.daemon.client() as client:
            assert [(await client.next_event())["content"] for _ in range(2)] == ["one", "two"]
        await s.daemon.status_where(lambda status: not status["sessions"])
        s.write("three")
        await s.api.until(lambda: len([m for m in s.api.sent if "No Claude Code session" in m.text]) == 2)
        assert [m.reply_to is not None for m in s.api.sent] == [True, True]


@pytest.mark.parametrize("garbage", list(Garbage))
async def test_what_is_not_the_bot_api_does_not_end_the_bot(garbage):
    """A captive portal, a proxy, half an answer: the token is not called wrong, and the backlog arrives."""
    async with scene() as s, s.daemon.client() as client:
        s.api.garbage("getUpdates", garbage, times=3)
        s.write("during")
        assert (await client.next_event())["content"] == "during"
        status = await s.daemon.ask("status")
        assert (status["workers"][0]["state"], status["workers"][0]["starts"]) == ("ready", 1)


async def test_another_poller_is_told_and_nothing_is_lost():
    """409: the status says who it may be, and the backlog comes when it is gone."""
    async with scene() as s, s.daemon.client() as client:
        conflict = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
        s.api.fail("getUpdates", 409, conflict, times=None)
        await s.daemon.status_where(lambda status: any(h["code"] == "platform_conflict" for h in status["health"]))
        s.write("meanwhile")
        s.api.mend()
        assert (await client.next_event())["content"] == "meanwhile"
        await s.daemon.status_where(lambda status: not any("platform" in h["code"] for h in status["health"]))


async def test_a_revoked_token_blocks_the_worker_with_what_to_do():
    """The Bot API's own word on it; no restart loop."""
    async with scene() as s:
        s.api.revoke_token()
        await s.daemon.ask("restart", worker="telegram")
        status = await s.daemon.status_where(lambda status: status["workers"][0]["state"] == "blocked")
        (issue,) = [h for h in status["health"] if h["subject"] == "telegram"]
        assert "Telegram does not know this token" in issue["text"]
        assert "channeld setup" in issue["hint"]


async def test_without_the_network_the_worker_waits_and_then_goes_on():
    """It is up, says what is the matter, and needs nobody when the network is back."""
    async with scene() as s:
        await s.api.stop()
        await s.daemon.ask("restart", worker="telegram")
        await s.daemon.status_where(lambda x: any(h["code"] == "platform_unreachable" for h in x["health"]))
        await s.api.start()
        await s.daemon.ready()
        async with s.daemon.client() as client:
            s.write("back")
            assert (await client.next_event())["content"] == "back"


async def test_too_many_requests_hold_up_one_chat_only():
    """What the server asks to wait is waited, and another chat goes on."""
    async with scene() as s, s.daemon.client() as client:
        eve = s.api.person(67, "Eva")
        await s.daemon.list_sender("telegram", "67", "approver")
        private = s.api.add_private_chat(eve)
        s.write("one")
        eve.write(private, "two")
        for _ in range(2):
            await client.next_event()
        s.api.fail("sendMessage", 429, "Too Many Requests: retry after 2", {"retry_after": 2}, chat=s.chat.id)
        slow = asyncio.create_task(answer(client, s, "slow"))
        quick = await call(client, "reply", "q", chat_id=f"telegram:{private.id}", text="quick")
        assert quick[0].startswith("sent")
        assert not slow.done()
        assert (await slow)[0].startswith("sent")
        assert [m.text for m in s.api.sent] == ["quick", "slow"]


async def test_a_reset_in_the_middle_of_a_send_is_uncertain_and_not_two_messages():
    """Nobody can tell, so it is not repeated; a person can, by hand."""
    async with scene() as s, s.daemon.client() as client:
        s.write("one")
        await client.next_event()
        s.api.cut("sendMessage", Where.AFTER)
        told, is_error = await answer(client, s, "did it go?")
        assert is_error
        assert "may or may not have been sent" in told
        assert len(s.api.sent) == 1
        (uncertain,) = (await s.daemon.ask("messages", state="uncertain"))["messages"]
        await s.daemon.ask("retry", ref=str(uncertain["seq"]))
        await s.api.until(lambda: len(s.api.sent) == 2)


async def test_a_connection_that_is_refused_sends_later():
    """Nothing has left, so nothing is uncertain."""
    async with scene() as s, s.daemon.client() as client:
        s.write("one")
        await client.next_event()
        await s.api.stop(abruptly=True)
        telling = asyncio.create_task(answer(client, s, "later"))
        await s.daemon.status_where(lambda x: any(o["state"] == "queued" for o in x["outbox"]))
        await s.api.start()
        assert (await telling)[0].startswith("sent")
        assert [m.text for m in s.api.sent] == ["later"]


async def test_formatting_that_telegram_does_not_take_goes_as_plain_text():
    """The words arrive."""
    async with scene() as s, s.daemon.client() as client:
        s.write("one")
        await client.next_event()
        s.api.fail("sendMessage", 400, "Bad Request: can't parse entities: something new")
        assert (await answer(client, s, "**bold**"))[0].startswith("sent")
        (sent,) = s.api.sent
        assert (sent.text, sent.entities) == ("bold", [])


async def test_a_user_who_blocked_the_bot_is_a_clear_error():
    """Permanent: not tried again."""
    async with scene() as s, s.daemon.client() as client:
        s.write("one")
        await client.next_event()
        s.api.block(s.chat.id)
        told, is_error = await answer(client, s, "hello?")
        assert is_error
        assert "blocked by the user" in told


async def test_an_update_that_cannot_be_read_stops_nothing():
    """Newer, older and broken ones, among good ones."""
    async with scene() as s, s.daemon.client() as client:
        s.write("before")
        odd: dict[str, Any]
        for odd in (
            {"message": {"message_id": "x"}}, {"message": None}, {"poll": {"id": 1}}, {"message": []},
            {"message": {"message_id": 5, "date": NOW, "chat": s.chat.raw, "from": s.ann.raw, "hologram": {"x": 1}}},
            {"callback_query": {"id": "1", "from": s.ann.raw}},
        ):  # fmt: skip
            s.api.queue(odd)
        s.write("after")
        texts = [(await client.next_event())["content"]]
        while texts[-1] != "after":
            texts.append((await client.next_event())["content"])
        assert texts[0] == "before"
        assert any("hologram" in text for text in texts)


async def test_the_token_is_in_no_log_argument_or_row():
    """Whatever went wrong on the way."""
    async with scene() as s, s.daemon.client() as client:
        s.ann.send_photo(s.chat, png(10, 10), "x")
        await client.next_event()
        s.api.cut("sendMessage", Where.AFTER)
        await answer(client, s, "y")
        s.api.garbage("getUpdates", Garbage.TRUNCATED)
        s.write("z")
        await client.next_event()
        status = await s.daemon.ask("status")
        pid = s.daemon.worker_pid(status)
        secret = s.api.token.partition(":")[2].encode()
        assert secret not in content(f"/proc/{pid}/cmdline")
        assert secret not in content(f"/proc/{pid}/environ")
        assert [name for name, data in contents(s.daemon.home).items() if secret in data] == ["telegram.token"]
