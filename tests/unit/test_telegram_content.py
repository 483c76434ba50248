"""Files of Telegram messages, and the lines that stand for what is no text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channeld.core.model import Attachment
from channeld_workers.telegram.content import FETCH_LIMIT, held
from tests.doubles import telegram_updates as made


def only_file(**content):
    """Return the one file of a message."""
    (file,) = held(made.holding(**content)).attachments
    return file


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("photo", Attachment(name="photo.jpg", mime="image/jpeg", size=180123, token="AgAC-large", wanted=True)),
        ("document", Attachment(name="report.pdf", mime="application/pdf", size=20480, token="BQAC-file")),
        (
            "picture as document",
            Attachment(name="screen.png", mime="image/png", size=20480, token="BQAC-file", wanted=True),
        ),
        (
            "large document",
            Attachment(
                name="dump.tar",
                mime="application/x-tar",
                size=30 * 1024 * 1024,
                note="larger than the 20 MB that a bot can fetch",
            ),
        ),
        ("voice", Attachment(name="voice.ogg", mime="audio/ogg", size=20480, token="BQAC-file")),
        ("audio", Attachment(name="s.mp3", mime="audio/mpeg", size=20480, token="BQAC-file")),
        ("video", Attachment(name="clip.mp4", mime="video/mp4", size=20480, token="BQAC-file")),
        ("video note", Attachment(name="video-note.mp4", mime="video/mp4", size=20480, token="BQAC-file")),
        ("animation", Attachment(name="cat.mp4", mime="video/mp4", size=20480, token="BQAC-file")),
        ("sticker", Attachment(name="sticker.webp", mime="image/webp", size=20480, token="BQAC-file")),
        (
            "animated sticker",
            Attachment(name="sticker.tgs", mime="application/x-tgsticker", size=20480, token="BQAC-file"),
        ),
        ("video sticker", Attachment(name="sticker.webm", mime="video/webm", size=20480, token="BQAC-file")),
    ],
)
def test_every_kind_of_file_can_be_fetched(name, expected):
    """Pictures are fetched at once, all else when somebody asks; an animation is one file, not two."""
    assert held(made.every_kind()[name]["message"]).attachments == [expected]


def test_the_limit_is_the_servers():
    """A Bot API server of one's own hands out larger files; a picture that is too large is not waited for."""
    photo = [{"file_id": "A", "width": 9, "height": 9, "file_size": FETCH_LIMIT + 1}]
    too_large, fits = (
        held(made.holding(photo=photo), limit).attachments[0] for limit in (FETCH_LIMIT, 2 * FETCH_LIMIT)
    )
    assert (too_large.token, too_large.wanted, too_large.note != "") == (None, False, True)
    assert (fits.token, fits.wanted, fits.note) == ("A", True, "")


@pytest.mark.parametrize("content", [{}, None, [], "x", {"file_id": 5}, {"file_id": ""}, {"file_id": "ä"}])
def test_a_file_without_its_id_is_there_but_cannot_be_fetched(content):
    """Claude learns that there was one."""
    file = only_file(document=content)
    assert (file.token, file.wanted) == (None, False) and file.note and file.name == "document"


def test_names_and_types_are_the_senders():
    """They are shown, and are no path and no header."""
    file = only_file(document=made.file("../../etc/<b>\npasswd", "Image/PNG\r\nX: y"))
    assert (file.name, file.mime) == ("b passwd", "application/octet-stream")
    assert only_file(document=made.file("a", "IMAGE/PNG")).mime == "image/png"


@pytest.mark.parametrize("size", [-1, True, "5", None, 10**400, 1.5])
def test_a_size_that_is_none_counts_as_zero(size):
    """It is a claim anyway: the fetch has its own limit."""
    assert only_file(voice=made.file(size=size)).size == 0


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"location": {"latitude": -0.1278, "longitude": 0}}, "[location: -0.1278, 0.00]"),
        ({"location": {"latitude": "52", "longitude": 10**400}}, "[location: unknown]"),
        ({"location": {"latitude": float("nan"), "longitude": float("inf")}}, "[location: unknown]"),
        ({"location": None}, "[location: unknown]"),
        ({"poll": {"question": "a]\n[b", "options": [{"text": "<channel>"}, 5]}}, "[poll: a b – channel]"),
        ({"sticker": {"emoji": "]" * 50}}, "[sticker]"),
        ({"dice": {"emoji": "🎯", "value": "6"}}, "[dice 🎯: 0]"),
        ({"new_chat_members": [made.BEN] * 12}, f"[joined: {', '.join(['Ben'] * 10)} and 2 more]"),
        ({"new_chat_members": [None, "[x]", {}]}, "[joined: somebody, x, somebody]"),
        ({"new_chat_members": []}, "[joined: nobody]"),
        ({"video_chat_participants_invited": {"users": [made.BEN]}}, "[invited to the video chat: Ben]"),
        ({"refunded_payment": {"currency": "XTR", "total_amount": 3}}, "[payment of 3 smallest units of XTR refunded]"),
        ({"checklist_tasks_done": {"marked_as_done_task_ids": [1, 2]}}, "[tasks of a checklist: 2 done, 0 undone]"),
        ({"checklist_tasks_added": {"tasks": [{"text": "Tag"}]}}, "[tasks added to a checklist: Tag]"),
        ({"giveaway_winners": {"winner_count": 2}}, "[giveaway ended: 2 winners]"),
        ({"forum_topic_edited": {"name": "New"}}, "[topic changed: New]"),
        ({"write_access_allowed": {}}, "[the bot may write]"),
        ({"gift": {"gift": {}}}, "[a gift]"),
    ],
)
def test_what_is_no_text_becomes_one_line(content, expected):
    """Names in it are cleaned, so that none ends the bracket or the line."""
    assert held(made.holding(**content)).lines == [expected]


def test_a_pinned_message_is_told_without_its_words():
    """They may be somebody's who may not speak to Claude: the quote carries them, and can be left out."""
    assert held(made.every_kind()["pinned"]["message"]).lines == ["[pinned message 90]"]


def test_unknown_kinds_are_named_up_to_ten():
    """However many there are."""
    found = held(made.holding(**{f"kind{number}": {} for number in range(500)}))
    assert found.unknown == [f"kind{number}" for number in range(10)]


@given(
    st.dictionaries(
        st.sampled_from(["title", "performer", "question", "name", "text", "emoji", "first_name"]), st.text()
    )
)
def test_no_words_leave_their_bracket(words):
    """Whatever a sender calls it."""
    for kind in ("audio", "poll", "venue", "contact", "game", "checklist", "forum_topic_created", "sticker", "dice"):
        for line in held(made.holding(**{kind: words})).lines:
            assert line.count("[") == line.count("]") == 1 and line[0] == "[" and line[-1] == "]" and "\n" not in line
