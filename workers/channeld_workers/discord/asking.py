"""Asks Discord what has to be known before anything goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from channeld_workers.discord.api import Api, DiscordError, TooFast
from channeld_workers.discord.refusals import is_final
from channeld_workers.runtime import Runtime

_WAITS_S: Final = (1.0, 2.0, 5.0, 10.0)


async def ask(runtime: Runtime, api: Api, is_right: Callable[[Any], bool], path: str, **more: Any) -> Any:
    """Return what Discord answers, however long that takes; None if it refuses to tell.

    Args:
        runtime: for the log.
        api: the bot's.
        is_right: tells an answer of Discord's from one of whatever else stands in between.
        path: as ``Api.call`` has it.
        more: its other arguments.
    """
    tries = 0
    while True:
        wait_s = _WAITS_S[min(tries, len(_WAITS_S) - 1)]
        tries += 1
        try:
            answer = await api.call("GET", path, **more)
        except TooFast as error:
            wait_s, reason = max(wait_s, error.delay_s), error.message
        except DiscordError as error:
            if is_final(error):
                runtime.log.info("discord_does_not_tell", path=path, reason=error.message)
                return None
            reason = error.message
        else:
            if is_right(answer):
                return answer
            reason = "what answered is not Discord"
        runtime.log.warning("discord_not_asked", path=path, reason=reason)
        await asyncio.sleep(wait_s)
