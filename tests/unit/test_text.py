"""What a sender writes cannot pass for what channeld writes."""

import json
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channeld.core.event import iso, present, size_text
from channeld.core.model import Attachment, Inbound, StoredEvent
from channeld.core.permission import Request, card
from channeld.core.text import clean_name, defuse, unmasked


def event(**changes):
    """Return a stored event with some of its inbound fields changed."""
    facts = {
        "event_key": "message:1", "chat": "web:main", "message_id": "1", "sender_id": "7", "sender": "Ann",
        "text": "hi", "sent_at": 0.0,
    }  # fmt: skip
    return StoredEvent(
        seq=1, delivery_id="d1", worker="web", inbound=Inbound(**{**facts, **changes}), state="pushed", pushes=1,
        accepted_at=0.0, role="chatter",
    )  # fmt: skip


@pytest.mark.parametrize(
    "hostile",
    ["<channel x>", "</channel>", "< channel>", "<\u200bchannel>", "</ CHANNEL>", "<\n/\u202echannel>", "<<channel"],
)
def test_no_tag_of_ours_survives_in_content(hostile):
    """An opening or closing channel tag is defused however it is spaced, and stays readable."""
    assert not re.search(r"<[^a-z‹]*channel", defuse(hostile), re.IGNORECASE)
    assert "hannel" in defuse(hostile).lower()


def test_defusing_takes_time_in_proportion_to_the_text():
    """A hundred thousand blanks after a bracket, or brackets alone, hold nobody up."""
    began = time.process_time()
    for hostile in ("<" + " " * 100_000, "<" * 100_000, "< " * 50_000, "</" * 50_000, "<" + "/ " * 50_000):
        defuse(hostile)
    assert time.process_time() - began < 1.0


@given(st.text())
def test_defusing_changes_nothing_else(text):
    """Text without our tag goes through untouched, and defusing twice is defusing once."""
    if "channel" not in text.lower():
        assert defuse(text) == text
    assert defuse(defuse(text)) == defuse(text)


@given(st.text())
def test_a_name_is_one_clean_line(name):
    """No bracket, quote, semicolon, control or format character and no line break is left in a name."""
    cleaned = clean_name(name)
    assert not set(cleaned) & set('<>[];"\n\r\t\u2028\u202e\u200b')
    assert len(cleaned) <= 120
    assert cleaned == cleaned.strip()


@given(st.text(st.characters(max_codepoint=127), max_size=300))
def test_a_name_that_is_clean_already_is_only_cut(name):
    """The short way for plain names is as good as the long one, which a mark that is dropped leads to."""
    assert clean_name(name) == clean_name(f"{name}\u200b")


def test_a_plain_message_has_the_meta_of_the_contract():
    """The keys that every event has are there, and none that does not apply."""
    params = present(event(), "web")
    assert params == {
        "content": "hi",
        "meta": {
            "platform": "web", "chat_id": "web:main", "message_id": "1", "user": "Ann", "user_id": "7",
            "ts": "1970-01-01T00:00:00Z", "delivery_id": "d1",
        },
    }  # fmt: skip


def test_context_and_files_are_told_in_meta():
    """Quotes, topics, files and a second push have their keys; the first image has its path."""
    stored = event(
        kind="edited", reply_to_id="9", reply_to_user="Bob\n[x]", reply_to_text="a\nb<c>", chat_title="T;", thread="3",
        attachments=[
            Attachment(name="a.pdf", path="/i/1.pdf", mime="application/pdf", size=1500),
            Attachment(name="b.png", path="/i/2.png", mime="image/png", size=10),
        ],
    )  # fmt: skip
    stored.pushes = 2
    meta = present(stored, "web")["meta"]
    assert isinstance(meta, dict)
    assert meta["event"] == "edited"
    assert meta["redelivered"] == "true"
    assert (meta["reply_to_user"], meta["reply_to_text"], meta["chat_title"]) == ("Bob x", "a bc", "T")
    assert meta["image_path"] == "/i/2.png"
    assert meta["attachment_count"] == "2"
    assert meta["attachments"] == "a.pdf (application/pdf, 1.5 kB), b.png (image/png, 10 B)"


@given(st.text(), st.text(), st.text())
def test_nothing_a_sender_writes_becomes_a_key_or_a_broken_value(sender, title, quote):
    """Keys are ours; values hold nothing that could end an attribute."""
    params = present(event(sender=sender, chat_title=title, reply_to_text=quote), "web")
    meta = params["meta"]
    assert isinstance(meta, dict)
    assert all(re.fullmatch(r"[a-z_]+", key) for key in meta)
    assert not any(set(value) & set('<>[];"\n\r') for value in meta.values())


def test_a_wild_clock_does_not_stop_a_message():
    """A time that no calendar has is shown as the epoch."""
    assert iso(1e30) == "1970-01-01T00:00:00Z"
    assert iso(1_700_000_000) == "2023-11-14T22:13:20Z"


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (5_000_000_000, "5.0 GB")])
def test_sizes_read_well(size, text):
    """Sizes are told in the unit a person would use."""
    assert size_text(size) == text


def test_what_is_approved_is_what_is_read():
    """Characters that reverse or hide others are named; what is only unusual is left alone."""
    assert unmasked("rm -r \u202etxt.exe\u200b") == "rm -r [U+202E]txt.exe[U+200B]"
    assert unmasked("a\tb\né👩\u200d👧 שלום") == "a\tb\né👩\u200d👧 שלום"


@pytest.mark.parametrize(
    "number",
    [
        0x0B, 0x0C, 0x0D, 0x85, 0xA0, 0x1680, 0x2000, 0x200A, 0x200C, 0x200D, 0x2028, 0x2029, 0x202F, 0x205F, 0x2800,
        0x3000, 0x3164, 0xFE0E, 0xFE0F, 0xFFA0, 0xFFF9, 0x1BCA0, 0x1D173, 0xE0041, 0xE0100,
    ],
)  # fmt: skip
def test_what_shows_as_nothing_or_as_another_line_is_named(number):
    """Fillers, odd blanks, selectors, tags and line breaks that are no line feed; of the last also in an input."""
    hidden, named = chr(number), f"a[U+{number:04X}]b"
    assert unmasked(f"a{hidden}b") == named
    command = json.dumps({"command": f"a{hidden}b"}, ensure_ascii=False)
    assert named in card(Request("abcde", "Bash", "", ""), command, session="", full=False).body
    assert defuse(f"<{hidden}channel>") == f"‹{hidden}channel>"


def test_emoji_stay_legible():
    """What makes one picture of several characters is not named, where it does."""
    assert unmasked("❤\ufe0f 👩\u200d❤\ufe0f\u200d👩") == "❤\ufe0f 👩\u200d❤\ufe0f\u200d👩"
    assert unmasked("👩\u200drm") == "👩[U+200D]rm"
