"""Who wrote a message, and where."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from channeld.core.text import NAME_LIMIT, clean_name
from channeld_workers.raw import Raw, integer, line, table, words

STAND_INS: Final = frozenset({777000, 1087968824, 136817688})
"""Users that stand in ``from`` where a chat speaks: Telegram's service account, GroupAnonymousBot and Channel_Bot."""


class Person(NamedTuple):
    """A user, or a chat that speaks for itself."""

    id: str
    name: str
    bot: bool = False


class Place(NamedTuple):
    """A chat, with its thread."""

    number: int  # as Telegram has it
    chat: str  # as channeld has it: with the worker, and with the thread where there is one
    group: bool  # others can read and write there too
    title: str | None
    thread: str | None = None  # its name if that is known


def author(message: Raw) -> Person | None:
    """Return who wrote a message; None where that cannot be told for certain.

    With ``sender_chat``, ``from`` is only a stand-in (https://core.telegram.org/bots/api#message), and never believed.
    """
    return speaking_chat(message["sender_chat"]) if "sender_chat" in message else user(message.get("from"))


def user(value: object) -> Person | None:
    """Return a user."""
    if type(value) is not dict:
        return None
    number = integer(value.get("id"))
    if number is None or number <= 0 or number in STAND_INS:
        return None
    first, last, username = value.get("first_name"), value.get("last_name"), value.get("username")
    name = _full_name(
        first[:NAME_LIMIT] if type(first) is str else "",
        last[:NAME_LIMIT] if type(last) is str else "",
        username[:NAME_LIMIT] if type(username) is str else "",
    )
    return Person(str(number), name or str(number), value.get("is_bot") is True)


@lru_cache(maxsize=2048)
def _full_name(first: str, last: str, username: str) -> str:
    """Return what a user is called. Kept, as cleaning takes longer than all the rest of a plain message."""
    return clean_name(f"{first} {last}") or clean_name(f"@{username}" if username else "")


def speaking_chat(value: object) -> Person | None:
    """Return a chat as the author: an anonymous administrator's group, a channel."""
    chat = table(value)
    number = integer(chat.get("id"))
    return Person(str(number), title_of(chat) or str(number)) if number is not None and number < 0 else None


def title_of(chat: Raw) -> str:
    """Return what a chat is called, cleaned; empty where it has no name."""
    title, username = chat.get("title") or chat.get("first_name"), words(chat.get("username"), 64)
    return (_kept(title[:NAME_LIMIT]) if type(title) is str else "") or _kept(f"@{username}" if username else "")


_kept: Final = lru_cache(maxsize=2048)(clean_name)


def place(message: Raw, worker: str) -> Place | None:
    """Return where a message stands; None where that cannot be told for certain.

    ``message_thread_id`` counts only with ``is_topic_message``: what is written in the General topic, and replies in
    groups without topics, carry one that cannot be answered to.
    """
    chat = message.get("chat")
    if type(chat) is not dict:
        return None
    number = integer(chat.get("id"))
    if number is None or number == 0:
        return None
    group = chat.get("type") != "private"  # also where no type can be read: as a group it is closed until opted in
    if group is (number > 0):  # users have positive ids, all other chats negative ones
        return None
    name, thread = f"{worker}:{number}", None
    if message.get("is_topic_message") is True:
        topic = integer(message.get("message_thread_id"))
        if topic is not None and topic > 0:
            name, thread = f"{name}/{topic}", topic_name(message) or str(topic)
    return Place(number, name, group, (title_of(chat) or None) if group else None, thread)


def topic_name(message: Raw) -> str:
    """Return the name of the topic that a message is in: its first message is quoted by those that quote nothing."""
    return line(table(table(message.get("reply_to_message")).get("forum_topic_created")).get("name"))
