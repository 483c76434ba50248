"""What the daemon asks for is done on Discord once, and every error becomes an outcome that is true."""

import asyncio
import re
from typing import Any

import pytest
from discord.http import Route

from channeld.ipc.messages import Attachment, Failed, RetryAfter, Send, Sent, Split, Uncertain
from channeld_workers.discord.api import NotReached, Refusal, TooFast, Unknown
from channeld_workers.discord.letters import AS_FILE, READY
from channeld_workers.discord.sending import Sender
from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_api_faults import Where
from tests.doubles.discord_api_objects import Kind, Permission
from tests.doubles.discord_client import point_library
from tests.doubles.discord_rig import logged_in, settings

NONCE = "0123456789abcdef"


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self):
        self.now = 1_000_000.0
        self.slept = []

    def __call__(self):
        return self.now

    async def sleep(self, seconds):
        """Let time pass."""
        self.slept.append(seconds)
        self.now += seconds


class _Scripted:
    """An API that answers as it is told, where the server cannot: what it raises or returns, call by call."""

    def __init__(self, *answers):
        self.answers = [*answers]
        self.calls = []

    async def call(self, method, path, **more):
        """Answer."""
        self.calls.append((method, path, more))
        answer = self.answers.pop(0) if self.answers else {"id": "77"}
        if isinstance(answer, Exception):
            raise answer
        return answer


def scripted(*answers) -> Any:
    """Return an API that answers so."""
    return _Scripted(*answers)


@pytest.fixture
async def server(monkeypatch):
    """Return a server that discord.py takes for Discord; nothing was done to it that a good client does not do."""
    async with DiscordApi() as api:
        point_library(api, monkeypatch)
        yield api
        assert not api.violations


@pytest.fixture
def ada(server):
    """Return a person."""
    return server.person("ada", "Ada")


@pytest.fixture
def guild(server, ada):
    """Return a guild with a person in it."""
    return server.add_guild("Workshop", ada)


@pytest.fixture
def general(server, guild):
    """Return a channel of the guild."""
    return server.add_channel(guild, "general")


@pytest.fixture
async def api(server):
    """Return the API of discord.py."""
    async with logged_in(server) as one:
        yield one


@pytest.fixture
def clock():
    """Return time that stands still unless somebody sleeps."""
    return Clock()


@pytest.fixture
def send(api, clock):
    """Return a function that sends a part to a channel."""

    async def send(channel, text="hello", *, more_settings=None, **more):
        sender = Sender(api, settings(**more_settings or {}), clock, sleep=clock.sleep)
        return await sender.send(part(channel.id, text, **more))

    return send


def part(channel=7, text="hello", chat=None, **more):
    """Return what the daemon asks for."""
    fields: dict[str, Any] = {"ref": 1, "send_id": NONCE, "kind": "message"} | more
    return Send(chat=chat or f"discord:{channel}", text=text, **fields)


def spooled(folder, name="notes.txt", content=b"some notes", size=None):
    """Return a file to be sent."""
    path = folder / name
    path.write_bytes(content)
    return Attachment(name=name, path=str(path), mime="text/plain", size=len(content) if size is None else size)


# Messages


async def test_a_message_pings_nobody_and_has_a_nonce(server, general, ada, send):
    """Claude's text may name everybody."""
    outcome = await send(general, f"**hi** @everyone <@{ada.id}>")
    (message,) = server.sent
    assert outcome == Sent(ref=1, message_id=str(message.id))
    assert message.content == f"**hi** @everyone <@{ada.id}>"
    assert message.pings == []
    (call,) = server.calls_of("create_message")
    assert (call.body["nonce"], call.body["enforce_nonce"]) == (NONCE, True)
    assert call.body["flags"] == 1 << 2


async def test_the_same_part_within_two_minutes_is_the_same_message(server, general, send):
    """Whatever became of the first answer."""
    first = await send(general)
    assert await send(general, tried_at=1_000_000.0 - 50) == first
    assert len(server.sent) == 1 and len(server.repeats) == 1


async def test_what_was_tried_too_long_ago_is_not_sent(server, general, send):
    """The nonce does not protect any more; an edit does no harm twice."""
    outcome = await send(general, tried_at=1_000_000.0 - 101)
    assert isinstance(outcome, Uncertain) and "earlier attempt" in outcome.reason
    assert not server.calls_of("create_message")
    sent = await send(general)
    edited = await send(general, "new", kind="edit", message_id=sent.message_id, tried_at=5.0)
    assert isinstance(edited, Sent)


async def test_settings_decide_on_silence_and_previews(server, general, send):
    """Flags of the message."""
    await send(general, more_settings={"silent": True, "link_previews": True})
    assert server.sent[0].raw["flags"] == 1 << 12


async def test_a_reply_quotes_and_does_not_ping(server, general, ada, send):
    """And where what it quotes is gone, it is sent all the same."""
    asked = ada.write(general, "well?")
    await send(general, reply_to=str(asked.id))
    assert server.sent[0].raw["message_reference"]["message_id"] == str(asked.id)
    assert server.sent[0].pings == []
    assert isinstance(await send(general, reply_to="1", send_id="b" * 16), Sent)
    assert isinstance(await send(general, reply_to="nonsense", send_id="c" * 16), Sent)


async def test_a_thread_is_written_to_by_its_own_id(server, general, ada, send):
    """Its chat is named after its channel and itself; being written to opens it again."""
    thread = ada.start_thread(general, "a matter")
    server.archive(thread)
    outcome = await send(thread, chat=f"discord:{general.id}/{thread.id}")
    assert isinstance(outcome, Sent) and server.sent[0].channel_id == thread.id
    assert not thread.archived


async def test_a_long_text_is_split(general, send):
    """Each piece comes again as it is."""
    outcome = await send(general, "word " * 500, buttons=["Yes"], reply_to="5")
    assert isinstance(outcome, Split)
    first, second = outcome.pieces
    assert (first.format, first.reply_to, first.buttons) == (READY, "5", [])
    assert (second.format, second.reply_to, second.buttons) == (READY, None, ["Yes"])
    assert isinstance(await send(general, first.text, format=READY), Sent)


async def test_files_go_along(server, general, send, tmp_path):
    """With their names, under the text."""
    files = [spooled(tmp_path), spooled(tmp_path, "SPOILER_ü.txt", b"")]
    assert isinstance(await send(general, "see", files=files), Sent)
    assert [(file.name, file.data) for file in server.sent[0].files] == [
        ("notes.txt", b"some notes"), ("SPOILER_ü.txt", b""),
    ]  # fmt: skip


async def test_files_go_along_again_where_discord_fails(server, general, send, tmp_path):
    """The library repeats the request, with all of the file and the same nonce."""
    server.refuse("create_message", 502)
    assert isinstance(await send(general, "see", files=[spooled(tmp_path)]), Sent)
    assert [file.data for file in server.sent[0].files] == [b"some notes"]
    assert [call.body["nonce"] for call in server.calls_of("create_message")] == [NONCE, NONCE]


async def test_a_long_answer_can_be_a_file(server, general, send):
    """If the settings say so."""
    outcome = await send(general, "# long\n" * 10, more_settings={"text_file_above": 50}, buttons=["ok"])
    assert isinstance(outcome, Sent)
    assert [(file.name, file.data) for file in server.sent[0].files] == [("answer.md", b"# long\n" * 10)]
    assert server.sent[0].labels == ["ok"] and server.sent[0].content == ""
    assert isinstance(await send(general, "x", format=AS_FILE, send_id="d" * 16), Sent)


async def test_a_file_that_cannot_be_read_is_not_sent(server, general, send):
    """It may have been removed from the spool."""
    outcome = await send(general, files=[Attachment(name="gone", path="/nowhere/gone", size=1)])
    assert isinstance(outcome, Failed) and "cannot be read" in outcome.reason
    assert not server.calls_of("create_message")


async def test_buttons_stand_under_the_message(server, general, send):
    """Their ids name the part and the number of the label."""
    await send(general, "ok?", buttons=["Yes", "No", "x" * 200])
    assert server.sent[0].labels == ["Yes", "No", "x" * 79 + "…"]
    assert [one["custom_id"] for one in server.sent[0].components if one["type"] == 2] == [
        f"b:{NONCE}:{n}" for n in range(3)
    ]


# Changes


async def test_an_edit_changes_the_text(server, general, send):
    """Markdown is treated as in a message."""
    sent = await send(general)
    assert await send(general, "#### new @everyone", kind="edit", message_id=sent.message_id) == sent
    assert server.edits[0].content == "### new @everyone"


@pytest.mark.parametrize(
    ("text", "message_id", "reason"),
    [
        ("x" * 2001, "5", "2000 characters"),
        (" ", "5", "nothing in it"),
        ("x", "../5", "no message id"),
        ("x", None, "''"),
    ],
)
async def test_an_edit_that_cannot_be_is_refused_at_once(text, message_id, reason, clock):
    """Nothing is asked of Discord."""
    api = scripted()
    outcome = await Sender(api, settings(), clock).send(part(text=text, kind="edit", message_id=message_id))
    assert isinstance(outcome, Failed) and reason in outcome.reason
    assert not api.calls


@pytest.mark.parametrize(("emoji", "put"), [("👍", "👍"), ("<:party:1234>", "party:1234"), ("<a:x:12>", "x:12")])
async def test_a_reaction_is_put(emoji, put, clock):
    """Custom ones by name and id."""
    api = scripted()
    outcome = await Sender(api, settings(), clock).send(part(text=emoji, kind="react", message_id="5"))
    assert outcome == Sent(ref=1, message_id="5")
    assert api.calls[0][2]["emoji"] == put


async def test_a_reaction_is_tried_in_its_other_style(clock):
    """Discord knows some emoji with U+FE0F only, and some without."""
    api = scripted(Refusal(400, 10014, "Unknown Emoji"))
    await Sender(api, settings(), clock).send(part(text="❤", kind="react", message_id="5"))
    assert [call[2]["emoji"] for call in api.calls] == ["❤", "❤\ufe0f"]


async def test_a_reaction_arrives(server, general, ada, send):
    """On the message of somebody."""
    asked = ada.write(general, "well?")
    assert isinstance(await send(general, "👀", kind="react", message_id=str(asked.id)), Sent)
    assert server.reactions[0].emoji == "👀"
    outcome = await send(general, "no emoji", kind="react", message_id=str(asked.id))
    assert isinstance(outcome, Failed) and "emoji" in outcome.reason


@pytest.fixture
async def thread(server, general, ada, send):
    """Return a thread that is archived, with a message of the bot's in it."""
    thread = ada.start_thread(general, "a matter")
    await send(thread, "first", send_id="f" * 16)
    server.archive(thread)
    return thread


async def change(send, server, kind):
    """Edit the bot's message, or react to it."""
    (message,) = server.sent
    return await send(message.channel, "🎉", kind=kind, message_id=str(message.id))


@pytest.mark.parametrize("kind", ["edit", "react"])
async def test_a_change_in_an_archived_thread_opens_it_again(kind, server, send, thread):
    """As a message does; the thread is opened once, and nothing else of it is changed."""
    outcome = await change(send, server, kind)
    assert outcome == Sent(ref=1, message_id=str(server.sent[0].id))
    assert [one.content for one in server.edits] + [one.emoji for one in server.reactions] == ["🎉"]
    assert [call.body for call in server.calls_of("edit_channel")] == [{"archived": False}]
    assert not thread.archived
    assert isinstance(await change(send, server, kind), Sent)
    assert len(server.calls_of("edit_channel")) == 1


@pytest.mark.parametrize("kind", ["edit", "react"])
@pytest.mark.parametrize("closed", ["locked", "without a permission"])
async def test_a_change_in_a_thread_that_cannot_be_opened_fails_with_what_to_do(
    kind, closed, server, send, general, thread
):
    """It is locked, or the bot may not write there."""
    if closed == "locked":
        server.archive(thread, locked=True)
    else:
        server.overwrite(general, deny=Permission.SEND_MESSAGES_IN_THREADS)
    outcome = await change(send, server, kind)
    assert isinstance(outcome, Failed)
    assert re.search("archived.* locked.* Send Messages in Threads", outcome.reason)
    assert len(server.calls_of("edit_channel")) == 1
    assert thread.archived and not server.edits and not server.reactions


@pytest.mark.parametrize("kind", ["edit", "react"])
async def test_who_manages_threads_changes_what_is_in_a_locked_one(kind, server, send, general, thread):
    """It stays locked."""
    server.archive(thread, locked=True)
    server.overwrite(general, allow=Permission.MANAGE_THREADS)
    assert isinstance(await change(send, server, kind), Sent)
    assert (thread.archived, thread.locked) == (False, True)


@pytest.mark.parametrize(
    ("answers", "kind", "calls"),
    [
        ([Refusal(403, 50083, "?"), {}, Refusal(403, 50083, "?")], Failed, 3),
        ([Refusal(400, 50083, "?"), Refusal(404, 10003, "Unknown Channel")], Failed, 2),
        ([Refusal(400, 50083, "?"), Refusal(401, 0, "?")], RetryAfter, 2),
        ([Refusal(400, 50083, "?"), TooFast(300.0)], RetryAfter, 2),
        ([Refusal(400, 50083, "?"), NotReached("?")], RetryAfter, 2),
        ([Refusal(400, 50083, "?"), Unknown("?"), Refusal(400, 50083, "?"), {}, {}], Sent, 5),
        ([Refusal(400, 50083, "?"), Unknown("?"), {}], Sent, 3),
    ],
)
async def test_a_thread_is_opened_once_and_whatever_comes_of_it_is_told(answers, kind, calls, clock):
    """It may be archived again at once, be gone, or Discord may ask to wait."""
    api = scripted(*answers)
    sender = Sender(api, settings(), clock, sleep=clock.sleep)
    assert type(await sender.send(part(text="🎉", kind="react", message_id="5"))) is kind
    assert len(api.calls) == calls


async def test_a_message_does_not_open_a_thread_by_a_request_of_its_own(clock):
    """Discord opens it, or refuses."""
    api = scripted(Refusal(400, 50083, "Thread is archived"))
    assert isinstance(await Sender(api, settings(), clock).send(part()), Failed)
    assert len(api.calls) == 1


# What goes wrong


async def test_a_broken_connection_is_tried_again_under_the_same_nonce(server, general, send, clock):
    """Whether the first was carried out or not, one message comes of it."""
    server.cut("create_message", Where.AFTER)
    outcome = await send(general)
    assert outcome == Sent(ref=1, message_id=str(server.sent[0].id))
    assert len(server.sent) == 1 and len(server.repeats) == 1 and clock.slept
    server.cut("create_message", Where.BEFORE)
    assert isinstance(await send(general, send_id="e" * 16), Sent)
    assert len(server.sent) == 2


async def test_without_any_answer_it_is_uncertain(general, server, send, clock):
    """After a few tries, all within the time that a nonce protects."""
    server.cut("create_message", Where.AFTER, times=None)
    outcome = await send(general)
    assert isinstance(outcome, Uncertain) and "connection broke" in outcome.reason
    assert len(server.sent) == 1 and 0 < sum(clock.slept) < 100


async def test_no_server_means_later(general, send, monkeypatch):
    """Nothing was done."""
    monkeypatch.setattr(Route, "BASE", "http://127.0.0.1:1/api/v10")  # where nobody listens
    outcome = await send(general)
    assert isinstance(outcome, RetryAfter) and 0 < outcome.delay_s <= 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one, channel: one.overwrite(channel, deny=Permission.SEND_MESSAGES),
        lambda one, channel: one.overwrite(channel, deny=Permission.VIEW_CHANNEL),
        lambda one, channel: one.remove(channel),
    ],
)
async def test_what_discord_refuses_says_what_to_change(server, general, send, spoil):
    """For Claude and for people."""
    spoil(server, general)
    outcome = await send(general)
    assert isinstance(outcome, Failed)
    assert re.search("permission Send Messages|permission View Channel|does not exist", outcome.reason)


async def test_a_person_who_takes_no_messages(server, ada, send):
    """The bot cannot change that."""
    dm = server.dm(ada.id)
    dm.blocked = True
    outcome = await send(dm)
    assert isinstance(outcome, Failed) and "direct messages" in outcome.reason


async def test_a_forum_takes_no_messages(server, guild, send):
    """Its posts do."""
    outcome = await send(server.add_channel(guild, "ideas", Kind.FORUM))
    assert isinstance(outcome, Failed) and "posts" in outcome.reason


async def test_a_locked_thread(server, general, ada, send):
    """Nothing opens it."""
    thread = ada.start_thread(general, "a matter")
    server.archive(thread, locked=True)
    outcome = await send(thread, chat=f"discord:{general.id}/{thread.id}")
    assert isinstance(outcome, Failed) and "locked" in outcome.reason


async def test_a_missing_permission_for_files(server, general, send, tmp_path):
    """It is named."""
    server.overwrite(general, deny=Permission.ATTACH_FILES)
    outcome = await send(general, files=[spooled(tmp_path)])
    assert isinstance(outcome, Failed) and "Attach Files" in outcome.reason


async def test_a_file_over_the_limit(server, general, send, tmp_path):
    """By the settings, and by Discord where nothing is known of the channel."""
    large = spooled(tmp_path, content=b"x" * (11 << 20))
    outcome = await send(general, files=[large], more_settings={"max_upload_mb": 10})
    assert isinstance(outcome, Failed) and "max_upload_mb" in outcome.reason
    outcome = await send(general, files=[large])
    assert isinstance(outcome, Failed) and "larger than Discord takes" in outcome.reason


@pytest.mark.parametrize(("file", "outcome"), [(False, Uncertain), (True, Sent)])
async def test_a_first_attempt_ends_with_the_protection_of_its_nonce(monkeypatch, tmp_path, clock, file, outcome):
    """The library repeats for as long as a server answers with errors; a file may just take long."""
    monkeypatch.setattr("channeld_workers.discord.sending.PROTECTED_S", 0.05)
    monkeypatch.setattr("channeld_workers.discord.sending._MORE_S", 0.0)

    class Slow:
        async def call(self, *path, **more):
            await asyncio.sleep(0.2)
            return {"id": "77"}

    api: Any = Slow()
    files = [spooled(tmp_path)] if file else []
    sent = await Sender(api, settings(), clock, sleep=clock.sleep).send(part(format=READY, files=files))
    assert isinstance(sent, outcome)


async def test_a_long_wait_is_the_daemons(server, general, send):
    """The library sits out the short ones."""
    server.slow_down("create_message", 60.0)
    outcome = await send(general)
    assert outcome == RetryAfter(ref=1, delay_s=60.0)
    assert not server.sent


async def test_a_refused_token_is_looked_into(clock):
    """And what was to be sent waits."""
    doubts = []
    sender = Sender(scripted(Refusal(401, 0, "401: Unauthorized")), settings(), clock, lambda: doubts.append(1))
    assert isinstance(await sender.send(part()), RetryAfter)
    assert doubts == [1]


@pytest.mark.parametrize(
    ("answers", "tried_at", "kind"),
    [
        ([Refusal(403, 50013, "Missing Permissions")], None, Failed),
        ([Refusal(403, 50013, "Missing Permissions")], 999_990.0, Uncertain),
        ([Unknown("?"), Refusal(403, 50013, "Missing Permissions")], None, Uncertain),
        ([Unknown("?"), {"id": "5"}], None, Sent),
        ([Unknown("?"), NotReached("?"), {"id": "5"}], None, Sent),
        ([Unknown("?"), *[NotReached("?")] * 9], None, Uncertain),
        ([Unknown("?"), TooFast(10.0), {"id": "5"}], None, Sent),
        ([Unknown("?"), TooFast(200.0), {"id": "5"}], None, Uncertain),
        ([Unknown("?")] * 9, None, Uncertain),
        ([NotReached("?")], None, RetryAfter),
        ([NotReached("?")], 999_990.0, RetryAfter),
        ([TooFast(3.0)], 999_990.0, RetryAfter),
        ([Unknown("?"), Refusal(401, 0, "?")], None, Uncertain),
        ([Refusal(401, 0, "?")], 999_990.0, RetryAfter),
        ([[]], None, Sent),
        ([{"id": 5}], None, Sent),
    ],
)
async def test_an_outcome_is_true_whatever_came_before(answers, tried_at, kind, clock):
    """Once it may have been sent, nothing promises that it was not."""
    sender = Sender(scripted(*answers), settings(), clock, sleep=clock.sleep)
    assert type(await sender.send(part(tried_at=tried_at))) is kind
    assert clock.now - 1_000_000.0 <= 100


@pytest.mark.parametrize("chat", ["discord:x", "discord:1/2/3", "discord:", "x", f"discord:{'9' * 21}", "discord:-5"])
async def test_a_chat_of_another_kind_is_none(chat, clock):
    """It cannot be Discord's."""
    outcome = await Sender(scripted(), settings(), clock).send(part(chat=chat))
    assert isinstance(outcome, Failed) and "no chat" in outcome.reason


async def test_nothing_cannot_be_sent(clock):
    """Neither as text nor as a kind that there is not."""
    sender = Sender(scripted(), settings(), clock)
    assert isinstance(await sender.send(part(text=" \u200b")), Failed)
    assert isinstance(await sender.send(part(kind="sing")), Failed)


@pytest.mark.parametrize("code", [0, 10003, 10008, 20028, 30010, 30046, 40005, 50001, 50007, 50083, 160002, 200000, 5])
async def test_every_refusal_is_a_sentence(code, clock):
    """With what to change, or Discord's own words."""
    sender = Sender(scripted(Refusal(400, code, "Something\nelse.")), settings(), clock)
    outcome = await sender.send(part())
    assert isinstance(outcome, Failed) and "\n" not in outcome.reason and not outcome.reason.endswith(".")
    if code in {0, 5}:
        assert "Something else" in outcome.reason
