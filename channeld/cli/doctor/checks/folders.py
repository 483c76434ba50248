"""Can channeld's folders be made and written?"""

from __future__ import annotations

from collections.abc import Iterator

from channeld.cli.doctor.finding import Finding, failure, ok
from channeld.cli.doctor.surroundings import Surroundings
from channeld.paths import fault_of


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell which folder cannot be used, and why."""
    faults = [fault for folder in around.paths if (fault := fault_of(folder)) is not None]
    for fault in faults:
        yield failure(str(fault), "The daemon cannot start, or cannot keep messages.", fault.hint)
    if not faults:
        yield ok(f"{around.paths.config} and {around.paths.state} can be used.")
