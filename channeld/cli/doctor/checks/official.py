"""Is an official plugin of Claude Code at work with the token of one of our bots?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from channeld.cli.doctor.finding import Finding, failure, note, ok
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.official import Unreadable, folder_of, read_official
from channeld.cli.token_check import title_of
from channeld.core.errors import ConfigError

_CLASHES: Final = {
    "telegram": "Two programs cannot fetch one bot's messages: each takes some from the other.",
    "discord": "Both programs get every message, and answer it.",
}


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell which of them is enabled and has the same token."""
    calm = True
    for worker in around.bots:
        name = f"{worker.platform}@claude-plugins-official"
        if worker.platform not in _CLASHES or not around.claude.enabled(worker.platform).get(name):
            continue
        disable = f"`claude plugin disable {name}` Then end the sessions in which it runs."
        try:
            token, theirs = around.token_of(worker), _token(around, worker.platform)
        except (ConfigError, Unreadable) as error:
            calm = False
            yield note(f"The official {title_of(worker.platform)} plugin is enabled.", str(error), disable)
            continue
        if token is not None and theirs == token.value:
            calm = False
            yield failure(
                f"The official {title_of(worker.platform)} plugin is enabled, with the bot of {worker.name}.",
                _CLASHES[worker.platform], disable,
            )  # fmt: skip
    if calm:
        yield ok("No official plugin has the token of a worker.")


def _token(around: Surroundings, platform: str) -> str | None:
    given = around.environ.get(f"{platform.upper()}_BOT_TOKEN", "").strip()
    saved = read_official(platform, folder_of(platform, around.environ))
    return given or (saved.token if saved is not None else None)
