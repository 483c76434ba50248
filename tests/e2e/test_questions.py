"""Questions and plans of the real Claude Code, answered from the browser."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import expect

from tests.doubles.daemon import Daemon
from tests.e2e.chat import LIMIT_MS, Chat
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import attach

COLOUR = "Which colour?"
PLAN = "Claude has made a plan"


@pytest.fixture
async def session(lab: ClaudeLab, daemon: Daemon) -> ClaudeLab:
    """A session with the plugin, which asks before it runs a command."""
    await attach(lab, daemon)
    return lab


async def told(session: ClaudeLab, text: str) -> None:
    """Wait until the model was told something."""
    await session.model.wait_request(lambda request: text in json.dumps(request["messages"]))


async def test_a_question_is_answered_with_an_option(session: ClaudeLab, chat: Chat):
    """Its options are buttons; nobody is asked in the terminal, which shows the answer."""
    await chat.say("ask")
    await chat.answer(COLOUR, "Blue")
    await told(session, "Blue")
    await chat.hears("done")
    await chat.sees_ended("Answered: Blue")
    await session.terminal.wait_for("Which colour? → Blue")


async def test_a_question_is_answered_in_words(session: ClaudeLab, chat: Chat):
    """What is typed reaches Claude as it is."""
    await chat.say("ask")
    field = chat.card(COLOUR).get_by_label("Your answer to: Which colour?")
    await field.fill("neither, make it green", timeout=LIMIT_MS)
    await field.press("Enter")
    await told(session, "neither, make it green")
    await chat.hears("done")


async def test_several_answers_to_one_question(session: ClaudeLab, chat: Chat):
    """Those that are ticked reach Claude together."""
    await chat.say("ask-many")
    card = chat.card(COLOUR)
    for colour in ("Red", "Blue"):
        await card.get_by_label(colour, exact=True).check(timeout=LIMIT_MS)
    await card.get_by_role("button", name="Answer").click()
    await told(session, "Red, Blue")
    await chat.sees_ended("Answered: Red, Blue")


async def test_a_plan_is_approved(session: ClaudeLab, chat: Chat):
    """It stands on the card; Claude goes on, and the session asks as it did before."""
    await chat.say("plan first this, then that")
    await expect(chat.card(PLAN).locator("pre")).to_contain_text("first this, then that", timeout=LIMIT_MS)
    await chat.answer(PLAN, "Approve")
    await chat.hears("done")
    await session.terminal.wait_for("manual mode on")


async def test_a_plan_is_sent_back_with_words(session: ClaudeLab, chat: Chat):
    """Claude is told what should change, and stays in plan mode."""
    await chat.say("plan first this, then that")
    field = chat.card(PLAN).get_by_role("textbox")
    await field.fill("that comes first", timeout=LIMIT_MS)
    await field.press("Enter")
    await told(session, "that comes first")
    await session.terminal.wait_for("plan mode on")


async def test_a_question_of_the_terminals_own_turn_is_not_held(session: ClaudeLab, chat: Chat):
    """Whoever typed it is asked there, at once."""
    await session.terminal.type("ask")
    await session.terminal.wait_for("Enter to select")
    await expect(chat.page.locator(".prompt")).to_have_count(0)


@pytest.mark.parametrize("config", ["[permissions]\nquestion_timeout = 2\n"])
async def test_a_question_that_nobody_answers_in_time_is_asked_in_the_terminal(session: ClaudeLab, chat: Chat):
    """The card says that it is too late, and the terminal's answer counts."""
    await chat.say("ask")
    await expect(chat.card(COLOUR)).to_be_visible(timeout=LIMIT_MS)
    await session.terminal.wait_for("Enter to select")
    await chat.sees_ended("Expired")
    await session.terminal.press("Enter")
    await told(session, "Red")
    await chat.hears("done")
