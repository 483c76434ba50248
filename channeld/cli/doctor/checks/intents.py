"""May the Discord bot read messages?"""

from __future__ import annotations

from collections.abc import Iterator

from channeld.cli.doctor.finding import Finding, failure, ok
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.token_check import CheckFailed


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell whether the Message Content Intent is on."""
    for worker in around.bots:
        answer = around.ask(worker) if worker.platform == "discord" else None
        if isinstance(answer, CheckFailed) and answer.code == "missing_intent":
            yield failure(
                f"{worker.name}: {answer}", "Discord refuses the connection.",
                f"{answer.hint.partition(';')[0]}. Then: channeld restart {worker.name}",
            )  # fmt: skip
        elif answer is not None and not isinstance(answer, CheckFailed):
            yield ok(f"{worker.name} may read messages.")
