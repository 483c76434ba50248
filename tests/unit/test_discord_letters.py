"""What a reply is sent as: which messages, with which text, files, quotes and buttons."""

import pytest

from channeld.ipc.messages import Attachment, Send
from channeld_workers.discord.letters import AS_FILE, READY, pieces_of
from channeld_workers.discord.uploads import plan, refusal
from tests.doubles.discord_rig import settings

MIB = 1024 * 1024


def part(text="hello", files=(), **more):
    """Return what the daemon asks for."""
    return Send(ref=1, send_id="s", chat="discord:7", kind="message", text=text, files=list(files), **more)


def file(size=10, name="notes.txt"):
    """Return a copy in the spool."""
    return Attachment(name=name, path=f"/nowhere/{name}", size=size)


def test_a_short_text_is_one_message_with_its_files_and_buttons():
    """As Discord takes it."""
    files = [file(), file()]
    (piece,) = pieces_of(part("#### **hello**", files, reply_to="3", buttons=["a"]), settings())
    assert (piece.text, piece.format, piece.files, piece.reply_to, piece.buttons) == (
        "### **hello**", READY, files, "3", ["a"],
    )  # fmt: skip


def test_plain_text_keeps_its_signs():
    """Where Claude says that it is no Markdown."""
    (piece,) = pieces_of(part("2 * 3 * 4", format="plain"), settings())
    assert piece.text == "2 \\* 3 \\* 4"


def test_files_and_buttons_go_with_the_last_part_of_a_long_text():
    """Further files follow."""
    files = [file(n) for n in range(1, 13)]
    first, second, third = pieces_of(part("word " * 600, files, buttons=["a"]), settings())
    assert (first.files, first.buttons) == ([], [])
    assert (second.files, second.buttons) == (files[:10], ["a"])
    assert (third.text, third.files, third.buttons) == ("", files[10:], [])


def test_files_alone_are_a_message():
    """Without text."""
    (piece,) = pieces_of(part("", [file()]), settings())
    assert (piece.text, len(piece.files)) == ("", 1)


def test_buttons_alone_have_a_text_to_stand_under():
    """Else the message would be empty."""
    (piece,) = pieces_of(part("", buttons=["a"]), settings())
    assert piece.text == "Please choose:"


@pytest.mark.parametrize("text", ["", " \n", "\u200b"])
def test_nothing_is_no_message(text):
    """Discord takes none."""
    assert pieces_of(part(text), settings()) == []


@pytest.mark.parametrize(("mode", "quoted"), [("first", ["3", None]), ("all", ["3", "3"]), ("off", [None, None])])
def test_the_settings_say_what_quotes(mode, quoted):
    """The first message, all, or none."""
    pieces = pieces_of(part("word " * 500, reply_to="3"), settings(reply_to_mode=mode))
    assert [piece.reply_to for piece in pieces] == quoted


def test_a_text_above_the_limit_goes_as_a_file():
    """As it was written, with its files behind it."""
    text = "# long\n" * 20
    answer, files = pieces_of(part(text, [file()], buttons=["a"]), settings(text_file_above=100))
    assert (answer.text, answer.format, answer.files, answer.buttons) == (text, AS_FILE, [], ["a"])
    assert len(files.files) == 1


def test_parts_are_as_long_as_the_settings_say():
    """And never longer than Discord takes."""
    assert len(pieces_of(part("word " * 50), settings(text_chunk_limit=100))) == 3
    assert len(pieces_of(part("x" * 2001), settings())) == 2


def test_files_share_a_message_as_far_as_a_request_holds_them():
    """25 MiB, and ten; one that is too large goes alone."""
    assert [len(batch) for batch in plan([file(10 * MIB), file(10 * MIB), file(10 * MIB), file(1)])] == [2, 2]
    assert [len(batch) for batch in plan([file(1), file(50 * MIB), file(1)])] == [1, 1, 1]
    assert [len(batch) for batch in plan([file(0)] * 21)] == [10, 10, 1]
    assert plan([]) == []


def test_a_file_that_is_too_large_is_named():
    """With whose limit it is."""
    assert refusal([file(10 * MIB)], 10 * MIB, None) is None
    assert refusal([file(10 * MIB)], 50 * MIB, 10 * MIB) is None
    why = refusal([file(1), file(10 * MIB + 200_000, "film.mp4")], 10 * MIB, 50 * MIB)
    assert why == "film.mp4 has 10.2 MiB, and 10 MiB is the most that max_upload_mb allows: make it smaller"
    why = refusal([file(60 * MIB, "film.mp4")], 100 * MIB, 50 * MIB)
    assert why == "film.mp4 has 60 MiB, and 50 MiB is the most that Discord takes here: make it smaller"
