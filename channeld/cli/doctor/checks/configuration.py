"""Can the configuration be used?"""

from __future__ import annotations

import os
from collections.abc import Iterator

from channeld.cli.doctor.finding import Finding, failure, ok
from channeld.cli.doctor.surroundings import Surroundings


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell the first mistake in ``config.toml``."""
    if around.mistake is not None:
        running = around.status is not None
        reason = "The daemon runs on with what it read, but could not start again." if running else "It cannot start."
        yield failure(str(around.mistake), reason, around.mistake.hint)
    elif os.path.exists(around.paths.config_file):
        yield ok(f"{around.paths.config_file} can be used.")
    else:
        yield ok("There is no config.toml: the defaults hold, which are a web chat alone.")
