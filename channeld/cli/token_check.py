"""Asks a platform about a token, through the worker's own package in a child process: its library stays there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any, Final, NamedTuple

from channeld.core.errors import ChanneldError
from channeld.environment import bare_environment

_LIMIT_S: Final = 45.0
"""A first connection may take 10 s, and an answer 30 s."""
_TITLES: Final = {"telegram": "Telegram", "discord": "Discord"}
_SOURCES: Final = {
    "telegram": "@BotFather in Telegram",
    "discord": "the Developer Portal (discord.com/developers, Bot, Reset Token)",
}


class Answer(NamedTuple):
    """What the platform and its worker's package say."""

    username: str = ""
    webhook: bool = False
    """Another program is given the bot's messages."""
    invite: str = ""
    """Where the bot is added to a server of the operator's; empty: it needs none."""
    refused: tuple[str, ...] = ()
    """For each setting that was asked about, why the worker cannot use it; empty: it can."""


class CheckFailed(ChanneldError):
    """The token is wrong, or nobody could say."""

    code = "check_failed"


def title_of(platform: str) -> str:
    """Return a platform's name as people write it."""
    return _TITLES.get(platform, platform)


def source_of(platform: str) -> str:
    """Return where a platform's tokens come from."""
    return _SOURCES[platform]


def ask_platform(
    platform: str,
    token: str | None,
    settings: dict[str, Any],
    *,
    tried: list[dict[str, Any]] | None = None,
    delete_webhook: bool = False,
    limit_s: float = _LIMIT_S,
) -> Answer:
    """Ask whose a token is.

    Args:
        platform: of the token.
        token: None: the platform is not asked, only the worker's package about settings.
        settings: of the worker, all of them.
        tried: settings of which each is to be judged, in place of those in ``settings``.
        delete_webhook: remove the webhook if one is set.
        limit_s: seconds for all of it.

    Raises:
        CheckFailed: with what to do. No text of it holds the token.
    """
    asked = {"token": token, "settings": settings, "tried": tried or [], "delete_webhook": delete_webhook}
    title = title_of(platform)
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and package
            [sys.executable, "-P", "-m", f"channeld_workers.{platform}", "check"], input=json.dumps(asked).encode(),
            check=False, capture_output=True, timeout=limit_s, env=bare_environment(bundled=True), cwd="/",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CheckFailed(
            f"{title} has not answered for {limit_s:.0f} s.",
            hint="Check the network, a proxy, and api_base_url; then try it again.",
        ) from None
    except OSError as error:
        raise CheckFailed(f"The check of the token cannot be started: {error.strerror}.") from None
    try:
        answer = json.loads(done.stdout)
        if answer["ok"]:
            return Answer(
                answer["username"], answer.get("webhook", False), answer.get("invite", ""), tuple(answer["refused"])
            )
        text, hint, code = answer["text"], answer["hint"], answer["code"]
    except (ValueError, KeyError, TypeError):
        raise _crashed(title, done) from None
    raise CheckFailed(text, hint=hint, code=code)


def _crashed(title: str, done: subprocess.CompletedProcess[bytes]) -> CheckFailed:
    """Return what is said of a child that has not answered; its own words are not shown: they may hold the token."""
    said = done.stderr.decode(errors="replace").strip().splitlines()
    last = said[-1] if said else ""
    if (missing := re.fullmatch(r"(?:\S+: )?(?:ModuleNotFoundError: )?(No module named '?[\w.]+'?)", last)) is not None:
        return CheckFailed(
            f"The part of channeld for {title} is not installed whole: {missing[1]}.", hint="Install channeld anew."
        )
    kind = re.match(r"[\w.]+(?=:|$)", last)
    what = f"signal {-done.returncode}" if done.returncode < 0 else f"exit status {done.returncode}"
    return CheckFailed(
        f"The check of the token ended without an answer: {what}{f', {kind[0]}' if kind else ''}.",
        hint="Try it again. If it stays so, it is a fault of channeld: please report it.",
    )
