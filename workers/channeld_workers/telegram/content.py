"""What a message holds besides its text: files, and everything else as lines in square brackets.

Names and other words in these lines are the sender's, and cleaned, so that none ends its bracket or its line.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

from channeld.core.model import Attachment
from channeld_workers.files import safe_mime, safe_name
from channeld_workers.raw import Raw, count, integer, is_handle, line, table, tables, words
from channeld_workers.telegram.people import title_of, user

FETCH_LIMIT: Final = 20 * 1024 * 1024
"""Bytes of a file that a bot can fetch (https://core.telegram.org/bots/api#getfile)."""
_NAMES_SHOWN: Final = 10

_NO_CONTENT: Final = """
message_id message_thread_id direct_messages_topic from sender_chat sender_boost_count sender_business_bot sender_tag
date business_connection_id chat forward_origin is_topic_message is_automatic_forward reply_to_message external_reply
quote reply_to_story reply_to_checklist_task_id via_bot edit_date has_protected_content is_from_offline is_paid_post
text media_group_id author_signature paid_star_count entities link_preview_options suggested_post_info effect_id caption
caption_entities show_caption_above_media has_media_spoiler reply_markup forward_from forward_from_chat forward_date
forward_from_message_id forward_signature forward_sender_name migrate_to_chat_id migrate_from_chat_id new_chat_member
new_chat_participant left_chat_participant reply_to_poll_option_id guest_bot_caller_user guest_bot_caller_chat
guest_query_id
"""
_FRAME: Final = frozenset(_NO_CONTENT.split())
"""Keys of a message that are no content. The participants are older names of what stands beside them."""
_BESIDE: Final = {"document": "animation", "location": "venue", "live_photo": "photo"}
"""What stands in a message only for programs that do not know the other (https://core.telegram.org/bots/api#message)."""


class Held(NamedTuple):
    """What a message holds besides its text."""

    lines: list[str]
    attachments: list[Attachment]
    unknown: list[str]  # kinds that nothing is known of, cleaned

    def unknown_line(self) -> str:
        """Return a line that names what is not known."""
        kinds = ", ".join(self.unknown) or "empty"
        return f"[a message of a kind that this channeld does not know: {kinds}]"

    def summary(self) -> str:
        """Return it in one line, for a quote; empty where nothing is held."""
        return " ".join(self.lines) or " ".join(f"[{file.name}]" for file in self.attachments)


def held(message: Raw, max_bytes: int = FETCH_LIMIT) -> Held:
    """Return what a message holds besides its text. Files larger than ``max_bytes`` come without a token."""
    lines: list[str] = []
    attachments: list[Attachment] = []
    unknown: list[str] = []
    for key, value in message.items():
        if key in _FRAME or (key in _BESIDE and _BESIDE[key] in message):
            continue
        if key in _FILES:
            attachment, text = _FILES[key](value)
            attachments.append(_limited(attachment, max_bytes))
        elif key in _LINES:
            text = _LINES[key](table(value))
        elif key in _PHRASES:
            text = _PHRASES[key]
        elif key in _PEOPLE:
            text = f"{_PEOPLE[key]}: {_names(value if isinstance(value, list) else [value])}"
        else:
            if len(unknown) < _NAMES_SHOWN:
                unknown.append(line(key, 40) or "?")
            text = ""
        if text:
            lines.append(text if text.startswith("[") else f"[{text}]")
    return Held(lines, attachments, unknown)


def _limited(file: Attachment, max_bytes: int) -> Attachment:
    if file.size > max_bytes:
        file.token, file.wanted = None, False
        file.note = f"larger than the {max_bytes // (1024 * 1024)} MB that a bot can fetch"
    elif file.token is None:
        file.wanted, file.note = False, "Telegram does not say how to fetch it"
    return file


def _file(value: object, name: str, mime: str) -> Attachment:
    """Return a file; ``name`` and ``mime`` are what it is called where it says nothing of its own."""
    raw = table(value)
    token, claimed = raw.get("file_id"), words(raw.get("mime_type"), 200).lower()
    return Attachment(
        name=safe_name(words(raw.get("file_name"), 1000) or name),
        mime=safe_mime(claimed or mime),
        size=count(raw.get("file_size")),
        token=token if is_handle(token) else None,
    )


def _photo(value: object) -> tuple[Attachment, str]:
    def extent(size: Raw) -> tuple[int, int]:
        return count(size.get("width")) * count(size.get("height")), count(size.get("file_size"))

    photo = _file(max(tables(value), key=extent, default=None), "photo.jpg", "image/jpeg")
    photo.wanted = True
    return photo, ""


def _document(value: object) -> tuple[Attachment, str]:
    document = _file(value, "document", "application/octet-stream")
    document.wanted = document.mime.startswith("image/")
    return document, ""


def _voice(value: object) -> tuple[Attachment, str]:
    return _file(value, "voice.ogg", "audio/ogg"), f"voice message{_length(value)}"


def _audio(value: object) -> tuple[Attachment, str]:
    who, what = line(table(value).get("performer")), line(table(value).get("title"))
    title = " – ".join(part for part in (who, what) if part)
    return _file(value, "audio.mp3", "audio/mpeg"), f"audio{_length(value)}{': ' if title else ''}{title}"


def _video(value: object) -> tuple[Attachment, str]:
    return _file(value, "video.mp4", "video/mp4"), f"video{_length(value)}"


def _video_note(value: object) -> tuple[Attachment, str]:
    return _file(value, "video-note.mp4", "video/mp4"), f"video note{_length(value)}"


def _animation(value: object) -> tuple[Attachment, str]:
    return _file(value, "animation.mp4", "video/mp4"), "animation"


def _sticker(value: object) -> tuple[Attachment, str]:
    raw = table(value)
    emoji, collection = line(raw.get("emoji"), 20), line(raw.get("set_name"), 64)
    if raw.get("is_animated") is True:
        name, mime = "sticker.tgs", "application/x-tgsticker"
    elif raw.get("is_video") is True:
        name, mime = "sticker.webm", "video/webm"
    else:
        name, mime = "sticker.webp", "image/webp"
    origin = f" from {collection}" if collection else ""
    return _file(value, name, mime), f"sticker{' ' if emoji else ''}{emoji}{origin}"


def _length(value: object) -> str:
    """Return how long a recording is, after a comma; empty where that is not said."""
    seconds = count(table(value).get("duration"))
    return f", {seconds // 60}:{seconds % 60:02}" if seconds else ""


_FILES: Final[dict[str, Callable[[object], tuple[Attachment, str]]]] = {
    "photo": _photo,
    "document": _document,
    "voice": _voice,
    "audio": _audio,
    "video": _video,
    "video_note": _video_note,
    "animation": _animation,
    "sticker": _sticker,
}


def _coordinates(raw: Raw) -> str:
    degrees = [_degrees(raw.get(key)) for key in ("latitude", "longitude")]
    return ", ".join(degrees) if all(degrees) else "unknown"


def _degrees(value: object) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool) or not -360 <= value <= 360 or math.isnan(value):
        return ""
    whole, _, fraction = f"{value:.6f}".partition(".")
    return f"{whole}.{fraction.rstrip('0').ljust(2, '0')}"


def _location(raw: Raw) -> str:
    return f"{'live location' if count(raw.get('live_period')) else 'location'}: {_coordinates(raw)}"


def _venue(raw: Raw) -> str:
    known = [line(raw.get("title")), line(raw.get("address")), _coordinates(table(raw.get("location")))]
    return f"venue: {', '.join(part for part in known if part)}"


def _contact(raw: Raw) -> str:
    name = line(f"{words(raw.get('first_name'), 100)} {words(raw.get('last_name'), 100)}")
    number = integer(raw.get("user_id"))
    known = [name, line(raw.get("phone_number"), 40), f"Telegram id {number}" if number else ""]
    return f"contact: {', '.join(part for part in known if part)}"


def _poll(raw: Raw) -> str:
    options = [line(option.get("text"), 100) for option in tables(raw.get("options"), 20)]
    return f"poll: {line(raw.get('question'), 300)} – {' / '.join(options)}"


def _dice(raw: Raw) -> str:
    return f"dice {line(raw.get('emoji'), 20)}: {count(raw.get('value'))}"


def _invoice(raw: Raw) -> str:
    return f"invoice: {line(raw.get('title'))}, {_amount(raw)}"


def _paid(raw: Raw) -> str:
    return f"payment of {_amount(raw)}"


def _refunded(raw: Raw) -> str:
    return f"payment of {_amount(raw)} refunded"


def _amount(raw: Raw) -> str:
    """Return an amount as Telegram has it: in the currency's smallest units."""
    return f"{count(raw.get('total_amount'))} smallest units of {line(raw.get('currency'), 8) or 'a currency'}"


def _story(raw: Raw) -> str:
    name = title_of(table(raw.get("chat")))
    return f"story of {name}" if name else "story"


def _tasks(key: str, lead: str) -> Callable[[Raw], str]:
    def describe(raw: Raw) -> str:
        title = line(raw.get("title"), 255)
        tasks = " / ".join(line(task.get("text"), 100) for task in tables(raw.get(key), 30))
        return f"{lead}: {' – '.join(part for part in (title, tasks) if part)}"

    return describe


def _tasks_done(raw: Raw) -> str:
    done, undone = (raw.get(f"marked_as_{state}_task_ids") for state in ("done", "not_done"))
    counts = [len(ids) if isinstance(ids, list) else 0 for ids in (done, undone)]
    return f"tasks of a checklist: {counts[0]} done, {counts[1]} undone"


def _paid_media(raw: Raw) -> str:
    return f"paid media: {len(tables(raw.get('paid_media')))} for {count(raw.get('star_count'))} stars"


def _giveaway(raw: Raw) -> str:
    return (
        f"giveaway: {count(raw.get('winner_count'))} winners, {line(raw.get('prize_description')) or 'a subscription'}"
    )


def _winners(raw: Raw) -> str:
    return f"giveaway ended: {count(raw.get('winner_count'))} winners"


def _web_app(raw: Raw) -> str:
    """Return what a web app sent, whole and as it is: it may be JSON."""
    return f"[sent by the web app {line(raw.get('button_text'), 64)}]\n{words(raw.get('data'))}"


def _pinned(raw: Raw) -> str:
    """Return that a message was pinned, without its words: they are somebody else's, and a quote."""
    number = integer(raw.get("message_id"))
    return f"pinned message {number}" if number else "pinned a message"


def _named(lead: str, key: str) -> Callable[[Raw], str]:
    """Return a describer of something that has one name."""

    def describe(raw: Raw) -> str:
        name = line(raw.get(key))
        return f"{lead}: {name}" if name else lead

    return describe


_LINES: Final[dict[str, Callable[[Raw], str]]] = {
    "location": _location,
    "venue": _venue,
    "contact": _contact,
    "poll": _poll,
    "dice": _dice,
    "game": _named("game", "title"),
    "invoice": _invoice,
    "successful_payment": _paid,
    "refunded_payment": _refunded,
    "story": _story,
    "checklist": _tasks("tasks", "checklist"),
    "checklist_tasks_added": _tasks("tasks", "tasks added to a checklist"),
    "checklist_tasks_done": _tasks_done,
    "paid_media": _paid_media,
    "giveaway": _giveaway,
    "giveaway_winners": _winners,
    "giveaway_completed": _winners,
    "web_app_data": _web_app,
    "pinned_message": _pinned,
    "forum_topic_created": _named("topic created", "name"),
    "forum_topic_edited": _named("topic changed", "name"),
    "poll_option_added": _named("added to a poll", "option_text"),
    "poll_option_deleted": _named("taken out of a poll", "option_text"),
    "write_access_allowed": _named("the bot may write", "web_app_name"),
    "chat_shared": _named("shared a chat", "title"),
}
_PHRASES: Final = {
    "delete_chat_photo": "the chat's photo was deleted",
    "new_chat_photo": "the chat has a new photo",
    "group_chat_created": "the group was created",
    "supergroup_chat_created": "the group was created",
    "channel_chat_created": "the channel was created",
    "message_auto_delete_timer_changed": "the time after which messages are deleted was changed",
    "forum_topic_closed": "topic closed",
    "forum_topic_reopened": "topic reopened",
    "general_forum_topic_hidden": "topic General hidden",
    "general_forum_topic_unhidden": "topic General shown again",
    "giveaway_created": "giveaway started",
    "chat_owner_left": "the chat's owner left",
    "chat_owner_changed": "the chat has another owner",
    "managed_bot_created": "a bot was created",
    "video_chat_scheduled": "video chat scheduled",
    "video_chat_started": "video chat started",
    "video_chat_ended": "video chat ended",
    "voice_chat_scheduled": "voice chat scheduled",
    "voice_chat_started": "voice chat started",
    "voice_chat_ended": "voice chat ended",
    "proximity_alert_triggered": "somebody came near to somebody who shares his location",
    "boost_added": "boosted the chat",
    "chat_background_set": "the chat's background was changed",
    "connected_website": "logged in to a website",
    "passport_data": "Telegram Passport data",
    "gift": "a gift",
    "unique_gift": "a gift",
    "gift_upgrade_sent": "an upgrade of a gift",
    "paid_message_price_changed": "the price of a message was changed",
    "direct_message_price_changed": "the price of a message was changed",
    "suggested_post_approved": "suggested post approved",
    "suggested_post_approval_failed": "suggested post could not be approved",
    "suggested_post_declined": "suggested post declined",
    "suggested_post_paid": "suggested post paid",
    "suggested_post_refunded": "suggested post refunded",
}
_PEOPLE: Final = {
    "new_chat_members": "joined",
    "left_chat_member": "left",
    "users_shared": "shared users",
    "user_shared": "shared a user",
    "video_chat_participants_invited": "invited to the video chat",
    "voice_chat_participants_invited": "invited to the voice chat",
    "new_chat_title": "the chat is now called",
}


def _names(values: list[object]) -> str:
    """Return names of users, or of whatever has a list of users; what is plain text is its own name."""
    names: list[str] = []
    for value in values[:_NAMES_SHOWN]:
        if type(value) is str:
            names.append(line(value))
        elif type(value) is dict and type(value.get("users")) is list:
            names += [_name(each) for each in tables(value["users"], _NAMES_SHOWN)]
        else:
            names.append(_name(value))
    more = len(values) - _NAMES_SHOWN
    return ", ".join(names) + (f" and {more} more" if more > 0 else "") or "nobody"


def _name(value: object) -> str:
    raw = table(value)
    person = user(raw) or user({**raw, "id": raw.get("user_id")})
    return person.name if person else "somebody"
