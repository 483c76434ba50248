"""Updates of the Bot API, as they come, translated into channeld's events.

Pure, and cheap for a plain text message: that is most of what comes. Nothing in an update is trusted to be of the type
that the documentation says (https://core.telegram.org/bots/api#update), and no update makes ``read`` raise: one that
cannot be read is answered with ``Unreadable``, so that those behind it get through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from channeld.core.model import Attachment, Inbound
from channeld.core.text import unmasked
from channeld_workers.patterns import Patterns
from channeld_workers.raw import Raw, integer, is_handle, line, table, tables, words
from channeld_workers.telegram.content import FETCH_LIMIT, held
from channeld_workers.telegram.entities import with_links
from channeld_workers.telegram.keyboards import buttons_of
from channeld_workers.telegram.mentions import is_addressed
from channeld_workers.telegram.people import Person, Place, author, place, speaking_chat, user
from channeld_workers.telegram.quotes import forwarded_from, quoted
from channeld_workers.telegram.rich import plain

_KEPT: Final = 100_000
"""Characters of a text that are kept: far more than Telegram lets through."""
_LATEST: Final = 2**40
"""Unix seconds beyond which no clock is right."""
_STATES: Final = frozenset({"creator", "administrator", "member", "restricted", "left", "kicked"})


class Account(NamedTuple):
    """The bot that the worker speaks for."""

    id: int
    username: str  # without @
    worker: str  # the worker's name: the first part of its chat ids
    patterns: Patterns = ()  # what counts as a mention too, see ``compile_patterns``


class Tap(NamedTuple):
    """Somebody tapped a button of one of the bot's messages. Every tap is to be answered, by its ``id``."""

    id: str
    data: str  # what the button carries; empty: nothing
    label: str  # what it says; empty where the message cannot be read any more
    chat: str
    message_id: str  # of the message with the button
    sender_id: str
    sender: str
    group: bool
    sent_at: float  # when that message was sent: a tap has no time of its own
    chat_title: str | None = None
    thread: str | None = None
    bot: bool = False

    @property
    def event_key(self) -> str:
        """Return what names this tap for ever."""
        return f"button:{self.id}"


class Moved(NamedTuple):
    """A group became a supergroup and has another id."""

    old: str
    new: str


class Standing(NamedTuple):
    """What the bot is in a chat has changed."""

    chat: str
    status: str  # creator | administrator | member | restricted | left | kicked (in a private chat: blocked)
    group: bool
    title: str | None
    sender_id: str  # who changed it
    sender: str


class Unreadable(NamedTuple):
    """An update that cannot be read."""

    reason: str  # for the log, without any of the sender's words
    summary: str  # for people and for Claude, in one line, cleaned
    event: Inbound | None = None  # what to offer in its place; None: no chat or no sender is known


Event = Inbound | Tap | Moved | Standing | Unreadable


def read(update: object, account: Account, *, max_bytes: int = FETCH_LIMIT) -> Event | None:
    """Return what an update is to channeld, None if it is nothing.

    Args:
        update: one of the list that ``getUpdates`` answers with, decoded from JSON.
        account: whom it was sent to.
        max_bytes: larger files cannot be fetched, and come without a token.
    """
    try:
        return translate(update, account, max_bytes)
    except Exception as error:  # the last net: the updates behind this one must get through
        return Unreadable(f"a fault of channeld: {type(error).__name__}", "an update that channeld failed to read")


def translate(update: object, account: Account, max_bytes: int) -> Event | None:
    """Return the same as ``read``, without its net."""
    if type(update) is not dict:
        return Unreadable("the update is no object", "an update that is none")
    for kind, value in update.items():
        reader = _READERS.get(kind)
        if reader is not None:
            if type(value) is not dict:
                return Unreadable(f"{kind} is no object", f"an update of the kind {kind} that is empty")
            return reader(kind, value, update, account, max_bytes)
    unknown = [key for key in update if key != "update_id" and key not in _NOTHING_FOR_CLAUDE]
    return _unknown_update(update, unknown, account) if unknown else None


def _read_message(kind: str, message: Raw, update: Raw, account: Account, max_bytes: int) -> Event | None:
    where, who = place(message, account.worker), author(message)
    if who is None and kind in _POSTS and "sender_chat" not in message:  # older servers name the channel only once
        who = speaking_chat(message.get("chat"))
    number = integer(message.get("message_id"))
    if where is None or who is None or number is None or number <= 0:
        return _unreadable("no chat, sender or message_id", message, update, where, who)
    if "migrate_to_chat_id" in message or "migrate_from_chat_id" in message:
        return _moved(message, where, account) or _unreadable("no chat to move to", message, update, where, who)
    if who.id == str(account.id):
        return None  # the bot's own: what it pinned, the topic that it opened
    text, attachments = message.get("text"), _NO_FILES
    if type(text) is str and text:
        written = text = words(text, _KEPT)
        if "entities" in message:
            text = with_links(message, written)
    elif "rich_message" in message and (written := plain(message["rich_message"])[:_KEPT]):
        text = written
    else:
        written = words(message.get("caption"), _KEPT)
        found = held(message, max_bytes)
        attachments, lines = found.attachments, found.lines
        if not lines and not attachments:
            if not written:
                return _unreadable("nothing known in it", message, update, where, who, found.unknown_line())
            lines = [found.unknown_line()] if found.unknown else []
        text = "\n".join([*([with_links(message, written)] if written else []), *lines])
    is_edit = kind in _EDITS
    moment = _moment(message.get("edit_date") if is_edit else None) or _moment(message.get("date"))
    quote = quoted(message)
    album = None if is_edit else message.get("media_group_id")
    return Inbound(
        event_key=f"edited:{where.number}:{number}:{moment:.0f}:{_serial(update)}"
        if is_edit
        else f"message:{where.number}:{number}",
        chat=where.chat,
        message_id=str(number),
        sender_id=who.id,
        sender=who.name,
        text=text,
        sent_at=moment,
        kind="edited" if is_edit else "message",
        chat_title=where.title,
        thread=where.thread,
        reply_to_id=quote.message_id,
        reply_to_user=quote.user,
        reply_to_text=quote.text,
        reply_to_sender_id=quote.sender_id,
        forwarded_from=forwarded_from(message),
        group=where.group,
        mentioned=where.group and is_addressed(message, written, account.id, account.username, account.patterns),
        bot=who.bot,
        attachments=attachments,
        album=f"{where.number}:{album}" if is_handle(album) else None,
    )


def _moved(message: Raw, where: Place, account: Account) -> Moved | None:
    """Return the move that a service message tells of: the old group says where to, the new one where from."""
    to = integer(message.get("migrate_to_chat_id"))
    numbers = (where.number, to) if to is not None else (integer(message.get("migrate_from_chat_id")), where.number)
    old, new = numbers
    if old is None or new is None or old >= 0 or new >= 0 or old == new:
        return None
    return Moved(f"{account.worker}:{old}", f"{account.worker}:{new}")


def _read_reaction(kind: str, reaction: Raw, update: Raw, account: Account, _: int) -> Event | None:
    where = place(reaction, account.worker)
    who = speaking_chat(reaction["actor_chat"]) if "actor_chat" in reaction else user(reaction.get("user"))
    number, old, new = integer(reaction.get("message_id")), reaction.get("old_reaction"), reaction.get("new_reaction")
    if where is None or who is None or number is None or number <= 0:
        return _unreadable("no chat, sender or message_id", reaction, update, where, who)
    if type(old) is not list or type(new) is not list:
        return _unreadable("no lists of reactions", reaction, update, where, who)
    if who.id == str(account.id):
        return None
    before = {_emoji(each) for each in tables(old)}
    added = [shown for each in tables(new) if (shown := _emoji(each)) not in before]
    moment = _moment(reaction.get("date"))
    return Inbound(
        event_key=f"reaction:{where.number}:{number}:{who.id}:{moment:.0f}:{_serial(update)}",
        chat=where.chat,
        message_id=str(number),
        sender_id=who.id,
        sender=who.name,
        text=" ".join(shown for _, shown in added),
        sent_at=moment,
        kind="reaction",
        chat_title=where.title,
        thread=where.thread,
        group=where.group,
        bot=who.bot,
    )


def _emoji(reaction: Raw) -> tuple[str, str]:
    """Return which reaction it is, and how it is shown."""
    kind = reaction.get("type")
    if kind == "emoji" and (emoji := "".join(unmasked(words(reaction.get("emoji"), 32)).split())):
        return emoji, emoji
    if kind == "custom_emoji":
        return words(reaction.get("custom_emoji_id"), 64), "[custom emoji]"
    return ("", "[paid reaction]") if kind == "paid" else ("", "[unknown reaction]")


def _read_tap(kind: str, query: Raw, update: Raw, account: Account, _: int) -> Event:
    message, who = table(query.get("message")), user(query.get("from"))
    where, number = place(message, account.worker), integer(message.get("message_id"))
    own_id, data = query.get("id"), words(query.get("data"), 256)
    if where is None or who is None or number is None or number <= 0 or not is_handle(own_id):
        return Unreadable("no chat, sender, message_id or id of a tap", "a tap on a button")
    return Tap(
        id=own_id,
        data=data,
        label=_label(message, data) if data else "",
        chat=where.chat,
        message_id=str(number),
        sender_id=who.id,
        sender=who.name,
        group=where.group,
        sent_at=_moment(message.get("date")),
        chat_title=where.title,
        thread=where.thread,
        bot=who.bot,
    )


def _label(message: Raw, data: str) -> str:
    """Return what the button with that data says, empty where there is none."""
    found = (button for button in buttons_of(message.get("reply_markup")) if button.get("callback_data") == data)
    return line(next(found, {}).get("text"), 200)


def _read_standing(kind: str, change: Raw, update: Raw, account: Account, _: int) -> Event:
    where, who = place(change, account.worker), user(change.get("from"))
    status = table(change.get("new_chat_member")).get("status")
    if where is None or type(status) is not str or status not in _STATES:
        return Unreadable("no chat or status", "a change of what the bot is in a chat")
    return Standing(
        chat=where.chat,
        status=status,
        group=where.group,
        title=where.title,
        sender_id=who.id if who else "",
        sender=who.name if who else "",
    )


def _unknown_update(update: Raw, unknown: list[str], account: Account) -> Unreadable:
    kinds = ", ".join(line(key, 40) or "?" for key in unknown[:5])
    summary = f"[a message of a kind that this channeld does not know: {kinds}]"
    value = table(update.get(unknown[0]))
    return _unreadable("an unknown kind", value, update, place(value, account.worker), author(value), summary)


def _unreadable(
    reason: str, value: Raw, update: Raw, where: Place | None, who: Person | None, summary: str = ""
) -> Unreadable:
    """Return what cannot be read, with an event in its place if it is known whose it is and where."""
    summary = summary or "[a message that this channeld cannot read]"
    number, serial = integer(value.get("message_id")), integer(update.get("update_id"))
    if where is None or who is None or (number is None and serial is None):
        return Unreadable(reason, summary)
    own_key = f"unread:{where.number}:{number or 0}:{serial or 0}"
    event = Inbound(
        event_key=own_key,
        chat=where.chat,
        message_id=str(number if number is not None and number > 0 else serial),
        sender_id=who.id,
        sender=who.name,
        text=summary,
        sent_at=_moment(value.get("date")),
        chat_title=where.title,
        thread=where.thread,
        group=where.group,
        bot=who.bot,
    )
    return Unreadable(reason, summary, event)


def _moment(value: object) -> float:
    """Return unix seconds; zero where there is no time that can be."""
    return float(value) if type(value) is int and 0 < value < _LATEST else 0.0


def _serial(update: Raw) -> int:
    """Return the number of an update: two changes of a message within a second are two events."""
    return integer(update.get("update_id")) or 0


_EDITS: Final = frozenset({"edited_message", "edited_channel_post"})
_POSTS: Final = frozenset({"channel_post", "edited_channel_post"})
_NO_FILES: Final[list[Attachment]] = []
_READERS: Final[dict[str, Callable[[str, Raw, Raw, Account, int], Event | None]]] = {
    "message": _read_message,
    "edited_message": _read_message,
    "channel_post": _read_message,
    "edited_channel_post": _read_message,
    "message_reaction": _read_reaction,
    "callback_query": _read_tap,
    "my_chat_member": _read_standing,
}
_OTHER_KINDS: Final = """
message_reaction_count inline_query chosen_inline_result shipping_query pre_checkout_query purchased_paid_media poll
poll_answer chat_member chat_join_request chat_boost removed_chat_boost business_connection business_message
edited_business_message deleted_business_messages guest_message managed_bot
"""
_NOTHING_FOR_CLAUDE: Final = frozenset(_OTHER_KINDS.split())
"""Kinds that are no message to the bot. Those of a business account are written to its owner."""
