"""What each kind of Discord message and reaction is to channeld."""

from __future__ import annotations

import msgspec
import pytest

from channeld.core.model import Inbound
from channeld_workers.discord.messages import Account, fault, read, read_reaction
from channeld_workers.discord.people import Person
from channeld_workers.discord.places import Places
from channeld_workers.patterns import compile_patterns
from tests.doubles import discord_messages as made
from tests.doubles.discord_messages import ANN, BEN, BOT, DM, GENERAL, HOOK, MESSAGE, QUOTED, SENT_AT, TEXT, THREAD

ACCOUNT = Account(int(BOT["id"]), BOT["username"], "discord", compile_patterns([r"\bclaude\b"]))
MAX_BYTES = 25 * 1024 * 1024
PLAIN = {
    "event_key": f"message:{DM}:{MESSAGE}",
    "chat": f"discord:{DM}",
    "message_id": MESSAGE,
    "sender_id": ANN["id"],
    "sender": "Ann Example",
    "text": TEXT,
    "sent_at": SENT_AT,
}
IN_GENERAL = PLAIN | {
    "event_key": f"message:{GENERAL}:{MESSAGE}",
    "chat": f"discord:{GENERAL}",
    "sender": "Annie",
    "group": True,
    "chat_title": "#general in Workshop",
}
IN_THREAD = IN_GENERAL | {
    "event_key": f"message:{THREAD}:{MESSAGE}",
    "chat": f"discord:{GENERAL}/{THREAD}",
    "thread": "Builds",
}
BY_HOOK = IN_GENERAL | {"sender": "Ann Example", "sender_id": HOOK, "bot": True}
BY_BOT = IN_GENERAL | {"sender": "builds", "sender_id": made.BUILD_BOT["id"], "bot": True}
TO_BEN = {"reply_to_id": QUOTED, "reply_to_user": "Annie", "reply_to_sender_id": BEN["id"]}
TO_BOT = {"reply_to_id": QUOTED, "reply_to_sender_id": BOT["id"], "reply_to_text": "Done"}
TOKEN = f"{DM}:{MESSAGE}:{made.FILE}"
PICTURE = {"name": "a.png", "mime": "image/png", "size": 180123, "token": TOKEN, "wanted": True}
LOG = {"name": "log.txt", "mime": "text/plain", "size": 812, "token": TOKEN}
MOMENT = "2026-11-22 16:40 UTC"
MEANT = (
    "@Annie @ben <@1> @team <@&2> #general #Builds <#810000000000000009> <#3> :party: :dance: "
    f"{MOMENT} 2026-11-22 <t:9999999999999> /deploy now `<t:1795365624>` ```\n<:party:860000000000000001>\n```"
)
UNKNOWN = "[a message of a kind that this channeld does not know: {}]"

SEEN = {
    "text": PLAIN,
    "guild text": IN_GENERAL,
    "guild text of a history": IN_GENERAL | {"sender": "Ann Example"},
    "thread text": IN_THREAD,
    "post text": IN_GENERAL
    | {
        "event_key": f"message:{made.POST}:{MESSAGE}",
        "chat": f"discord:{made.FORUM}/{made.POST}",
        "chat_title": "#help in Workshop",
        "thread": "How?",
    },
    "voice channel text": IN_GENERAL
    | {
        "event_key": f"message:{made.VOICE}:{MESSAGE}",
        "chat": f"discord:{made.VOICE}",
        "chat_title": "#talk in Workshop",
    },
    "mention": IN_GENERAL | {"text": f"@Claude {TEXT}", "mentioned": True},
    "own role mention": IN_GENERAL | {"text": f"@Claude {TEXT}", "mentioned": True},
    "role of its name": IN_GENERAL | {"text": f"@Claude-Bot {TEXT}", "mentioned": True},
    "other role mention": IN_GENERAL | {"text": f"@team {TEXT}"},
    "everyone": IN_GENERAL | {"text": f"@everyone {TEXT}"},
    "pattern": IN_GENERAL | {"text": "so, Claude?", "mentioned": True},
    "marks": IN_GENERAL | {"text": MEANT},
    "reply": IN_GENERAL | TO_BEN | {"reply_to_text": "Yes"},
    "reply to the bot": IN_GENERAL | TO_BOT | {"reply_to_user": "Annie", "mentioned": True},
    "reply to what is gone": IN_GENERAL | {"reply_to_id": QUOTED},
    "reply to a file": IN_GENERAL | TO_BEN | {"reply_to_text": "[log.txt]"},
    "reply to a forward": IN_GENERAL | TO_BEN | {"reply_to_text": "passed on"},
    "reply in a DM": PLAIN | TO_BOT | {"reply_to_user": "claude-bot"},
    "picture": PLAIN | {"text": "[a.png: a red light]", "attachments": [PICTURE]},
    "files": PLAIN
    | {
        "text": "see",
        "attachments": [
            LOG,
            {
                "name": "b.zip",
                "mime": "application/octet-stream",
                "size": 812,
                "token": f"{DM}:{MESSAGE}:{made.id_at(SENT_AT, 8)}",
            },
        ],
    },
    "large file": PLAIN
    | {
        "text": "",
        "attachments": [
            {
                "name": "c.iso",
                "mime": "text/plain",
                "size": 30 * 1024 * 1024,
                "note": "larger than the 25 MB that are fetched (max_download_mb)",
            }
        ],
    },
    "voice message": PLAIN
    | {
        "text": "[voice message, 1:05]",
        "attachments": [{"name": "voice-message.ogg", "mime": "audio/ogg", "size": 812, "token": TOKEN}],
    },
    "sticker": PLAIN | {"text": "[sticker: Wave]"},
    "poll": PLAIN | {"text": "[poll: Which? – this / that / 🤷]"},
    "forward": IN_GENERAL | {"text": "hi @ben", "forwarded_from": "somebody in #news"},
    "forward of files": IN_GENERAL
    | {
        "text": "[embed: Example – A page – https://example.org/a]\n> What it says",
        "forwarded_from": "somebody",
        "attachments": [PICTURE | {"token": f"{GENERAL}:{MESSAGE}:{made.FILE}"}],
    },
    "forward with words": IN_GENERAL | {"text": "look\n[forwarded:]\npassed on", "forwarded_from": "somebody in #news"},
    "bot": BY_BOT,
    "webhook": BY_HOOK,
    "embed of a bot": BY_HOOK
    | {
        "text": "[embed: CI – Build 17 failed – https://ci.example.org/17]\n> main, 2 tests\n"
        f"> see {MOMENT}\n> Job: unit tests\n> Log: [here](https://x)"
    },
    "link": PLAIN | {"text": "see https://example.org/a\n[embed: Example – A page]\n> What it says"},
    "GIF": PLAIN | {"text": "https://example.org/g\n[GIF]"},
    "components": BY_HOOK | {"text": "## Deployed\nto #general"},
    "pin": IN_GENERAL | {"text": f"[pinned message {QUOTED}]", "reply_to_id": QUOTED},
    "thread created": IN_GENERAL | {"text": "[started a thread: Builds]"},
    "renamed": IN_THREAD | {"text": "[the chat is now called Builds 2]"},
    "poll ended": IN_GENERAL | {"text": "[poll ended: Which? – that, 3 of 5 votes]"},
    "crosspost": BY_HOOK,
    "command of another bot": BY_BOT | {"sender": "Annie", "text": "pong"},
    "activity": IN_GENERAL | {"text": "[invitation to an activity]"},
    "unknown type": IN_GENERAL | {"text": f"@claude-bot hm\n{UNKNOWN.format('type 99')}", "mentioned": True},
    "unknown field": IN_GENERAL | {"text": UNKNOWN.format("holo gram")},
    "empty": IN_GENERAL | {"text": UNKNOWN.format("empty")},
}


@pytest.fixture
def places():
    """Return two guilds, as the gateway tells of them."""
    known = Places()
    known.note("GUILD_CREATE", made.guild())
    known.note("GUILD_CREATE", made.other_guild())
    return known


def seen(message, places, **more):
    """Return what a message is to channeld."""
    place = places.meet(message, ACCOUNT.id)
    assert place is not None
    return read(message, ACCOUNT, place, places, **{"max_bytes": MAX_BYTES} | more)


def test_every_kind_is_expected():
    """None is made for nothing."""
    assert set(SEEN) == set(made.every_kind())


@pytest.mark.parametrize("name", made.every_kind())
def test_each_kind_is_an_event(name, places):
    """With all that Claude is told of it, and nothing else."""
    event = seen(made.every_kind()[name], places)
    assert msgspec.to_builtins(event) == SEEN[name]
    assert not fault(made.every_kind()[name])


@pytest.mark.parametrize("kind", [1, 2, 3, 5, 7, 8, 11, 12, 14, 17, 21, 22, 24, 25, 28, 31, 32, 36, 39, 44])
def test_what_discord_says_of_others_is_nothing(kind, places):
    """Who joined, boosted or called; the first message of a thread stands in its channel already."""
    assert seen(made.in_guild(type=kind, referenced_message=made.in_guild(author=BOT)), places) is None


def test_the_bots_own_messages_are_nothing(places):
    """Discord tells of them too, also of those that answer an interaction."""
    assert seen(made.in_guild(author=BOT), places) is None
    assert seen(made.in_guild(author=BOT, webhook_id=BOT["id"]), places) is None
    assert seen(made.message(author=BOT, edited_timestamp=made.EDITED), places, edited=True) is None


@pytest.mark.parametrize("missing", ["id", "author"])
def test_what_nobody_can_be_held_to_is_a_fault(missing, places):
    """Without an id or an author there is no event, and the log says why, in words of ours."""
    message = made.message("secret words")
    wrongs: tuple[object, ...] = (None, {}, [], "x", {"id": "x"}, 5)
    for wrong in wrongs:
        place = places.meet(made.message(), ACCOUNT.id)
        assert read(message | {missing: wrong}, ACCOUNT, place, places, max_bytes=MAX_BYTES) is None
        assert fault(message | {missing: wrong}) == f"no {missing}"
    del message[missing]
    assert fault(message) == f"no {missing}"
    assert fault([]) == "no id and no author"


def test_an_edit_is_an_event_of_its_own(places):
    """It is named by when it was made, so that another is another."""
    event = seen(made.message("Is it?", edited_timestamp=made.EDITED), places, edited=True)
    assert isinstance(event, Inbound)
    assert (event.kind, event.message_id, event.text, event.sent_at) == ("edited", MESSAGE, "Is it?", made.EDITED_AT)
    assert event.event_key == f"edited:{DM}:{MESSAGE}:{made.EDITED_AT:.6f}"
    later = seen(made.message(edited_timestamp="2026-11-22T16:41:40.500001+00:00"), places, edited=True)
    assert isinstance(later, Inbound) and later.event_key != event.event_key


@pytest.mark.parametrize("moment", [None, "", "yesterday", 5, "9" * 50, "0001-01-01T00:00:00+23:59", "1969-01-01"])
def test_a_change_of_something_else_is_nothing(moment, places):
    """A preview of a link was added: there is no time of an edit."""
    assert seen(made.message(edited_timestamp=moment), places, edited=True) is None


def test_an_edit_of_before_is_no_edit_in_a_history(places):
    """What is fetched after a while away is the message as it is now."""
    event = seen(made.message("Is it?", edited_timestamp=made.EDITED), places)
    assert isinstance(event, Inbound) and (event.kind, event.text) == ("message", "Is it?")


def test_a_pattern_addresses_the_bot_in_a_guild_only(places):
    """In a DM there is nobody else. Nor does what is passed on, or a name that stands for an id."""
    home = seen(made.message("claude?", mentions=[BOT]), places)
    passed_on = seen(made.forward({"content": "claude", "mentions": [BOT]}), places)
    named = seen(made.in_guild(f"<@{BEN['id']}>", mentions=[BEN | {"global_name": "Claude"}]), places)
    for event in (home, passed_on, named):
        assert isinstance(event, Inbound) and not event.mentioned
    assert named.text == "@Claude"


def test_what_the_bot_pinned_or_started_does_not_address_it(places):
    """Those are Discord's words."""
    for kind in (4, 6, 18, 46):
        event = seen(made.in_guild("claude", type=kind), places)
        assert isinstance(event, Inbound) and not event.mentioned


def test_a_reply_elsewhere_is_no_reply_to_the_bot(places):
    """A reference without a reply is a thread's first message or one that is passed on from a followed channel."""
    reference = {"message_id": QUOTED, "channel_id": GENERAL}
    event = seen(made.in_guild(message_reference=reference), places)
    assert isinstance(event, Inbound) and event.reply_to_id is None


@pytest.mark.parametrize(
    ("author", "member", "shown"),
    [
        ({"username": "ann", "global_name": "Ann"}, {"nick": "Annie"}, "Annie"),
        ({"username": "ann", "global_name": "Ann"}, {"nick": None}, "Ann"),
        ({"username": "ann", "global_name": None}, None, "ann"),
        ({"username": "ann", "global_name": "\u2060\u200b"}, {"nick": "[<>]"}, "ann"),
        ({"global_name": "[<A\nnn>]"}, None, "A nn"),
        ({"username": "\ud800"}, None, "5"),
        ({}, None, "5"),
    ],
)
def test_a_sender_is_called_by_what_can_be_seen(author, member, shown, places):
    """The guild's name for him, else the one that he shows, else the username, else the id."""
    event = seen(made.in_guild(author={"id": "5", **author}, member=member), places)
    assert isinstance(event, Inbound) and (event.sender, event.sender_id) == (shown, "5")


@pytest.mark.parametrize("sign", [{"bot": True}, {"system": True}])
def test_other_bots_and_discord_itself_are_bots(sign, places):
    """They are let in only where they are listed."""
    event = seen(made.in_guild(author=ANN | sign), places)
    assert isinstance(event, Inbound) and event.bot


@pytest.mark.parametrize("hook", [None, "", HOOK, 5])
def test_a_webhook_is_no_person_whatever_it_says(hook, places):
    """Its name is what whoever calls it likes."""
    event = seen(made.by_hook(webhook_id=hook, author={"id": HOOK, "username": "Ann Example"}), places)
    assert isinstance(event, Inbound) and event.bot and event.sender_id == HOOK


def test_half_a_character_in_a_text_does_not_get_far(places):
    """JSON can carry one, and what is stored must be UTF-8."""
    event = seen(made.message("a\ud83d b"), places)
    assert isinstance(event, Inbound) and event.text == "a? b"


REACTION = IN_GENERAL | {
    "event_key": f"reaction:{GENERAL}:{QUOTED}:{ANN['id']}:9",
    "message_id": QUOTED,
    "kind": "reaction",
    "text": "👍",
    "sent_at": 0.0,
}


def reacted(reaction, places, *, added=True, **remembered):
    """Return what a reaction is to channeld."""
    place = places.meet(reaction, ACCOUNT.id)
    assert place is not None
    return read_reaction(reaction, ACCOUNT, place, places, added=added, key="9", **remembered)


def test_a_reaction_is_an_event(places):
    """It addresses the bot if it is to one of its messages."""
    assert msgspec.to_builtins(reacted(made.reaction(), places)) == REACTION
    to_bot = reacted(made.reaction(message_author_id=BOT["id"]), places)
    assert msgspec.to_builtins(to_bot) == REACTION | {"mentioned": True}
    in_thread = reacted(made.reaction(channel_id=THREAD), places)
    assert in_thread.chat == f"discord:{GENERAL}/{THREAD}" and in_thread.thread == "Builds"


def test_a_reaction_that_is_taken_back_says_nothing(places):
    """Discord does not say who that is: it is who was heard of before under that id, else the id."""
    reaction = made.reaction()
    del reaction["member"]
    somebody = reacted(reaction, places, added=False)
    assert msgspec.to_builtins(somebody) == REACTION | {"text": "", "sender": ANN["id"]}
    ann = reacted(reaction, places, added=False, known=Person(ANN["id"], "Annie", bot=True))
    assert (ann.sender, ann.bot) == ("Annie", True)
    other = reacted(reaction, places, added=False, known=Person(BEN["id"], "Ben"))
    assert (other.sender, other.sender_id) == (ANN["id"], ANN["id"])


def test_a_reaction_that_is_taken_back_addresses_whose_message_it_was_on(places):
    """Discord does not say that either: it is what is remembered of the message. In a DM nobody is addressed."""
    reaction = made.reaction()
    del reaction["member"]
    assert reacted(reaction, places, added=False, own=True).mentioned
    assert not reacted(reaction, places, added=False, own=False).mentioned
    dm = places.meet(made.message(), ACCOUNT.id)
    at_home = {"user_id": ANN["id"], "channel_id": DM, "message_id": QUOTED, "emoji": {"id": None, "name": "👍"}}
    event = read_reaction(at_home, ACCOUNT, dm, places, added=False, key="9", own=True)
    assert isinstance(event, Inbound) and not event.mentioned


def test_a_reaction_in_a_dm_is_its_persons(places):
    """He is named by what was written there before."""
    place = places.meet(made.message(), ACCOUNT.id)
    reaction = {"user_id": ANN["id"], "channel_id": DM, "message_id": QUOTED, "emoji": {"id": None, "name": "👍"}}
    event = read_reaction(reaction, ACCOUNT, place, places, added=True, key="9")
    assert isinstance(event, Inbound) and (event.sender, event.group, event.mentioned) == ("Ann Example", False, False)


def test_a_reaction_that_names_another_member_is_the_users(places):
    """Only the id counts."""
    event = reacted(made.reaction(member={"user": BEN, "nick": "Ben"}), places)
    assert isinstance(event, Inbound) and (event.sender, event.sender_id) == (ANN["id"], ANN["id"])


@pytest.mark.parametrize(
    ("emoji", "shown"),
    [
        ({"id": None, "name": "❤️"}, "❤️"),
        ({"id": "860000000000000001", "name": "party", "animated": True}, ":party:"),
        ({"id": "860000000000000001", "name": None}, "[custom emoji]"),
        ({"id": "860000000000000001", "name": "]\n[x"}, ":x:"),
        ({"id": None, "name": "a\u202eb"}, "a[U+202E]b"),
        ({"id": None, "name": " "}, "[unknown emoji]"),
        (None, "[unknown emoji]"),
    ],
)
def test_an_emoji_is_shown_as_text(emoji, shown, places):
    """One of a guild's own by its name; an empty text would say that it was taken back."""
    event = reacted(made.reaction(emoji=emoji), places)
    assert isinstance(event, Inbound) and event.text == shown


@pytest.mark.parametrize("wrong", [{"user_id": BOT["id"]}, {"user_id": None}, {"message_id": "x"}])
def test_reactions_of_the_bot_or_of_nobody_are_nothing(wrong, places):
    """Discord tells of its own too."""
    assert reacted(made.reaction(**wrong), places) is None
