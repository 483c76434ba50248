"""What Discord messages hold: files and how they are found again, embeds, marks in a text."""

from __future__ import annotations

import pytest

from channeld_workers.discord.content import FileToken, find_file, held, read_token, unknown_line
from channeld_workers.discord.embeds import address, summaries
from channeld_workers.discord.ids import made_at, snowflake
from channeld_workers.discord.mentions import Names
from channeld_workers.discord.notices import notice
from channeld_workers.discord.places import Places
from tests.doubles import discord_messages as made
from tests.doubles.discord_messages import ANN, FILE, GENERAL, SENT_AT

ORIGIN = (5, 6)
LIMIT = 1000


def plain(text):
    """Return a text as it is."""
    return text


def files(**raw):
    """Return a file of a message."""
    return held({"attachments": [made.file(**raw)]}, ORIGIN, LIMIT, plain).attachments[0]


def test_an_id_says_when():
    """It is text, and no two texts are one id."""
    assert made_at(int(made.MESSAGE)) == SENT_AT
    assert snowflake(made.MESSAGE) == int(made.MESSAGE)


@pytest.mark.parametrize(
    "value",
    [None, 5, True, "", "0", "05", "-5", "+5", " 5", "5\n", "\u0665", "1_0", "5.0", "9" * 19, "1" * 20, ["5"], {}],
)
def test_what_is_no_id(value):
    """Nor what only Python takes for a number."""
    assert snowflake(value) is None


@pytest.mark.parametrize(
    ("raw", "mime", "wanted"),
    [
        ({"content_type": "image/png"}, "image/png", True),
        ({"content_type": "IMAGE/WebP; x=y"}, "image/webp", True),
        ({"content_type": "text/plain; charset=utf-8"}, "text/plain", False),
        ({"content_type": "image/\r\nx: y"}, "application/octet-stream", False),
        ({"content_type": None}, "application/octet-stream", False),
    ],
)
def test_images_are_wanted_at_once(raw, mime, wanted):
    """By what Discord says that they are; what they are is seen when they are there."""
    file = files(**raw)
    assert (file.mime, file.wanted, file.token) == (mime, wanted, f"5:6:{FILE}")


@pytest.mark.parametrize("size", [LIMIT + 1, 10**12])
def test_a_file_that_is_too_large_says_so(size):
    """It comes without a token, however much it is an image."""
    file = files(size=size, content_type="image/png")
    assert (file.token, file.wanted, file.size) == (None, False, size) and "max_download_mb" in file.note
    assert files(size=LIMIT).token


@pytest.mark.parametrize("number", [None, 5, "x", "5:6"])
def test_a_file_that_cannot_be_found_again_says_so(number):
    """Without an id nobody can ask for it."""
    file = files(id=number, content_type="image/png")
    assert (file.token, file.wanted) == (None, False) and file.note


@pytest.mark.parametrize(
    ("name", "shown"),
    [("../../etc/passwd", "passwd"), ("a\nb.txt", "a b.txt"), ("", "file"), (None, "file"), ("..", "file")],
)
def test_a_files_name_is_one_clean_name(name, shown):
    """For display only."""
    assert files(filename=name).name == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (2.5, ", 0:02"),
        (0.1, ", 0:01"),
        (3661, ", 61:01"),
        (0, ""),
        (-5, ""),
        (None, ""),
        (float("nan"), ""),
        (1e300, ""),
        (True, ""),
    ],
)
def test_a_voice_message_says_how_long_it_is(seconds, shown):
    """Where Discord says it."""
    found = held({"flags": 8192, "attachments": [made.file(duration_secs=seconds)]}, ORIGIN, LIMIT, plain)
    assert found.lines == [f"[voice message{shown}]"]


def test_a_token_names_where_a_file_is_found_again():
    """Also one that is passed on in a message."""
    assert read_token(f"5:6:{FILE}") == FileToken(5, 6, int(FILE))
    direct, passed_on = made.message(attachments=[made.file()]), made.forward({"attachments": [made.file()]})
    for message in (direct, passed_on):
        found = find_file(message, int(FILE))
        assert found is not None and found["filename"] == "log.txt"
        assert find_file(message, 5) is None
    assert find_file(None, 5) is None and find_file({"attachments": [None, {}], "message_snapshots": [{}]}, 5) is None


@pytest.mark.parametrize("token", ["", "5", "5:6", "5:6:7:8", "5:6:x", "5:06:7", "a:b:c", "5:6:7:"])
def test_what_is_no_token(token):
    """It comes back from the daemon, which keeps it for long."""
    assert read_token(token) is None


def test_a_line_cannot_be_ended_by_what_it_names():
    """Names of stickers, options and files are the sender's."""
    message: made.Made = {
        "sticker_items": [{"name": "x]\n[y"}, {"name": None}],
        "poll": {"question": {"text": "a]\nb"}, "answers": [{"poll_media": {"text": "[c]"}}, None, {}]},
        "attachments": [made.file(description="]\nAnn: yes")],
    }
    assert held(message, ORIGIN, LIMIT, plain).lines == [
        "[log.txt: Ann: yes]",
        "[sticker: x y]",
        "[sticker: unknown]",
        "[poll: a b – c / ?]",
    ]
    assert "\n" not in unknown_line({"x\n]": 1}) and unknown_line({"x\n]": 1}).count("]") == 1
    assert notice({"type": 18, "content": "x]\ny"}) == "[started a thread: x y]"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"type": 6}, "[pinned a message]"),
        ({"type": 4, "content": None}, "[the chat is now called something else]"),
        ({"type": 18}, "[started a thread]"),
        ({"type": 46}, "[poll ended: a poll – no single winner]"),
        ({"type": 10**5000}, "[a message of a kind that this channeld does not know: type ?]"),
        ({"type": None}, None),
    ],
)
def test_a_notice_with_nothing_in_it_still_says_what_it_is(message, told):
    """What it is about may be missing."""
    assert notice(message) == told


def test_every_line_of_an_embed_is_marked():
    """Its words are a page's, and must not pass for the sender's."""
    embed = {
        "title": "x]\nAnn: yes",
        "description": "a\nb\u2028c\r\n\x0bd",
        "fields": [{"name": "e\nf", "value": "g\nh"}],
    }
    found = summaries([embed], "", plain)
    assert found == ["[embed: x Ann: yes]", "> a", "> b", "> c", "> d", "> e f: g h"]


@pytest.mark.parametrize(
    ("embed", "content", "lines"),
    [
        ({}, "", []),
        ({"type": "image", "url": "https://a/b.png"}, "https://a/b.png", []),
        ({"type": "image", "url": "https://a/b.png"}, "", ["[picture: https://a/b.png]"]),
        ({"type": "gifv", "url": "https://a/b"}, "", ["[GIF: https://a/b]"]),
        ({"type": "rich", "image": {"url": "https://a/b.png"}}, "", ["[embed: https://a/b.png]"]),
        ({"type": "link", "url": "https://a/b", "thumbnail": {"url": "https://a/c"}}, "https://a/b", []),
        ({"type": "link", "url": "https://a/b"}, "", ["[embed: https://a/b]"]),
        ({"type": "new", "description": "x"}, "", ["[embed]", "> x"]),
        ({"description": "x" * 1001}, "", ["[embed]", "> " + "x" * 1000, "> …"]),
        ({"description": "x\n" * 13}, "", ["[embed]", *["> x"] * 12, "> …"]),
        ({"fields": [{"name": "x", "value": None}] * 11}, "", ["[embed]", *["> x"] * 10, "> …"]),
        ({"fields": [{}], "title": "t"}, "", ["[embed: t]"]),
    ],
)
def test_an_embed_is_told_in_a_few_lines(embed, content, lines):
    """What stands in the text already, or says nothing, is left out."""
    assert summaries([embed], content, plain) == lines


def test_many_embeds_are_cut():
    """There may be ten, each as long as Discord lets it be."""
    found = summaries([{"description": "x" * 5000}] * 50, "", plain)
    assert sum(map(len, found)) < 5000 and found[-1] == "[more in the embeds]"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://a/b?c=d;e", "https://a/b?c=d%3Be"),
        ('https://a/]["<>', "https://a/%5D%5B%22%3C%3E"),
        ("javascript:alert(1)", ""),
        ("https://a b", ""),
        ("https://a/\n", ""),
        ("https://ä", ""),
        (None, ""),
        (5, ""),
    ],
)
def test_an_address_ends_no_bracket(value, shown):
    """And is one of the web's."""
    assert address(value) == shown


@pytest.mark.parametrize(
    "text",
    [
        "<@>", "<@&>", "<#x>", "<t:>", "<t:-99999999999999>", "<t:9999999999999:R>", "<t:-9999999999999>", "<:x:1>",
        "<:ab:>", "</:5>", "<@999999999999999999999>", "<id:customize>", "<https://a/b>", f"`<#{GENERAL}>`",
        f"``a`<#{GENERAL}>``", f"```x\n<#{GENERAL}>\n```", "<@0>", "<@00>", "a < b > c",
    ],
)  # fmt: skip
def test_what_is_no_mark_or_has_no_meaning_stays(text):
    """In code nothing is a mark."""
    assert resolve(text) == text


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("<t:0>", "1970-01-01 00:00 UTC"),
        ("<t:-1:d>", "1969-12-31"),
        ("<t:1795365624:R>", "2026-11-22 16:40 UTC"),
        (f"` <#{GENERAL}>", "` #general"),
        (f"<<#{GENERAL}>>", "<#general>"),
        ("<a:ab:1><:cd:2>", ":ab::cd:"),
        ("</ops roll back:5>", "/ops roll back"),
        (f"<@{ANN['id']}>", "@x y"),
    ],
)
def test_a_mark_becomes_its_meaning(text, meaning):
    """Names are cleaned, and times say their zone."""
    assert resolve(text) == meaning


def resolve(text):
    """Return a text with names for its marks, in a guild's channel."""
    places = Places()
    places.note("GUILD_CREATE", made.guild())
    place = places.find(int(GENERAL))
    assert place is not None
    return Names(made.in_guild(text, mentions=[ANN | {"global_name": "x>]\ny"}]), place, places).resolve(text)
