"""Has every worker that needs a token one?"""

from __future__ import annotations

from collections.abc import Iterator

from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.token_check import title_of
from channeld.core.errors import ConfigError


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell which worker has no token, or one that a daemon in the background does not get."""
    calm = True
    for worker in around.bots:
        title = title_of(worker.platform)
        setup = f"`channeld setup {worker.name}`"
        try:
            token = around.token_of(worker)
        except ConfigError as error:
            calm = False
            yield failure(str(error), f"{title} cannot be reached.", error.hint)
            continue
        if around.is_ready(worker.name):
            continue
        if token is None:
            calm = False
            yield failure(f"{worker.name} has no token.", f"{title} cannot be reached.", setup)
        elif token.variable:
            calm = False
            yield warning(
                f"The token of {worker.name} is in {token.variable} alone.",
                "Only `channeld run` in this terminal has it: a daemon in the background gets no secret of a terminal.",
                setup,
            )  # fmt: skip
    if calm:
        yield ok("Every worker that needs a token has one." if around.bots else "No worker needs a token.")
