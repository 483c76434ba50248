"""What ``status`` says in its most usual states, held to files that a person has read."""

import re
from pathlib import Path

import click
import pytest

from channeld.cli.client import NOT_RUNNING
from channeld.cli.render.layout import cells
from channeld.cli.render.status import HIDDEN_WORDS, not_running_lines, session_lines, status_lines
from channeld.core.health import KINDS
from tests.doubles.status_states import NOW, STATES, deaf, issue, session, status, worker

SNAPSHOTS = Path(__file__).parent / "snapshots"
WIDTH = 80
PAGES = {name: status_lines(state, NOW, WIDTH) for name, state in STATES.items()}
PAGES["daemon-not-running"] = not_running_lines(*NOT_RUNNING, WIDTH)


@pytest.mark.parametrize("name", PAGES)
def test_status_says_what_its_snapshot_says(name, request):
    """Word for word, without colour; ``--update-snapshots`` writes the files anew."""
    shown = click.unstyle("\n".join(PAGES[name])) + "\n"
    file = SNAPSHOTS / f"status-{name}.txt"
    if request.config.getoption("--update-snapshots"):
        file.write_text(shown, "utf-8")
    assert shown == file.read_text("utf-8")


def test_there_is_no_snapshot_of_a_state_that_is_gone():
    """Each file belongs to a state."""
    assert {file.stem for file in SNAPSHOTS.iterdir()} == {f"status-{name}" for name in PAGES}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [40, 60, 80, 100])
def test_lines_fit_the_terminal_except_for_commands(name, width):
    """A command that is longer than a phone is wide is left whole, so that it can be copied."""
    lines = not_running_lines(*NOT_RUNNING, width) if name not in STATES else status_lines(STATES[name], NOW, width)
    for line in map(click.unstyle, lines):
        assert cells(line) <= width or len(line.split()) == 1 or re.search(r"claude --|channeld |http", line), line
        assert line == line.rstrip()


def test_a_command_is_never_broken():
    """However narrow the terminal is, the command that attaches a session stands on one line."""
    for width in (20, 40, 80):
        shown = "\n".join(map(click.unstyle, status_lines(STATES["session-that-does-not-listen"], NOW, width)))
        assert "claude --dangerously-load-development-channels server:channeld" in shown


def test_hostile_names_cannot_move_the_cursor():
    """Whatever peers call themselves, no control character is left, and each stays on its line."""
    evil = "x\x1b[2J\r\n\u202eFAKE"
    shown = status_lines(
        status(
            health=[issue(evil, evil, evil, evil, evil, 1, hides=[evil])],
            workers=[worker(evil, account=evil), worker(evil, state=evil, account=None, detail=evil, last_end=evil)],
            sessions=[session(evil, client=evil, project=evil), deaf(evil, client=evil)],
            waiting=[{"chat": evil, "count": 1, "since": NOW}],
            outbox=[{"worker": evil, "state": evil, "count": 1}],
        ),
        NOW,
        WIDTH,
    )
    for line in shown:
        assert all(c.isprintable() for c in re.sub(r"\x1b\[[\d;]*m", "", line)), line
        assert "2J" not in re.sub(r"·\[2J", "", line)


def test_colour_says_nothing_that_the_words_do_not():
    """Errors and warnings have marks of their own, and without colour each line reads the same."""
    error, warning = (
        status_lines(status(health=[issue("a", "It is bad.", "", "", "web", 1, severity=severity)]), NOW, WIDTH)[0]
        for severity in ("error", "warning")
    )
    assert (click.unstyle(error), click.unstyle(warning)) == ("✗ It is bad.", "! It is bad.")
    assert error != click.unstyle(error)


def test_every_issue_that_can_be_hidden_has_words():
    """So that no code name is read by a person, but for those that workers make up."""
    assert {code for code, kind in KINDS.items() if kind.after} == set(HIDDEN_WORDS)
    shown = status_lines(status(health=[issue("a", "Bad.", "", "", "web", 60, hides=["platform_slow"])]), NOW, WIDTH)
    assert shown[1] == "  For 1 min now. It also explains: platform slow."


def test_a_daemon_from_before_an_upgrade_is_shown_as_far_as_it_tells():
    """It runs on until it is restarted, and knows nothing of fields that were added since."""
    old = status(health=[issue("a", "It is bad.", "", "Mend it.", "web", 60)], sessions=[session(activity="working")])
    for name in ("why", "since", "hides"):
        del old["health"][0][name]
    for name in ("activity", "working_on", "working_since"):
        del old["sessions"][0][name]
    shown = list(map(click.unstyle, status_lines(old, NOW, WIDTH)))
    assert shown[:2] == ["✗ It is bad.", "  Try: Mend it."]
    assert "  shop  listening" in shown


def test_sessions_say_why_one_hears_nothing_even_if_status_said_it_already():
    """``status`` tells the reason once, among the issues; ``sessions`` stands alone."""
    told = "\n".join(PAGES["session-that-does-not-listen"])
    assert told.count("Restart it with") == 1
    alone = click.unstyle("\n".join(session_lines([deaf()], [], NOW, WIDTH)))
    assert "Why: Claude Code was started without the channel flag." in alone
    assert "Try: Restart it with:" in alone


def test_no_session_at_all_comes_with_the_command_that_attaches_one():
    """A newcomer's first look at the sessions ends in something to type."""
    assert "  claude --dangerously-load-development-channels plugin:channeld@channeld" in session_lines(
        [], [], NOW, WIDTH
    )
