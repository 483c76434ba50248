"""Whether a message in a group addresses the account."""

from __future__ import annotations

from channeld_workers.patterns import Patterns, matches
from channeld_workers.raw import Raw, table
from channeld_workers.telegram.entities import Entity, entities


def is_addressed(message: Raw, text: str, number: int, username: str, patterns: Patterns) -> bool:
    """Tell whether a message addresses the account with that id and name.

    It does by a mention, a command, a reply to one of the account's messages, or words that a pattern finds.
    ``text`` is as it was written, without anything added.
    """
    if table(table(message.get("reply_to_message")).get("from")).get("id") == number and not _is_opening(message):
        return True
    name = f"@{username}".casefold() if username else ""
    return any(_addresses(entity, number, name) for entity in entities(message, text)) or matches(patterns, text)


def _addresses(entity: Entity, number: int, name: str) -> bool:
    if entity.kind == "mention":
        return bool(name) and entity.text.casefold() == name
    if entity.kind == "text_mention":
        return table(entity.raw.get("user")).get("id") == number
    if entity.kind == "bot_command":
        _, at, addressee = entity.text.partition("@")
        return not at or (bool(name) and f"@{addressee}".casefold() == name)
    return False


def _is_opening(message: Raw) -> bool:
    """Tell whether what is quoted only says which topic the message is in: that may have been opened by the account."""
    return "forum_topic_created" in table(message.get("reply_to_message"))
