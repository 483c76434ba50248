"""What is asked stands in the chat as one message, and presses on it are answered at once and counted once."""

import asyncio
import copy
import itertools
from typing import Any

import pytest

from channeld.ipc.messages import (
    Accepted,
    AnswerPrompt,
    Inbound,
    Notice,
    Offer,
    Presence,
    Prompt,
    Refused,
    Send,
    Shown,
    Typing,
)
from channeld_workers import courtesies as shared_courtesies
from channeld_workers.discord import courtesies as courtesies_module
from channeld_workers.discord import interactions as interactions_module
from channeld_workers.discord.courtesies import Courtesies
from channeld_workers.discord.interactions import Interactions, read
from channeld_workers.discord.prompts import OVER, Prompts
from channeld_workers.discord.sending import Sender
from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_api_faults import Where
from tests.doubles.discord_api_interactions import Answer, Asked, interact
from tests.doubles.discord_client import point_library
from tests.doubles.discord_rig import logged_in, running, settings

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**70,
    "",
    "x",
    "\ud800",
    "9" * 30,
    [],
    [None],
    {},
    {"x": 1},
    [{}],
    "1" * 18,
]


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
async def rig(api):
    """Return the real runtime and the daemon's end of its socket."""
    async with running() as both:
        yield both


@pytest.fixture
def runtime(rig):
    """Return the runtime."""
    return rig[0]


@pytest.fixture
def daemon(rig):
    """Return the daemon's end."""
    return rig[1]


@pytest.fixture
def prompts(runtime, api):
    """Return what is tested."""
    return Prompts(runtime, api)


@pytest.fixture
def told(server, runtime, api, prompts, monkeypatch):
    """Let interactions be taken as the gateway tells them; return those it told."""
    interactions = Interactions(runtime, api, prompts)
    seen = []
    tell = server.gateway.tell

    def overheard(name, data, channel):
        tell(name, data, channel)
        if name == "INTERACTION_CREATE":
            seen.append(copy.deepcopy(data))
            interactions.take(data)

    monkeypatch.setattr(server.gateway, "tell", overheard)
    return seen


def asked(channel, **more):
    """Return a permission that is open."""
    facts = {"id": "abcdefgh", "kind": "permission", "title": "Run a command", "body": "rm -r b"}
    chat = f"discord:{channel.id}"
    return Prompt(**{**facts, "chat": chat, "options": ["Allow", "Deny"], "state": "open", **more})


async def shown(server, prompts, prompt):
    """Show a prompt, and return its message."""
    number = len(server.sent)
    prompts.put(prompt)
    return await server.until(lambda: len(server.sent) > number and server.sent[number])


# Showing


async def test_a_prompt_is_shown_once_and_the_daemon_told_where(server, general, daemon, prompts):
    """So that another process can find it."""
    message = await shown(server, prompts, asked(general))
    assert message.labels == ["Allow", "Deny"] and message.pings == []
    frame = await daemon.expect(Shown)
    assert (frame.id, frame.chat, frame.message_id) == ("abcdefgh", f"discord:{general.id}", str(message.id))
    prompts.put(asked(general))
    prompts.put(asked(general, title="Run another command"))
    await server.until(lambda: server.edits)
    assert len(server.sent) == 1


async def test_a_settled_prompt_is_changed_in_place(server, general, prompts):
    """Its buttons go."""
    message = await shown(server, prompts, asked(general))
    prompts.put(asked(general, state="elsewhere"))
    await server.until(lambda: server.edits)
    assert "Settled elsewhere." in message.content and message.components == []


async def test_another_process_changes_what_an_earlier_one_has_shown(server, general, api, runtime, prompts):
    """By the id that the daemon kept."""
    message = await shown(server, prompts, asked(general))
    Prompts(runtime, api).put(asked(general, state="answered", answer="Allow – Ann", shown=str(message.id)))
    await server.until(lambda: server.edits)
    assert "Allow – Ann" in message.content and len(server.sent) == 1


async def test_what_was_settled_before_it_was_shown_is_not(server, general, prompts):
    """Nobody has to know of it; a chat that is none is nothing either."""
    prompts.put(asked(general, state="answered", answer="Allow"))
    prompts.put(asked(general, id="other", chat="discord:nonsense"))
    await shown(server, prompts, asked(general, id="third"))
    assert len(server.sent) == 1


async def test_a_card_that_somebody_deleted_is_sent_once_more(server, general, prompts):
    """While it is open."""
    first = await shown(server, prompts, asked(general))
    server.delete(first)
    second = await shown(server, prompts, asked(general, title="Run another command"))
    assert second.id != first.id and "another" in second.content


async def test_a_card_whose_sending_broke_off_is_one_message(server, general, prompts):
    """It has a nonce."""
    server.cut("create_message", Where.AFTER)
    message = await shown(server, prompts, asked(general))
    await server.until(lambda: server.repeats)
    assert server.sent == [message]


async def test_a_card_whose_sending_broke_off_is_marked_though_it_was_settled_meanwhile(server, general, prompts):
    """It stands in the chat, with buttons that nobody waits for."""
    server.cut("create_message", Where.AFTER)
    prompts.put(asked(general))
    (message,) = await server.until(lambda: server.sent)
    prompts.put(asked(general, state="elsewhere"))
    await server.until(lambda: message.components == [])
    assert "Settled elsewhere." in message.content
    assert server.sent == [message]


async def test_the_whole_of_a_long_prompt_goes_as_a_file(server, general, prompts, tmp_path):
    """Below the card."""
    whole = tmp_path / "whole.txt"
    whole.write_text("x" * 5000)
    message = await shown(server, prompts, asked(general, body="x" * 3000, file=str(whole)))
    await server.until(lambda: len(server.sent) == 2)
    assert "all of it is in the file" in message.content
    assert [file.data for file in server.sent[1].files] == [b"x" * 5000]
    assert server.sent[1].raw["message_reference"]["message_id"] == str(message.id)


async def test_a_prompt_that_discord_refuses_is_given_up(server, general, prompts):
    """And the next one is shown."""
    server.refuse("create_message", 400, 50035, "Invalid Form Body")
    prompts.put(asked(general))
    await server.until(lambda: not server.faults_left)
    message = await shown(server, prompts, asked(general, id="other"))
    assert server.sent == [message]


# Answering


async def test_a_press_is_answered_before_the_daemon_is_asked(server, general, ada, daemon, prompts, told):
    """Whatever the daemon does."""
    message = await shown(server, prompts, asked(general))
    press = ada.press(message, "Deny")
    await server.until(lambda: press.answered)
    question = await daemon.expect(AnswerPrompt)
    assert press.answered is Answer.DEFERRED_UPDATE
    assert (question.id, question.answer, question.sender_id, question.sender) == (
        "abcdefgh", "Deny", str(ada.id), "Ada",
    )  # fmt: skip
    daemon.send(Accepted(ref=question.ref))
    assert not press.followups


async def test_a_refusal_is_told_to_whoever_pressed_alone(server, general, ada, daemon, prompts, told):
    """Only the right people's presses count, which the daemon knows."""
    message = await shown(server, prompts, asked(general))
    press = ada.press(message, "Allow")
    question = await daemon.expect(AnswerPrompt)
    daemon.send(Refused(ref=question.ref, code="not_allowed", text="Only approvers may answer."))
    await server.until(lambda: press.followups)
    assert press.followups[0].content == "Only approvers may answer." and press.followups[0].ephemeral


async def test_words_are_written_into_a_form(server, general, ada, daemon, prompts, told):
    """It opens at once, and what is sent is the answer."""
    message = await shown(server, prompts, asked(general, kind="question", free=True))
    press = ada.press(message, "Other…")
    await server.until(lambda: press.modal)
    sent = ada.submit(press, answer="  my own words ")
    question = await daemon.expect(AnswerPrompt)
    assert question.answer == "my own words" and sent.answered is Answer.DEFERRED_UPDATE
    daemon.send(Accepted(ref=question.ref))
    blank = ada.submit(press, answer="  ")
    await server.until(lambda: blank.followups)
    assert blank.followups[0].content == "Write something first."


async def test_a_code_is_written_into_a_form(server, ada, daemon, prompts, told):
    """Of a pairing, in a private chat."""
    dm = server.dm(ada.id)
    pairing = asked(dm, kind="pairing", options=[], free=True, title="Who are you?")
    message = await shown(server, prompts, pairing)
    press = ada.press(message, "Enter the code")
    await server.until(lambda: press.modal)
    ada.submit(press, answer="abc123")
    question = await daemon.expect(AnswerPrompt)
    assert (question.answer, question.sender_id) == ("abc123", str(ada.id))


async def test_several_options_are_one_answer(server, general, ada, daemon, prompts, told):
    """As a JSON list."""
    message = await shown(server, prompts, asked(general, options=["a", "b", "c"], multiple=True))
    ada.choose(message, "c", "a")
    question = await daemon.expect(AnswerPrompt)
    assert question.answer == '["a","c"]'


async def test_a_late_press_is_told_so(server, general, ada, prompts, told):
    """By what has become of it; some clients show the buttons a moment longer."""
    await shown(server, prompts, asked(general))
    prompts.put(asked(general, state="answered", answer="Allow – Ben"))
    await server.until(lambda: server.edits)
    press = press_unseen(server, general, ada, "p:abcdefgh:0")
    await server.until(lambda: press.answered)
    assert press.answered is Answer.MESSAGE and press.text == "Allow – Ben" and press.original.ephemeral


@pytest.mark.parametrize(
    ("custom_id", "text"), [("p:unknown:0", OVER), ("of another bot", "This does nothing any more.")]
)
async def test_a_press_on_what_is_not_there_is_answered(server, general, ada, prompts, told, custom_id, text):
    """Else Discord shows a failure."""
    await shown(server, prompts, asked(general))
    press = press_unseen(server, general, ada, custom_id)
    await server.until(lambda: press.answered)
    assert press.text == text


async def test_a_button_in_another_channel_is_a_forgery(server, guild, general, ada, prompts, told):
    """A prompt is answered where it stands."""
    await shown(server, prompts, asked(general))
    other = server.add_channel(guild, "other")
    press = press_unseen(server, other, ada, "p:abcdefgh:0")
    await server.until(lambda: press.answered)
    assert press.text == OVER


async def test_a_press_counts_though_discord_did_not_hear_the_answer(server, general, ada, daemon, prompts, told):
    """Somebody has decided."""
    message = await shown(server, prompts, asked(general))
    server.refuse("answer_interaction", 404, 10062, "Unknown interaction")
    ada.press(message, "Deny")
    assert (await daemon.expect(AnswerPrompt)).answer == "Deny"


async def test_discord_being_slow_holds_no_answer_up(server, general, ada, daemon, prompts, told, monkeypatch):
    """After the time that Discord waits for it, the first answer is worth nothing."""
    monkeypatch.setattr(interactions_module, "ANSWER_S", 0.05)
    message = await shown(server, prompts, asked(general))
    held = server.hold("answer_interaction", Where.BEFORE)
    ada.press(message, "Deny", must_answer=False)
    assert (await daemon.expect(AnswerPrompt)).answer == "Deny"
    held.cut()


async def test_the_token_of_an_interaction_is_in_no_log(server, general, ada, daemon, prompts, told, caplog, capsys):
    """Neither where the library waits nor where Discord refuses: whoever has it can speak as the bot."""
    caplog.set_level("WARNING")
    message = await shown(server, prompts, asked(general))
    server.slow_down("answer_interaction", 0.01)
    press = ada.press(message, "Allow")
    question = await daemon.expect(AnswerPrompt)
    server.refuse("follow_up", 500, times=None)
    daemon.send(Refused(ref=question.ref, code="not_allowed", text="No."))
    late = press_unseen(server, general, ada, "p:unknown:0")
    server.refuse("answer_interaction", 404, 10062, "Unknown interaction")
    await server.until(lambda: len(server.calls_of("answer_interaction")) == 3)
    logged = caplog.text + "".join(capsys.readouterr())
    assert press.token not in logged and late.token not in logged
    server.mend()


def press_unseen(server, channel, person, custom_id):
    """Let somebody press a button that a client of theirs made up."""
    message = next(iter(channel.messages.values()), None) or person.write(channel, "here")
    return interact(server, Asked.COMPONENT, person.id, channel, {"custom_id": custom_id}, message=message)


# Replies in place of buttons


async def test_a_reply_to_a_card_is_an_answer(server, general, daemon, prompts):
    """In words, where the card takes them."""
    message = await shown(server, prompts, asked(general, kind="question", free=True))
    await daemon.expect(Shown)
    reply = replying(general, message.id)
    settling = asyncio.create_task(prompts.reply(reply))
    question = await daemon.expect(AnswerPrompt)
    daemon.send(Accepted(ref=question.ref))
    assert await settling == "" and question.answer == "my words"
    assert await prompts.reply(replying(general, 5)) is None


async def test_a_reply_of_somebody_who_may_not_answer_is_a_message(server, general, daemon, prompts):
    """But a code is not passed on as one."""
    for kind, told in (("question", None), ("pairing", "No.")):
        message = await shown(server, prompts, asked(general, id=kind, kind=kind, free=True))
        await daemon.expect(Shown)
        settling = asyncio.create_task(prompts.reply(replying(general, message.id)))
        question = await daemon.expect(AnswerPrompt)
        daemon.send(Refused(ref=question.ref, code="not_allowed", text="No."))
        assert await settling == told


def replying(channel, number):
    """Return a message that quotes another."""
    return Inbound(
        event_key="k", chat=f"discord:{channel.id}", message_id="9", sender_id="17", sender="Ada", text=" my words ",
        sent_at=0.0, reply_to_id=str(number),
    )  # fmt: skip


# Buttons of replies


async def replied(server, api, chat, *buttons):
    """Send a reply with buttons, and return it."""
    part = Send(ref=1, send_id="0123456789abcdef", chat=chat, kind="message", text="?", buttons=[*buttons])
    await Sender(api, settings()).send(part)
    return server.sent[0]


async def test_a_press_on_a_reply_is_an_event(server, general, ada, api, daemon, prompts, told):
    """Of whoever pressed, about the message."""
    await Sender(api, settings()).send(
        Send(
            ref=1,
            send_id="0123456789abcdef",
            chat=f"discord:{general.id}",
            kind="message",
            text="?",
            buttons=["Go *on*"],
        )
    )
    message = server.sent[0]
    press = ada.press(message, "Go *on*")
    offer = await daemon.expect(Offer)
    event = offer.event
    assert press.answered is Answer.DEFERRED_UPDATE
    assert (event.kind, event.text, event.chat, event.message_id, event.sender_id, event.group) == (
        "button", "Go *on*", f"discord:{general.id}", str(message.id), str(ada.id), True,
    )  # fmt: skip
    assert event.event_key == f"button:{press.id}" and event.sent_at > 1_700_000_000
    daemon.send(Accepted(ref=offer.ref))
    await server.until(lambda: press.followups)
    assert press.followups[0].content == "✔ Go \\*on\\*"


async def test_a_press_in_a_thread_belongs_to_its_chat(server, general, ada, api, daemon, prompts, told):
    """Which is named after its channel and itself."""
    thread = ada.start_thread(general, "a matter")
    chat = f"discord:{general.id}/{thread.id}"
    press = ada.press(await replied(server, api, chat, "Go"), "Go")
    offer = await daemon.expect(Offer)
    assert (offer.event.chat, offer.event.thread) == (chat, "a matter")
    daemon.send(Refused(ref=offer.ref, code="disk_full", text="The disk is full.", retry=True))
    await server.until(lambda: press.followups)
    assert press.followups[0].content == "The disk is full. Press it again later."


# Interactions of any shape


def test_an_interaction_of_any_shape_is_read_or_left(ada, server):
    """Every field, with every wrong value, and without it."""
    good = {
        "id": "1" * 18, "application_id": "2" * 18, "type": 3, "token": "t" * 50, "channel_id": "3" * 18,
        "member": {"user": {"id": "4" * 18, "username": "ada"}, "nick": "Ada"}, "message": {"id": "5" * 18},
        "data": {"custom_id": "p:x:0", "component_type": 2},
    }  # fmt: skip
    assert read(good) is not None
    for key, value in itertools.product(good, [*VALUES, ...]):
        spoilt = {name: each for name, each in good.items() if name != key} | ({} if value is ... else {key: value})
        press = read(spoilt)
        assert press is None or (press.who.id.isdecimal() and press.token)
    for value in VALUES:
        assert read(value) is None
    assert read(good | {"type": 1}) is None and read(good | {"token": "a b\nc"}) is None


async def test_what_cannot_be_read_costs_nothing(server, general, ada, daemon, api, runtime, prompts, told):
    """The next press gets through."""
    interactions = Interactions(runtime, api, prompts)
    for value in VALUES:
        interactions.take(value)
    message = await shown(server, prompts, asked(general))
    ada.press(message, "Allow")
    assert (await daemon.expect(AnswerPrompt)).answer == "Allow"


# Courtesies


@pytest.fixture
def courtesies(runtime, api):
    """Return small things that a bot does."""
    return Courtesies(runtime, api, "👀")


async def test_typing_shows_until_claude_is_done(server, general, ada, courtesies, monkeypatch):
    """It is said again before Discord forgets it."""
    monkeypatch.setattr(courtesies_module, "TYPING_EVERY_S", 0.01)
    other = server.dm(ada.id)
    courtesies.typing(Typing(chat=f"discord:{general.id}", working=True))
    await server.until(lambda: len(server.typings) >= 3)
    courtesies.typing(Typing(chat=f"discord:{general.id}", working=False))
    courtesies.typing(Typing(chat=f"discord:{other.id}", working=True))
    number = len(server.typings)
    await server.until(lambda: len(server.typings) >= number + 4)
    late = [typing for typing in server.typings[number + 1 :] if typing.channel_id == general.id]
    assert not late  # one may have been under way


async def test_a_notice_pings_nobody_and_quotes(server, general, ada, courtesies):
    """Commands are code."""
    asked_by = ada.write(general, "well?")
    courtesies.say(Notice(chat=f"discord:{general.id}", text="*Wait*, or `/now`.", reply_to=str(asked_by.id)))
    message = await server.until(lambda: server.sent and server.sent[0])
    assert message.content == "\\*Wait\\*, or `/now`." and message.pings == []


async def test_what_is_on_disk_is_marked_and_a_chat_told_once_that_nobody_listens(
    server, general, ada, courtesies, monkeypatch
):
    """If that is so for some seconds."""
    monkeypatch.setattr(shared_courtesies, "ABSENT_AFTER_S", 0.0)
    courtesies.presence(Presence(listening=False, text="Nobody listens."))
    first, second = ada.write(general, "one"), ada.write(general, "two")
    courtesies.taken_in(f"discord:{general.id}", str(first.id))
    courtesies.taken_in(f"discord:{general.id}", str(second.id))
    await server.until(lambda: server.sent and len(server.reactions) == 2)
    assert [message.content for message in server.sent] == ["Nobody listens."]
    courtesies.presence(Presence(listening=True, text=""))
    courtesies.taken_in(f"discord:{general.id}", str(second.id))


async def test_a_courtesy_that_fails_costs_nothing(server, general, courtesies):
    """It is left out."""
    courtesies.say(Notice(chat="discord:5", text="x"))
    courtesies.taken_in(f"discord:{general.id}", "5")
    courtesies.taken_in("discord:nonsense", "5")
    courtesies.say(Notice(chat=f"discord:{general.id}", text="y"))
    await server.until(lambda: server.sent)
