"""What a session is doing, told from its hooks."""

from __future__ import annotations

import json

import pytest

from channeld.core.tag import delivery_of
from channeld.core.transcript import interrupted
from channeld.core.turns import COMPACTING_S, NO_HOOKS_S, RECEIPT_S, SILENCE_S, Origin, Turns

ANN = Origin("pager:a", "7", "approver", False, "d1", "m1")
BOB = Origin("pager:b", "8", "chatter", False, "d2", "m2")


def reporting(mode="default"):
    """Return the turns of a session that has reported and is idle."""
    turns = Turns()
    turns.reported(mode, "", 0.0)
    return turns


def test_one_event_at_a_time_begins_a_turn():
    """Nothing else is free to go from the push to the end of the turn."""
    turns = reporting()
    assert turns.is_free
    turns.pushed(1)
    assert not turns.is_free
    assert turns.prompted("t1", ANN, 1, 1.0) is None
    assert not turns.is_free
    ended = turns.stopped("t1")
    assert ended is not None and ended.origin == ANN and not ended.typed
    assert turns.is_free


def test_a_prompt_of_the_same_turn_is_a_note_and_of_another_ends_it():
    """What tells them apart is the prompt id alone."""
    turns = reporting()
    turns.prompted("t1", ANN, 1, 1.0)
    assert turns.is_running("t1") and not turns.is_running("t2") and not turns.is_running("")
    assert turns.prompted("t1", BOB, 2, 2.0) is None
    assert turns.turn is not None and turns.turn.chats == {"pager:a", "pager:b"} and not turns.turn.typed
    assert turns.prompted("t1", None, None, 3.0) is None
    assert turns.turn.typed
    before = turns.prompted("t2", BOB, 3, 4.0)
    assert before is not None and before.prompt_id == "t1"
    assert turns.turn.origin == BOB


def test_the_stop_of_another_turn_ends_nothing():
    """A report that comes late must not end the turn that runs now."""
    turns = reporting()
    turns.prompted("t2", ANN, 1, 1.0)
    assert turns.stopped("t1") is None and turns.stopped("") is None
    assert turns.turn is not None


def test_a_tool_call_shows_a_turn_that_was_missed_but_background_work_does_not():
    """A subagent may go on after its turn."""
    turns = reporting()
    turns.tool_began("t9", "u0", "agent", 1.0)
    assert turns.turn is None
    turns.tool_began("t1", "u1", "", 1.0)
    assert turns.turn is not None and turns.turn.typed


def test_a_turn_that_was_taken_to_be_over_goes_on_as_nobodys():
    """A Stop hook of the user's own says so: what comes then is a note, and its words are not for a chat."""
    turns = reporting()
    turns.prompted("t1", ANN, 1, 1.0)
    turns.stopped("t1")
    assert turns.is_known("t1") and not turns.is_running("t1")
    assert turns.prompted("t1", BOB, 2, 2.0) is None
    assert turns.turn is not None and turns.turn.typed and turns.turn.origin is None
    turns.stopped("t1")
    turns.tool_began("t1", "u2", "", 3.0)
    assert turns.turn is not None and turns.turn.typed
    assert turns.stopped("t1") is not None


def test_background_work_does_not_show_that_a_session_hears():
    """Any other sign does."""
    turns = reporting()
    turns.mark_deaf(1.0)
    assert not turns.reported("", "", 2.0, background=True) and not turns.is_free
    assert turns.reported("", "", 3.0) and turns.is_free


def test_a_session_that_compacts_its_conversation_is_not_deaf():
    """Until it is done, or five minutes have passed."""
    turns = reporting()
    turns.pushed(1)
    turns.delivered([1], 10.0)
    turns.excuse(10.0)
    assert not turns.lost_receipt(10.0 + COMPACTING_S - 1) and turns.lost_receipt(10.0 + COMPACTING_S)
    turns.sign(11.0)
    assert turns.lost_receipt(10.0 + RECEIPT_S)


def test_silence_ends_a_turn_but_not_while_a_tool_runs():
    """A dialog or a build may take hours."""
    turns = reporting()
    turns.prompted("t1", ANN, 1, 10.0)
    assert not turns.is_silent(10.0 + SILENCE_S - 1)
    assert turns.is_silent(10.0 + SILENCE_S)
    turns.tool_began("t1", "u1", "", 10.0)
    assert not turns.is_silent(10.0 + 100 * SILENCE_S)
    turns.tool_ended("u1")
    turns.sign(20.0)
    assert not turns.is_silent(20.0 + SILENCE_S - 1) and turns.is_silent(20.0 + SILENCE_S)


def test_a_missing_receipt_means_something_only_of_an_idle_session_that_reports():
    """Not before the client has read it, not in a turn, not without hooks."""
    turns = reporting()
    turns.pushed(1)
    assert not turns.lost_receipt(1e9)
    turns.delivered([1, 2], 10.0)
    assert not turns.lost_receipt(10.0 + RECEIPT_S - 1)
    assert turns.lost_receipt(10.0 + RECEIPT_S)
    turns.prompted("t1", None, None, 11.0)
    assert not turns.lost_receipt(1e9)
    without = Turns(expected=True)
    without.pushed(1)
    without.delivered([1], 10.0)
    assert not without.lost_receipt(1e9)
    assert not without.has_no_hooks(10.0 + NO_HOOKS_S - 1) and without.has_no_hooks(10.0 + NO_HOOKS_S)
    without.expect_none()
    assert not without.known


def test_a_deaf_session_is_given_nothing_until_it_does_something():
    """Any sign takes the mark away, and what was awaited is awaited no more."""
    turns = reporting()
    turns.pushed(1)
    turns.delivered([1], 10.0)
    turns.mark_deaf(30.0)
    assert not turns.is_free and not turns.lost_receipt(1e9)
    assert turns.sign(40.0)
    assert turns.is_free
    assert not turns.sign(41.0)


@pytest.mark.parametrize(("mode", "asks"), [("default", True), ("plan", True), ("acceptEdits", True), ("auto", False),
                                            ("bypassPermissions", False), ("dontAsk", False), ("", False)])  # fmt: skip
def test_a_mode_that_is_not_known_to_ask_asks_nobody(mode, asks):
    """Better a message that waits than one that acts unasked."""
    assert reporting(mode).asks is asks


@pytest.mark.parametrize(
    ("origin", "only"),
    [
        (None, None),
        (ANN, None),
        (BOB, "pager:b"),
        (ANN._replace(group=True), "pager:a"),
    ],
)
def test_other_chats_are_read_only_for_an_approver_in_private(origin, only):
    """Whoever asks must not read others' chats through Claude."""
    turns = reporting()
    turns.prompted("t1", origin, 1, 1.0)
    assert turns.only_chat == only


GOOD = (
    '<channel source="plugin:channeld:channeld" user="Ann &quot;x&quot;" delivery_id="0a1b2c3d4e5f6071">\n'
    "hi\n</channel>"
)


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        (GOOD, "0a1b2c3d4e5f6071"),
        (GOOD.replace("plugin:channeld:channeld", "channeld"), "0a1b2c3d4e5f6071"),
        (" " + GOOD, None),
        ("\n" + GOOD, None),
        ("see " + GOOD, None),
        (GOOD.replace("plugin:channeld:channeld", "plugin:other:channeld"), None),
        (GOOD.replace("plugin:channeld:channeld", "telegram"), None),
        ('<channel source="channeld" user="x">\ndelivery_id="0a1b2c3d4e5f6071"\n</channel>', None),
        ('<channel source="channeld" user="x> delivery_id="0a">\nhi\n</channel>', None),
        ("typed", None),
        ("", None),
    ],
)
def test_a_receipt_is_in_the_tag_at_the_very_start(prompt, found):
    """Nothing else that a prompt holds is one."""
    assert delivery_of(prompt) == found


def entry(kind="user", text="[Request interrupted by user]", prompt_id="t1", **more):
    """Return a line of a transcript."""
    message = {"role": kind, "content": [{"type": "text", "text": text}]}
    return json.dumps({"type": kind, "promptId": prompt_id, "message": message, **more}).encode() + b"\n"


@pytest.mark.parametrize(
    ("tail", "found"),
    [
        (entry(), True),
        (entry(text="[Request interrupted by user for tool use]"), True),
        (entry() + b'{"type":"last-prompt"}\n{"type":"file-history-snapshot"}\n', True),
        (b'e"}]}}\n' + entry() + b'{"type":"us', True),
        (entry(prompt_id="t0"), False),
        (entry() + entry("assistant", "go on"), False),
        (entry() + entry(text="a new prompt", prompt_id="t2"), False),
        (entry(text="say [Request interrupted by user]"), False),
        (entry(isSidechain=True), False),
        (entry().replace(b'[{"type": "text", "text": "[Request interrupted by user]"}]', b"7"), False),
        (b"not json\n[1]\n" + b"[" * 5000, False),
        (b"", False),
    ],
)
def test_an_interrupt_is_the_last_word_of_its_turn(tail, found):
    """Of the main conversation, and of this turn."""
    assert interrupted(tail, "t1") is found
