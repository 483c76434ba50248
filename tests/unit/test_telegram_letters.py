"""What a reply is sent as: which messages, with which text, files, quotes and buttons."""

import msgspec
import pytest

from channeld.ipc.messages import Attachment, Send
from channeld.platforms import TelegramTable
from channeld_workers.process import BadSettings
from channeld_workers.telegram.letters import AS_FILE, ENTITIES, pieces_of
from channeld_workers.telegram.settings import Settings, read_settings


def settings(**more):
    """Return the settings as the daemon hands them over, some of them changed."""
    return msgspec.convert(TelegramTable(**more).model_dump(), Settings)


def part(text="hello", files=(), **more):
    """Return what the daemon asks for."""
    return Send(ref=1, send_id="s", chat="telegram:7", kind="message", text=text, files=list(files), **more)


def file(name, mime, size=10):
    """Return a copy in the spool; that it is not there means that no picture can be measured."""
    return Attachment(name=name, path=f"/nowhere/{name}", mime=mime, size=size)


NOTES = file("notes.txt", "text/plain")


def test_a_short_text_is_one_message():
    """With its formatting as entities."""
    (piece,) = pieces_of(part("**hello**", reply_to="3", buttons=["a"]), settings())
    assert (piece.text, piece.format, piece.entities, piece.reply_to, piece.buttons) == (
        "hello", ENTITIES, [{"type": "bold", "offset": 0, "length": 5}], "3", ["a"],
    )  # fmt: skip


def test_plain_text_keeps_its_signs():
    """Where Claude says that it is no Markdown."""
    (piece,) = pieces_of(part("2 * 3 * 4", format="plain"), settings())
    assert (piece.text, piece.entities) == ("2 * 3 * 4", [])


def test_one_file_carries_a_short_text():
    """As its caption."""
    (piece,) = pieces_of(part("see", [NOTES]), settings())
    assert (piece.text, piece.files) == ("see", [NOTES])


def test_a_text_that_is_no_caption_goes_before_the_files():
    """Captions are short."""
    text, document = pieces_of(part("x" * 1025, [NOTES], buttons=["ok"]), settings())
    assert (len(text.text), text.files, text.buttons) == (1025, [], ["ok"])
    assert (document.text, document.files, document.buttons) == ("", [NOTES], [])


def test_buttons_always_have_a_message_to_stand_under():
    """An album has none, and files alone have no text."""
    pictures = [file(f"{n}.bin", "application/octet-stream") for n in range(2)]
    text, album = pieces_of(part("see", pictures, buttons=["ok"]), settings())
    assert (text.buttons, album.files) == (["ok"], pictures)
    question, _ = pieces_of(part("", pictures, buttons=["ok"]), settings())
    assert question.text
    assert question.buttons == ["ok"]


@pytest.mark.parametrize(("mode", "quoted"), [("first", ["3", None]), ("all", ["3", "3"]), ("off", [None, None])])
def test_the_mode_says_which_messages_quote(mode, quoted):
    """As in the official plugin."""
    pieces = pieces_of(part("word " * 100, reply_to="3"), settings(text_chunk_limit=400, reply_to_mode=mode))
    assert [piece.reply_to for piece in pieces] == quoted


def test_a_very_long_answer_can_be_a_file():
    """With the whole text, unformatted."""
    (piece,) = pieces_of(part("**x**" * 100), settings(text_file_above=499))
    assert (piece.format, piece.text) == (AS_FILE, "**x**" * 100)
    (piece,) = pieces_of(part("**x**" * 100), settings(text_file_above=500))
    assert piece.format == ENTITIES


def test_nothing_is_no_message():
    """Neither is white space."""
    assert pieces_of(part(" \n"), settings()) == []


@pytest.mark.parametrize(("change", "told"), [
    ({"ack_reaction": "x"}, "ack_reaction"),
    ({"mention_patterns": ["(a+)+$"]}, "(a+)+$"),
    ({"mention_patterns": ["("]}, "mention_patterns"),
])  # fmt: skip
def test_a_setting_that_cannot_be_used_is_named(change, told):
    """The worker is blocked with that."""
    with pytest.raises(BadSettings) as error:
        read_settings("telegram", TelegramTable(**change).model_dump())
    assert told in str(error.value)
    assert error.value.hint


@pytest.mark.parametrize("url", ["api.telegram.org", "https://user@host", "https://host/?token=x", "https://a b"])
def test_an_address_holds_no_secret_and_is_one(url):
    """A token in it would be shown with it."""
    with pytest.raises(ValueError, match="an address such as"):
        TelegramTable(api_base_url=url)
