"""The server that stands for Telegram answers as Telegram does, and notices what a good client never does."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from telegram import Bot, InputMediaDocument, InputMediaPhoto, ReplyParameters
from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.request import HTTPXRequest

from tests.doubles.bot_api import BotApi, serve_in_thread
from tests.doubles.bot_api_checks import picture_sides
from tests.doubles.bot_api_faults import Garbage, Where
from tests.doubles.pictures import jpeg, png

GROUP = -1001654782309
OLD_GROUP = -654782309
CHANNEL = -1001700000001
ADA = 412587349
OK_BUTTON = {"text": "Yes", "callback_data": "y"}


@pytest.fixture
async def api():
    """Return a server that knows a person, a group with a topic, and a channel."""
    async with BotApi() as server:
        server.add_private_chat(server.person(ADA, "Ada", "ada_l"))
        server.add_group(GROUP, topics={17: "Deploys"})
        server.add_group(OLD_GROUP, supergroup=False)
        server.add_channel(CHANNEL)
        yield server


@pytest.fixture
def ada(api):
    """Return a person."""
    return api.person(ADA, "Ada", "ada_l")


def connected(api, token=None):
    """Return python-telegram-bot's client of the server."""
    return Bot(
        token or api.token,
        base_url=f"{api.url}/bot",
        base_file_url=f"{api.url}/file/bot",
        request=HTTPXRequest(),
        get_updates_request=HTTPXRequest(connection_pool_size=2),
    )


@pytest.fixture
async def bot(api):
    """Return python-telegram-bot's client, initialised."""
    async with connected(api) as client:
        yield client


@pytest.fixture
async def ask(api):
    """Return a plain client: a method and parameters in, a status and an answer out."""
    async with aiohttp.ClientSession() as session:

        async def call(method, **parameters):
            async with session.post(f"{api.url}/bot{api.token}/{method}", json=parameters) as response:
                assert response.content_type == "application/json"
                return response.status, await response.json()

        yield call


@asynccontextmanager
async def in_background(work):
    """Run something beside the test."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# Who the bot is


async def test_a_client_learns_who_it_is(api, bot):
    """The library takes the server for Telegram."""
    me = await bot.get_me()
    assert (me.id, me.username, me.is_bot) == (int(api.token.split(":")[0]), "courier_test_bot", True)
    assert me.has_topics_enabled is False
    assert not api.violations


async def test_another_token_is_refused(api):
    """A token of the right shape is unauthorised, another is not found, and one taken back is worth nothing."""
    other = connected(api, api.token[:-1] + ("-" if api.token[-1] != "-" else "_"))
    with pytest.raises(InvalidToken):
        await other.initialize()
    await other.shutdown()
    api.revoke_token()
    mine = connected(api)
    with pytest.raises(InvalidToken):
        await mine.initialize()
    await mine.shutdown()
    async with aiohttp.ClientSession() as session, session.get(f"{api.url}/botnonsense/getMe") as response:
        assert (response.status, (await response.json())["description"]) == (404, "Not Found")


async def test_an_unknown_method_is_not_found_and_noticed(api, ask):
    """A method that is none is a mistake of the client's."""
    assert await ask("sendTelegram") == (404, {"ok": False, "error_code": 404, "description": "Not Found"})
    assert api.violations == ["unknown method sendTelegram"]


# Updates


async def test_an_offset_confirms_for_ever(api, bot, ada):
    """What was confirmed does not come back with a lower offset; what was not comes again."""
    for word in ("one", "two", "three"):
        ada.write(ADA, word)
    first = await bot.get_updates()
    assert [update.message.text for update in first] == ["one", "two", "three"]
    assert [update.update_id - first[0].update_id for update in first] == [0, 1, 2]
    assert api.confirmed == 0
    assert [update.message.text for update in await bot.get_updates(offset=first[1].update_id)] == ["two", "three"]
    assert api.confirmed == first[0].update_id
    assert [update.message.text for update in await bot.get_updates(offset=first[0].update_id)] == ["two", "three"]
    assert [update.message.text for update in await bot.get_updates(limit=1)] == ["two"]
    await bot.get_updates(offset=first[2].update_id + 1)
    assert await bot.get_updates() == ()
    assert not api.violations


async def test_a_poll_waits_for_an_update(api, bot, ada):
    """A long poll is answered when something comes, and a short one at once."""
    assert await bot.get_updates(timeout=0) == ()
    async with in_background(bot.get_updates(timeout=50)) as poll:
        await api.until(lambda: api.updates.polling)
        assert not poll.done()
        ada.write(ADA, "hello")
        (update,) = await poll
    assert update.message.text == "hello"


async def test_a_negative_offset_is_noticed(api, ask, ada):
    """It forgets what came before, which nobody may want."""
    ada.write(ADA, "lost")
    ada.write(ADA, "kept")
    _, body = await ask("getUpdates", offset=-1)
    assert [update["message"]["text"] for update in body["result"]] == ["kept"]
    assert len(api.updates.waiting) == 1
    assert api.violations == ["getUpdates: a negative offset forgets everything before it"]


async def test_only_wanted_kinds_come(api, bot, ada):
    """Reactions come only when they are named, the names hold until others come, and what is not wanted is counted."""
    message = ada.write(ADA, "hello")
    ada.react(message, "👍")
    assert api.updates.dropped == {"message_reaction": 1}
    await bot.get_updates(allowed_updates=["message_reaction"])
    ada.react(message, "👎")
    ada.write(ADA, "not wanted")
    kinds = [next(iter(update.to_dict().keys() - {"update_id"})) for update in await bot.get_updates()]
    assert kinds == ["message", "message_reaction"]
    assert api.updates.dropped == {"message_reaction": 1, "message": 1}


async def test_the_older_of_two_polls_ends(api, bot, ada):
    """A second poller throws out the first."""
    async with in_background(bot.get_updates(timeout=50)) as older:
        await api.until(lambda: api.updates.polling)
        async with in_background(bot.get_updates(timeout=50)) as newer:
            with pytest.raises(Conflict, match="terminated by other getUpdates request"):
                await older
            ada.write(ADA, "hello")
            assert len(await newer) == 1
    assert api.updates.conflicts == 1


async def test_a_poll_whose_client_is_gone_is_no_conflict(api, bot):
    """A client that was killed in a poll is not in the way of the next."""
    async with in_background(bot.get_updates(timeout=50)):
        await api.until(lambda: api.updates.polling)
    await api.until(lambda: not api.updates.polling)
    await bot.get_updates()
    assert api.updates.conflicts == 0


async def test_a_webhook_is_in_the_way_of_polls(api, bot):
    """Until it is deleted."""
    api.set_webhook("https://example.org/hook")
    with pytest.raises(Conflict, match="use deleteWebhook to delete the webhook first"):
        await bot.get_updates()
    assert (await bot.get_webhook_info()).url == "https://example.org/hook"
    await bot.delete_webhook()
    assert await bot.get_updates() == ()


async def test_numbers_begin_anew_after_a_quiet_week(api, bot, ada):
    """An offset of the old numbers confirms nothing then."""
    api.renumber(900_000_000)
    ada.write(ADA, "before")
    (before,) = await bot.get_updates()
    await bot.get_updates(offset=before.update_id + 1)
    api.renumber(5_000)
    ada.write(ADA, "after")
    (after,) = await bot.get_updates(offset=before.update_id + 1)
    assert (after.message.text, after.update_id) == ("after", 5_000)


async def test_a_raw_update_is_given_as_it_is(api, ask):
    """Also one that the library cannot parse."""
    number = api.queue({"message": {"sticker": {}}})
    assert (await ask("getUpdates"))[1]["result"] == [{"update_id": number, "message": {"sticker": {}}}]


# Sending


async def test_a_text_is_in_the_chat(api, bot, ada):
    """With its reply, its entities, its buttons and its silence; ids are shared with the person's."""
    asked = ada.write(ADA, "hello")
    given = await bot.send_message(
        ADA,
        "  some bold text\n",
        entities=[{"type": "bold", "offset": 7, "length": 4}],
        reply_parameters=ReplyParameters(asked.message_id),
        reply_markup={"inline_keyboard": [[OK_BUTTON]]},
        disable_notification=True,
    )
    (sent,) = api.sent
    assert given.message_id == sent.message_id == asked.message_id + 1
    assert (sent.text, sent.reply_to, sent.labels, sent.silent) == ("some bold text", asked.message_id, ["Yes"], True)
    assert sent.entities == [{"type": "bold", "offset": 5, "length": 4}]
    assert api.chat(ADA) == [asked, sent]
    assert not api.violations


async def test_a_topic_must_be_known(api, bot, ask):
    """General has no id, except for what the bot is doing."""
    sent = await bot.send_message(GROUP, "deployed", message_thread_id=17)
    assert sent.is_topic_message
    for thread in (1, 18):
        with pytest.raises(BadRequest, match="Message thread not found"):
            await bot.send_message(GROUP, "deployed", message_thread_id=thread)
    await bot.send_chat_action(GROUP, "typing", message_thread_id=17)
    await bot.send_chat_action(GROUP, "typing", message_thread_id=1)
    assert [(action.action, action.thread_id) for action in api.actions] == [("typing", 17), ("typing", 1)]


async def test_what_is_answered_must_be_there(api, bot):
    """Unless the client says that it need not."""
    with pytest.raises(BadRequest, match="Message to be replied not found"):
        await bot.send_message(ADA, "yes", reply_parameters=ReplyParameters(7))
    await bot.send_message(ADA, "yes", reply_parameters=ReplyParameters(7, allow_sending_without_reply=True))
    assert [message.reply_to for message in api.sent] == [None]


async def test_chats_that_cannot_be_written_to(api, bot):
    """An unknown one, one that was blocked, one nobody began, and one that has moved."""
    with pytest.raises(BadRequest, match="Chat not found"):
        await bot.send_message(7, "hello")
    api.block(ADA)
    with pytest.raises(Forbidden, match="bot was blocked by the user"):
        await bot.send_message(ADA, "hello")
    api.add_private_chat(api.person(8), started=False)
    with pytest.raises(Forbidden, match="can't initiate"):
        await bot.send_message(8, "hello")
    api.migrate(OLD_GROUP, -1001800000002)
    with pytest.raises(ChatMigrated) as moved:
        await bot.send_message(OLD_GROUP, "hello")
    assert moved.value.new_chat_id == -1001800000002
    hints = [update.message for update in await bot.get_updates()]
    assert [(hint.migrate_to_chat_id, hint.migrate_from_chat_id) for hint in hints] == [
        (-1001800000002, None),
        (None, OLD_GROUP),
    ]
    assert not api.sent
    assert not api.violations


WRONG_TEXTS: dict[str, tuple[dict[str, Any], str]] = {
    "empty": ({"text": " \n"}, "message text is empty"),
    "missing": ({}, "message text is empty"),
    "too long": ({"text": "x" * 4097}, "message is too long"),
    "too long in units": ({"text": "😀" * 2049}, "message is too long"),
    "parse mode": ({"text": "x", "parse_mode": "markdown3"}, "unsupported parse_mode"),
    "a number": ({"text": 7}, "text must be a String"),
    "half a letter": ({"text": "\ud83d"}, "strings must be encoded in UTF-8"),
}


@pytest.mark.parametrize("name", WRONG_TEXTS)
async def test_a_wrong_text_is_refused(api, ask, name):
    """And it is noticed, for a client can count."""
    parameters, reason = WRONG_TEXTS[name]
    status, body = await ask("sendMessage", chat_id=ADA, **parameters)
    assert (status, body["description"]) == (400, f"Bad Request: {reason}")
    assert api.violations == [f"sendMessage: Bad Request: {reason}"]
    assert not api.sent


async def test_texts_at_the_limit_are_taken(api, ask):
    """4096 units after trimming, 1024 for a caption."""
    assert (await ask("sendMessage", chat_id=ADA, text=" " + "😀" * 2048 + " "))[0] == 200
    assert api.sent[0].text == "😀" * 2048


def mark(kind, offset, length, **more):
    """Return an entity."""
    return {"type": kind, "offset": offset, "length": length} | more


WRONG_ENTITIES = {  # of the text "a😀 word and code"
    "beyond": [mark("bold", 4, 14)],
    "negative": [mark("bold", -1, 2)],
    "no length": [mark("bold", 1, 0)],
    "begins in a pair": [mark("bold", 2, 2)],
    "ends in a pair": [mark("bold", 0, 2)],
    "unknown": [mark("shiny", 0, 1)],
    "no address": [mark("text_link", 0, 1)],
    "an address of no scheme": [mark("text_link", 0, 1, url="docs/readme.md#top")],
    "a scheme that is not linked": [mark("text_link", 0, 1, url="ftp://example.org")],
    "a host without a dot": [mark("text_link", 0, 1, url="http://localhost:8000/")],
    "half an address": [mark("text_link", 0, 1, url="http://[::1/")],
    "no user": [mark("text_mention", 0, 1)],
    "overlap": [mark("bold", 0, 6), mark("italic", 4, 6)],
    "bold in code": [mark("code", 4, 4), mark("bold", 5, 2)],
    "code in bold": [mark("bold", 4, 4), mark("code", 5, 2)],
    "a quote in a quote": [mark("blockquote", 4, 4), mark("expandable_blockquote", 4, 4)],
    "a link in a link": [
        mark("text_link", 4, 4, url="https://example.org"),
        mark("text_link", 5, 1, url="https://example.org"),
    ],
    "an offset in words": [mark("bold", "0", 1)],
    "too many": [mark("bold", 0, 1)] * 101,
    "no object": ["bold"],
}


@pytest.mark.parametrize("name", WRONG_ENTITIES)
async def test_a_wrong_entity_is_refused(api, ask, name):
    """Telegram would drop some of them in silence."""
    status, body = await ask("sendMessage", chat_id=ADA, text="a😀 word and code", entities=WRONG_ENTITIES[name])
    assert (status, len(api.violations), api.sent) == (400, 1, [])
    assert body["description"].startswith("Bad Request: ")


async def test_right_entities_are_taken(api, ask):
    """Beside each other, in each other, around a letter of two units, and code in a quote."""
    entities = [
        mark("bold", 1, 2),
        mark("blockquote", 4, 13),
        mark("italic", 4, 4),
        mark("underline", 4, 4),
        mark("code", 13, 4),
        mark("text_link", 9, 3, url="https://example.org/a?b=c"),
    ]
    status, _ = await ask("sendMessage", chat_id=ADA, text="a😀 word and code", entities=entities)
    assert (status, api.violations) == (200, [])
    assert len(api.sent[0].entities) == 6


async def test_unknown_parameters_are_noticed(api, ask):
    """Telegram ignores them; old names and nulls are among them."""
    status, _ = await ask("sendMessage", chat_id=ADA, text="x", reply_to_message_id=7, disable_notification=None)
    assert status == 200
    assert api.violations == [
        "sendMessage: unknown parameter reply_to_message_id",
        "sendMessage: disable_notification is null",
    ]


WRONG_KEYBOARDS = {
    "long data": [[{"text": "Yes", "callback_data": "ä" * 33}]],
    "empty data": [[{"text": "Yes", "callback_data": ""}]],
    "no label": [[{"text": " ", "callback_data": "y"}]],
    "no action": [[{"text": "Yes"}]],
    "two actions": [[OK_BUTTON | {"url": "https://example.org"}]],
    "101 buttons": [[OK_BUTTON]] * 101,
    "nine in a row": [[OK_BUTTON] * 9],
    "no rows": [OK_BUTTON],
}


@pytest.mark.parametrize("name", WRONG_KEYBOARDS)
async def test_a_wrong_keyboard_is_refused(api, ask, name):
    """Data of up to 64 bytes, labels, one action, a hundred buttons."""
    status, _ = await ask("sendMessage", chat_id=ADA, text="x", reply_markup={"inline_keyboard": WRONG_KEYBOARDS[name]})
    assert (status, len(api.violations), api.sent) == (400, 1, [])


# Editing, reacting, pressing


async def test_an_edit_changes_the_message(api, bot, ada):
    """Only the bot's own, and only to something else; the buttons go with the text."""
    theirs = ada.write(ADA, "hello")
    ours = await bot.send_message(ADA, "one", reply_markup={"inline_keyboard": [[OK_BUTTON]]})
    with pytest.raises(BadRequest, match="Message is not modified"):
        await bot.edit_message_text("one", ADA, ours.message_id, reply_markup={"inline_keyboard": [[OK_BUTTON]]})
    await bot.edit_message_text("two", ADA, ours.message_id)
    assert (api.sent[0].text, api.sent[0].buttons) == ("two", [])
    await bot.edit_message_reply_markup(ADA, ours.message_id, reply_markup={"inline_keyboard": [[OK_BUTTON]]})
    with pytest.raises(BadRequest, match="Message can't be edited"):
        await bot.edit_message_text("two", ADA, theirs.message_id)
    with pytest.raises(BadRequest, match="Message to edit not found"):
        await bot.edit_message_text("two", ADA, 7)
    assert [(edit.text, len(edit.buttons)) for edit in api.edits] == [("two", 0), (None, 1)]


async def test_a_reaction_is_one_of_the_list(api, bot, ask, ada):
    """One at most, and the check mark is not among them."""
    message = ada.write(ADA, "hello")
    await bot.set_message_reaction(ADA, message.message_id, "👀")
    await bot.set_message_reaction(ADA, message.message_id, [])
    with pytest.raises(BadRequest, match="Reaction_invalid"):
        await bot.set_message_reaction(ADA, message.message_id, "✅")
    assert [reaction.emoji for reaction in api.reactions] == ["👀", None]
    assert not api.violations
    two = [{"type": "emoji", "emoji": "👍"}, {"type": "emoji", "emoji": "👎"}]
    assert (await ask("setMessageReaction", chat_id=ADA, message_id=message.message_id, reaction=two))[0] == 400


async def test_a_press_is_answered_once(api, bot, ada):
    """It comes with its message, and neither twice nor late can it be answered."""
    await bot.send_message(ADA, "sure?", reply_markup={"inline_keyboard": [[OK_BUTTON]]})
    pressed = ada.press(api.sent[0], "Yes")
    (update,) = await bot.get_updates()
    query = update.callback_query
    assert (query.id, query.data, query.message.text, query.from_user.id) == (pressed, "y", "sure?", ADA)
    assert query.message.reply_markup.inline_keyboard[0][0].text == "Yes"
    await query.answer("done")
    late = ada.press(api.sent[0], "Yes")
    api.expire_presses()
    for query_id in (pressed, late, "7"):
        with pytest.raises(BadRequest, match="Query is too old"):
            await bot.answer_callback_query(query_id)
    assert [(answered.query_id, answered.text) for answered in api.callbacks_answered] == [(pressed, "done")]
    with pytest.raises(AssertionError, match="no button 'No'"):
        ada.press(api.sent[0], "No")


# Files


async def test_files_go_up_and_down(api, bot, ada):
    """As they are, with the token in the link; a link is good for an hour."""
    data = bytes(range(256)) * 300
    await bot.send_document(ADA, data, filename="dump.bin", caption="a dump")
    (sent,) = api.sent
    assert (sent.text, sent.files[0].name, sent.files[0].data) == ("a dump", "dump.bin", data)
    ada.send_document(ADA, data, "notes.txt")
    (update,) = await bot.get_updates()
    link = await update.message.document.get_file()
    assert api.url in link.file_path
    assert await link.download_as_bytearray() == data
    api.expire_links()
    with pytest.raises(InvalidToken):  # the library takes every 404 for that
        await link.download_as_bytearray()
    assert not api.violations


async def test_files_that_are_too_large_or_empty(api, bot, ada):
    """20 MB down, 50 MB up, 10 MB for a photo, and never nothing."""
    ada.send_document(ADA, b"beginning", "film.mkv", size=20 * 1024 * 1024 + 1)
    (update,) = await bot.get_updates()
    with pytest.raises(BadRequest, match="File is too big"):
        await update.message.document.get_file()
    with pytest.raises(BadRequest, match="file_id"):
        await bot.get_file("AgACnothing")
    with pytest.raises(BadRequest, match="File must be non-empty"):
        await bot.send_document(ADA, b"", filename="empty.txt")
    assert not api.violations
    with pytest.raises(BadRequest, match="too big for a photo"):
        await bot.send_photo(ADA, png(10, 10) + bytes(10 * 1024 * 1024))
    with pytest.raises(NetworkError, match="Request Entity Too Large"):
        await bot.send_document(ADA, bytes(50 * 1024 * 1024 + 1))
    assert len(api.violations) == 2
    assert not api.sent


@pytest.mark.parametrize("picture", [png, jpeg])
async def test_a_photo_has_sides_of_some_length(api, bot, picture):
    """10000 together, and one at most 20 times the other."""
    assert picture_sides(picture(600, 400)) == (600, 400)
    await bot.send_photo(ADA, picture(5000, 5000))
    for sides in ((5001, 5000), (2001, 100)):
        with pytest.raises(BadRequest, match="Photo_invalid_dimensions"):
            await bot.send_photo(ADA, picture(*sides))
    with pytest.raises(BadRequest, match="Image_process_failed"):
        await bot.send_photo(ADA, b"no picture")
    assert len(api.sent) == 1


async def test_an_album_is_all_or_nothing(api, bot):
    """Two to ten, and no documents among pictures."""
    photos = [InputMediaPhoto(png(100 + count, 100), caption=f"picture {count}") for count in range(3)]
    api.limit(ADA, 1, 30.0)  # of which an album is one sending
    given = await bot.send_media_group(ADA, photos)
    assert len({message.media_group_id for message in given}) == 1
    assert [message.text for message in api.sent] == ["picture 0", "picture 1", "picture 2"]
    assert not api.violations
    text = InputMediaDocument(b"text", filename="a.txt")
    for wrong in (photos[:1], photos * 4, [photos[0], text]):
        with pytest.raises(BadRequest):
            await bot.send_media_group(ADA, wrong)
    assert (len(api.sent), len(api.violations)) == (3, 3)
    with pytest.raises(BadRequest, match="non-empty"):
        await bot.send_media_group(ADA, [text, InputMediaDocument(b"", filename="b.txt")])
    assert len(api.sent) == 3


async def test_an_album_comes_as_messages(api, bot, ada):
    """One update each, with one group's id."""
    ada.send_album(ADA, [png(10, 10), png(20, 20)], ["both"])
    updates = await bot.get_updates()
    assert len({update.message.media_group_id for update in updates}) == 1
    assert [(update.message.caption, update.message.photo[-1].width) for update in updates] == [
        ("both", 10),
        (None, 20),
    ]


async def test_what_people_do_can_be_parsed(api, bot, ada):
    """The library understands every update that a person makes."""
    message = ada.write(GROUP, "/status@courier_test_bot now, @grace", thread=17)
    ada.write(GROUP, "again", reply_to=message)
    ada.edit(message, "/status later")
    ada.write(CHANNEL, "news")
    updates = await bot.get_updates()
    assert [entity.type for entity in updates[0].message.entities] == ["bot_command", "mention"]
    assert (updates[0].message.is_topic_message, updates[0].message.message_thread_id) == (True, 17)
    assert updates[0].message.reply_to_message.forum_topic_created.name == "Deploys"
    assert (message.reply_to, api.chat(GROUP)[1].reply_to) == (None, message.message_id)
    assert updates[1].message.message_thread_id == 17
    assert updates[1].message.reply_to_message.text == "/status@courier_test_bot now, @grace"
    assert updates[2].edited_message.text == "/status later"
    assert updates[3].channel_post.sender_chat.id == CHANNEL


async def test_chats_and_commands(api, bot):
    """What else a bot asks of Telegram."""
    assert (await bot.get_chat(GROUP)).title == "Workshop"
    assert (await bot.get_chat_member(GROUP, api.bot["id"])).status == "member"
    await bot.set_my_commands([("status", "How things are")])
    assert api.commands == [{"command": "status", "description": "How things are"}]
    with pytest.raises(BadRequest):
        await bot.set_my_commands([("Status!", "How things are")])


# Trouble


async def test_a_limit_makes_a_client_wait(api, bot, monkeypatch):
    """Per chat, and it is noticed when somebody does not wait."""
    monkeypatch.setenv("PTB_TIMEDELTA", "true")  # else the library warns of its own future
    api.limit(ADA, 1, 30.0)
    await bot.send_message(ADA, "one")
    with pytest.raises(RetryAfter) as limited:
        await bot.send_message(ADA, "two")
    assert limited.value.retry_after == timedelta(seconds=30)
    await bot.send_message(GROUP, "elsewhere")
    assert not api.violations
    with pytest.raises(RetryAfter):
        await bot.send_message(ADA, "two")
    assert api.violations == [f"sendMessage: came to chat {ADA} before retry_after was over"]


async def test_a_fault_comes_as_often_as_it_was_told_to(api, bot):
    """For its method and its chat, and nothing is carried out."""
    api.fail("sendMessage", 500, "Internal Server Error", times=2, chat=ADA)
    await bot.send_message(GROUP, "elsewhere")
    for _ in range(2):
        with pytest.raises(NetworkError, match="Internal Server Error"):
            await bot.send_message(ADA, "hello")
    assert (len(api.sent), api.faults_left) == (1, 0)
    await bot.send_message(ADA, "hello")
    assert [message.chat_id for message in api.sent] == [GROUP, ADA]


@pytest.mark.parametrize(("where", "sent"), [(Where.BEFORE, 0), (Where.AFTER, 1)])
async def test_a_connection_breaks(api, bot, where, sent):
    """Before a request is carried out or after, which the client cannot tell."""
    api.cut("sendMessage", where)
    with pytest.raises(NetworkError):
        await bot.send_message(ADA, "hello")
    assert len(api.sent) == sent
    await bot.send_message(ADA, "again")
    assert len(api.sent) == sent + 1


async def test_an_answer_waits(api, bot):
    """The message is in the chat, and the client does not know it yet."""
    held = api.hold("sendMessage")
    async with in_background(bot.send_message(ADA, "hello")) as sending:
        call = await held.arrived
        assert (call.parameters["text"], len(api.sent), sending.done()) == ("hello", 1, False)
        held.release()
        assert (await sending).message_id == api.sent[0].message_id
    held = api.hold("sendMessage")
    async with in_background(bot.send_message(ADA, "hello")) as sending:
        await held.arrived
        held.cut()
        with pytest.raises(NetworkError):
            await sending


@pytest.mark.parametrize("kind", Garbage)
@pytest.mark.parametrize("status", [200, 401, 404])
async def test_an_answer_of_somebody_else(api, kind, status):
    """None of them can be read as Telegram's."""
    api.garbage("sendMessage", kind, status, Where.AFTER)
    async with aiohttp.ClientSession() as session:
        address = f"{api.url}/bot{api.token}/sendMessage"
        async with session.post(address, data={"chat_id": str(ADA), "text": "hello"}) as response:
            assert response.status == (502 if kind is Garbage.PROXY else status)
            try:
                body = json.loads(await response.read())
            except (ValueError, aiohttp.ClientPayloadError):
                body = {}
    assert "ok" not in body
    assert len(api.sent) == 1


async def test_a_portal_sends_a_client_elsewhere(api):
    """Whether it follows is counted."""
    api.garbage("getMe", Garbage.PORTAL, 302)
    async with aiohttp.ClientSession() as session, session.get(f"{api.url}/bot{api.token}/getMe") as response:
        assert "accept the terms" in await response.text()
    assert api.portal_visits == 1


async def test_a_request_waits_before_it_is_carried_out(api, bot):
    """As on a network that swallows everything; cut off there, it never happened."""
    held = api.hold("sendMessage", Where.BEFORE)
    async with in_background(bot.send_message(ADA, "hello")) as sending:
        await held.arrived
        assert not api.sent
        held.release()
        await sending
    held = api.hold("sendMessage", Where.BEFORE)
    async with in_background(bot.send_message(ADA, "again")) as sending:
        await held.arrived
        held.cut()
        with pytest.raises(NetworkError):
            await sending
    assert [message.text for message in api.sent] == ["hello"]


async def test_a_download_breaks_off(api, bot, ada):
    """In the middle, after which it can be had again."""
    ada.send_document(ADA, b"contents" * 1000, "notes.txt")
    (update,) = await bot.get_updates()
    link = await update.message.document.get_file()
    api.garbage("download", Garbage.BROKEN_OFF, where=Where.AFTER)
    with pytest.raises(NetworkError):
        await link.download_as_bytearray()
    assert await link.download_as_bytearray() == b"contents" * 1000
    assert len(api.calls_of("download")) == 2


async def test_a_network_ends_abruptly(api, bot):
    """Every connection is reset, a poll's too."""
    async with in_background(bot.get_updates(timeout=50)) as poll:
        await api.until(lambda: api.updates.polling)
        await api.stop(abruptly=True)
        with pytest.raises(NetworkError):
            await poll
    await api.start()
    assert await bot.get_updates() == ()
    assert api.updates.conflicts == 0


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=b"])
async def test_a_request_that_never_ends_is_not_carried_out(api, kind):
    """A client that was killed while it sent has sent nothing."""
    _, writer = await asyncio.open_connection("127.0.0.1", int(api.url.rpartition(":")[2]))
    head = (
        f"POST /bot{api.token}/sendMessage HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 900\r\n\r\n"
    )
    writer.write(head.encode() + b'--b\r\nContent-Disposition: form-data; name="text"\r\n\r\nhel')
    await writer.drain()
    await api.until(lambda: api.requests == 1)
    writer.close()
    await writer.wait_closed()
    await api.until(lambda: api.interrupted == 1)
    assert (api.calls, api.sent, api.violations) == ([], [], [])


async def test_a_server_goes_away_and_comes_back(api, bot, ada):
    """On its port, with what it knew."""
    async with in_background(bot.get_updates(timeout=50)) as poll:
        await api.until(lambda: api.updates.polling)
        await api.stop()
        with pytest.raises(NetworkError):
            await poll
    with pytest.raises(NetworkError):
        await bot.get_me()
    ada.write(ADA, "meanwhile")
    await api.start()
    assert len(await bot.get_updates()) == 1


async def test_a_request_that_breaks_the_server_is_noticed(api, bot):
    """It is the client's fault, or the server's: nobody shall overlook it."""
    api.queue({"message": object()})
    with pytest.raises(NetworkError):
        await bot.get_updates()
    (violation,) = api.violations
    assert violation.startswith("getUpdates: the server cannot cope with it: TypeError")


async def test_a_predicate_that_fails_is_the_waiting_tests(api, bot):
    """And not the request's."""
    async with in_background(api.until(lambda: api.calls and api.sent[0])) as waiting:
        await bot.get_me()
        with pytest.raises(IndexError):
            await waiting


async def test_replies_outside_topics_have_a_thread_of_no_topic(api, bot, ada):
    """In a supergroup: that number is no topic to write to."""
    api.add_group(-1001900000003)
    message = ada.write(-1001900000003, "hello")
    reply = ada.write(-1001900000003, "hello again", reply_to=message)
    _, update = await bot.get_updates()
    assert (update.message.message_thread_id, update.message.is_topic_message) == (message.message_id, None)
    assert reply.thread_id is None
    with pytest.raises(BadRequest, match="Message thread not found"):
        await bot.send_message(-1001900000003, "hello", message_thread_id=message.message_id)


async def test_waiting_for_what_does_not_happen_ends(api):
    """With an error, and nothing is left behind."""
    with pytest.raises(TimeoutError):
        await api.until(lambda: api.sent, timeout_s=0.01)


def test_a_server_in_a_thread():
    """For a test that has no loop."""
    with serve_in_thread() as served:
        ada = served.call(lambda api: api.person(ADA))
        served.call(lambda api: api.add_private_chat(ada))
        served.call(lambda api: ada.write(ADA, "hello"))
        with urllib.request.urlopen(f"{served.api.url}/bot{served.api.token}/getUpdates") as response:
            (update,) = json.load(response)["result"]
        assert update["message"]["text"] == "hello"
        body = json.dumps({"chat_id": ADA, "text": "hello yourself"}).encode()
        request = urllib.request.Request(f"{served.api.url}/bot{served.api.token}/sendMessage", body)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request):
            assert served.until(lambda api: api.sent)[0].text == "hello yourself"
        served.call(lambda api: api.block(ADA))
        with pytest.raises(urllib.error.HTTPError, match="403") as refused:
            urllib.request.urlopen(request)
        refused.value.close()
