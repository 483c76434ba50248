"""Who was heard of lately, and which messages are the bot's own: of a reaction that is taken back Discord says neither.

Source: https://docs.discord.com/developers/events/gateway-events#message-reaction-remove. The oldest is forgotten, and
all of it with the process. A name in it lets nobody in: the gate is on ids.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, TypeVar

from channeld_workers.discord.ids import snowflake
from channeld_workers.discord.people import Person, author, user
from channeld_workers.discord.places import Place
from channeld_workers.raw import Raw, table

_MOST: Final = 1000

K = TypeVar("K")
V = TypeVar("V")


class Recollection:
    """What one bot account remembers.

    Args:
        most: people, and as many messages, that are kept.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._people: OrderedDict[tuple[int | None, str], Person] = OrderedDict()
        """By guild and id: what somebody is called in one guild is not told in another."""
        self._own: OrderedDict[int, None] = OrderedDict()

    def note_message(self, message: Raw, place: Place, account_id: int) -> None:
        """Take in a message, of whomever, of a dispatch or a history."""
        who = author(message)
        if who is not None and who.id == str(account_id):
            self._note_own(message.get("id"))
        else:
            self._note_person(who, place)

    def note_reaction(self, reaction: Raw, place: Place, account_id: int) -> None:
        """Take in a reaction that was added: it says whose the message is, and in a guild who reacts."""
        if snowflake(reaction.get("message_author_id")) == account_id:
            self._note_own(reaction.get("message_id"))
        member = table(reaction.get("member"))
        self._note_person(user(member.get("user"), member), place)

    def person(self, number: object, place: Place) -> Person | None:
        """Return who has a user id, as he was last called where that place is; None if he was not heard of lately."""
        found = snowflake(number)
        return self._people.get((place.guild_id, str(found))) if found is not None else None

    def is_own(self, number: object) -> bool:
        """Tell whether a message is known to be the bot's own."""
        return snowflake(number) in self._own

    def _note_own(self, number: object) -> None:
        if (found := snowflake(number)) is not None:
            self._keep(self._own, found, None)

    def _note_person(self, who: Person | None, place: Place) -> None:
        if who is not None:
            self._keep(self._people, (place.guild_id, who.id), who)

    def _keep(self, kept: OrderedDict[K, V], key: K, value: V) -> None:
        kept[key] = value
        kept.move_to_end(key)
        if len(kept) > self._most:
            kept.popitem(last=False)
