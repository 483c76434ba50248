"""One event a turn, with the real client and the plugin's hooks."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from tests.doubles.daemon import Daemon
from tests.e2e.chat import Chat
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import plugin_of, session_where

ASKS = "Do you want to proceed?"


async def attach(daemon: Daemon, lab: ClaudeLab, **more: Any) -> None:
    """Start a session with the plugin and wait until events reach it."""
    await lab.start(**plugin_of(daemon.home), **more)
    await session_where(daemon, lambda session: session["listening"] == "yes" and session["state"] == "attached")


def holds(text: str, request: dict[str, Any]) -> bool:
    """Tell whether the model was sent a text."""
    return text in json.dumps(request["messages"])


def role_of(request: dict[str, Any], text: str) -> str:
    """Return whose words the model takes a text for: the user's, or the system's."""
    return next(str(m["role"]) for m in reversed(request["messages"]) if text in json.dumps(m["content"]))


async def test_a_message_sent_while_claude_works_gets_a_turn_of_its_own(daemon: Daemon, chat: Chat, lab: ClaudeLab):
    """It waits, comes as the user's words and not as a note, and is carried out; both are seen and answered."""
    await attach(daemon, lab)
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
    await attach(daemon, lab)
    await chat.say("say These words alone")
    await chat.hears("These words alone")
    await daemon.events_where(answered=1)


async def test_hooks_that_are_turned_off_cost_only_the_receipts(daemon: Daemon, chat: Chat, lab: ClaudeLab):
    """Messages arrive and are answered; nothing is ever called seen."""
    await attach(daemon, lab, settings={"disableAllHooks": True})
    await chat.say("first")
    await chat.hears("echo: first")
    await chat.say("second")
    await chat.hears("echo: second")
    session = await session_where(daemon, lambda session: session["proven"])
    assert not session["hooks"]


async def test_escape_ends_a_turn_and_the_next_message_goes_out(daemon: Daemon, chat: Chat, lab: ClaudeLab):
    """No hook tells of it: the end of the transcript does."""
    await attach(daemon, lab)
    await chat.say("run touch /tmp/never-made-by-this-test")
    await lab.terminal.wait_for(ASKS)
    await chat.say("are you there")
    await lab.terminal.press("Escape")
    await chat.hears("echo: are you there")


async def test_an_event_that_comes_during_a_dialog_is_not_lost(
    daemon: Daemon, chat: Chat, lab: ClaudeLab, tmp_path: Path
):
    """The turn of the terminal goes on, and the message has its own behind it."""
    await attach(daemon, lab)
    made = tmp_path / "made"
    await lab.terminal.type(f"run touch {made}")
    await lab.terminal.wait_for(ASKS)
    await chat.say("are you there")
    await daemon.events_where(queued=1)
    await lab.terminal.press("Enter")
    await chat.hears("echo: are you there")
    assert made.exists()
