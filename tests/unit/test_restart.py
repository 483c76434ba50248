"""When a dead worker is started again."""

from hypothesis import given
from hypothesis import strategies as st

from channeld.core.lifecycle import EXIT_BAD_CONFIG, EXIT_BAD_CREDENTIALS, WORKER_TRANSITIONS, WorkerState
from channeld.core.restart import (
    BASE_DELAY_S,
    BLOCKED_RETRY_S,
    FAILED_RETRY_S,
    INTENSITY,
    MAX_DELAY_S,
    PERIOD_S,
    RestartPolicy,
    Verdict,
)


def test_a_worker_that_calls_a_restart_pointless_is_blocked():
    """Bad configuration and bad credentials wait for a person, and are looked at again once an hour."""
    for code in (EXIT_BAD_CONFIG, EXIT_BAD_CREDENTIALS):
        decision = RestartPolicy().ended(code, 0.0, 0.5)
        assert (decision.verdict, decision.delay_s) == (Verdict.BLOCKED, BLOCKED_RETRY_S)


def test_more_ends_than_the_intensity_is_a_failure_and_time_heals_it():
    """The sixth end within five minutes fails; after the period the worker starts afresh."""
    policy = RestartPolicy()
    verdicts = [policy.ended(1, float(n), 0.5).verdict for n in range(INTENSITY + 1)]
    assert verdicts == [Verdict.BACKOFF] * INTENSITY + [Verdict.FAILED]
    assert policy.ended(1, 10.0, 0.5).delay_s == FAILED_RETRY_S
    assert policy.ended(1, 10.0 + PERIOD_S, 0.5).verdict is Verdict.BACKOFF


def test_a_restart_by_hand_forgives():
    """After ``channeld restart`` the count begins anew."""
    policy = RestartPolicy()
    for n in range(INTENSITY):
        policy.ended(1, float(n), 0.5)
    policy.forgive()
    assert policy.ended(1, 9.0, 0.5).verdict is Verdict.BACKOFF


@given(st.lists(st.floats(0, 100), max_size=INTENSITY - 1), st.floats(0, 1, exclude_max=True))
def test_the_delay_has_full_jitter_below_a_doubling_ceiling(gaps, dice):
    """However the dice fall, the delay is between nothing and the ceiling."""
    policy, now = RestartPolicy(), 0.0
    for gap in gaps:
        now += gap
        policy.ended(1, now, dice)
    decision = policy.ended(1, now, dice)
    assert 0 <= decision.delay_s <= min(MAX_DELAY_S, BASE_DELAY_S * 2 ** len(gaps))


def test_every_worker_state_can_be_left():
    """No state of a worker is a trap."""
    assert set(WORKER_TRANSITIONS) == set(WorkerState)
    assert all(WORKER_TRANSITIONS.values())
