"""The connection on which Discord tells what happens: discord.py's WebSocket, supervised here, its dispatches raw.

The library's own loop ends for good at a dispatch that it cannot read and at a first connection that fails. Here a
frame of an unexpected shape costs a reconnect behind it, and a dispatch of an unexpected shape nothing but itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket
from discord.http import Route

from channeld_workers.backoff import pause_s
from channeld_workers.discord import refusals
from channeld_workers.discord.api import MOST_WAIT_S, Api, BadToken, DiscordError, Refusal, log_in
from channeld_workers.process import BadCredentials, BadSettings
from channeld_workers.raw import table
from channeld_workers.runtime import Runtime

CONNECT_S: Final = 30.0
_STABLE_S: Final = 30.0
"""A connection that held for so long was a good one: the next failure is the first again."""
_WAITS_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_TROUBLE_AFTER: Final = 2
"""Failures in a row before people are told: one alone is everyday life."""
_SPARE_STARTS: Final = 20
"""Of the sessions that may be started in a day: after the last one Discord resets the token."""
_MOST_RESUMES: Final = 3
"""Then a new session is started: the address where it is resumed may be dead, or what is told again unreadable."""
_DAY_S: Final = 86400.0
_BAD_TOKEN: Final = 4004
_MISSING_INTENT: Final = 4014
_BAD_REQUEST: Final = frozenset({4010, 4011, 4012, 4013})
"""Sharding is required, or what is asked for is not known any more: another version is needed."""
_KEEPS_SESSION: Final = 4000
"""A close code of ours after which Discord lets a session be resumed."""

Take = Callable[[str, Any], None]


class _Parsers(dict[str, Callable[[Any], None]]):
    """What the library looks up for the name of a dispatch: one function for all of them."""

    def __init__(self, take: Take) -> None:
        super().__init__()
        self._take = take

    def __missing__(self, event: str) -> Callable[[Any], None]:
        return lambda data: self._take(event, data)


class _Client(discord.Client):
    """The library's client, of which only the HTTP client and what its WebSocket needs are used."""

    def __init__(self, take: Take, proxy: str | None) -> None:
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # nobody is going to speak
        intents = discord.Intents.none()
        intents.guilds = intents.guild_messages = intents.dm_messages = intents.message_content = True
        intents.guild_reactions = intents.dm_reactions = True
        super().__init__(
            intents=intents, max_messages=None, chunk_guilds_at_startup=False, max_ratelimit_timeout=MOST_WAIT_S,
            member_cache_flags=discord.MemberCacheFlags.none(), proxy=proxy,
        )  # fmt: skip
        self._connection.parsers = _Parsers(take)


class Gateway:
    """One bot account's connection.

    Args:
        runtime: the daemon.
        api_base_url: root of the REST API.
        gateway_url: where a session begins.
        proxy: between here and there, if there is one.
        take: called with every dispatch's name and raw data; it must not wait.
    """

    def __init__(self, runtime: Runtime, api_base_url: str, gateway_url: str, proxy: str | None, take: Take) -> None:
        Route.BASE = api_base_url  # the library has both for the whole process
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)
        self._runtime, self._on_dispatch = runtime, take
        self._client = _Client(self._take, proxy)
        self.api = Api(self._client.http)
        self._socket: DiscordWebSocket | None = None
        self._session: dict[str, Any] = {}
        """How to resume; empty: a session has to be started."""
        self._resumes = 0
        """How often in a row that was tried in vain."""
        self._is_first = True
        self._failures = 0
        self._told: str | None = None

    async def log_in(self) -> dict[str, Any]:
        """Return the account of the token.

        Raises:
            BadCredentials: Discord says, in its own words, that there is none.
            DiscordError: it cannot be asked now.
        """
        assert self._runtime.token is not None
        try:
            return await log_in(self._client, self._runtime.token)
        except BadToken:
            raise bad_token(self._runtime.worker) from None

    async def run(self) -> NoReturn:
        """Stay connected for ever.

        Raises:
            BadCredentials: the token is not valid any more.
            BadSettings: the bot may not be told what it needs.
        """
        while True:
            began = time.monotonic()
            try:
                if not self._session or self._resumes >= _MOST_RESUMES:
                    await self._await_start()
                    self._session = {}
                await self._stay()
            except ReconnectWebSocket as wish:
                self._keep_session(resume=wish.resume)
                reason = "Discord asks to connect again"
            except discord.ConnectionClosed as closed:
                self._check_code(closed.code)
                self._keep_session(resume=closed.code != 1000)
                reason = f"closed with code {closed.code}"
            except DiscordError as error:
                if isinstance(error, Refusal) and error.status == refusals.BAD_TOKEN:
                    raise bad_token(self._runtime.worker) from None
                reason = error.message
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self._keep_session(resume=True)
                reason = type(error).__name__
            except Exception:
                self._runtime.log.exception("frame_not_read")  # resumed behind it: its number was noted before
                self._keep_session(resume=True)
                reason = "it sent something that cannot be read"
            await self._hang_up()
            if time.monotonic() - began > _STABLE_S:
                self._failures = 0
            await self._pause(reason)

    async def close(self) -> None:
        """Close all connections; the session ends with the process."""
        await self._hang_up(code=1000)
        await self._client.http.close()

    # -- one connection

    async def _stay(self) -> NoReturn:
        self._socket = None
        # The library waits for 5 s before every session but the first, as Discord wants it.
        connecting = DiscordWebSocket.from_client(self._client, initial=self._is_first, **self._session)
        self._is_first = False
        self._resumes = self._resumes + 1 if self._session else 0
        self._socket = socket = await asyncio.wait_for(connecting, CONNECT_S)
        while True:
            await socket.poll_event()

    def _keep_session(self, *, resume: bool) -> None:
        socket = self._socket
        if not resume:
            self._session = {}
        elif socket is not None and socket.session_id is not None:
            self._session = {
                "resume": True, "session": socket.session_id, "sequence": socket.sequence, "gateway": socket.gateway,
            }  # fmt: skip

    async def _hang_up(self, code: int = _KEEPS_SESSION) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            try:
                await socket.close(code)
            except Exception as error:  # it is gone either way
                self._runtime.log.debug("socket_not_closed", reason=type(error).__name__)

    async def _await_start(self) -> None:
        """Return when a session may be started: only so many a day may be, and then the token is reset."""
        found = table(table(await self.api.call("GET", "/gateway/bot")).get("session_start_limit"))
        left, reset_ms = found.get("remaining"), found.get("reset_after")
        if isinstance(left, int) and left <= _SPARE_STARTS and isinstance(reset_ms, int | float):
            self._tell(
                "session_starts", "This bot has connected too often today; Discord would reset its token.",
                f"It goes on in {max(1, round(reset_ms / 60_000))} min. Why it ends so often: channeld logs",
            )  # fmt: skip
            await asyncio.sleep(min(reset_ms / 1000 + 1, _DAY_S))

    def _check_code(self, code: int) -> None:
        if code == _BAD_TOKEN:
            raise bad_token(self._runtime.worker)
        if code == _MISSING_INTENT:
            raise missing_intent(self._runtime.worker)
        if code in _BAD_REQUEST:
            raise BadSettings(
                f"Discord does not take this bot's connection any more (code {code}).",
                hint="Install the newest channeld, then: channeld restart",
                code="gateway_refused",
            )

    def _take(self, event: str, data: Any) -> None:
        if event in {"READY", "RESUMED"}:
            self._resumes = 0
            self._recovered()
        try:
            self._on_dispatch(event, data)
        except Exception:
            self._runtime.log.exception("dispatch_not_taken", event_name=event)

    # -- failures

    async def _pause(self, reason: str) -> None:
        self._failures += 1
        self._runtime.log.info("gateway_lost", reason=reason, failures=self._failures)
        if self._failures >= _TROUBLE_AFTER:
            self._tell("unreachable", f"Discord cannot be reached: {reason}.", "It is tried again for ever.")
        await asyncio.sleep(pause_s(_WAITS_S, self._failures - 1))

    def _tell(self, code: str, text: str, hint: str) -> None:
        if self._told != code:
            if self._told is not None:
                self._runtime.trouble(self._told)
            self._told = code
            self._runtime.trouble(code, text, hint)

    def _recovered(self) -> None:
        if self._told is not None:
            self._runtime.trouble(self._told)
            self._told = None


def bad_token(worker: str) -> BadCredentials:
    """Return what to say of a token that Discord does not know."""
    return BadCredentials(
        "Discord does not know this token: it was mistyped or reset.",
        hint=f"Copy it from the Developer Portal (Bot, Reset Token), then: channeld setup {worker}",
    )


def missing_intent(worker: str) -> BadSettings:
    """Return what to say of a bot that may not read messages."""
    return BadSettings(
        "This bot may not read messages: the Message Content Intent is off.",
        hint=f"Switch it on in the Developer Portal (Bot, Privileged Gateway Intents), then: channeld restart {worker}",
        code="missing_intent",
    )
