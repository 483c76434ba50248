"""One event a turn, with the real client and the plugin's hooks."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import Pager
from tests.e2e.chat import Chat
from tests.e2e.lab import ClaudeLab
from tests.e2e.scripted_model import new_events
from tests.e2e.sessions import attach, session_where

ASKS = "Do you want to proceed?"


def holds(text: str, request: dict[str, Any]) -> bool:
    """Tell whether the model was sent a text."""
    return text in json.dumps(request["messages"])


def role_of(request: dict[str, Any], text: str) -> str:
    """Return whose words the model takes a text for: the user's, or the system's."""
    return next(str(m["role"]) for m in reversed(request["messages"]) if text in json.dumps(m["content"]))


async def test_a_message_sent_while_claude_works_gets_a_turn_of_its_own(daemon: Daemon, chat: Chat, lab: ClaudeLab):
    """It waits, comes as the user's words and not as a note, and is carried out; both are seen and answered."""
    await attach(lab, daemon)
    lab.model.hold()
    await chat.say("first")
    await lab.model.wait_event("first")
    await chat.say("second")
    await daemon.status_where(lambda status: status["events"] == {"seen": 1, "queued": 1})
    lab.model.release()
    await chat.hears("echo: first")
    await chat.hears("echo: second")
    await daemon.events_where(answered=2)
    for text in ("first", "second"):
        request = await lab.model.wait_request(partial(holds, text))
        assert role_of(request, text) == "user"
    assert all("session_event" not in json.dumps(request) for request in lab.model.requests)


async def test_a_turn_without_a_reply_is_answered_with_its_words(daemon: Daemon, chat: Chat, lab: ClaudeLab):
    """Claude forgot the tool: the sender reads what it wrote."""
    await attach(lab, daemon)
    await chat.say("say These words alone")
    await chat.hears("These words alone")
    await daemon.events_where(answered=1)


async def test_hooks_that_are_turned_off_cost_only_the_receipts(daemon: Daemon, chat: Chat, lab: ClaudeLab):
    """Messages arrive and are answered; nothing is ever called seen."""
    await attach(lab, daemon, settings={"disableAllHooks": True})
    await chat.say("first")
    await chat.hears("echo: first")
    await chat.say("second")
    await chat.hears("echo: second")
    session = await session_where(daemon, lambda session: session["proven"])
    assert not session["hooks"]


async def test_escape_ends_a_turn_and_the_next_message_goes_out(daemon: Daemon, chat: Chat, lab: ClaudeLab):
    """No hook tells of it: the end of the transcript does."""
    await attach(lab, daemon)
    await chat.say("run touch /tmp/never-made-by-this-test")
    await lab.terminal.wait_for(ASKS)
    await chat.say("are you there")
    await lab.terminal.press("Escape")
    await chat.hears("echo: are you there")


async def test_an_event_that_comes_during_a_dialog_is_not_lost(
    daemon: Daemon, chat: Chat, lab: ClaudeLab, tmp_path: Path
):
    """The turn of the terminal goes on, and the message has its own behind it."""
    await attach(lab, daemon)
    made = tmp_path / "made"
    await lab.terminal.type(f"run touch {made}")
    await lab.terminal.wait_for(ASKS)
    await chat.say("are you there")
    await daemon.events_where(queued=1)
    await lab.terminal.press("Enter")
    await chat.hears("echo: are you there")
    assert made.exists()


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
