"""Whether a token that Discord has refused for one request is refused altogether."""

from __future__ import annotations

import asyncio

from channeld_workers.discord import refusals
from channeld_workers.discord.api import Api, DiscordError, Refusal
from channeld_workers.discord.gateway import bad_token
from channeld_workers.runtime import Runtime


class Doubt:
    """Ends the worker if the token is bad, as the gateway does, which may stay connected for long without noticing.

    Args:
        runtime: the daemon.
        api: with the token.
    """

    def __init__(self, runtime: Runtime, api: Api) -> None:
        self._runtime, self._api = runtime, api
        self._looking: asyncio.Task[None] | None = None

    def cast(self) -> None:
        """Look at the token, unless it is looked at already."""
        if self._looking is None or self._looking.done():
            self._looking = self._runtime.spawn(self._look(), "token")

    async def _look(self) -> None:
        """Ask whose the token is; where Discord cannot be asked, the next request that is refused asks again.

        Raises:
            BadCredentials: it is nobody's.
        """
        try:
            await self._api.call("GET", "/users/@me")
        except DiscordError as error:
            if isinstance(error, Refusal) and error.status == refusals.BAD_TOKEN:
                raise bad_token(self._runtime.worker) from None
            self._runtime.log.warning("token_not_looked_at", reason=error.message)
        else:
            self._runtime.log.info("token_is_valid")
