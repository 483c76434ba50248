"""A line of a log for people, and reading files that grow and are rotated."""

import json
import time

import click
import pytest

from channeld.cli.logs import LogFile, _merged
from channeld.cli.render.log import entry_lines, parse


@pytest.fixture
def zone(monkeypatch):
    """Return a way to set the local time zone."""

    def put(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield put
    monkeypatch.undo()
    time.tzset()


def line(event="worker_ready", **facts):
    """Return a line of a log file."""
    return json.dumps({"event": event, "level": "info", "timestamp": "2026-03-01T22:30:05.123456Z", **facts})


def shown(raw, source="channeld"):
    """Return what a person sees of it, without colour."""
    return [click.unstyle(each) for each in entry_lines(parse(raw, source))]


def test_an_entry_has_local_time_words_and_facts(zone):
    """The time zone is the reader's, and an event's name reads as words."""
    zone("Europe/Berlin")
    assert shown(line(worker="web", delay_s=3, reason="it has ended")) == [
        '03-01 23:30:05 info    channeld  worker ready  worker=web  delay_s=3  reason="it has ended"'
    ]
    zone("UTC")
    assert shown(line(worker="web"), "web") == ["03-01 22:30:05 info    web       worker ready"]


def test_a_traceback_stands_indented_below():
    """Its lines stay apart."""
    assert shown(line(exception="Traceback:\n  File x\nValueError"))[1:] == [
        "    Traceback:", "      File x", "    ValueError",
    ]  # fmt: skip


def test_levels_differ_in_colour_and_in_words():
    """Without colour the word is left."""
    levels = [entry_lines(parse(line(level=level), "web"))[0] for level in ("warning", "error")]
    assert [("warning" in levels[0]), ("error" in levels[1])] == [True, True]
    assert levels[0].replace("warning", "error  ") != levels[1]


@pytest.mark.parametrize(
    "raw", ["not json\x1b[2J", "[1]", '{"timestamp": 3}', "{}", "[" * 100_000, '{"event": "\\u001b[2J"}']
)
def test_a_line_that_is_no_entry_is_shown_harmlessly(raw):
    """Libraries write what they want to stderr."""
    for each in shown(raw[:200]) + shown(raw):
        assert each.isprintable()


def texts(entries):
    """Return what the entries say."""
    return [entry.fields["event"] if entry.fields else entry.raw for _, entry in entries]


def test_a_growing_file_is_read_by_whole_lines(tmp_path):
    """Half a line waits for its end."""
    path = tmp_path / "web.log"
    path.write_text(line("one") + "\n" + line("two")[:20])
    file = LogFile(path)
    assert texts(file.new()) == ["one"]
    with path.open("a") as log:
        log.write(line("two")[20:] + "\n")
    assert texts(file.new()) == ["two"]
    assert texts(file.new()) == []
    file.close()


def test_rotation_loses_no_line(tmp_path):
    """What the old file got last, and all of the new one."""
    path = tmp_path / "web.log"
    path.write_text(line("one") + "\n")
    file = LogFile(path)
    assert texts(file.new()) == ["one"]
    with path.open("a") as log:
        log.write(line("two") + "\n" + "cut off")
    path.rename(tmp_path / "web.log.1")
    assert texts(file.new()) == ["two"]  # the new file is not there yet
    path.write_text(line("three") + "\n")
    assert texts(file.new()) == ["cut off", "three"]
    path.write_text(line("x") + "\n")  # the same file, emptied and shorter than what was read
    assert texts(file.new()) == ["x"]
    file.close()


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path):
    """Between the end of one file and the beginning of the next there is none."""
    file = LogFile(tmp_path / "web.log")
    assert texts(file.new()) == []
    (tmp_path / "web.log").write_text("hello\n")
    assert texts(file.new()) == ["hello"]
    file.close()


def test_logs_are_merged_by_time_and_a_line_without_one_stays_with_its_neighbour(tmp_path):
    """A library's words come right after the entry that they follow in their file."""
    for name, entries in {
        "channeld": [("2026-01-01T00:00:01Z", "a"), ("2026-01-01T00:00:03Z", "c")],
        "web": [("2026-01-01T00:00:02Z", "b"), ("2026-01-01T00:00:04Z", "d")],
    }.items():
        rows = [line(event, timestamp=at) for at, event in entries]
        (tmp_path / f"{name}.log").write_text("\n".join([rows[0], f"{name} aside", rows[1], ""]))
    files = [LogFile(tmp_path / "channeld.log"), LogFile(tmp_path / "web.log")]
    assert texts(_merged(files)) == ["a", "channeld aside", "b", "web aside", "c", "d"]
    for file in files:
        file.close()
