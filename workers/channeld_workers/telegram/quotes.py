"""What a message quotes, and where it was forwarded from."""

from __future__ import annotations

from typing import Final, NamedTuple

from channeld_workers.raw import Raw, integer, line, table, words
from channeld_workers.telegram.content import held
from channeld_workers.telegram.people import Person, author, speaking_chat, title_of, user
from channeld_workers.telegram.rich import plain

QUOTE_LIMIT: Final = 1000
"""Characters of a quote that are kept."""
_SOMEBODY: Final = "somebody"
_FORWARDS: Final = ("forward_origin", "forward_from", "forward_from_chat", "forward_sender_name", "forward_date")
"""The first is what the Bot API says since 7.0, the others are what it said before."""
_QUOTES: Final = ("reply_to_message", "external_reply", "quote", "reply_to_story", "pinned_message")


class Quote(NamedTuple):
    """What a message replies to."""

    message_id: str | None = None
    user: str | None = None
    text: str | None = None
    sender_id: str | None = None


NOTHING: Final = Quote()


def quoted(message: Raw) -> Quote:
    """Return what a message replies to, or pinned.

    In a topic whatever replies to nothing names the message that opened the topic: that is no reply.
    """
    if message.keys().isdisjoint(_QUOTES):
        return NOTHING
    chosen = words(table(message.get("quote")).get("text"), QUOTE_LIMIT)
    original = table(message.get("reply_to_message")) or table(message.get("pinned_message"))
    if original:
        if "forum_topic_created" in original:
            return NOTHING
        who, number = author(original), integer(original.get("message_id"))
        return Quote(
            message_id=str(number) if number is not None and number > 0 else None,
            user=who.name if who else None,
            text=chosen or _said(original) or None,
            sender_id=who.id if who else None,
        )
    external, story = table(message.get("external_reply")), table(message.get("reply_to_story"))
    if external:
        origin = _origin(table(external.get("origin")))
        return Quote(user=origin or _SOMEBODY, text=chosen or _summary(external) or None)
    if story:
        return Quote(user=title_of(table(story.get("chat"))) or None, text=chosen or "[story]")
    return Quote(text=chosen) if chosen else NOTHING


def _said(message: Raw) -> str:
    text = words(message.get("text"), QUOTE_LIMIT) or words(message.get("caption"), QUOTE_LIMIT)
    return text or plain(message.get("rich_message"))[:QUOTE_LIMIT] or _summary(message)


def _summary(message: Raw) -> str:
    """Return what something quoted holds in one line, without what says where it stands."""
    return held({key: value for key, value in message.items() if key not in {"origin", *_QUOTES}}).summary()[
        :QUOTE_LIMIT
    ]


def forwarded_from(message: Raw) -> str | None:
    """Return whose words are passed on; None where they are the sender's own.

    That something was forwarded is told also where nobody can read from whom.
    """
    if message.keys().isdisjoint(_FORWARDS):
        return None
    names = (
        _origin(table(message.get("forward_origin"))),
        _signed(speaking_chat(message.get("forward_from_chat")), message.get("forward_signature")),
        _named(user(message.get("forward_from"))),
        line(message.get("forward_sender_name")),
    )
    return next((name for name in names if name), _SOMEBODY)


def _origin(origin: Raw) -> str:
    """Return the name of a message's origin (https://core.telegram.org/bots/api#messageorigin)."""
    signature = origin.get("author_signature")
    return (
        _named(user(origin.get("sender_user")))
        or line(origin.get("sender_user_name"))
        or _signed(speaking_chat(origin.get("sender_chat")), signature)
        or _signed(speaking_chat(origin.get("chat")), signature)
    )


def _named(who: Person | None) -> str:
    return who.name if who else ""


def _signed(who: Person | None, signature: object) -> str:
    author_name = line(signature, 64)
    return f"{who.name} ({author_name})" if who and author_name else _named(who)
