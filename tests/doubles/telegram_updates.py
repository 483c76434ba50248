"""Updates as the Bot API sends them, for tests and for a server that plays it.

Each builder returns what stands under the update's kind; ``update`` wraps it. Whatever is given by name overrides what
the builder says.
"""

from __future__ import annotations

from typing import Any, Final

Made = dict[str, Any]

BOT: Final[Made] = {"id": 7000000001, "is_bot": True, "first_name": "Claude", "username": "lab_claude_bot"}
ANN: Final[Made] = {
    "id": 412587349,
    "is_bot": False,
    "first_name": "Ann",
    "last_name": "Example",
    "username": "ann_example",
    "language_code": "en",
}
BEN: Final[Made] = {"id": 518823001, "is_bot": False, "first_name": "Ben"}
PRIVATE: Final[Made] = {
    "id": ANN["id"],
    "type": "private",
    "first_name": "Ann",
    "last_name": "Example",
    "username": "ann_example",
}
GROUP: Final[Made] = {"id": -1001654782309, "type": "supergroup", "title": "Team"}
FORUM: Final[Made] = {**GROUP, "id": -1001654782310, "title": "Forum", "is_forum": True}
SMALL_GROUP: Final[Made] = {
    "id": -4123456,
    "type": "group",
    "title": "Old team",
    "all_members_are_administrators": True,
}
CHANNEL: Final[Made] = {"id": -1001700000077, "type": "channel", "title": "News", "username": "lab_news"}
ANONYMOUS_BOT: Final[Made] = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
SERVICE: Final[Made] = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
DATE: Final = 1795365624
PHOTO: Final = [
    {"file_id": "AgAC-small", "file_unique_id": "AQAD1", "width": 90, "height": 67, "file_size": 1101},
    {"file_id": "AgAC-large", "file_unique_id": "AQAD3", "width": 1280, "height": 960, "file_size": 180123},
    {"file_id": "AgAC-middle", "file_unique_id": "AQAD2", "width": 320, "height": 240, "file_size": 15001},
]


def update(kind: str, value: object, serial: int = 880000001) -> Made:
    """Return an update of one kind."""
    return {"update_id": serial, kind: value}


def message(text: str | None = "Is the build green?", number: int = 101, **more: Any) -> Made:
    """Return a message of Ann in her private chat; ``text=None`` for one that holds something else."""
    made: Made = {"message_id": number, "from": ANN, "chat": PRIVATE, "date": DATE}
    if text is not None:
        made["text"] = text
    sender = {"from": more.pop("sender")} if "sender" in more else {}
    return made | sender | more


def in_group(text: str | None = "Is the build green?", **more: Any) -> Made:
    """Return a message of Ann in a group."""
    return message(text, chat=more.pop("chat", GROUP), **more)


def in_topic(text: str | None = "Is the build green?", topic: int = 17, name: str = "Builds", **more: Any) -> Made:
    """Return a message in a topic that replies to nothing: it quotes the message that opened the topic."""
    opening = {
        "message_id": topic,
        "from": BOT,
        "chat": FORUM,
        "date": DATE - 1000,
        "message_thread_id": topic,
        "is_topic_message": True,
        "forum_topic_created": {"name": name, "icon_color": 7322096},
    }
    facts: Made = {"chat": FORUM, "message_thread_id": topic, "is_topic_message": True, "reply_to_message": opening}
    return message(text, **(facts | more))


def entity(kind: str, text: str, part: str, **more: Any) -> Made:
    """Return an entity over the first occurrence of a part of the text, counted in UTF-16 units."""
    before = text[: text.index(part)]
    return {"type": kind, "offset": units(before), "length": units(part), **more}


def units(text: str) -> int:
    """Return the length of a text in UTF-16 units."""
    return len(text.encode("utf-16-le")) // 2


def file(name: str | None = None, mime: str | None = None, size: int = 20480, **more: Any) -> Made:
    """Return a file of a message."""
    made: Made = {"file_id": "BQAC-file", "file_unique_id": "AgAD9", "file_size": size}
    if name is not None:
        made["file_name"] = name
    if mime is not None:
        made["mime_type"] = mime
    return made | more


def post(text: str = "Release 1.0 is out", **more: Any) -> Made:
    """Return a post in a channel."""
    made = {"message_id": 55, "sender_chat": CHANNEL, "chat": CHANNEL, "date": DATE, "text": text}
    return made | {"author_signature": "Editor"} | more


def anonymous(text: str = "Read the rules", **more: Any) -> Made:
    """Return a message of an administrator who hides behind his group."""
    return in_group(text, **({"sender": ANONYMOUS_BOT, "sender_chat": GROUP} | more))


def linked_post(text: str = "Release 1.0 is out", **more: Any) -> Made:
    """Return a channel's post as it appears by itself in the group that belongs to the channel."""
    origin = {"type": "channel", "chat": CHANNEL, "message_id": 55, "date": DATE}
    facts: Made = {"sender": SERVICE, "sender_chat": CHANNEL, "is_automatic_forward": True, "forward_origin": origin}
    return in_group(text, **(facts | more))


def edited(text: str = "Is the build green now?", **more: Any) -> Made:
    """Return a message of Ann that she has edited."""
    return message(text, **({"edit_date": DATE + 60} | more))


def reaction(new: list[Made], old: list[Made] | None = None, **more: Any) -> Made:
    """Return a change of Ann's reactions to a message."""
    facts: Made = {"chat": PRIVATE, "message_id": 102, "user": ANN, "date": DATE + 5}
    return facts | {"old_reaction": old or [], "new_reaction": new} | more


def emoji(shown: str) -> Made:
    """Return an ordinary reaction."""
    return {"type": "emoji", "emoji": shown}


def tap(data: str = "b:7f3a:0", label: str = "Yes, deploy", **more: Any) -> Made:
    """Return a tap of Ann on a button of the bot's message in her private chat."""
    keyboard = [[{"text": "No", "callback_data": f"{data}-other"}], [{"text": label, "callback_data": data}]]
    below = message("Deploy?", number=102, sender=BOT, reply_markup={"inline_keyboard": keyboard})
    return {"id": "1772045", "from": ANN, "message": below, "chat_instance": "-331", "data": data} | more


def standing(status: str, before: str = "left", **more: Any) -> Made:
    """Return that the bot is something else in a group now."""
    old, new = ({"user": BOT, "status": each} for each in (before, status))
    return {"chat": GROUP, "from": ANN, "date": DATE, "old_chat_member": old, "new_chat_member": new} | more


def sticker(**more: Any) -> Made:
    """Return a sticker."""
    facts: Made = {"type": "regular", "width": 512, "height": 512, "is_animated": False, "is_video": False}
    return file() | facts | {"emoji": "😀", "set_name": "LabCats"} | more


def holding(**content: Any) -> Made:
    """Return a private message that holds something else than text."""
    return message(None, **content)


def service(**content: Any) -> Made:
    """Return a service message in a group."""
    return in_group(None, **content)


PLACE: Final[Made] = {"latitude": 52.52, "longitude": 13.4}
POLL: Final[Made] = {
    "id": "5400",
    "question": "Lunch?",
    "options": [{"text": "Soup", "voter_count": 0}, {"text": "Pie", "voter_count": 2}],
    "total_voter_count": 2,
    "is_closed": False,
    "is_anonymous": True,
    "type": "regular",
    "allows_multiple_answers": False,
}
MENTION: Final = "😀 @Lab_Claude_Bot look"
LINK: Final = "😀 see here, and example.org"


def every_kind() -> dict[str, Made]:
    """Return an update of every kind, by a name."""
    ours = message("All green.", number=99, sender=BOT)
    bens = in_group("The tests hang", number=90, sender=BEN)
    user_origin = {"type": "user", "sender_user": BEN, "date": DATE}
    messages = {
        "text": message(),
        "group text": in_group(),
        "small group": in_group(chat=SMALL_GROUP),
        "topic": in_topic(),
        "general topic": in_group(chat=FORUM, message_thread_id=12),
        "topic reply": in_topic(reply_to_message=in_topic("Red", number=88, sender=BEN)),
        "private topic": message(message_thread_id=5, is_topic_message=True),
        "anonymous": anonymous(),
        "linked post": linked_post(),
        "reply to the bot": message(reply_to_message=ours),
        "quote": message(reply_to_message=ours, quote={"text": "green", "position": 4, "is_manual": True}),
        "group reply": in_group(reply_to_message=bens),
        "reply elsewhere": message(
            external_reply={"origin": user_origin, "message_id": 3, "photo": PHOTO},
            quote={"text": "red", "position": 0},
        ),
        "reply to a story": message(reply_to_story={"chat": CHANNEL, "id": 4}),
        "forwarded user": message(forward_origin=user_origin, forward_from=BEN, forward_date=DATE),
        "forwarded hidden": message(
            forward_origin={"type": "hidden_user", "sender_user_name": "Shy", "date": DATE},
            forward_sender_name="Shy",
            forward_date=DATE,
        ),
        "forwarded chat": message(
            forward_origin={"type": "chat", "sender_chat": GROUP, "author_signature": "Boss", "date": DATE}
        ),
        "forwarded channel": message(
            forward_origin={"type": "channel", "chat": CHANNEL, "message_id": 55, "date": DATE}
        ),
        "old forwarded user": message(forward_from=BEN, forward_date=DATE),
        "old forwarded channel": message(
            forward_from_chat=CHANNEL, forward_from_message_id=55, forward_signature="Editor", forward_date=DATE
        ),
        "old forwarded hidden": message(forward_sender_name="Shy", forward_date=DATE),
        "mention": in_group(MENTION, entities=[entity("mention", MENTION, "@Lab_Claude_Bot")]),
        "text mention": in_group("Claude, look", entities=[entity("text_mention", "Claude, look", "Claude", user=BOT)]),
        "command": in_group("/status now", entities=[entity("bot_command", "/status now", "/status")]),
        "link": message(
            LINK,
            entities=[
                entity("text_link", LINK, "here", url="https://docs.example.org/a"),
                entity("text_link", LINK, "example.org", url="http://example.org/"),
                entity("bold", LINK, "see"),
            ],
        ),
        "photo": holding(photo=PHOTO, caption="The plot", caption_entities=[entity("bold", "The plot", "plot")]),
        "album photo": holding(photo=PHOTO, media_group_id="13579"),
        "document": holding(document=file("report.pdf", "application/pdf")),
        "picture as document": holding(document=file("screen.png", "image/png")),
        "large document": holding(document=file("dump.tar", "application/x-tar", 30 * 1024 * 1024)),
        "voice": holding(voice=file(None, "audio/ogg", duration=72)),
        "audio": holding(audio=file("s.mp3", "audio/mpeg", duration=201, performer="The Band", title="Song")),
        "video": holding(video=file("clip.mp4", "video/mp4", duration=30, width=640, height=480)),
        "video note": holding(video_note=file(duration=12, length=240)),
        "animation": holding(animation=file("cat.mp4", "video/mp4"), document=file("cat.mp4", "video/mp4")),
        "sticker": holding(sticker=sticker()),
        "animated sticker": holding(sticker=sticker(is_animated=True)),
        "video sticker": holding(sticker=sticker(is_video=True)),
        "location": holding(location=PLACE),
        "live location": holding(location={**PLACE, "live_period": 900}),
        "venue": holding(venue={"location": PLACE, "title": "Lab", "address": "1 Main St"}, location=PLACE),
        "contact": holding(contact={"phone_number": "+49 30 1234", "first_name": "Ben", "user_id": BEN["id"]}),
        "poll": holding(poll=POLL),
        "dice": holding(dice={"emoji": "🎲", "value": 5}),
        "game": holding(game={"title": "Chess", "description": "A game", "photo": PHOTO}),
        "invoice": holding(
            invoice={
                "title": "Cake",
                "description": "One",
                "start_parameter": "",
                "currency": "EUR",
                "total_amount": 450,
            }
        ),
        "payment": holding(
            successful_payment={
                "currency": "EUR",
                "total_amount": 450,
                "invoice_payload": "x",
                "telegram_payment_charge_id": "c1",
                "provider_payment_charge_id": "c2",
            }
        ),
        "story": holding(story={"chat": CHANNEL, "id": 4}),
        "giveaway": holding(
            giveaway={
                "chats": [CHANNEL],
                "winners_selection_date": DATE,
                "winner_count": 3,
                "prize_description": "Mugs",
            }
        ),
        "checklist": holding(
            checklist={"title": "Release", "tasks": [{"id": 1, "text": "Tag"}, {"id": 2, "text": "Build"}]}
        ),
        "paid media": holding(
            paid_media={"star_count": 50, "paid_media": [{"type": "photo", "photo": PHOTO}, {"type": "preview"}]}
        ),
        "web app": holding(web_app_data={"button_text": "Order", "data": '{"cake": [1]}'}),
        "pinned": service(pinned_message=bens),
        "joined": service(new_chat_members=[BEN, ANN], new_chat_member=BEN, new_chat_participant=BEN),
        "left": service(left_chat_member=BEN, left_chat_participant=BEN),
        "title": service(new_chat_title="Team 2"),
        "topic created": in_topic(
            None, reply_to_message={}, forum_topic_created={"name": "Builds", "icon_color": 7322096}
        ),
        "topic closed": in_topic(None, forum_topic_closed={}),
        "timer": service(message_auto_delete_timer_changed={"message_auto_delete_time": 86400}),
        "users shared": holding(users_shared={"request_id": 1, "users": [{"user_id": BEN["id"], "first_name": "Ben"}]}),
        "moved away": service(chat=SMALL_GROUP, migrate_to_chat_id=GROUP["id"]),
        "moved here": service(migrate_from_chat_id=SMALL_GROUP["id"]),
        "unknown": holding(hologram={"depth": 3}),
        "unknown with caption": holding(hologram={"depth": 3}, caption="Look"),
        "by a bot": in_group(sender={**BEN, "is_bot": True}, via_bot=BOT),
    }
    made = {name: update("message", each) for name, each in messages.items()}
    return made | {
        "edited": update("edited_message", edited()),
        "post": update("channel_post", post()),
        "edited post": update("edited_channel_post", post(edit_date=DATE + 9)),
        "reaction": update("message_reaction", reaction([emoji("👍")])),
        "reaction taken back": update("message_reaction", reaction([], [emoji("👍")])),
        "custom reaction": update("message_reaction", reaction([{"type": "custom_emoji", "custom_emoji_id": "53"}])),
        "paid reaction": update("message_reaction", reaction([{"type": "paid"}], chat=GROUP)),
        "tap": update("callback_query", tap()),
        "standing": update("my_chat_member", standing("member")),
        "unknown update": update("telepathy", message("hm")),
        "poll update": update("poll", POLL),
    }
