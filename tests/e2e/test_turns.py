"""Turns of the real Claude Code: one message starts one, the next waits, and what a turn leaves undone is mended."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import expect

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import Pager
from tests.e2e.chat import LIMIT_MS, Chat
from tests.e2e.lab import ClaudeLab
from tests.e2e.scripted_model import new_events
from tests.e2e.sessions import attach, session_where

ASKED = "Do you want to proceed?"
WHILE_WORKING = "while you were working"  # how Claude Code hands over what comes within a turn


@pytest.fixture
async def session(lab: ClaudeLab, daemon: Daemon) -> ClaudeLab:
    """A session with the plugin, which asks before it runs a command."""
    await attach(lab, daemon)
    return lab


def said(session: ClaudeLab) -> str:
    """Return everything that the model was told so far."""
    return json.dumps([request["messages"] for request in session.model.requests])


async def test_a_message_sent_while_claude_works_is_a_turn_of_its_own(session: ClaudeLab, chat: Chat):
    """It waits for the end of the turn, reaches Claude as a request of the user's role, and is acted on."""
    session.model.hold()
    await chat.say("say the first")
    await session.model.wait_event("say the first")
    await chat.say("the second")
    session.model.release()
    await chat.hears("the first")
    await chat.hears("echo: the second")
    assert WHILE_WORKING not in said(session)


async def test_a_turn_without_a_reply_is_answered_all_the_same(session: ClaudeLab, chat: Chat):
    """What Claude wrote into the terminal is sent to the chat that the turn came from."""
    await chat.say("say only in the terminal")
    await chat.hears("only in the terminal")
    await chat.sees_answered("say only in the terminal")


async def test_what_the_terminal_asked_for_stays_there(session: ClaudeLab, chat: Chat):
    """A turn that was typed is nobody's in a chat."""
    await session.terminal.type("say to the terminal alone")
    await session.terminal.wait_for("● to the terminal alone")
    await chat.say("and here")
    await chat.hears("echo: and here")
    assert await chat.answers() == ["echo: and here"]


async def test_a_message_during_a_dialog_waits_and_is_not_lost(session: ClaudeLab, chat: Chat):
    """It is not pushed into the turn that waits; when that has ended, it is acted on."""
    await chat.say("run touch made")
    await session.terminal.wait_for(ASKED)
    await chat.say("the second")
    await session.terminal.press("Enter")
    await chat.hears("echo: the second")
    assert WHILE_WORKING not in said(session)


async def test_the_model_sees_nothing_of_the_hooks(session: ClaudeLab, chat: Chat):
    """Neither a report nor an answer to one is in any request, and nothing of it in the terminal."""
    await chat.say("run true")
    await chat.hears("done")
    await chat.say("good morning")
    await chat.hears("echo: good morning")
    told = said(session)
    for trace in ("session_event", "UserPromptSubmit", "hook success", "hook additional context"):
        assert trace not in told
    screen = await session.terminal.wait_gone("esc to interrupt")
    # That ours has allowed the reply is the client's own to say; its reports leave no trace.
    screen = re.sub(r"\w+ by PermissionRequest hook", "", screen.replace(str(session.project), ""))
    assert "hook" not in screen.lower()


async def test_hooks_that_are_disabled(lab: ClaudeLab, daemon: Daemon, chat: Chat):
    """With ``disableAllHooks`` it is as without the plugin: messages arrive, and answers need a rule."""
    rules = {"allow": ["mcp__plugin_channeld_channeld__reply"]}
    await attach(lab, daemon, settings={"disableAllHooks": True, "permissions": rules})
    for text in ("first", "second"):
        await chat.say(text)
        await chat.hears(f"echo: {text}")
    told = await session_where(daemon, lambda session: session["proven"])
    assert not told["hooks"]


async def test_escape_ends_a_turn_and_the_next_message_goes_out(session: ClaudeLab, chat: Chat):
    """No hook tells of it: the end of the transcript does."""
    await chat.say("run touch never")
    await session.terminal.wait_for(ASKED)
    await chat.say("are you there")
    await session.terminal.press("Escape")
    await chat.hears("echo: are you there")


async def test_two_chats_never_share_a_turn(lab: ClaudeLab):
    """However much both write while Claude works: one tag a prompt, in fair turns, each answer where it belongs."""
    async with Pager() as pager, Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin()
        await attach(lab, daemon)
        lab.model.hold()
        for chat in "ab":
            for n in range(3):
                await worker.accepted(f"{chat}{n}", chat=f"pager:{chat}", text=f"{chat}{n}")
        lab.model.release()
        answers = []
        for _ in range(6):
            part = await worker.expect(m.Send)
            worker.send(m.Sent(ref=part.ref, message_id=f"p{part.ref}"))
            answers.append((part.chat, part.text))
        await daemon.events_where(answered=6)
    assert answers == [(f"pager:{chat}", f"echo: {chat}{n}") for n in range(3) for chat in "ab"]
    conversation = max((request["messages"] for request in lab.model.requests if request["tools"]), key=len)
    prompts = [texts for message in conversation if (texts := list(new_events([message])))]
    assert [text for ((_, text),) in prompts] == [f"{chat}{n}" for n in range(3) for chat in "ab"]
    assert all(message["role"] == "user" for message in conversation if list(new_events([message])))


@pytest.mark.parametrize("how", ["button", "/now"])
async def test_what_waits_is_sent_in_from_the_browser(session: ClaudeLab, chat: Chat, how: str):
    """The card says that it waits; sent in, it reaches Claude within the turn, and the command leaves nothing."""
    session.model.hold()
    await chat.say("first")
    await session.model.wait_event("first")
    await chat.say("second")
    if how == "button":
        await chat.answer("waits until Claude is free", "Send it in now")
    else:
        await expect(chat.card("waits until Claude is free")).to_be_visible(timeout=LIMIT_MS)
        await chat.page.get_by_label("Message", exact=True).fill("/now")
        await chat.page.get_by_role("button", name="Send", exact=True).click()
    await chat.sees_ended("as a note")
    await expect(chat.page.locator("#unsent li")).to_have_count(0, timeout=LIMIT_MS)
    session.model.release()
    await chat.hears("echo: first")
    await chat.hears("echo: second")
    assert "/now" not in said(session)
