"""What a session works on, told from what it has read and answered."""

from __future__ import annotations

from channeld.core.activity import BUSY_AFTER_S, PATIENCE_S, Activity, Work, busy_text


def test_work_lasts_from_the_reading_to_the_answer():
    """A second message of the chat does not begin it anew."""
    activity = Activity()
    assert activity.work(0.0) == [] and activity.changes_at(0.0) is None
    activity.began("web:main", "message", 10.0)
    activity.began("web:main", "message", 20.0)
    activity.began("pager:a", "button", 15.0)
    assert activity.work(30.0) == [Work("web:main", 10.0), Work("pager:a", 15.0)]
    activity.answered("web:main")
    assert activity.work(30.0) == [Work("pager:a", 15.0)]


def test_a_reaction_and_a_note_ask_for_nothing():
    """Nobody waits for an answer to a thumb."""
    activity = Activity()
    for kind in ("reaction", "send_failed"):
        activity.began("web:main", kind, 10.0)
    assert activity.work(11.0) == []


def test_silence_ends_it_and_a_sign_goes_on_with_it():
    """Claude may decide not to answer; while it calls tools it is at work."""
    activity = Activity()
    activity.began("web:main", "message", 0.0)
    assert activity.work(PATIENCE_S - 1) and not activity.work(PATIENCE_S)
    activity.sign(PATIENCE_S - 1)
    assert activity.work(2 * PATIENCE_S - 2) and not activity.work(2 * PATIENCE_S)


def test_it_says_when_to_look_again():
    """First when a sender is to be told that Claude is busy, then when it is given up, then never."""
    activity = Activity()
    activity.began("web:main", "message", 0.0)
    assert activity.changes_at(1.0) == BUSY_AFTER_S
    assert activity.changes_at(BUSY_AFTER_S) == PATIENCE_S
    assert activity.changes_at(PATIENCE_S) is None


def test_a_sender_is_told_when_it_takes_long():
    """With where to look, and not before."""
    work = [Work("web:main", 0.0)]
    assert busy_text(work, BUSY_AFTER_S - 1, waits=True) == "" and busy_text([], 1e9, waits=True) == ""
    for waits in (True, False):
        assert "look at its terminal" in busy_text(work, BUSY_AFTER_S, waits=waits)
