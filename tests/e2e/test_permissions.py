"""Permission prompts of the real Claude Code, answered from the browser, in the terminal, or not at all."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.doubles.daemon import Daemon
from tests.e2e.chat import LIMIT_MS, Chat
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import attach, restart

ASKED = "Do you want to proceed?"
MAY = "May Claude use Bash"
AGAIN = "Allow exactly this again in this session"
DONE = "done"  # what the scripted model says after a tool's result; a turn without a reply sends it


@pytest.fixture
async def session(lab: ClaudeLab, daemon: Daemon) -> ClaudeLab:
    """A session with the plugin, which asks before it runs a command."""
    await attach(lab, daemon)
    return lab


def exists(file: Path) -> bool:
    """Tell whether a command was run."""
    return file.exists()


def settings_of(session: ClaudeLab) -> str:
    """Return all settings that Claude Code may have written permission rules into."""
    files = [*session.project.glob(".claude/*.json"), *session.home.glob(".claude/*.json")]
    assert files
    return "".join(file.read_text("utf-8") for file in files)


async def test_allowed_from_the_browser(session: ClaudeLab, chat: Chat):
    """The card shows the whole command; after Allow it is run, the terminal's dialog is gone, and Claude goes on."""
    await chat.say("run touch made")
    await session.terminal.wait_for(ASKED)
    await expect(chat.card(MAY).locator("pre")).to_contain_text("command: touch made", timeout=LIMIT_MS)
    assert not exists(session.project / "made")
    await chat.answer(MAY, "Allow")
    await chat.hears(DONE)
    await chat.sees_ended("Allow")
    assert exists(session.project / "made")
    assert ASKED not in await session.terminal.screen()


async def test_denied_from_the_browser(session: ClaudeLab, chat: Chat):
    """Nothing is run, the dialog is gone, and Claude is told."""
    await chat.say("run touch made")
    await chat.answer(MAY, "Deny")
    await chat.sees_ended("Deny")
    await session.terminal.wait_gone(ASKED)
    assert not exists(session.project / "made")


async def test_answered_first_in_the_terminal(session: ClaudeLab, chat: Chat):
    """The card closes by itself and says that it was answered elsewhere."""
    await chat.say("run touch made")
    await expect(chat.card(MAY)).to_be_visible(timeout=LIMIT_MS)
    await session.terminal.wait_for(ASKED)
    await session.terminal.press("Enter")
    await chat.sees_ended("Answered elsewhere")
    await chat.hears(DONE)
    assert exists(session.project / "made")


async def test_escape_at_the_dialog(session: ClaudeLab, chat: Chat):
    """No hook fires; the card closes all the same, and the next message is taken up: to answer it needs no leave."""
    await chat.say("run touch made")
    await expect(chat.card(MAY)).to_be_visible(timeout=LIMIT_MS)
    await session.terminal.wait_for(ASKED)
    await session.terminal.press("Escape")
    await chat.sees_ended("")
    await chat.say("are you there")
    await chat.hears("echo: are you there")
    assert not exists(session.project / "made")


async def test_exactly_this_is_not_asked_again(session: ClaudeLab, chat: Chat):
    """The same command runs without a question, another is asked about, and no rule is written anywhere."""
    await chat.say("run touch made")
    await chat.answer(MAY, AGAIN)
    await chat.hears(DONE)
    await asyncio.to_thread((session.project / "made").unlink)
    await chat.say("run touch made")
    await expect(chat.page.locator("#messages li.out")).to_have_count(2, timeout=LIMIT_MS)
    assert exists(session.project / "made")
    await expect(chat.page.locator("#messages > li.prompt")).to_have_count(1)
    await chat.say("run touch other")
    await chat.answer(MAY, "Deny")
    await chat.sees_ended("Deny")
    assert not exists(session.project / "other")
    assert "touch" not in await asyncio.to_thread(settings_of, session)


async def test_a_daemon_killed_while_it_asks(session: ClaudeLab, chat: Chat, daemon: Daemon):
    """The card is there again with the next daemon, and its answer reaches the session."""
    await chat.say("run touch made")
    await expect(chat.card(MAY)).to_be_visible(timeout=LIMIT_MS)
    await session.terminal.wait_for(ASKED)
    await daemon.kill()
    await restart(daemon)
    await expect(chat.page.locator("#link")).to_have_text("connected", timeout=LIMIT_MS)
    await chat.answer(MAY, "Allow")
    await chat.hears(DONE)
    assert exists(session.project / "made")


async def test_claude_cannot_let_anybody_in(session: ClaudeLab, chat: Chat):
    """A command that changes access is refused before anybody is asked, and Claude is told why."""
    await chat.say("run channeld pair approve ABCD-EFGH")
    refused = "channeld refuses this from inside a session"
    await session.model.wait_request(lambda request: refused in json.dumps(request["messages"]))
    await chat.hears(DONE)
    await expect(chat.page.locator(".prompt")).to_have_count(0)


async def test_typed_at_the_terminal_it_stays_there_to_be_answered(session: ClaudeLab, chat: Chat):
    """An approver may answer from the browser what a turn of the terminal's own asks."""
    await session.terminal.type("run touch made")
    await session.terminal.wait_for(ASKED)
    await chat.answer(MAY, "Allow")
    await session.terminal.wait_gone(ASKED)
    await session.terminal.wait_for("● done")
    assert exists(session.project / "made")
    assert await chat.answers() == []
