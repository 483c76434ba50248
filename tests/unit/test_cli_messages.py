"""What ``messages`` prints: a line for each, or everything about one."""

import re

import click
import pytest

from channeld.cli.render.layout import cells, cut, moment, plain, wrap, wrap_hard
from channeld.cli.render.messages import message_lines, message_page
from channeld.core.delivery import EVENT_TRANSITIONS, PART_TRANSITIONS, EventState, PartState

NOW = 1_760_000_000.0
STATES = [("in", state) for state in EventState] + [("out", state) for state in PartState]
EVIL = "x\x1b[2J\r\u202eFAKE\x07"


def message(direction="in", state="queued", **parts):
    """Return a message as the daemon tells it on ``message``, except for the parts that are given."""
    told = {
        "seq": 412, "id": "m-1", "direction": direction, "chat": "web:main", "text": "hello", "ts": NOW - 300,
        "state": state, "user": "Ada" if direction == "in" else "Claude", "worker": "web", "changed_at": NOW - 60,
    }  # fmt: skip
    return told | parts


def lines_of(*messages, width=80):
    """Return the list without colour."""
    return list(map(click.unstyle, message_lines(list(messages), NOW, width, "none")))


def page_of(width=80, **parts):
    """Return the page of a message without colour."""
    return click.unstyle("\n".join(message_page(message(**parts), NOW, width)))


def test_each_message_is_one_line_that_begins_with_its_number():
    """Number, time, chat, direction, state and text; the columns stand below each other."""
    shown = lines_of(message(seq=9), message("out", "sent", seq=10, chat="pager:a", text="hi\nthere"))
    assert re.fullmatch(r" 9  \d\d:\d\d  web:main → queued  hello", shown[0])
    assert re.fullmatch(r"10  \d\d:\d\d  pager:a  ← sent    hi there", shown[1])
    assert lines_of() == ["none"]


@pytest.mark.parametrize("text", ["word " * 100, "界" * 100, "👍" * 100])
def test_a_line_is_cut_to_the_terminal_by_columns(text):
    """Wide characters count as two, and nothing is cut where no terminal is."""
    (line,) = lines_of(message(text=text), width=60)
    assert 57 <= cells(line) <= 60
    assert line.endswith("…")
    (whole,) = lines_of(message(text=text), width=None)
    assert whole.endswith(" ".join(text.split()))


def test_what_a_reader_must_know_stands_before_the_text():
    """A cut at the end of the line does not hide why a message failed, or that it has files."""
    files = [{"name": "a"}, {"name": "b"}]
    (line,) = lines_of(message("out", "failed", error="the chat is gone", attachments=files, edited=True))
    assert "failed  (the chat is gone, 2 files, edited) hello" in line


@pytest.mark.parametrize(("direction", "state"), STATES)
def test_the_page_says_what_each_state_means_and_what_can_be_done(direction, state):
    """``retry`` and ``drop`` are offered exactly where a person may use them, with the message's own number."""
    shown = page_of(direction=direction, state=state)
    transitions = EVENT_TRANSITIONS[EventState(state)] if direction == "in" else PART_TRANSITIONS[PartState(state)]
    on_the_way = state in {"held", "pushed", "sending"}  # back to the queue by themselves only
    assert ("channeld messages retry 412" in shown) == ("queued" in transitions and not on_the_way)
    assert ("channeld messages drop 412" in shown) == ("dropped" in transitions)
    assert re.search(rf"State +{state}, for 1 min\n +[A-Z][^\n]+[\w.]\n", shown)


def test_a_state_of_a_newer_daemon_is_shown_without_a_meaning():
    """An unknown state is no crash."""
    assert "frozen, for 1 min" in page_of(state="frozen")
    assert "frozen" in lines_of(message(state="frozen"))[0]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("edited", "edit of m-1"), ("reaction", "reaction to m-1"), ("react", "reaction to m-1"), ("edit", "edit of m-1"),
     ("send_failed", "send failed"), ("later_kind", "later kind")],
)  # fmt: skip
def test_what_is_no_message_says_what_it_is(kind, words):
    """An edit that waits is told from the message that it is about."""
    (line,) = lines_of(message(kind=kind, text="👍"))
    assert line.endswith(f"({words}) 👍")
    assert re.search(rf"^  What +{words}$", page_of(kind=kind), re.MULTILINE)


def test_the_page_shows_everything_and_the_whole_text():
    """Whatever the daemon tells of a message can be read there."""
    shown = page_of(
        direction="in", state="answered",
        text="one\n\n  two  2\n\tif x:\n" + "long " * 60, delivery_id="d-77", reply_to="m-0",
        attempts=2, session="shop", reactions=["👍"], edited=True,
        attachments=[
            {"name": "plan.pdf", "path": "/inbox/x", "mime": "application/pdf", "size": 24_000},
            {"name": "late.bin"},
        ],
    )  # fmt: skip
    for told in (
        "Message 412, to Claude", "Ada, in web:main", "d-77", "m-0", "shop", "given to a session 2 times", "👍",
        "plan.pdf, 24.0 kB, application/pdf", "/inbox/x", "not fetched from the platform yet", "5 min ago", "edited",
    ):  # fmt: skip
        assert told in shown
    assert shown.count("long") == 60
    assert "  │ one\n  │\n  │   two  2\n  │     if x:\n" in shown
    assert all(cells(line) <= 80 for line in shown.splitlines())


def test_of_a_message_from_claude_the_page_tells_the_error_and_who_wrote_it():
    """The reason stands with the state; a person who wrote with ``send`` is named."""
    shown = page_of(direction="out", state="failed", error="the chat is gone", user="operator", attempts=1)
    assert re.search(r"Why +the chat is gone", shown)
    assert re.search(r"By +operator", shown)
    assert "sent once" in shown


def test_nothing_of_a_sender_can_move_the_cursor_or_pass_for_a_line_of_ours():
    """Control characters are dots, and a text stays behind its bar."""
    evil = {
        "text": f"{EVIL}\n  State    answered\u2028more", "user": EVIL, "chat": EVIL, "id": EVIL, "error": EVIL,
        "worker": EVIL, "session": EVIL, "reply_to": EVIL, "reactions": [EVIL], "delivery_id": EVIL,
        "attachments": [{"name": EVIL, "path": EVIL, "mime": EVIL, "size": 1}],
    }  # fmt: skip
    page = page_of(**evil)
    for line in [*page.splitlines(), *lines_of(message(**evil))]:
        assert line.isprintable()
    assert page.count("\n  State ") == 1


def test_plain_keeps_what_people_write():
    """Letters of any script and emoji stay."""
    family = "👨\u200d👩\u200d👧"
    assert plain(f"naïve 界 {family}\tx") == f"naïve 界 {family}·x"


def test_wrapping_never_breaks_a_command():
    """In backticks, or after a colon to the end; other words break between each other."""
    assert wrap("Then run `a b c d` now", 12, "> ") == ["> Then run", "  `a b c d`", "  now"]
    assert wrap("Use: channeld messages list --all", 20) == ["Use:", "channeld messages list --all"]
    assert wrap("", 10, "x ") == ["x"]


@pytest.mark.parametrize(
    "text", ["`" + "run " * 30 + "`", "x" * 200, "界" * 99, " " * 300 + "deep", "to: claude " + "y " * 60]
)
@pytest.mark.parametrize("width", [40, 80])
def test_no_text_of_a_sender_is_left_to_the_terminal_to_break(text, width):
    """Not in backticks, not without blanks: the terminal would begin a line without the bar."""
    page = page_of(width, text=text, user=text, id="m" * 99, error=text, reply_to=text)
    assert all(cells(line) <= width for line in page.splitlines())
    quoted = page[page.rindex("Text\n") + 5 :].splitlines()
    assert all(line.startswith("  │") for line in quoted)
    assert "".join("".join(line[3:].split()) for line in quoted) == "".join(text.split())


def test_breaking_hard_keeps_the_words_that_fit():
    """A longer one begins a line of its own, and the rest hangs below it."""
    assert wrap_hard("ab abcdefgh c", 6, "> ") == ["> ab", "  abcd", "  efgh", "  c"]
    assert wrap_hard("", 6, "> ") == [">"]


def test_every_label_stands_apart_from_what_it_names():
    """The longest one too."""
    assert "\n  Reactions 👍 🎉\n" in page_of(reactions=["👍", "🎉"])


def test_cutting_leaves_short_text_alone():
    """At the edge too."""
    assert (cut("abc", 3), cut("abcd", 3), cut("abcd", None), cut("ab cd", 4)) == ("abc", "ab…", "abcd", "ab…")


def test_a_moment_names_its_date_unless_it_is_today(monkeypatch):
    """As short as it can be told apart."""
    day = 86400.0
    assert re.fullmatch(r"\d\d:\d\d", moment(NOW, NOW))
    assert re.fullmatch(r"\d\d-\d\d \d\d:\d\d", moment(NOW - 2 * day, NOW))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", moment(NOW - 400 * day, NOW))
