"""What Discord says in a channel by itself, in somebody's name: system messages."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from channeld_workers.discord.content import unknown_kind
from channeld_workers.discord.ids import snowflake
from channeld_workers.raw import Raw, integer, line, table, tables


class Type(IntEnum):
    """Types of messages that say something (https://docs.discord.com/developers/resources/message#message-types)."""

    DEFAULT = 0
    RENAMED = 4
    PINNED = 6
    THREAD_CREATED = 18
    REPLY = 19
    COMMAND = 20
    MENU_COMMAND = 23
    POLL_RESULT = 46


_WRITTEN: Final = frozenset({Type.DEFAULT, Type.REPLY, Type.COMMAND, Type.MENU_COMMAND})
_SILENT: Final = frozenset(
    {1, 2, 3, 5, *range(7, 13), *range(14, 18), 21, 22, *range(24, 30), 31, 32, *range(36, 40), 44}
)
"""Who joined, boosted or called, what a stage or a moderator does; 21 only stands for what a thread began with."""


def is_written(message: Raw) -> bool:
    """Tell whether somebody wrote this; also where its type cannot be read."""
    kind = message.get("type")
    return type(kind) is not int or kind in _WRITTEN


def notice(message: Raw) -> str | None:
    """Return what a system message says, in a line; None if it is nothing for Claude.

    One of an unknown type may be written by somebody, with a text that stands besides this line.
    """
    kind = message.get("type")
    if type(kind) is not int or kind in _SILENT:
        return None
    if kind == Type.RENAMED:
        return f"[the chat is now called {line(message.get('content')) or 'something else'}]"
    if kind == Type.PINNED:
        number = snowflake(table(message.get("message_reference")).get("message_id"))
        return f"[pinned message {number}]" if number else "[pinned a message]"
    if kind == Type.THREAD_CREATED:
        name = line(message.get("content"))
        return f"[started a thread: {name}]" if name else "[started a thread]"
    if kind == Type.POLL_RESULT:
        return _poll_result(message)
    return unknown_kind(f"type {'?' if integer(kind) is None else kind}")


def is_known(message: Raw) -> bool:
    """Tell whether a system message is of a known type: its text is then Discord's."""
    kind = message.get("type")
    return type(kind) is int and kind in {Type.RENAMED, Type.PINNED, Type.THREAD_CREATED, Type.POLL_RESULT}


def _poll_result(message: Raw) -> str:
    """Return how a poll ended, from the fields of an embed made for programs.

    (https://docs.discord.com/developers/resources/message#embed-fields-by-embed-type-poll-result-embed-fields)
    """
    embed = next(iter(tables(message.get("embeds"), 1)), {})
    facts = {line(field.get("name"), 40): line(field.get("value"), 300) for field in tables(embed.get("fields"), 25)}
    winner, votes = facts.get("victor_answer_text"), facts.get("victor_answer_votes")
    result = f"{winner}, {votes} of {facts.get('total_votes', '?')} votes" if winner and votes else "no single winner"
    return f"[poll ended: {facts.get('poll_question_text') or 'a poll'} – {result}]"
