"""What a message replies to, and where it was forwarded from."""

from __future__ import annotations

from typing import Final, NamedTuple

from channeld_workers.discord.content import held, snapshots
from channeld_workers.discord.ids import snowflake
from channeld_workers.discord.mentions import Names
from channeld_workers.discord.notices import Type, is_written
from channeld_workers.discord.people import author
from channeld_workers.discord.places import Place, Places
from channeld_workers.raw import Raw, table, words

QUOTE_LIMIT: Final = 1000
"""Characters of a quote that are kept."""
_SOMEBODY: Final = "somebody"
_FORWARD: Final = 1
_ANY_SIZE: Final = 2**62


class Quote(NamedTuple):
    """What a message replies to."""

    message_id: str | None = None
    user: str | None = None
    text: str | None = None
    sender_id: str | None = None


NOTHING: Final = Quote()


def quoted(message: Raw, place: Place, places: Places) -> Quote:
    """Return what a message replies to, or pinned. What was deleted has an id only."""
    reference = table(message.get("message_reference"))
    original = table(message.get("referenced_message"))
    if not (reference or original) or is_forward(message):
        return NOTHING
    is_reply = is_written(message) and (message.get("type") == Type.REPLY or bool(original))
    if not is_reply and message.get("type") != Type.PINNED:
        return NOTHING  # a thread's first message, or one passed on from a channel that is followed
    number = snowflake(original.get("id")) or snowflake(reference.get("message_id"))
    if not original or not is_reply:
        return Quote(message_id=str(number)) if number else NOTHING
    who = author(original)
    return Quote(
        message_id=str(number) if number else None,
        user=who.name if who else None,
        text=_said(original, place, places) or None,
        sender_id=who.id if who else None,
    )


def is_forward(message: Raw) -> bool:
    """Tell whether a message passes on another, whose author nobody names.

    (https://docs.discord.com/developers/resources/message#message-snapshot-object)
    """
    reference = table(message.get("message_reference"))
    return bool(snapshots(message)) or (type(reference.get("type")) is int and reference["type"] == _FORWARD)


def forwarded_from(message: Raw, place: Place, places: Places) -> str | None:
    """Return from which channel a message is passed on, if it is one of the same guild; None where it is the sender's.

    That something was forwarded is told also where nobody can read from where.
    """
    if not is_forward(message):
        return None
    origin = places.find(snowflake(table(message.get("message_reference")).get("channel_id")) or 0)
    if origin is None or origin.guild_id is None or origin.guild_id != place.guild_id or not origin.name:
        return _SOMEBODY
    return f"{_SOMEBODY} in #{origin.name}"


def _said(message: Raw, place: Place, places: Places) -> str:
    for each in (message, *snapshots(message)):
        resolve = Names(each, place, places).resolve
        text = resolve(words(each.get("content"), QUOTE_LIMIT)) or held(each, (0, 0), _ANY_SIZE, resolve).summary()
        if text:
            return text[:QUOTE_LIMIT]
    return ""
