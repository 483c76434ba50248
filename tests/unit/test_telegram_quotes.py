"""What a Telegram message quotes or passes on."""

from __future__ import annotations

import pytest

from channeld_workers.telegram.quotes import NOTHING, QUOTE_LIMIT, Quote, forwarded_from, quoted
from tests.doubles import telegram_updates as made
from tests.doubles.telegram_updates import BEN, CHANNEL, GROUP

BEN_ID = str(BEN["id"])


@pytest.mark.parametrize(
    ("original", "expected"),
    [
        (made.in_group("Hang on", number=4, sender=BEN), Quote("4", "Ben", "Hang on", BEN_ID)),
        (made.in_group(None, number=4, sender=BEN, photo=made.PHOTO), Quote("4", "Ben", "[photo.jpg]", BEN_ID)),
        (
            made.in_group(None, number=4, sender=BEN, photo=made.PHOTO, caption="Plot"),
            Quote("4", "Ben", "Plot", BEN_ID),
        ),
        (
            made.in_group(None, number=4, sender=BEN, dice={"emoji": "🎲", "value": 2}),
            Quote("4", "Ben", "[dice 🎲: 2]", BEN_ID),
        ),
        (made.anonymous("Rules", number=4), Quote("4", "Team", "Rules", str(GROUP["id"]))),
        (made.in_group("x", number=4, sender=made.ANONYMOUS_BOT), Quote("4", None, "x", None)),
        ({"message_id": "4", "text": ["x"]}, Quote()),
        ({"message_id": 4, "date": 0, "chat": GROUP}, Quote("4")),
    ],
)
def test_a_reply_names_whose_words_it_quotes(original, expected):
    """A stand-in is nobody, and what cannot be read is left out."""
    assert quoted(made.in_group(reply_to_message=original)) == expected


def test_the_part_that_was_chosen_is_what_is_quoted():
    """Not the whole message."""
    message = made.in_group(reply_to_message=made.in_group("a b c", number=4, sender=BEN), quote={"text": "b"})
    assert quoted(message).text == "b"


def test_a_quote_from_another_chat_has_no_id():
    """Nor a sender that could be on a list: only a name."""
    external = {"origin": {"type": "channel", "chat": CHANNEL, "message_id": 3}, "chat": CHANNEL, "photo": made.PHOTO}
    assert quoted(made.message(external_reply=external)) == Quote(user="News", text="[photo.jpg]")
    assert quoted(made.message(external_reply={"origin": {"type": "dream"}})) == Quote(user="somebody")


def test_the_message_that_opened_a_topic_is_not_quoted():
    """It only says which topic it is."""
    assert quoted(made.in_topic()) == NOTHING


def test_a_quote_is_cut():
    """Nobody needs more of it than a few lines."""
    message = made.message(reply_to_message=made.message("x" * 4096))
    assert len(quoted(message).text or "") == QUOTE_LIMIT


@pytest.mark.parametrize("origin", [None, {}, [], "x", {"type": "dream"}, {"type": "user", "sender_user": {"id": "5"}}])
@pytest.mark.parametrize("key", ["forward_origin", "forward_from", "forward_from_chat", "forward_date"])
def test_what_was_forwarded_from_nobody_knows_whom_is_still_forwarded(key, origin):
    """Somebody else's words are never taken for the sender's."""
    assert forwarded_from(made.message(**{key: origin})) == "somebody"


def test_what_was_not_forwarded_says_so():
    """Most messages."""
    assert forwarded_from(made.message()) is None
