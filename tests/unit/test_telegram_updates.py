"""What each kind of Telegram update is to channeld."""

from __future__ import annotations

import msgspec
import pytest

from channeld.core.model import Inbound
from channeld_workers.patterns import compile_patterns
from channeld_workers.telegram import updates
from channeld_workers.telegram.updates import Account, Moved, Standing, Tap, Unreadable, read
from tests.doubles import telegram_updates as made
from tests.doubles.telegram_updates import ANN, BEN, BOT, CHANNEL, DATE, FORUM, GROUP, PRIVATE, SMALL_GROUP, update

ACCOUNT = Account(BOT["id"], BOT["username"], "telegram", compile_patterns([r"\bclaude\b"]))
ANN_ID, BEN_ID = str(ANN["id"]), str(BEN["id"])
HOME = f"telegram:{PRIVATE['id']}"
TEAM = f"telegram:{GROUP['id']}"
PLAIN = {
    "chat": HOME,
    "message_id": "101",
    "sender_id": ANN_ID,
    "sender": "Ann Example",
    "sent_at": float(DATE),
    "event_key": f"message:{PRIVATE['id']}:101",
}
IN_TEAM = {
    **PLAIN,
    "chat": TEAM,
    "group": True,
    "chat_title": "Team",
    "event_key": f"message:{GROUP['id']}:101",
}
IN_FORUM = IN_TEAM | {"chat": f"telegram:{FORUM['id']}", "chat_title": "Forum"}
IN_FORUM |= {"event_key": f"message:{FORUM['id']}:101"}
IN_TOPIC = IN_FORUM | {"chat": f"telegram:{FORUM['id']}/17", "thread": "Builds"}
TEXT = "Is the build green?"
FROM_TEAM = {"sender_id": str(GROUP["id"]), "sender": "Team"}
FROM_NEWS = {"sender_id": str(CHANNEL["id"]), "sender": "News"}
POST = {
    "chat": f"telegram:{CHANNEL['id']}",
    "message_id": "55",
    "event_key": f"message:{CHANNEL['id']}:55",
    "sent_at": float(DATE),
    "group": True,
    "chat_title": "News",
    **FROM_NEWS,
    "text": "Release 1.0 is out",
}
TO_BOT = {"reply_to_id": "99", "reply_to_user": "Claude", "reply_to_sender_id": str(BOT["id"])}
TO_BEN = {"reply_to_user": "Ben", "reply_to_sender_id": BEN_ID}
REACTION = PLAIN | {"kind": "reaction", "message_id": "102", "sent_at": DATE + 5.0}
REACTION |= {"event_key": f"reaction:{PRIVATE['id']}:102:{ANN_ID}:{DATE + 5}:880000001"}
UNKNOWN = "[a message of a kind that this channeld does not know: hologram]"

SEEN = {
    "text": PLAIN | {"text": TEXT},
    "group text": IN_TEAM | {"text": TEXT},
    "small group": IN_TEAM
    | {"chat": f"telegram:{SMALL_GROUP['id']}", "chat_title": "Old team", "text": TEXT}
    | {"event_key": f"message:{SMALL_GROUP['id']}:101"},
    "topic": IN_TOPIC | {"text": TEXT},
    "general topic": IN_FORUM | {"text": TEXT},
    "topic reply": IN_TOPIC | {"thread": "17", "text": TEXT, "reply_to_id": "88", "reply_to_text": "Red", **TO_BEN},
    "private topic": PLAIN | {"chat": f"{HOME}/5", "thread": "5", "text": TEXT},
    "anonymous": IN_TEAM | FROM_TEAM | {"text": "Read the rules"},
    "linked post": IN_TEAM | FROM_NEWS | {"text": "Release 1.0 is out", "forwarded_from": "News"},
    "reply to the bot": PLAIN | TO_BOT | {"text": TEXT, "reply_to_text": "All green."},
    "quote": PLAIN | TO_BOT | {"text": TEXT, "reply_to_text": "green"},
    "group reply": IN_TEAM | TO_BEN | {"text": TEXT, "reply_to_id": "90", "reply_to_text": "The tests hang"},
    "reply elsewhere": PLAIN | {"text": TEXT, "reply_to_user": "Ben", "reply_to_text": "red"},
    "reply to a story": PLAIN | {"text": TEXT, "reply_to_user": "News", "reply_to_text": "[story]"},
    "forwarded user": PLAIN | {"text": TEXT, "forwarded_from": "Ben"},
    "forwarded hidden": PLAIN | {"text": TEXT, "forwarded_from": "Shy"},
    "forwarded chat": PLAIN | {"text": TEXT, "forwarded_from": "Team (Boss)"},
    "forwarded channel": PLAIN | {"text": TEXT, "forwarded_from": "News"},
    "old forwarded user": PLAIN | {"text": TEXT, "forwarded_from": "Ben"},
    "old forwarded channel": PLAIN | {"text": TEXT, "forwarded_from": "News (Editor)"},
    "old forwarded hidden": PLAIN | {"text": TEXT, "forwarded_from": "Shy"},
    "mention": IN_TEAM | {"text": made.MENTION, "mentioned": True},
    "text mention": IN_TEAM | {"text": "Claude, look", "mentioned": True},
    "command": IN_TEAM | {"text": "/status now", "mentioned": True},
    "link": PLAIN | {"text": "😀 see here (https://docs.example.org/a), and example.org"},
    "photo": PLAIN | {"text": "The plot"},
    "album photo": PLAIN | {"text": "", "album": f"{PRIVATE['id']}:13579"},
    "document": PLAIN | {"text": ""},
    "picture as document": PLAIN | {"text": ""},
    "large document": PLAIN | {"text": ""},
    "voice": PLAIN | {"text": "[voice message, 1:12]"},
    "audio": PLAIN | {"text": "[audio, 3:21: The Band – Song]"},
    "video": PLAIN | {"text": "[video, 0:30]"},
    "video note": PLAIN | {"text": "[video note, 0:12]"},
    "animation": PLAIN | {"text": "[animation]"},
    "sticker": PLAIN | {"text": "[sticker 😀 from LabCats]"},
    "animated sticker": PLAIN | {"text": "[sticker 😀 from LabCats]"},
    "video sticker": PLAIN | {"text": "[sticker 😀 from LabCats]"},
    "location": PLAIN | {"text": "[location: 52.52, 13.40]"},
    "live location": PLAIN | {"text": "[live location: 52.52, 13.40]"},
    "venue": PLAIN | {"text": "[venue: Lab, 1 Main St, 52.52, 13.40]"},
    "contact": PLAIN | {"text": f"[contact: Ben, +49 30 1234, Telegram id {BEN_ID}]"},
    "poll": PLAIN | {"text": "[poll: Lunch? – Soup / Pie]"},
    "dice": PLAIN | {"text": "[dice 🎲: 5]"},
    "game": PLAIN | {"text": "[game: Chess]"},
    "invoice": PLAIN | {"text": "[invoice: Cake, 450 smallest units of EUR]"},
    "payment": PLAIN | {"text": "[payment of 450 smallest units of EUR]"},
    "story": PLAIN | {"text": "[story of News]"},
    "giveaway": PLAIN | {"text": "[giveaway: 3 winners, Mugs]"},
    "checklist": PLAIN | {"text": "[checklist: Release – Tag / Build]"},
    "paid media": PLAIN | {"text": "[paid media: 2 for 50 stars]"},
    "web app": PLAIN | {"text": '[sent by the web app Order]\n{"cake": [1]}'},
    "pinned": IN_TEAM
    | TO_BEN
    | {"text": "[pinned message 90]", "reply_to_id": "90", "reply_to_text": "The tests hang"},
    "joined": IN_TEAM | {"text": "[joined: Ben, Ann Example]"},
    "left": IN_TEAM | {"text": "[left: Ben]"},
    "title": IN_TEAM | {"text": "[the chat is now called: Team 2]"},
    "topic created": IN_TOPIC | {"thread": "17", "text": "[topic created: Builds]"},
    "topic closed": IN_TOPIC | {"text": "[topic closed]"},
    "timer": IN_TEAM | {"text": "[the time after which messages are deleted was changed]"},
    "users shared": PLAIN | {"text": "[shared users: Ben]"},
    "unknown with caption": PLAIN | {"text": f"Look\n{UNKNOWN}"},
    "by a bot": IN_TEAM | {"sender_id": BEN_ID, "sender": "Ben", "bot": True, "text": TEXT},
    "edited": PLAIN
    | {"kind": "edited", "text": "Is the build green now?", "sent_at": DATE + 60.0}
    | {"event_key": f"edited:{PRIVATE['id']}:101:{DATE + 60}:880000001"},
    "post": POST,
    "edited post": POST
    | {"kind": "edited", "sent_at": DATE + 9.0, "event_key": f"edited:{CHANNEL['id']}:55:{DATE + 9}:880000001"},
    "reaction": REACTION | {"text": "👍"},
    "reaction taken back": REACTION | {"text": ""},
    "custom reaction": REACTION | {"text": "[custom emoji]"},
    "paid reaction": REACTION
    | {"text": "[paid reaction]", "chat": TEAM, "chat_title": "Team", "group": True}
    | {"event_key": f"reaction:{GROUP['id']}:102:{ANN_ID}:{DATE + 5}:880000001"},
}
"""What is offered of every kind that is an event, but its files."""
DEFAULTS = {
    field.name: field.default
    for field in msgspec.structs.fields(Inbound)
    if not field.required and field.name != "attachments"
}
OTHERS = {"moved away", "moved here", "unknown", "tap", "standing", "unknown update", "poll update"}


@pytest.mark.parametrize("name", SEEN)
def test_an_update_of_every_kind_is_the_event_that_it_should_be(name):
    """Every field of it, those that are not named having their defaults."""
    event = read(made.every_kind()[name], ACCOUNT)
    assert isinstance(event, Inbound)
    got = {field: getattr(event, field) for field in DEFAULTS | PLAIN | {"text": ""}}
    assert got == DEFAULTS | SEEN[name]


def test_no_kind_is_left_out():
    """Whatever the builders make is looked at here."""
    assert set(made.every_kind()) == SEEN.keys() | OTHERS


def test_a_group_that_moved_names_both_its_ids():
    """The old group says where to, the new one where from: it is the same move."""
    move = Moved(old=f"telegram:{SMALL_GROUP['id']}", new=TEAM)
    assert read(made.every_kind()["moved away"], ACCOUNT) == move
    assert read(made.every_kind()["moved here"], ACCOUNT) == move


@pytest.mark.parametrize("to", [None, "x", 0, 5, 10**400, GROUP["id"]])
def test_a_move_that_cannot_be_is_none(to):
    """To a person, to itself, or to nowhere."""
    assert isinstance(read(update("message", made.service(migrate_to_chat_id=to)), ACCOUNT), Unreadable)


def test_a_tap_carries_all_that_it_takes_to_answer():
    """The label is the button's own, found in its message."""
    tap = read(made.every_kind()["tap"], ACCOUNT)
    assert tap == Tap(
        id="1772045",
        data="b:7f3a:0",
        label="Yes, deploy",
        chat=HOME,
        message_id="102",
        sender_id=ANN_ID,
        sender="Ann Example",
        group=False,
        sent_at=float(DATE),
    )
    assert tap.event_key == "button:1772045"


def test_a_tap_on_a_message_that_is_too_old_has_no_label():
    """Telegram then gives the chat and the message's id alone, and a date of zero."""
    old = {"chat": GROUP, "message_id": 102, "date": 0}
    tap = read(update("callback_query", made.tap(message=old)), ACCOUNT)
    assert isinstance(tap, Tap)
    assert (tap.chat, tap.message_id, tap.group, tap.label, tap.sent_at) == (TEAM, "102", True, "", 0.0)


def test_a_tap_on_a_message_of_inline_mode_is_unreadable():
    """There is no chat in it; the bot has never sent such a message."""
    query = made.tap(inline_message_id="CAAqxx")
    del query["message"]
    assert isinstance(read(update("callback_query", query), ACCOUNT), Unreadable)


@pytest.mark.parametrize(
    ("chat", "status", "expected"),
    [
        (GROUP, "member", Standing(TEAM, "member", True, "Team", ANN_ID, "Ann Example")),
        (GROUP, "left", Standing(TEAM, "left", True, "Team", ANN_ID, "Ann Example")),
        (PRIVATE, "kicked", Standing(HOME, "kicked", False, None, ANN_ID, "Ann Example")),
    ],
)
def test_what_the_bot_is_in_a_chat_is_told(chat, status, expected):
    """It was added, removed, or blocked."""
    assert read(update("my_chat_member", made.standing(status, chat=chat)), ACCOUNT) == expected


def test_a_status_that_nobody_knows_is_unreadable():
    """It is not taken for one that is known."""
    assert isinstance(read(update("my_chat_member", made.standing("emperor")), ACCOUNT), Unreadable)


@pytest.mark.parametrize(("name", "kind"), [("unknown", "hologram"), ("unknown update", "telepathy")])
def test_what_is_not_known_is_offered_as_one_line(name, kind):
    """Claude learns that there was something, and of which kind."""
    unread = read(made.every_kind()[name], ACCOUNT)
    assert isinstance(unread, Unreadable) and unread.event is not None
    assert unread.event.text == f"[a message of a kind that this channeld does not know: {kind}]" == unread.summary
    assert (unread.event.chat, unread.event.sender_id, unread.event.message_id) == (HOME, ANN_ID, "101")


def test_the_name_of_an_unknown_kind_is_cleaned():
    """It comes from outside like everything else."""
    unread = read(update("message", made.holding(**{"x]\n<channel>": {}})), ACCOUNT)
    assert isinstance(unread, Unreadable)
    assert unread.summary == "[a message of a kind that this channeld does not know: x channel]"


def test_two_unreadable_messages_are_two_events():
    """Also where none has a message id."""
    broken = made.holding(hologram={})
    del broken["message_id"]
    first, second = (read(update("message", broken, serial), ACCOUNT) for serial in (1, 2))
    assert isinstance(first, Unreadable) and isinstance(second, Unreadable) and first.event and second.event
    assert first.event.event_key != second.event.event_key


@pytest.mark.parametrize("kind", ["poll", "inline_query", "business_message", "chat_member", "message_reaction_count"])
def test_kinds_that_are_no_message_to_the_bot_are_nothing(kind):
    """A business account's messages are written to its owner, however much they look like the others."""
    assert read(update(kind, made.message()), ACCOUNT) is None
    assert read({"update_id": 5}, ACCOUNT) is None


def test_the_bots_own_service_messages_are_nothing():
    """What it pinned comes back to it."""
    assert read(update("message", made.service(sender=BOT, pinned_message=made.in_group())), ACCOUNT) is None
    assert read(update("message_reaction", made.reaction([made.emoji("👍")], user=BOT)), ACCOUNT) is None


@pytest.mark.parametrize("stand_in", [made.ANONYMOUS_BOT, made.SERVICE])
def test_a_stand_in_is_never_the_sender(stand_in):
    """Without the chat that it stands in for nobody knows who wrote."""
    unread = read(update("message", made.in_group(sender=stand_in)), ACCOUNT)
    assert isinstance(unread, Unreadable) and unread.event is None


@pytest.mark.parametrize("speaker", [None, {}, [], {"id": 5}, {"id": "-5"}])
def test_a_chat_that_cannot_be_read_makes_nobody_else_the_sender(speaker):
    """``from`` is a stand-in as soon as there is a ``sender_chat``, whatever that holds."""
    unread = read(update("message", made.in_group(sender_chat=speaker)), ACCOUNT)
    assert isinstance(unread, Unreadable) and unread.event is None


def test_an_anonymous_reaction_is_the_chats():
    """As with messages, the user beside it does not count."""
    event = read(update("message_reaction", made.reaction([made.emoji("🔥")], chat=GROUP, actor_chat=GROUP)), ACCOUNT)
    assert isinstance(event, Inbound) and event.sender_id == str(GROUP["id"])


def test_only_new_reactions_are_told():
    """Whoever may give several adds one after the other."""
    old, new = [made.emoji("👍")], [made.emoji("👍"), made.emoji("❤️‍🔥")]
    event = read(update("message_reaction", made.reaction(new, old)), ACCOUNT)
    assert isinstance(event, Inbound) and event.text == "❤️‍🔥"


def test_a_change_of_reactions_within_a_second_is_another_event():
    """Dates are in seconds."""
    events = [read(update("message_reaction", made.reaction([made.emoji("👍")]), serial), ACCOUNT) for serial in (1, 2)]
    assert len({event.event_key for event in events if isinstance(event, Inbound)}) == 2


def test_a_channel_post_of_an_older_server_is_the_channels():
    """It named the channel only as the chat."""
    post = made.post()
    del post["sender_chat"]
    event = read(update("channel_post", post), ACCOUNT)
    assert isinstance(event, Inbound) and event.sender_id == str(CHANNEL["id"]) and event.group


@pytest.mark.parametrize(
    ("sender", "shown"),
    [
        ({"first_name": "Ann", "last_name": "Example"}, "Ann Example"),
        ({"first_name": "", "username": "ann"}, "@ann"),
        ({"first_name": "\u2060\u200b", "username": "ann"}, "@ann"),
        ({"first_name": "[<A\nnn>]"}, "A nn"),
        ({"first_name": "\ud800"}, "5"),
        ({}, "5"),
    ],
)
def test_a_sender_is_called_by_what_can_be_seen(sender, shown):
    """First and last name, else the username, else the id."""
    event = read(update("message", made.message(sender={"id": 5, **sender})), ACCOUNT)
    assert isinstance(event, Inbound) and (event.sender, event.sender_id) == (shown, "5")


@pytest.mark.parametrize("number", [True, 1.0, "5", 0, -5, 2**53, 10**400, None, [5]])
def test_only_a_positive_number_is_a_sender(number):
    """A truth value is none, nor is a number that no id can be."""
    unread = read(update("message", made.message(sender={**ANN, "id": number})), ACCOUNT)
    assert isinstance(unread, Unreadable) and unread.event is None


@pytest.mark.parametrize(
    ("chat", "is_readable"),
    [
        ({"id": 5, "type": "private"}, True),
        ({"id": -5, "type": "private"}, False),
        ({"id": 5, "type": "group"}, False),
        ({"id": 5}, False),
        ({"id": -5}, True),
        ({"id": 0, "type": "private"}, False),
        ({"id": False, "type": "private"}, False),
    ],
)
def test_a_chat_is_private_only_if_it_says_so(chat, is_readable):
    """Whatever else is a group, which is closed until it is opted in."""
    event = read(update("message", made.message(chat=chat)), ACCOUNT)
    assert isinstance(event, Inbound) is is_readable
    if isinstance(event, Inbound):
        assert event.group is (chat.get("type") != "private")


def test_a_pattern_addresses_the_bot_in_a_group_only():
    """In a private chat there is nobody else."""
    team, home = (
        read(update("message", each), ACCOUNT) for each in (made.in_group("so, claude?"), made.message("claude"))
    )
    assert isinstance(team, Inbound) and isinstance(home, Inbound)
    assert (team.mentioned, home.mentioned) == (True, False)


def test_an_edited_picture_of_an_album_stands_alone():
    """It came with the others long ago; nobody has to wait for them again."""
    event = read(update("edited_message", made.holding(photo=made.PHOTO, media_group_id="1", edit_date=DATE)), ACCOUNT)
    assert isinstance(event, Inbound) and event.album is None and event.kind == "edited"


@pytest.mark.parametrize("handle", ["", "ä", "a\nb", 5, None, "x" * 600])
def test_an_album_is_named_by_a_plain_handle_or_not_at_all(handle):
    """The message itself comes in any case."""
    event = read(update("message", made.holding(photo=made.PHOTO, media_group_id=handle)), ACCOUNT)
    assert isinstance(event, Inbound) and event.album is None and len(event.attachments) == 1


def test_half_a_character_in_a_text_does_not_get_far():
    """JSON can carry one, and what is stored must be UTF-8."""
    event = read(update("message", made.message("a\ud83d b")), ACCOUNT)
    assert isinstance(event, Inbound) and event.text == "a? b"


def test_a_fault_of_ours_costs_one_update_only(monkeypatch):
    """The batch goes on behind it."""

    def fails(*_: object) -> None:
        raise KeyError("secret words")

    monkeypatch.setattr(updates, "translate", fails)
    assert read(made.every_kind()["text"], ACCOUNT) == Unreadable(
        "a fault of channeld: KeyError", "an update that channeld failed to read"
    )
