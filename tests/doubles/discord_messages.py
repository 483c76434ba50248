"""Messages and reactions as Discord sends them, for tests of what only reads them.

Each builder returns what stands in a dispatch's ``d``. Whatever is given by name overrides what the builder says.
"""

from __future__ import annotations

from typing import Any, Final

Made = dict[str, Any]

EPOCH_MS: Final = 1_420_070_400_000
SENT_AT: Final = 1_795_365_624.25
EDITED_AT: Final = 1_795_365_700.5


def id_at(moment: float, serial: int = 0) -> str:
    """Return an id that was made at a time, in unix seconds."""
    return str(((round(moment * 1000) - EPOCH_MS) << 22) + serial)


BOT: Final[Made] = {"id": "7000000000000000001", "username": "claude-bot", "global_name": None, "bot": True}
ANN: Final[Made] = {"id": "412587349000000001", "username": "ann_example", "global_name": "Ann Example", "avatar": None}
BEN: Final[Made] = {"id": "518823001000000002", "username": "ben", "global_name": None}
BUILD_BOT: Final[Made] = {"id": "600000000000000003", "username": "builds", "discriminator": "0001", "bot": True}
GUILD: Final = "800000000000000001"
OTHER_GUILD: Final = "800000000000000002"
GENERAL, NEWS, FORUM, VOICE, CATEGORY = (f"81000000000000000{n}" for n in range(1, 6))
SECRET: Final = "810000000000000009"
"""A channel of the other guild."""
THREAD, POST = "820000000000000001", "820000000000000002"
DM: Final = "830000000000000001"
OWN_ROLE, TEAM_ROLE, NAMESAKE_ROLE = (f"84000000000000000{n}" for n in range(1, 4))
HOOK: Final = "850000000000000001"
MESSAGE: Final = id_at(SENT_AT)
QUOTED: Final = id_at(SENT_AT - 60)
FILE: Final = id_at(SENT_AT, 7)
MEMBER: Final[Made] = {"nick": "Annie", "roles": [TEAM_ROLE], "joined_at": "2026-01-05T10:00:00.000000+00:00"}
EDITED: Final = "2026-11-22T16:41:40.500000+00:00"
TEXT: Final = "Is the build green?"


def guild(**more: Any) -> Made:
    """Return a guild with a channel of each kind, a thread and a forum's post, as GUILD_CREATE has it."""
    made: Made = {
        "id": GUILD,
        "name": "Workshop",
        "unavailable": False,
        "roles": [
            {"id": GUILD, "name": "@everyone"},
            {"id": OWN_ROLE, "name": "Claude", "managed": True, "tags": {"bot_id": BOT["id"]}},
            {"id": TEAM_ROLE, "name": "team"},
            {"id": NAMESAKE_ROLE, "name": "Claude-Bot"},
        ],
        "channels": [
            {"id": CATEGORY, "type": 4, "name": "All"},
            {"id": GENERAL, "type": 0, "name": "general", "parent_id": CATEGORY, "last_message_id": QUOTED},
            {"id": NEWS, "type": 5, "name": "news", "parent_id": None},
            {"id": FORUM, "type": 15, "name": "help"},
            {"id": VOICE, "type": 2, "name": "talk"},
        ],
        "threads": [
            thread(),
            thread(POST, FORUM, name="How?", type=11),
        ],
    }
    return made | more


def other_guild() -> Made:
    """Return a guild that has nothing to do with the first."""
    return guild(
        id=OTHER_GUILD, name="Elsewhere", roles=[], channels=[{"id": SECRET, "type": 0, "name": "secret"}], threads=[]
    )


def thread(number: str = THREAD, parent: str = GENERAL, *, archived: bool = False, **more: Any) -> Made:
    """Return a thread."""
    made: Made = {"id": number, "type": 11, "guild_id": GUILD, "parent_id": parent, "name": "Builds"}
    return made | {"thread_metadata": {"archived": archived, "locked": False}, "member_count": 2} | more


def message(content: str = TEXT, **more: Any) -> Made:
    """Return a message of Ann in her DM, as a dispatch or a history has it."""
    made: Made = {
        "id": MESSAGE,
        "channel_id": DM,
        "type": 0,
        "author": ANN,
        "content": content,
        "timestamp": "2026-11-22T16:40:24.250000+00:00",
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "pinned": False,
        "flags": 0,
    }
    return made | more


def in_guild(content: str = TEXT, **more: Any) -> Made:
    """Return a message of Ann in a guild's channel."""
    return message(content, **{"channel_id": GENERAL, "guild_id": GUILD, "member": MEMBER} | more)


def file(**more: Any) -> Made:
    """Return an attachment."""
    made: Made = {
        "id": FILE,
        "filename": "log.txt",
        "size": 812,
        "url": f"https://cdn.example.org/attachments/{DM}/{FILE}/log.txt?ex=1&is=2&hm=3",
        "proxy_url": f"https://media.example.org/attachments/{DM}/{FILE}/log.txt",
        "content_type": "text/plain; charset=utf-8",
    }
    return made | more


PICTURE: Final = file(filename="a.png", content_type="image/png", size=180123, width=1280, height=960)


def reply(original: Made | None, **more: Any) -> Made:
    """Return a reply to a message of a guild's channel; ``None``: it was deleted."""
    number = QUOTED if original is None else original["id"]
    reference = {"type": 0, "message_id": number, "channel_id": GENERAL, "guild_id": GUILD}
    answer: Made = {"type": 19, "message_reference": reference, "referenced_message": original}
    return in_guild(**answer | more)


def forward(snapshot: Made, content: str = "", origin: str = NEWS, **more: Any) -> Made:
    """Return a message that passes on another."""
    reference = {"type": 1, "message_id": QUOTED, "channel_id": origin, "guild_id": GUILD}
    passed_on: Made = {"message_reference": reference, "message_snapshots": [{"message": snapshot}]}
    return in_guild(content, **passed_on | more)


def by_hook(content: str = TEXT, **more: Any) -> Made:
    """Return what a webhook wrote under a name that it likes."""
    who = {"id": HOOK, "username": "Ann Example", "global_name": None, "discriminator": "0000", "bot": True}
    made = in_guild(content, **{"author": who, "webhook_id": HOOK} | more)
    del made["member"]
    return made


def reaction(**more: Any) -> Made:
    """Return a reaction of Ann's to a message of Ben's in a guild's channel."""
    made: Made = {
        "user_id": ANN["id"],
        "channel_id": GENERAL,
        "message_id": QUOTED,
        "guild_id": GUILD,
        "member": MEMBER | {"user": ANN},
        "emoji": {"id": None, "name": "👍"},
        "message_author_id": BEN["id"],
        "burst": False,
        "type": 0,
    }
    return made | more


POLL: Final[Made] = {
    "question": {"text": "Which?"},
    "answers": [
        {"answer_id": 1, "poll_media": {"text": "this"}},
        {"answer_id": 2, "poll_media": {"text": "that", "emoji": {"id": None, "name": "🔧"}}},
        {"answer_id": 3, "poll_media": {"emoji": {"id": None, "name": "🤷"}}},
    ],
    "expiry": "2026-11-23T16:40:24.250000+00:00",
    "allow_multiselect": False,
    "layout_type": 1,
}
POLL_ENDED: Final = [
    {
        "type": "poll_result",
        "fields": [
            {"name": "poll_question_text", "value": "Which?"},
            {"name": "victor_answer_votes", "value": "3"},
            {"name": "total_votes", "value": "5"},
            {"name": "victor_answer_id", "value": "2"},
            {"name": "victor_answer_text", "value": "that"},
        ],
    }
]
RICH: Final[Made] = {
    "type": "rich",
    "title": "Build 17 failed",
    "url": "https://ci.example.org/17",
    "description": "main, 2 tests\n\nsee <t:1795365624:R>",
    "author": {"name": "CI"},
    "fields": [{"name": "Job", "value": "unit\ntests", "inline": True}, {"name": "Log", "value": "[here](https://x)"}],
    "footer": {"text": "ci"},
    "timestamp": "2026-11-22T16:40:24.250000+00:00",
    "image": {"url": "https://ci.example.org/17.png"},
}
LINK: Final[Made] = {
    "type": "article",
    "url": "https://example.org/a",
    "title": "A page",
    "description": "What it says",
    "provider": {"name": "Example"},
    "thumbnail": {"url": "https://example.org/a.png"},
}
COMPONENTS: Final = [
    {"type": 17, "components": [{"type": 10, "content": "## Deployed"}, {"type": 14}]},
    {
        "type": 9,
        "components": [{"type": 10, "content": "to <#810000000000000001>"}],
        "accessory": {"type": 2, "label": "x"},
    },
    {"type": 1, "components": [{"type": 2, "label": "Go", "custom_id": "go"}]},
]
MARKS: Final = (
    f"<@{ANN['id']}> <@!{BEN['id']}> <@1> <@&{TEAM_ROLE}> <@&2> <#{GENERAL}> <#{THREAD}> <#{SECRET}> <#3>"
    " <:party:860000000000000001> <a:dance:860000000000000002> <t:1795365624> <t:1795365624:D> <t:9999999999999>"
    " </deploy now:860000000000000003> `<t:1795365624>` ```\n<:party:860000000000000001>\n```"
)


def every_kind() -> dict[str, Made]:
    """Return a message of every kind by a name for it."""
    ben_said = in_guild("Yes", id=QUOTED, author=BEN)
    bot_said = in_guild("Done", id=QUOTED, author=BOT)
    return {
        "text": message(),
        "guild text": in_guild(),
        "guild text of a history": message(channel_id=GENERAL),
        "thread text": in_guild(channel_id=THREAD),
        "post text": in_guild(channel_id=POST),
        "voice channel text": in_guild(channel_id=VOICE),
        "mention": in_guild(f"<@{BOT['id']}> {TEXT}", mentions=[BOT | {"member": {"nick": "Claude"}}]),
        "own role mention": in_guild(f"<@&{OWN_ROLE}> {TEXT}", mention_roles=[OWN_ROLE]),
        "role of its name": in_guild(f"<@&{NAMESAKE_ROLE}> {TEXT}", mention_roles=[NAMESAKE_ROLE]),
        "other role mention": in_guild(f"<@&{TEAM_ROLE}> {TEXT}", mention_roles=[TEAM_ROLE]),
        "everyone": in_guild(f"@everyone {TEXT}", mention_everyone=True),
        "pattern": in_guild("so, Claude?"),
        "marks": in_guild(MARKS, mentions=[ANN | {"member": {"nick": "Annie"}}, BEN], mention_roles=[TEAM_ROLE, "2"]),
        "reply": reply(ben_said),
        "reply to the bot": reply(bot_said),
        "reply to what is gone": reply(None),
        "reply to a file": reply(in_guild("", id=QUOTED, author=BEN, attachments=[file()])),
        "reply to a forward": reply(forward({"content": "passed on"}, id=QUOTED, author=BEN)),
        "reply in a DM": message(
            type=19,
            message_reference={"type": 0, "message_id": QUOTED, "channel_id": DM},
            referenced_message=message("Done", id=QUOTED, author=BOT),
        ),
        "picture": message("", attachments=[PICTURE | {"description": "a [red] light"}]),
        "files": message(
            "see", attachments=[file(), file(id=id_at(SENT_AT, 8), filename="../b.zip", content_type=None)]
        ),
        "large file": message("", attachments=[file(filename="c.iso", size=30 * 1024 * 1024)]),
        "voice message": message(
            "",
            flags=1 << 13,
            attachments=[
                file(filename="voice-message.ogg", content_type="audio/ogg", duration_secs=64.6, waveform="FzYACgAA")
            ],
        ),
        "sticker": message("", sticker_items=[{"id": "870000000000000001", "name": "Wave", "format_type": 1}]),
        "poll": message("", poll=POLL),
        "forward": forward({"content": f"hi <@{BEN['id']}>", "mentions": [BEN], "type": 0, "flags": 0}),
        "forward of files": forward({"content": "", "attachments": [PICTURE], "embeds": [LINK]}, origin=SECRET),
        "forward with words": forward({"content": "passed on"}, content="look"),
        "bot": in_guild(author=BUILD_BOT, member={"nick": None}),
        "webhook": by_hook(),
        "embed of a bot": by_hook("", embeds=[RICH]),
        "link": message("see https://example.org/a", embeds=[LINK]),
        "GIF": message("https://example.org/g", embeds=[{"type": "gifv", "url": "https://example.org/g"}]),
        "components": by_hook("", flags=1 << 15, components=COMPONENTS),
        "pin": in_guild(
            "", type=6, message_reference={"type": 0, "message_id": QUOTED, "channel_id": GENERAL, "guild_id": GUILD}
        ),
        "thread created": in_guild("Builds", type=18, message_reference={"channel_id": THREAD, "guild_id": GUILD}),
        "renamed": in_guild("Builds 2", channel_id=THREAD, type=4),
        "poll ended": in_guild("", type=46, embeds=POLL_ENDED, message_reference={"type": 0, "message_id": QUOTED}),
        "crosspost": by_hook(flags=2, message_reference={"type": 0, "message_id": QUOTED, "channel_id": SECRET}),
        "command of another bot": in_guild(
            "pong",
            type=20,
            author=BUILD_BOT,
            webhook_id=BUILD_BOT["id"],
            interaction_metadata={"id": "880000000000000001", "type": 2, "user": ANN},
        ),
        "activity": in_guild("", activity={"type": 1, "party_id": "x"}, application={"id": "1", "name": "Chess"}),
        "unknown type": in_guild(f"<@{BOT['id']}> hm", type=99, mentions=[BOT]),
        "unknown field": in_guild("", **{"holo gram]\n": {"x": 1}}),
        "empty": in_guild(""),
    }
