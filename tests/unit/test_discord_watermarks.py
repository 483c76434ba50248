"""How far channels were read, and what a next process makes of it."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from channeld_workers.discord.watermarks import Watermarks

SECOND = 1000 << 22
NOW = (int(time.time() * 1000) - 1_420_070_400_000) << 22


async def remembered(*batches: list[int]) -> tuple[Watermarks, dict[str, str]]:
    """Return the marks of a next process after messages of channel 7 were answered, and what the daemon kept."""
    kept: dict[str, str] = {}
    marks = Watermarks(kept.update)
    for batch in batches:
        marks.answered(7, batch)
    marks.flush()
    later = Watermarks(kept.update)
    later.load(kept)
    return later, kept


async def test_what_was_answered_a_moment_ago_is_read_again_but_not_offered():
    """One that was told late, with an older id, is not lost; a command is not carried out twice."""
    later, _ = await remembered([NOW - 9 * SECOND], [NOW - 2 * SECOND], [NOW])
    assert later.of(7) == NOW
    assert later.begin(7) == NOW - 5 * SECOND
    assert [n for n in (9, 2, 1, 0) if later.is_answered(7, NOW - n * SECOND)] == [2, 0]


async def test_a_channel_that_was_silent_for_long_is_read_from_its_end():
    """The daemon may have forgotten what came before it."""
    later, _ = await remembered([NOW - 4000 * SECOND])
    assert later.begin(7) == NOW - 4000 * SECOND
    assert later.begin(8) is None


async def test_after_months_a_channel_is_one_never_seen():
    """And the daemon is told to forget it."""
    later, kept = await remembered([NOW - 91 * 86400 * SECOND])
    later.flush()
    assert (later.of(7), kept) == (None, {"read:7": ""})


async def test_looking_back_is_ended_by_the_process_that_has_looked():
    """Until then the moment stays, though later messages were answered."""
    _, kept = await remembered([NOW - 9 * SECOND])
    for answered in (NOW - 2 * SECOND, NOW - SECOND):
        marks = Watermarks(kept.update)
        marks.load(kept)
        assert marks.look_back() == NOW - 9 * SECOND
        marks.answered(7, [answered])
        marks.flush()
    marks.looked_back()
    marks.flush()
    later = Watermarks(kept.update)
    later.load(kept)
    assert later.look_back() == NOW - SECOND


@given(st.dictionaries(st.text(max_size=30), st.text(alphabet="0123456789,:x", max_size=200)))
async def test_marks_of_another_version_stop_nothing(marks):
    """Whatever the daemon has kept."""
    later = Watermarks(lambda facts: None)
    later.load(marks)
    later.flush()


@given(st.lists(st.lists(st.integers(NOW - 8 * SECOND, NOW), min_size=1), min_size=1, max_size=20))
async def test_the_end_is_the_highest_and_fits_into_a_fact(batches):
    """In whatever order messages came."""
    later, kept = await remembered(*batches)
    assert later.of(7) == max(map(max, batches))
    assert all(len(key) <= 200 and len(value) <= 200 for key, value in kept.items())
