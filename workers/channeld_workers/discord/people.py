"""Who wrote, reacted, or is mentioned."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from channeld.core.text import NAME_LIMIT, clean_name
from channeld_workers.discord.ids import snowflake
from channeld_workers.raw import Raw, table


class Person(NamedTuple):
    """A user, another bot, or a webhook."""

    id: str
    name: str
    bot: bool = False


def author(message: Raw) -> Person | None:
    """Return who wrote a message; None where that cannot be told for certain.

    What a webhook writes has the webhook's own id and whatever name it likes
    (https://docs.discord.com/developers/resources/message#message-object): it counts as a bot.
    """
    who = user(message.get("author"), message.get("member"))
    return who._replace(bot=True) if who is not None and "webhook_id" in message else who


def user(value: object, member: object = None) -> Person | None:
    """Return a user.

    Args:
        value: the user object.
        member: what a guild knows of him, where that stands beside it; else what stands in it.
    """
    if type(value) is not dict:
        return None
    number = snowflake(value.get("id"))
    if number is None:
        return None
    nick = (table(member) or table(value.get("member"))).get("nick")
    global_name, username = value.get("global_name"), value.get("username")
    name = _shown(
        nick[:NAME_LIMIT] if type(nick) is str else "",
        global_name[:NAME_LIMIT] if type(global_name) is str else "",
        username[:NAME_LIMIT] if type(username) is str else "",
    )
    return Person(str(number), name or str(number), value.get("bot") is True or value.get("system") is True)


@lru_cache(maxsize=2048)
def _shown(nick: str, global_name: str, username: str) -> str:
    """Return what a user is called where he writes. Kept, as cleaning takes longer than the rest of a plain message."""
    return clean_name(nick) or clean_name(global_name) or clean_name(username)
