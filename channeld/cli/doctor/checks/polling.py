"""Does anything else take the messages of a Telegram bot?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from channeld.cli.doctor.finding import Finding, failure, ok
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.token_check import CheckFailed

_RIVALS: Final = frozenset({"platform_conflict", "platform_webhook"})
_LOST: Final = "What it takes, channeld does not get."


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell of a webhook, and of another program that fetches with the token."""
    for worker in around.bots:
        if worker.platform != "telegram":
            continue
        told = [issue for issue in around.health if issue["subject"] == worker.name]
        rival = next((issue for issue in told if issue["code"] in _RIVALS), None)
        if rival is not None:
            yield failure(f"{worker.name}: {rival['text']}", _LOST, rival["hint"])
            continue
        answer = around.ask(worker)
        if answer is None or isinstance(answer, CheckFailed):  # which another check tells
            continue
        if answer.webhook:
            yield failure(
                f"A webhook is set for {worker.name}.", "Telegram gives its messages to another program.",
                f"`channeld setup {worker.name} --delete-webhook`",
            )  # fmt: skip
        elif around.is_ready(worker.name):
            yield ok(f"Nobody else fetches the messages of {worker.name}.")
        else:
            yield ok(f"{worker.name} has no webhook.")
