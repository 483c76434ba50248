"""How fast the bot sends."""

from hypothesis import given
from hypothesis import strategies as st

from channeld_workers.telegram.chats import read_chat
from channeld_workers.telegram.pace import GROUP, OVERALL, PRIVATE, Pace


def sent(pace, chat, seconds, step=0.05):
    """Return how many messages a chat may send in a while in which it always wants to."""
    return sum(pace.take(chat, n * step) == 0 for n in range(int(seconds / step)))


def test_a_private_chat_gets_a_burst_and_then_one_a_second():
    """As Telegram asks."""
    assert sent(Pace(), 7, 60) <= PRIVATE.burst + 60 * PRIVATE.per_s + 1


def test_a_group_gets_twenty_a_minute():
    """After a burst that was tolerated."""
    assert sent(Pace(), -7, 120) <= GROUP.burst + 120 * GROUP.per_s + 1


def test_all_chats_together_have_a_limit():
    """However many there are."""
    pace = Pace()
    allowed = sum(pace.take(chat, second) == 0 for second in range(10) for chat in range(100))
    assert allowed <= OVERALL.burst + 10 * OVERALL.per_s


def test_a_chat_that_the_server_closes_waits_and_no_other_does():
    """429 is about one chat."""
    pace = Pace()
    pace.closed(7, 5.0, 100.0)
    assert pace.take(7, 101.0) == 4.0
    assert pace.take(8, 101.0) == 0
    assert pace.take(7, 105.1) == 0


@given(st.lists(st.tuples(st.integers(-5, 5), st.floats(0, 10)), max_size=60))
def test_a_wait_is_long_enough(steps):
    """Whoever waits as long as he is told may send."""
    pace, now = Pace(), 0.0
    for chat, gap in steps:
        now += gap
        wait_s = pace.take(chat, now)
        if wait_s:
            assert pace.take(chat, now + wait_s + 1e-6) == 0
            now += wait_s + 1e-6


def test_many_chats_do_not_pile_up():
    """What is quiet is forgotten."""
    pace = Pace()
    for chat in range(5000):
        pace.take(chat, float(chat))
    assert len(pace._chats) <= 1001


def test_ids_of_chats():
    """Ours, and Telegram's in them."""
    assert read_chat("telegram:412587349") == (412587349, None)
    assert read_chat("my-bot:-1001654782309/17") == (-1001654782309, 17)
    assert [read_chat(odd) for odd in ("telegram:x", "telegram:", "telegram:1/x", "telegram:²")] == [None] * 4
