"""Is there room for messages and files?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.render.layout import size

_LEAST_BYTES: Final = 100 * 10**6
_FEW_BYTES: Final = 10**9
_LEAST_FILES: Final = 1000


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell how much is left where messages and files are kept."""
    place = around.paths.state
    free = around.free(place)
    fix = f"Free some. What channeld keeps: `du -sh {place}/*`"
    if free.bytes < _LEAST_BYTES:
        yield failure(f"Only {size(free.bytes)} are free at {place}.", "Without room, new messages are refused.", fix)
    elif free.files is not None and free.files < _LEAST_FILES:
        yield failure(
            f"Only {free.files} more files can be made at {place}.", "Without room, new messages are refused.", fix
        )
    elif free.bytes < _FEW_BYTES:
        yield warning(f"{size(free.bytes)} are free at {place}.", "Without room, new messages are refused.", fix)
    else:
        yield ok(f"{size(free.bytes)} are free.")
