"""Does the daemon run and answer?"""

from __future__ import annotations

import os
from collections.abc import Iterator

from channeld.cli.client import NOT_RUNNING
from channeld.cli.doctor.finding import Finding, failure, ok
from channeld.cli.doctor.surroundings import Surroundings

_CUT_OFF = "Messages neither arrive nor leave."


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell whether it runs; if not, whether that is meant so, or what is in the way."""
    if around.status is not None:
        yield ok(f"It runs with pid {around.status['daemon']['pid']}.")
    elif around.silence is not None:
        yield failure(around.silence.text, _CUT_OFF, around.silence.hint)
    elif around.mistake is not None:
        yield failure("channeld is not running.", _CUT_OFF, "Mend the configuration, see above. Then: channeld start")
    elif os.path.exists(around.paths.stopped):
        yield failure(
            "channeld was stopped with `channeld stop`.",
            f"{_CUT_OFF} Sessions do not start it meanwhile.",
            NOT_RUNNING[1],
        )
    else:
        yield failure("channeld is not running.", _CUT_OFF, NOT_RUNNING[1])
