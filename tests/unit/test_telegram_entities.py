"""Parts of Telegram texts with a meaning: links, and what addresses the account."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channeld_workers.patterns import compile_patterns
from channeld_workers.telegram.entities import entities, with_links
from channeld_workers.telegram.mentions import is_addressed
from tests.doubles import telegram_updates as made
from tests.doubles.telegram_updates import BEN, BOT, FORUM, entity

PATTERNS = compile_patterns([r"\bclaude\b"])


def addressed(text, *found, patterns=(), username=BOT["username"], **more):
    """Tell whether a text with these entities addresses the bot."""
    message = made.in_group(text, entities=list(found), **more)
    return is_addressed(message, text, BOT["id"], username, patterns)


@pytest.mark.parametrize(
    ("kind", "text", "part", "more", "expected"),
    [
        ("mention", "hi @lab_claude_bot", "@lab_claude_bot", {}, True),
        ("mention", "😀😀 hi @LAB_Claude_bot!", "@LAB_Claude_bot", {}, True),
        ("mention", "hi @lab_claude_bot2", "@lab_claude_bot2", {}, False),
        ("mention", "hi @lab_claude_bot", "lab_claude_bot", {}, False),
        ("url", "see @lab_claude_bot", "@lab_claude_bot", {}, False),
        ("text_mention", "hi Claude", "Claude", {"user": BOT}, True),
        ("text_mention", "hi Claude", "Claude", {"user": BEN}, False),
        ("text_mention", "hi Claude", "Claude", {}, False),
        ("bot_command", "/status", "/status", {}, True),
        ("bot_command", "/status@Lab_Claude_Bot x", "/status@Lab_Claude_Bot", {}, True),
        ("bot_command", "/status@other_bot", "/status@other_bot", {}, False),
    ],
)
def test_who_is_addressed_is_told_by_the_entities(kind, text, part, more, expected):
    """Upper and lower case are the same; what only looks like a mention is none."""
    assert addressed(text, entity(kind, text, part, **more)) is expected


def test_without_entities_only_a_pattern_or_a_reply_addresses():
    """A name in a text is no mention."""
    assert not addressed("@lab_claude_bot claude")
    assert addressed("Hey CLAUDE!", patterns=PATTERNS)
    assert not addressed("claudette", patterns=PATTERNS)
    assert addressed("yes", reply_to_message=made.in_group("Shall I?", sender=BOT))
    assert not addressed("yes", reply_to_message=made.in_group("Shall I?", sender=BEN))


def test_a_topic_that_the_bot_opened_is_not_addressed_to_it():
    """Whatever replies to nothing there quotes the message that opened it."""
    assert not is_addressed(made.in_topic("yes"), "yes", BOT["id"], BOT["username"], ())
    reply = made.in_topic("yes", reply_to_message=made.in_topic("Shall I?", sender=BOT, chat=FORUM))
    assert is_addressed(reply, "yes", BOT["id"], BOT["username"], ())


def test_a_bot_without_a_name_is_not_mentioned_by_a_lone_at():
    """Nor by a command that ends in one."""
    assert not addressed("@ x", {"type": "mention", "offset": 0, "length": 1}, username="")
    assert not addressed("/x@ x", {"type": "bot_command", "offset": 0, "length": 3}, username="")


def test_a_captions_entities_are_the_captions():
    """Those of a text that is not there do not count."""
    caption = "@lab_claude_bot look"
    found = [entity("mention", caption, "@lab_claude_bot")]
    for key, expected in (("caption_entities", True), ("entities", False)):
        message = made.holding(photo=made.PHOTO, caption=caption, **{key: found})
        assert is_addressed(message, caption, BOT["id"], BOT["username"], ()) is expected


@pytest.mark.parametrize(
    ("text", "part", "url", "expected"),
    [
        ("see here", "here", "https://a.example/x", "see here (https://a.example/x)"),
        ("😀 here 😀", "here", "https://a.example/x", "😀 here (https://a.example/x) 😀"),
        (
            "https://bank.example",
            "https://bank.example",
            "https://evil.example",
            "https://bank.example (https://evil.example)",
        ),
        ("a.example", "a.example", "http://A.example/", "a.example"),
        ("see here", "here", "x y\nz", "see here (xyz)"),
        ("see here", "here", 5, "see here"),
        ("see here", "here", None, "see here"),
    ],
)
def test_a_link_shows_where_it_leads(text, part, url, expected):
    """Unless its text says that already."""
    assert with_links(made.message(text, entities=[entity("text_link", text, part, url=url)]), text) == expected


def test_several_links_stay_in_their_places():
    """In whatever order they come."""
    text = "one 😀 two"
    links = [entity("text_link", text, part, url=f"https://{part}.example") for part in ("two", "one")]
    expected = "one (https://one.example) 😀 two (https://two.example)"
    assert with_links(made.message(text, entities=links), text) == expected


@pytest.mark.parametrize("text", ["plain", "😀😀", "ä"])
@pytest.mark.parametrize("offset", [-1, 0, 1, 99, 10**400, None, "0", True])
@pytest.mark.parametrize("length", [-1, 0, 1, 2, 99, 10**400, None, 1.0])
def test_offsets_may_be_anything(text, offset, length):
    """What lies outside is no entity, and half a character is none either."""
    message = made.message(text, entities=[{"type": "text_link", "offset": offset, "length": length, "url": "u://x"}])
    assert with_links(message, text).replace(" (u://x)", "") == text
    assert all(found.text in text for found in entities(message, text))


@given(st.text(), st.text(min_size=1), st.text())
def test_offsets_count_utf_16_units(before, part, after):
    """Whatever stands before."""
    text = before + part + after
    raw = {"type": "bold", "offset": made.units(before), "length": made.units(part)}
    assert [found.text for found in entities(made.message(text, entities=[raw]), text)] == [part]
