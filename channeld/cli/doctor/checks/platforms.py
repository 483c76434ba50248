"""Can each platform be reached, and does it know the token?"""

from __future__ import annotations

from collections.abc import Iterator

from channeld.cli.doctor.finding import Finding, failure, ok
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.token_check import CheckFailed, source_of, title_of
from channeld.core.errors import ConfigError

_INTENT = "missing_intent"


def check(around: Surroundings) -> Iterator[Finding]:
    """Ask each platform whose the token is."""
    for worker in around.bots:
        try:
            token = around.token_of(worker)
        except ConfigError:  # which another check tells
            continue
        if token is None:
            continue
        answer = around.platforms.ask(worker, token.value)
        if not isinstance(answer, CheckFailed):
            yield ok(f"{title_of(worker.platform)} knows {worker.name} as @{answer.username}.")
        elif answer.code == "bad_credentials":
            yield failure(
                f"{worker.name}: {answer}", "Its messages neither arrive nor leave.",
                f"Get its token from {source_of(worker.platform)}. Then: channeld setup {worker.name}",
            )  # fmt: skip
        elif answer.code != _INTENT:
            yield failure(f"{worker.name}: {answer}", "Its messages wait until that is mended.", answer.hint)
        else:
            yield ok(f"{title_of(worker.platform)} knows the token of {worker.name}.")
