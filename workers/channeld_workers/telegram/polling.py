"""Receives updates: offers each, and confirms only what the daemon has on disk or has refused.

python-telegram-bot's own polling keeps updates in memory and confirms them before anybody has them, so a crash loses
them; and one that it cannot read costs its whole batch. Here the raw list is read update by update.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from telegram.error import Conflict, InvalidToken, TelegramError

from channeld.ipc.messages import Accepted, Refused
from channeld_workers.backoff import pause_s
from channeld_workers.runtime import BadCredentials, Runtime
from channeld_workers.telegram.api import POLL_S, Client, TooFast
from channeld_workers.telegram.intake import Intake, must_go_alone

KINDS: Final = [
    "message", "edited_message", "channel_post", "edited_channel_post", "callback_query", "message_reaction",
    "my_chat_member",
]  # fmt: skip
"""The server keeps this list until another is named, so all that is wanted has to be in it."""
_QUIET_S: Final = 1
"""An album is complete when nothing has come for so long."""
_WAITS_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_CONFLICT_S: Final = (2.0, 5.0, 10.0, 30.0)
_OFFER_AGAIN_S: Final = 2.0
_TROUBLE_AFTER: Final = 2
"""Failures in a row before people are told: one alone is everyday life."""


class Poller:
    """The one poller of a bot.

    Args:
        runtime: the daemon.
        client: the bot.
        intake: takes updates in.
    """

    def __init__(self, runtime: Runtime, client: Client, intake: Intake) -> None:
        self._runtime, self._client, self._intake = runtime, client, intake
        self._offset: int | None = None
        self._albums: list[str] | None = None
        """Those that may still grow, as the daemon was told; None: it was told nothing yet."""
        self._album_at: dict[str, float] = {}
        """When a message of an album came last, on the monotonic clock."""
        self._failures = 0
        self._told: str | None = None
        self.doubted = False
        """The server has refused the token somewhere: it is looked at before the next poll."""

    async def run(self) -> None:
        """Poll for ever.

        Raises:
            BadCredentials: the token is not valid any more.
        """
        while True:
            try:
                if self.doubted:
                    await check_token(self._client, self._runtime.worker)
                    self.doubted = False
                # An earlier process may have left albums open: the first poll is short, too, and tells that none grows.
                timeout_s = POLL_S if self._albums == [] else _QUIET_S
                updates = await self._client.updates(self._offset, timeout_s, KINDS)
            except TooFast as wait:
                await asyncio.sleep(wait.delay_s)
            except Conflict as error:
                await self._conflict(error)
            except InvalidToken:
                self.doubted = True
                await self._pause(_WAITS_S)
            except TelegramError as error:
                self._failed(
                    "unreachable", f"Telegram cannot be reached: {error.message}.", "It is tried again for ever."
                )
                await self._pause(_WAITS_S)
            else:
                self._recovered()
                await self._offer(updates)

    async def _offer(self, updates: list[Any]) -> None:
        """Offer updates until each is on disk or refused for good, then let the next poll confirm them."""
        albums = self._intake.look_over(updates)
        left = updates
        while left:
            answers = await self._take_all(left)
            left = [
                update for update, answer in zip(left, answers, strict=True)
                if isinstance(answer, Refused) and answer.retry
            ]  # fmt: skip
            if left:
                await asyncio.sleep(_OFFER_AGAIN_S)
        numbers = [n for update in updates if isinstance(update, dict) and type(n := update.get("update_id")) is int]
        if numbers:
            self._offset = numbers[-1] + 1  # not the highest: after a quiet week they may begin anew
        elif updates:
            await self._pause(_WAITS_S)  # nothing of it can be confirmed: it comes again
        self._tell_albums(albums, time.monotonic())

    async def _take_all(self, updates: list[Any]) -> list[Accepted | Refused | None]:
        """Take updates, many at once where their order holds all the same."""
        answers: list[Accepted | Refused | None] = []
        together: list[Any] = []
        for update in updates:
            if must_go_alone(update):
                answers += await asyncio.gather(*map(self._intake.take, together))
                answers.append(await self._intake.take(update))
                together = []
            else:
                together.append(update)
        return answers + await asyncio.gather(*map(self._intake.take, together))

    def _tell_albums(self, albums: list[str], now: float) -> None:
        """Say which albums may still grow: those of which a message came a moment ago."""
        self._album_at |= dict.fromkeys(albums, now)
        self._album_at = {album: at for album, at in self._album_at.items() if now - at < _QUIET_S}
        still_open = list(self._album_at)
        if still_open != self._albums:
            self._albums = still_open
            self._runtime.albums(still_open)

    async def _conflict(self, error: Conflict) -> None:
        webhook = "webhook" in error.message.lower()
        if webhook:
            text = "A webhook is set on this bot, so nothing can be fetched; messages wait at Telegram."
            hint = f"Remove it, unless another program needs it: channeld setup {self._runtime.worker}"
        else:
            text = "Another program fetches this bot's messages; those that it does not take wait at Telegram."
            hint = "Stop it: another channeld, or a session with the official plugin. One token, one poller."
        self._failed("webhook" if webhook else "conflict", text, hint)
        await self._pause(_CONFLICT_S)

    def _failed(self, code: str, text: str, hint: str) -> None:
        self._failures += 1
        if self._failures >= _TROUBLE_AFTER and self._told != code:
            if self._told is not None:
                self._runtime.trouble(self._told)
            self._told = code
            self._runtime.log.warning("polling_failed", code=code, reason=text)
            self._runtime.trouble(code, text, hint)

    def _recovered(self) -> None:
        self._failures = 0
        if self._told is not None:
            self._runtime.log.info("polling_recovered", code=self._told)
            self._runtime.trouble(self._told)
            self._told = None

    async def _pause(self, waits_s: tuple[float, ...]) -> None:
        await asyncio.sleep(pause_s(waits_s, self._failures))


async def check_token(client: Client, worker: str = "WORKER") -> dict[str, Any]:
    """Return what the server says of the bot; ``worker`` is its name, for the hint.

    Raises:
        BadCredentials: it says, in the Bot API's own words, that there is no such bot.
        telegram.error.TelegramError: it cannot be asked now.
    """
    try:
        me = await client.call("getMe")
    except InvalidToken:
        raise BadCredentials(
            "Telegram does not know this token: it was mistyped or revoked.",
            hint=f"Get it from @BotFather, then: channeld setup {worker}.",
        ) from None
    if not isinstance(me, dict) or not isinstance(me.get("id"), int) or not isinstance(me.get("username"), str):
        raise TelegramError("the answer says nothing of a bot")
    return me
