"""Names in a text in place of Discord's marks, and whether a message addresses the account."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from channeld_workers.discord.ids import snowflake
from channeld_workers.discord.people import user
from channeld_workers.discord.places import Place, Places
from channeld_workers.patterns import Patterns, matches
from channeld_workers.raw import Raw, table, tables

_MARK: Final = re.compile(
    r"(?s:```.+?```|``.+?``)|`[^`]+`"  # code, in which nothing is a mark; first, so that it is passed over
    r"|<(?:@!?(?P<user>[0-9]{1,20})|@&(?P<role>[0-9]{1,20})|#(?P<channel>[0-9]{1,20})"
    r"|a?:(?P<emoji>[A-Za-z0-9_]{2,32}):[0-9]{1,20}|t:(?P<time>-?[0-9]{1,13})(?::(?P<style>[A-Za-z]))?"
    r"|/(?P<command>[-\w ]{1,100}):[0-9]{1,20})>"
)
"""https://docs.discord.com/developers/reference#message-formatting"""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATES: Final = frozenset("dD")


class Names:
    """What the marks in a message's text mean. Roles and channels are named only of the guild that it was written in.

    Args:
        message: the one with the text; it says whom it mentions.
        place: where it stands.
        places: all that are known.
    """

    def __init__(self, message: Raw, place: Place, places: Places) -> None:
        self._message, self._place, self._places = message, place, places
        self._people: dict[int, str] | None = None

    def resolve(self, text: str) -> str:
        """Return a text with names for ids and times for numbers; what has no known meaning stays as it is."""
        return _MARK.sub(self._meaning, text) if "<" in text else text

    def _meaning(self, mark: re.Match[str]) -> str:
        kind, value = mark.lastgroup, mark[mark.lastgroup] if mark.lastgroup else ""
        meaning = ""
        if kind == "user":
            name = self._mentioned().get(snowflake(value) or 0)
            meaning = f"@{name}" if name else ""
        elif kind == "role":
            role = self._places.role(self._place.guild_id, snowflake(value) or 0)
            meaning = f"@{role.name}" if role is not None and role.name else ""
        elif kind == "channel":
            place = self._places.find(snowflake(value) or 0)
            if place is not None and place.name and place.guild_id is not None:
                meaning = f"#{place.name}" if place.guild_id == self._place.guild_id else ""
        elif kind == "emoji":
            meaning = f":{value}:"
        elif kind in {"time", "style"}:
            meaning = _time(int(mark["time"]), mark["style"] or "f")
        elif kind == "command":
            meaning = f"/{value}"
        return meaning or mark[0]

    def _mentioned(self) -> dict[int, str]:
        if self._people is None:
            people = [user(each) for each in tables(self._message.get("mentions"))]
            self._people = {int(each.id): each.name for each in people if each is not None}
        return self._people


def _time(seconds: int, style: str) -> str:
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:  # no year that people know
        return ""
    return f"{moment:%Y-%m-%d}" if style in _DATES else f"{moment:%Y-%m-%d %H:%M} UTC"


def is_addressed(message: Raw, number: int, username: str, patterns: Patterns, place: Place, places: Places) -> bool:
    """Tell whether a message in a guild addresses the account with that id and name.

    It does by a mention, one of the account's own role, a reply to one of its messages, or words that a pattern finds.
    ``@everyone`` does not.
    """
    name = str(number)
    if table(table(message.get("referenced_message")).get("author")).get("id") == name:
        return True
    if any(each.get("id") == name for each in tables(message.get("mentions"))):
        return True
    roles = message.get("mention_roles")
    if type(roles) is list and any(_is_role_of(each, number, username, place, places) for each in roles[:100]):
        return True
    content = message.get("content")
    return type(content) is str and bool(patterns) and matches(patterns, content)


def _is_role_of(value: object, number: int, username: str, place: Place, places: Places) -> bool:
    """Tell whether a role is the account's own, made by Discord when it joined, or one that has its name."""
    role_id = snowflake(value)
    role = places.role(place.guild_id, role_id) if role_id is not None else None
    if role is None:
        return False
    return role.bot_id == number if role.bot_id is not None else role.name.casefold() == username.casefold()
