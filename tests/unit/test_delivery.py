"""The tables of legal transitions and the decisions made from them."""

from hypothesis import given
from hypothesis import strategies as st

from channeld.core.delivery import (
    EVENT_TRANSITIONS,
    PART_TRANSITIONS,
    EventState,
    PartState,
    after_worker_loss,
    split_on_reconnect,
)


def test_every_state_can_be_reached_and_has_an_entry():
    """No state is forgotten in a table, and none is a dead name."""
    assert set(EVENT_TRANSITIONS) == set(EventState)
    assert set(PART_TRANSITIONS) == set(PartState)
    assert {s for after in EVENT_TRANSITIONS.values() for s in after} | {EventState.HELD} == set(EventState)
    assert {s for after in PART_TRANSITIONS.values() for s in after} == set(PartState)


def test_an_accepted_event_can_never_vanish_by_itself():
    """Only a person's word drops an event, and never one that Claude may already have."""
    into_dropped = {before for before, after in EVENT_TRANSITIONS.items() if EventState.DROPPED in after}
    assert into_dropped == {EventState.HELD, EventState.QUEUED}


def test_a_send_that_may_have_happened_is_repeated_only_where_that_is_harmless():
    """A lost worker leaves its parts uncertain, unless the platform knows a repeated send."""
    assert after_worker_loss(idempotent=False) is PartState.UNCERTAIN
    assert after_worker_loss(idempotent=True) is PartState.QUEUED


@given(st.lists(st.text("ab01", min_size=1), unique=True), st.frozensets(st.text("ab01", min_size=1)))
def test_what_a_returning_process_has_written_is_not_written_again(pushed, written):
    """The two halves keep their order, make up the whole, and agree with what was written."""
    known, lost = split_on_reconnect(pushed, written)
    assert sorted(known + lost) == sorted(pushed)
    assert set(known) == set(pushed) & written
    assert [d for d in pushed if d in set(lost)] == lost
