"""Can each platform be reached, and does it know the token?"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from channeld.cli.doctor.finding import Finding, failure, note, ok
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.token_check import Answer, CheckFailed, source_of, title_of
from channeld.config import Worker

_INTENT: Final = "missing_intent"


def check(around: Surroundings) -> Iterator[Finding]:
    """Ask each platform whose the token is, all at the same time."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(around.ask, around.bots))
    for worker, answer in zip(around.bots, answers, strict=True):
        if answer is not None:
            yield _told(worker, answer, connected=around.is_ready(worker.name))


def _told(worker: Worker, answer: Answer | CheckFailed, *, connected: bool) -> Finding:
    title = title_of(worker.platform)
    if not isinstance(answer, CheckFailed):
        return ok(f"{title} knows {worker.name} as @{answer.username}.")
    if answer.code == _INTENT:  # it knows the token, and another check tells the rest
        return ok(f"{title} knows the token of {worker.name}.")
    if answer.code == "bad_credentials":
        return failure(
            f"{worker.name}: {answer}", "Its messages neither arrive nor leave.",
            f"Get its token from {source_of(worker.platform)}. Then: channeld setup {worker.name}",
        )  # fmt: skip
    if connected:  # with a proxy, perhaps, that this terminal does not know
        return note(f"{worker.name}: {answer}", "So it is from this terminal; the daemon is connected.")
    return failure(f"{worker.name}: {answer}", "Its messages wait until that is mended.", answer.hint)
