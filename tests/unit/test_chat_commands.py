"""What people say to channeld itself in a chat."""

import pytest

from channeld.core.chat_commands import (
    Asked,
    Choice,
    Command,
    help_text,
    may_be_command,
    pick,
    read_command,
    sessions_text,
)
from tests.doubles.stores import message

API = Choice("api", listens=True, project="/home/you/code/shop", works=True)
WEB = Choice("web", listens=False, project="/home/you/web", works=False)


def said(text, **more):
    """Return a message."""
    return message("1", text=text, **more)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("/now", Asked(Command.NOW)),
        (" /STOP@the_bot ", Asked(Command.STOP)),
        ("/sessions", Asked(Command.SESSIONS)),
        ("/use", Asked(Command.USE)),
        ("/use api", Asked(Command.USE, "api")),
        ("/use@the_bot  api#2 ", Asked(Command.USE, "api#2")),
        ("/use my folder", Asked(Command.USE, "my folder")),
    ],
)
def test_a_command_is_read_with_what_stands_behind_it(text, asked):
    """Whatever the case, with blanks around it, and with the account's name as groups have it."""
    assert read_command(said(text)) == asked
    assert may_be_command(said(text))


@pytest.mark.parametrize(
    "text", ["/stop it", "/used", "please /stop", "/use" + "x", "/usemore a", "/deploy", "stop", "/now now", "//stop"]
)
def test_anything_else_is_for_claude(text):
    """A command of somebody else's, or a sentence that has one in it."""
    assert read_command(said(text)) is None


def test_in_a_group_only_an_approver_is_heard():
    """People there mean each other; ``/now`` is about one's own message."""
    for text in ("/stop", "/use api", "/sessions"):
        assert read_command(said(text, group=True), "chatter") is None
        assert read_command(said(text, group=True), "approver") is not None
        assert may_be_command(said(text, group=True))
    assert read_command(said("/status", group=True), "approver") is None
    assert read_command(said("/now", group=True), "chatter") == Asked(Command.NOW)


def test_help_shows_an_approver_alone_what_only_he_can_do():
    """Whoever cannot use a command is not told of it."""
    assert "/stop" in help_text("approver")
    assert "/stop" not in help_text("chatter")


def test_sessions_are_told_with_what_they_do_and_which_is_here():
    """On a phone: a line each, the own one marked."""
    assert sessions_text([API, WEB], "api", "api").splitlines() == [
        "→ api in shop: works, this chat goes to it",
        "web: does not listen",
        "Let this chat go to another one: /use NAME",
        "Back to the usual one: /use default",
    ]
    assert sessions_text([], None, "").splitlines()[0] == "No session is attached."
    assert "This chat waits for the session api." in sessions_text([WEB], None, "api")


def test_a_name_is_picked_in_other_letters_where_that_is_clear():
    """Phones begin with a capital; two that differ in nothing else are told apart by writing it right."""
    twins = [API, WEB, API._replace(name="Api")]
    assert pick([API, WEB], "API") == API
    assert pick(twins, "API") is None
    assert pick(twins, "api") == API
    assert pick([API], "ap") is None
