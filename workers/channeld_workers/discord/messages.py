"""Discord's messages and reactions, of dispatches and of histories alike, translated into channeld's events.

Pure, and cheap for a plain text: that is most of what comes. Nothing in it is trusted to be of the type that the
documentation says (https://docs.discord.com/developers/resources/message), and nothing in it raises.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final, NamedTuple

from channeld.core.model import Attachment, Inbound
from channeld.core.text import unmasked
from channeld_workers.discord.content import held, snapshots, unknown_line
from channeld_workers.discord.ids import made_at, snowflake
from channeld_workers.discord.mentions import Names, is_addressed
from channeld_workers.discord.notices import is_known, is_written, notice
from channeld_workers.discord.people import Person, author, user
from channeld_workers.discord.places import Place, Places
from channeld_workers.discord.quotes import forwarded_from, quoted
from channeld_workers.patterns import Patterns
from channeld_workers.raw import Raw, line, table, words

_KEPT: Final = 100_000
"""Characters of a text that are kept: far more than Discord lets through."""


class Account(NamedTuple):
    """The bot that the worker speaks for."""

    id: int
    username: str
    worker: str  # the worker's name: the first part of its chat ids
    patterns: Patterns = ()  # what counts as a mention too, see ``compile_patterns``


def read(
    data: object, account: Account, place: Place, places: Places, *, edited: bool = False, max_bytes: int
) -> Inbound | None:
    """Return what a message is to channeld; None if it is nothing for Claude, or cannot be read (see ``fault``).

    Args:
        data: a message, of MESSAGE_CREATE, MESSAGE_UPDATE or a history, decoded from JSON.
        account: whom it was sent to.
        place: the channel, DM or thread that it stands in.
        places: for the names of others that it mentions.
        edited: it is news that it was changed. A change that is not of its text is nothing.
        max_bytes: larger files are not fetched, and come without a token.
    """
    message = table(data)
    who, number = author(message), snowflake(message.get("id"))
    moment = _moment(message.get("edited_timestamp")) if edited else 0.0
    if who is None or number is None or who.id == str(account.id) or (edited and not moment):
        return None
    told = None if is_written(message) else notice(message)
    if told is None and not is_written(message):
        return None
    text, attachments = _content(message, told, (place.id, number), max_bytes, place, places)
    quote = quoted(message, place, places)
    group = not place.is_dm
    return Inbound(
        event_key=f"edited:{place.id}:{number}:{moment:.6f}" if edited else f"message:{place.id}:{number}",
        chat=places.chat_of(place, account.worker),
        message_id=str(number),
        sender_id=who.id,
        sender=who.name,
        text=text,
        sent_at=moment or made_at(number),
        kind="edited" if edited else "message",
        chat_title=places.title_of(place),
        thread=_thread(place),
        reply_to_id=quote.message_id,
        reply_to_user=quote.user,
        reply_to_text=quote.text,
        reply_to_sender_id=quote.sender_id,
        forwarded_from=forwarded_from(message, place, places),
        group=group,
        mentioned=group
        and not is_known(message)
        and is_addressed(message, account.id, account.username, account.patterns, place, places),
        bot=who.bot,
        attachments=attachments,
    )


def _content(
    message: Raw, told: str | None, origin: tuple[int, int], max_bytes: int, place: Place, places: Places
) -> tuple[str, list[Attachment]]:
    """Return the text that Claude reads, and the files. What is passed on comes below what the sender wrote."""
    if told is not None and is_known(message):
        return told, []
    parts, attachments = _parts(message, origin, max_bytes, place, places)
    for snapshot in snapshots(message):
        more, files = _parts(snapshot, origin, max_bytes, place, places)
        parts += ["[forwarded:]", *more] if parts and more else more
        attachments += files
    if told is not None:
        parts.append(told)
    if not parts and not attachments:
        parts.append(unknown_line(message))
    return "\n".join(parts)[:_KEPT], attachments


def _parts(
    message: Raw, origin: tuple[int, int], max_bytes: int, place: Place, places: Places
) -> tuple[list[str], list[Attachment]]:
    names = Names(message, place, places)
    written = names.resolve(words(message.get("content"), _KEPT))
    found = held(message, origin, max_bytes, names.resolve)
    return ([written] if written else []) + found.lines, found.attachments


def fault(data: object) -> str:
    """Return why a message cannot be read, for the log and without any of its words; empty if it can be."""
    message = table(data)
    missing = [
        name for name, value in (("id", snowflake(message.get("id"))), ("author", author(message))) if value is None
    ]
    return f"no {' and no '.join(missing)}" if missing else ""


def read_reaction(
    data: object,
    account: Account,
    place: Place,
    places: Places,
    *,
    added: bool,
    key: str,
    known: Person | None = None,
    own: bool = False,
) -> Inbound | None:
    """Return what a reaction is to channeld; None if it is the account's own, or cannot be read.

    Args:
        data: of MESSAGE_REACTION_ADD or MESSAGE_REACTION_REMOVE.
        account: whom it was sent to.
        place: where the message stands.
        places: for the name of the chat.
        added: it was not taken back.
        key: what tells this dispatch from any other of the same emoji, as Discord gives a reaction neither id nor time.
        known: who that is, if he was heard of before: Discord names him only where he reacts in a guild.
        own: the message is known to be the account's: of a reaction that is taken back Discord does not say that.
    """
    reaction = table(data)
    number, own_id = snowflake(reaction.get("message_id")), snowflake(reaction.get("user_id"))
    if number is None or own_id is None or own_id == account.id:
        return None
    who = _reactor(reaction, own_id, place, known)
    return Inbound(
        event_key=f"reaction:{place.id}:{number}:{who.id}:{key}",
        chat=places.chat_of(place, account.worker),
        message_id=str(number),
        sender_id=who.id,
        sender=who.name,
        text=emoji(table(reaction.get("emoji"))) if added else "",
        sent_at=0.0,  # nobody says: when it is accepted
        kind="reaction",
        chat_title=places.title_of(place),
        thread=_thread(place),
        group=not place.is_dm,
        mentioned=not place.is_dm and (own or snowflake(reaction.get("message_author_id")) == account.id),
        bot=who.bot,
    )


def emoji(raw: Raw) -> str:
    """Return an emoji as text: one of a guild's by its name."""
    if snowflake(raw.get("id")) is not None:
        name = line(raw.get("name"), 32)
        return f":{name}:" if name else "[custom emoji]"
    return "".join(unmasked(words(raw.get("name"), 32)).split()) or "[unknown emoji]"


def _reactor(reaction: Raw, number: int, place: Place, known: Person | None) -> Person:
    member = table(reaction.get("member"))
    who = user(member.get("user"), member)
    for each in (who, known):
        if each is not None and each.id == str(number):
            return each
    name = place.name if place.recipient_id == number else ""
    return Person(str(number), name or str(number))


def _thread(place: Place) -> str | None:
    return (place.name or str(place.id)) if place.is_thread else None


def _moment(value: object) -> float:
    """Return unix seconds; zero where there is no time that can be."""
    if type(value) is not str or len(value) > 40:
        return 0.0
    try:
        moment = datetime.fromisoformat(value)
        return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return 0.0
