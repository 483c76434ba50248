"""Discord both ways, through the real worker process and a test server of its REST API and gateway."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.discord import scene
from tests.doubles.discord_api_objects import Intent, Permission
from tests.doubles.pictures import png
from tests.integration.test_flows import call


async def answer(client, chat, text, tool_use_id="toolu_1", **more):
    """Have Claude reply."""
    return await call(client, "reply", tool_use_id, chat_id=chat, text=text, **more)


def content(path):
    """Return what is in a file."""
    return Path(path).read_bytes()


async def told(client, number):
    """Return the contents of the next events."""
    return [(await client.next_event())["content"] for _ in range(number)]


async def test_a_direct_message_goes_to_claude_and_the_answer_comes_back():
    """Quoting it, in Discord's own Markdown, with nobody pinged."""
    async with scene() as s, s.daemon.client() as client:
        question = s.ada.write(s.dm, "Is the build green?")
        event = await client.next_event()
        assert event["content"] == "Is the build green?"
        meta = event["meta"]
        assert (meta["platform"], meta["chat_id"], meta["user"], meta["user_id"], meta["message_id"]) == (
            "discord", s.dm_id, "Ada", str(s.ada.id), str(question.id),
        )  # fmt: skip
        text = f"**Yes**, all of `main`, @everyone and <@{s.ada.id}>."
        result, is_error = await answer(client, s.dm_id, text, reply_to=meta["message_id"])
        sent = await s.said("Yes")
        assert (result, is_error) == (f"sent (id: {sent.id})", False)
        assert sent.raw["content"] == text
        assert sent.raw["message_reference"]["message_id"] == str(question.id)
        assert not sent.pings


async def test_a_channel_is_heard_where_it_was_opened_and_its_threads_with_it():
    """Mentions and replies to the bot; other channels and other people's talk are nothing."""
    async with scene() as s, s.daemon.client() as client:
        other = s.api.add_channel(s.guild, "random")
        s.ada.write(other, f"{s.api.mention} not opened")
        s.ada.write(s.general, "no mention")
        s.ada.write(s.general, f"{s.api.mention} in the channel")
        event = await client.next_event()
        assert (event["content"], event["meta"]["chat_id"]) == ("@Courier in the channel", s.general_id)
        assert event["meta"]["chat_title"] == "#general in Workshop"
        thread = s.ada.start_thread(s.general, "Build")
        s.ada.write(thread, f"{s.api.mention} in the thread")
        event = await client.next_event()
        assert event["meta"]["chat_id"] == f"{s.general_id}/{thread.id}"
        assert event["meta"]["thread"] == "Build"
        await answer(client, f"{s.general_id}/{thread.id}", "here too")
        sent = await s.said("here too")
        assert sent.channel_id == thread.id
        s.ada.write(thread, "thanks", reply_to=sent)
        assert await told(client, 1) == ["thanks"]


async def test_a_stranger_is_told_a_code_and_his_words_go_nowhere():
    """In a private chat; and once the code is approved he is heard."""
    async with scene() as s, s.daemon.client() as client:
        eve = s.api.person("eve", "Eve")
        eve.join(s.guild)
        eve.write(eve.dm, "let me in")
        code = re.search(r"pair approve ([\w-]+)", (await s.said("pairing code")).raw["content"])
        assert code is not None
        assert client.nothing_came()
        await s.terminal("pair", "approve", code[1], "--approver")
        eve.write(eve.dm, "hello")
        assert await told(client, 1) == ["hello"]


async def test_a_long_answer_is_several_messages_with_its_code_fenced_in_each():
    """In order, within the limit, with the buttons under the last; a press on one is an event."""
    async with scene() as s, s.daemon.client() as client:
        s.ada.write(s.dm, "show me")
        await client.next_event()
        code = "\n".join(f"line {n:04} of the program" for n in range(200))
        result, is_error = await answer(client, s.dm_id, f"Here it is:\n\n```python\n{code}\n```", buttons=["More"])
        assert not is_error
        parts = s.api.sent
        assert result == f"sent {len(parts)} parts (ids: {', '.join(str(p.id) for p in parts)})"
        assert len(parts) == 3
        assert all(len(p.raw["content"]) <= 2000 and p.raw["content"].count("```") == 2 for p in parts)
        s.ada.press(parts[-1], "More")
        event = await client.next_event()
        assert (event["content"], event["meta"]["event"]) == ("More", "button")


async def test_what_changes_while_it_waits_goes_as_it_is_then():
    """An edit is folded in, and a message that was deleted is gone."""
    async with scene() as s:
        first, second = s.ada.write(s.dm, "one"), s.ada.write(s.dm, "two")
        s.ada.edit(first, "one, corrected")
        s.ada.delete(second)
        s.ada.write(s.dm, "three")
        await s.daemon.status_where(lambda status: status["events"].get("queued", 0) == 3)
        await s.daemon.status_where(lambda status: status["events"].get("dropped", 0) == 1)
        async with s.daemon.client() as client:
            assert await told(client, 2) == ["one, corrected", "three"]


async def test_edits_and_reactions_are_events():
    """Of messages that Claude has read, and of its own."""
    async with scene() as s, s.daemon.client() as client:
        question = s.ada.write(s.dm, "one")
        await client.next_event()
        s.ada.edit(question, "two")
        event = await client.next_event()
        assert (event["content"], event["meta"]["event"], event["meta"]["message_id"]) == (
            "two", "edited", str(question.id),
        )  # fmt: skip
        await answer(client, s.dm_id, "done")
        s.ada.react(await s.said("done"), "👍")
        event = await client.next_event()
        assert (event["content"], event["meta"]["event"]) == ("👍", "reaction")
        assert not (await call(client, "react", "t2", chat_id=s.dm_id, message_id=str(question.id), emoji="👀"))[1]
        assert question.reactions["👀"] == [s.api.bot_id]
        sent = await s.said("done")
        changed = await call(client, "edit_message", "t3", chat_id=s.dm_id, message_id=str(sent.id), text="all done")
        assert not changed[1]
        assert s.api.sent[0].raw["content"] == "all done"


async def test_a_reaction_that_is_taken_back_is_heard_where_mentions_are_wanted():
    """Discord says neither who takes it back nor whose message it was on; on other people's it is nothing."""
    async with scene() as s, s.daemon.client() as client:
        question = s.ada.write(s.general, f"{s.api.mention} ready?")
        await client.next_event()
        await answer(client, s.general_id, "as ready as can be")
        sent = await s.said("as ready as can be")
        for message in (question, sent):
            s.ada.react(message, "👍")
            s.ada.unreact(message, "👍")
        events = [await client.next_event() for _ in range(2)]
        assert [event["content"] for event in events] == ["👍", "(the reaction was taken back)"]
        for event in events:
            meta = event["meta"]
            assert (meta["event"], meta["user"], meta["user_id"], meta["message_id"], meta["chat_id"]) == (
                "reaction", "Ada", str(s.ada.id), str(sent.id), s.general_id,
            )  # fmt: skip
        await answer(client, s.general_id, "and now?", "toolu_2")
        s.ada.react(await s.said("and now?"), "🎉")
        assert await told(client, 1) == ["🎉"]


async def test_what_claude_changes_in_an_archived_thread_opens_it():
    """An edit and a reaction, each in a thread that was archived meanwhile; in a locked one Claude is told why not."""
    async with scene() as s, s.daemon.client() as client:
        thread = s.ada.start_thread(s.general, "Build")
        chat = f"{s.general_id}/{thread.id}"
        question = s.ada.write(thread, f"{s.api.mention} green?")
        await client.next_event()
        await answer(client, chat, "not yet")
        sent = await s.said("not yet")
        s.api.archive(thread)
        changed = await call(client, "edit_message", "t2", chat_id=chat, message_id=str(sent.id), text="it is")
        assert not changed[1] and sent.raw["content"] == "it is" and not thread.archived
        s.api.archive(thread)
        assert not (await call(client, "react", "t3", chat_id=chat, message_id=str(question.id), emoji="🎉"))[1]
        assert question.reactions == {"🎉": [s.api.bot_id]} and not thread.archived
        s.api.archive(thread, locked=True)
        text, is_error = await call(client, "react", "t4", chat_id=chat, message_id=str(question.id), emoji="👀")
        assert is_error and "locked" in text


async def test_pictures_and_files_come_as_files(tmp_path):
    """A picture at once; another file when Claude asks, through a fresh link where the old one has expired."""
    async with scene() as s, s.daemon.client() as client:
        picture = png(40, 30)
        s.ada.write(s.dm, "look", files=[s.ada.attach(s.dm, picture, "plot.png", "image/png")])
        meta = (await client.next_event())["meta"]
        assert content(meta["image_path"]) == picture
        s.ada.write(s.dm, "read", files=[s.ada.attach(s.dm, b"a,b\n1,2\n", "table.csv", "text/csv")])
        meta = (await client.next_event())["meta"]
        s.api.expire_links()
        text, is_error = await call(client, "download_attachment", "t1", chat_id=s.dm_id, message_id=meta["message_id"])
        assert not is_error, text
        report = tmp_path / "report.txt"
        report.write_text("all of it")
        result, is_error = await answer(client, s.dm_id, "as asked", "t2", files=[str(report)])
        assert not is_error, result
        (sent,) = s.api.sent
        assert [(file.name, file.data) for file in sent.files] == [("report.txt", b"all of it")]


async def test_files_are_as_large_as_the_server_takes(tmp_path):
    """What its boosts allow is sent there, and refused in a private chat before it is sent."""
    async with scene() as s, s.daemon.client() as client:
        boosted = s.api.add_guild("Club", s.ada, boosts=2)
        film = tmp_path / "film.mp4"
        film.write_bytes(bytes(11 << 20))
        channel = s.api.add_channel(boosted, "films")
        await s.terminal("access", "group", "open", f"discord:{channel.id}")
        for place in (channel, s.dm):
            s.ada.write(place, f"{s.api.mention} the film?")
            await client.next_event()
        result, is_error = await answer(client, f"discord:{channel.id}", "here", files=[str(film)])
        assert not is_error, result
        (sent,) = s.api.sent
        assert [len(file.data) for file in sent.files] == [11 << 20]
        result, is_error = await answer(client, s.dm_id, "and here", "t2", files=[str(film)])
        assert is_error and "film.mp4 has 11 MiB, and 10 MiB is the most that Discord takes here" in result
        assert s.api.sent == [sent]


@pytest.mark.parametrize("end", ["expired", "killed"])
async def test_what_came_while_nobody_listened_is_made_up_for(end):
    """In a private chat, a channel and its threads, those begun meanwhile included; each once, each chat in order."""
    async with scene() as s, s.daemon.client() as client:
        thread = s.ada.start_thread(s.general, "Old")
        for place in (s.dm, s.general, thread):
            s.ada.write(place, f"{s.api.mention} before")
        assert await told(client, 3) == ["@Courier before"] * 3
        await s.daemon.status_where(lambda status: status["events"] == {"delivered": 3})
        s.api.gateway.refuses = 503
        s.api.gateway.expire()
        s.api.gateway.drop()
        for n in range(1, 4):
            for place in (s.dm, s.general, thread):
                s.ada.write(place, f"{s.api.mention} {n}")
        young, _ = s.ada.start_thread(s.general, "Young"), None
        s.ada.write(young, f"{s.api.mention} 1")
        if end == "killed":
            await s.daemon.restart_after_kill()
        s.api.gateway.refuses = None
        events = [await client.next_event() for _ in range(10)]
        by_chat: dict[str, list[str]] = {}
        for event in events:
            by_chat.setdefault(event["meta"]["chat_id"], []).append(event["content"].removeprefix("@Courier "))
        assert by_chat == {
            s.dm_id: ["1", "2", "3"], s.general_id: ["1", "2", "3"], f"{s.general_id}/{thread.id}": ["1", "2", "3"],
            f"{s.general_id}/{young.id}": ["1"],
        }  # fmt: skip
        s.ada.write(s.dm, "live again")
        assert await told(client, 1) == ["live again"]


async def test_dispatches_that_cannot_be_read_cost_nothing_else():
    """Nor do frames that are none: the connection is resumed behind them."""
    async with scene() as s, s.daemon.client() as client:
        hostile: list[Any] = [
            None,
            [],
            {},
            {"channel_id": None},
            {"channel_id": str(s.dm.id), "author": "nobody", "id": 7},
        ]
        for data in hostile:
            for name in ("MESSAGE_CREATE", "MESSAGE_UPDATE", "GUILD_CREATE", "MESSAGE_REACTION_ADD", "NO_SUCH_EVENT"):
                s.api.dispatch(name, data)
        s.ada.write(s.dm, "still there")
        assert await told(client, 1) == ["still there"]
        assert len(s.api.gateway.identifies) == 1


async def test_an_open_channel_that_the_bot_cannot_use_is_told_with_the_permission():
    """As soon as it is so, and until it is mended."""
    async with scene() as s:
        s.api.overwrite(s.general, deny=Permission.SEND_MESSAGES | Permission.READ_MESSAGE_HISTORY)
        lacks = "In #general in Workshop, which is open, the bot lacks Read Message History and Send Messages."
        await s.daemon.status_where(lambda status: any(issue["text"] == lacks for issue in status["health"]))
        s.api.overwrite(s.general)
        await s.daemon.status_where(lambda status: not status["health"])
        await s.terminal("access", "group", "open", "discord:77")
        unknown = "The bot sees no channel 77, which is open to it."
        status = await s.daemon.status_where(lambda status: any(i["text"] == unknown for i in status["health"]))
        assert any("access group close discord:77" in issue["hint"] for issue in status["health"])


@pytest.mark.parametrize("words", ["does not know this token", "Message Content Intent"])
async def test_what_only_its_owner_can_mend_blocks_the_worker(words):
    """With the setting to change."""
    async with scene() as s:
        if "token" in words:
            s.api.revoke_token()
        else:
            s.api.gateway.allowed_intents = Intent(0)
        s.api.gateway.expire()
        s.api.gateway.drop()
        status = await s.daemon.status_where(lambda status: status["workers"][0]["state"] == "blocked")
        assert any(words in issue["text"] for issue in status["health"])


async def test_a_worker_that_starts_before_the_network_connects_when_it_comes():
    """However often it has tried; what waits in the history is made up for."""
    async with scene() as s, s.daemon.client() as client:
        s.ada.write(s.dm, "before")
        assert await told(client, 1) == ["before"]
        await s.daemon.status_where(lambda status: status["events"] == {"delivered": 1})
        await s.api.stop(abruptly=True)
        await s.daemon.ask("restart", worker="discord")
        status = await s.daemon.status_where(lambda status: status["workers"][0]["account"] == "not reached yet")
        await s.daemon.status_where(lambda status: any(i["code"] == "platform_unreachable" for i in status["health"]))
        s.ada.write(s.dm, "meanwhile", announce=False)
        await s.api.start()
        assert await told(client, 1) == ["meanwhile"]
        assert (await s.daemon.ask("status"))["workers"][0]["starts"] == status["workers"][0]["starts"]


async def test_a_command_is_not_carried_out_again_by_the_next_process():
    """It leaves no message by which it would be known; where it was read, it is passed over."""
    async with scene() as s, s.daemon.client() as client:
        s.ada.write(s.dm, "/status")
        status = (await s.said("Claude")).raw["content"]
        await s.daemon.ask("restart", worker="discord")
        s.ada.write(s.dm, "behind it", announce=False)
        assert await told(client, 1) == ["behind it"]
        assert [sent.raw["content"] for sent in s.api.sent] == [status]
