"""Discord as a platform: one bot account, its chats and what is shown in them."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from channeld.core.errors import Refused as RequestRefused
from channeld.ipc.messages import (
    Capabilities,
    Fetch,
    Fetched,
    Groups,
    HistoryItem,
    NotFetched,
    Notice,
    Presence,
    Prompt,
    Send,
    Typing,
)
from channeld_workers.backoff import pause_s
from channeld_workers.discord.api import DiscordError
from channeld_workers.discord.courtesies import Courtesies
from channeld_workers.discord.doubt import Doubt
from channeld_workers.discord.downloads import Downloads
from channeld_workers.discord.gateway import Gateway
from channeld_workers.discord.ids import snowflake
from channeld_workers.discord.intake import Intake
from channeld_workers.discord.interactions import Interactions
from channeld_workers.discord.messages import Account
from channeld_workers.discord.prompts import Prompts
from channeld_workers.discord.sending import Sender
from channeld_workers.discord.settings import read_settings
from channeld_workers.proxies import proxy_for
from channeld_workers.raw import line
from channeld_workers.runtime import BadCredentials, Outcome, Runtime

_FIRST_TRY_S: Final = 8.0
"""How long the start waits for Discord; then the worker is ready all the same, and says what is the matter."""
_MOST_FILE_BYTES: Final = 500 * 1024 * 1024
"""What the highest boosts allow. ``max_upload_mb`` is what holds here, and is not known before the start."""
_WAITS_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_ASK_AGAIN_S: Final = 2.0


class DiscordPlatform:
    """One bot account."""

    name = "discord"
    capabilities = Capabilities(
        tools=["reply", "edit_message", "react", "download_attachment"],
        max_text=100_000,
        max_file_bytes=_MOST_FILE_BYTES,
        buttons=True,
        idempotent=True,  # for two minutes, see ``Send.tried_at``
        presence=True,
        prompts=True,
        notices=True,
        groups=True,
    )

    def __init__(self) -> None:
        self._gateway: Gateway | None = None
        self._account: Account | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._informed = asyncio.Event()
        """The daemon has said which prompts are open: before that, presses on them would be taken for late ones."""

    async def start(self, runtime: Runtime) -> str:
        """Connect, and return the bot's name; without the network, that it was not reached yet."""
        self._runtime = runtime
        settings, self._patterns = read_settings(runtime.worker, runtime.settings)
        if runtime.token is None:
            raise BadCredentials(
                "There is no token for this bot.",
                hint=f"Get one in the Developer Portal (Bot, Reset Token), then: channeld setup {runtime.worker}",
            )
        proxy = proxy_for(settings.api_base_url)
        self._gateway = gateway = Gateway(runtime, settings.api_base_url, settings.gateway_url, proxy, self._take)
        api = gateway.api
        self._courtesies = Courtesies(runtime, api, settings.ack_reaction)
        self._downloads = Downloads(api, settings, runtime.inbox, proxy)
        self._prompts = Prompts(runtime, api)
        self._intake = Intake(runtime, api, settings, self._prompts, self._courtesies)
        self._sender = Sender(
            api, settings, time.time, Doubt(runtime, api).cast, file_limit=self._intake.places.file_bytes
        )
        self._interactions = Interactions(runtime, api, self._prompts, self._intake.places)
        self._intake.marks.load(await self._marks())
        try:
            async with asyncio.timeout(_FIRST_TRY_S):
                await self._learn_account(gateway)
        except (DiscordError, TimeoutError) as error:
            runtime.log.warning("discord_not_reached", reason=type(error).__name__)
        self._receiving = runtime.spawn(self._receive(gateway), "gateway")
        return self._account_name()

    async def send(self, part: Send) -> Outcome:
        """Carry out one part."""
        return await self._sender.send(part)

    async def fetch(self, wanted: Fetch) -> Fetched | NotFetched:
        """Bring a file into the inbox."""
        return await self._downloads.fetch(wanted)

    def receipt(self, item: HistoryItem) -> None:
        """Never called: Discord has no place for the states of messages."""

    def presence(self, presence: Presence) -> None:
        """Hear whether a session listens: whoever writes while none does is told once. It comes behind open prompts."""
        self._courtesies.presence(presence)
        self._informed.set()

    def groups(self, groups: Groups) -> None:
        """Hear which channels are open."""
        self._intake.opened(groups.chats)

    def typing(self, typing: Typing) -> None:
        """Show that Claude works on a message of a chat."""
        self._courtesies.typing(typing)

    def prompt(self, prompt: Prompt) -> None:
        """Show what Claude Code asks, or that it is settled."""
        self._prompts.put(prompt)

    def notice(self, notice: Notice) -> None:
        """Show channeld's own words."""
        self._courtesies.say(notice)

    async def stop(self) -> None:
        """Disconnect; what was not answered is read from the history next time."""
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.wait({self._receiving})
            self._intake.marks.flush()
        if self._gateway is not None:
            await self._gateway.close()

    # -- receiving

    def _take(self, event: str, data: Any) -> None:
        if event == "INTERACTION_CREATE":
            self._interactions.take(data)
        else:
            self._intake.take(event, data)

    async def _marks(self) -> dict[str, str]:
        """Return how far channels were read; without that nothing can be made up for."""
        while True:
            try:
                return await self._runtime.marks()
            except RequestRefused as error:
                self._runtime.log.warning("marks_not_read", reason=str(error))
                await asyncio.sleep(_ASK_AGAIN_S)

    async def _receive(self, gateway: Gateway) -> None:
        """Stay connected, as soon as it is known who the bot is: which messages are its own cannot be told before."""
        tries = 0
        while self._account is None:
            self._runtime.trouble(
                "unreachable", "Discord cannot be reached: no messages come or go.", "It is tried again for ever."
            )
            await asyncio.sleep(pause_s(_WAITS_S, tries))
            tries += 1
            try:
                await self._learn_account(gateway)
            except DiscordError as error:
                self._runtime.log.warning("discord_not_reached", reason=error.message)
            else:
                self._runtime.account_known(self._account_name())
        await self._informed.wait()
        await gateway.run()

    async def _learn_account(self, gateway: Gateway) -> None:
        me = await gateway.log_in()
        number = snowflake(me.get("id"))
        assert number is not None
        self._account = Account(number, line(me.get("username")), self._runtime.worker, self._patterns)
        self._intake.account = self._account

    def _account_name(self) -> str:
        return f"@{self._account.username}" if self._account is not None else "not reached yet"
