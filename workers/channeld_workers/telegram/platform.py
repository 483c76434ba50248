"""Telegram as a platform: one bot, its chats and what is shown in them."""

from __future__ import annotations

import asyncio
from typing import Final

from telegram.error import InvalidToken, TelegramError

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
from channeld_workers.runtime import BadCredentials, Outcome, Runtime
from channeld_workers.telegram.api import Client
from channeld_workers.telegram.courtesies import Courtesies
from channeld_workers.telegram.downloads import Downloads
from channeld_workers.telegram.intake import Intake
from channeld_workers.telegram.polling import Poller, check_token
from channeld_workers.telegram.prompts import Prompts
from channeld_workers.telegram.sending import Sender
from channeld_workers.telegram.settings import read_settings
from channeld_workers.telegram.updates import Account

_FIRST_TRY_S: Final = 8.0
"""How long the start waits for the server; then the worker is ready all the same, and says what is the matter."""
_MOST_FILE_BYTES: Final = 2_000_000_000
"""What a Bot API server of one's own takes (https://core.telegram.org/bots/api#using-a-local-bot-api-server).

``max_upload_mb`` is what holds here, and is not known before the start.
"""
_WAITS_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
COMMANDS: Final = [
    {"command": "status", "description": "Who listens, and what waits"},
    {"command": "now", "description": "Do not wait for Claude's turn to end"},
    {"command": "stop", "description": "Interrupt what Claude works on"},
    {"command": "sessions", "description": "Which sessions are there; /use NAME picks one for this chat"},
    {"command": "help", "description": "What this bot does"},
]


class TelegramPlatform:
    """One bot account."""

    name = "telegram"
    capabilities = Capabilities(
        tools=["reply", "edit_message", "react", "download_attachment"],
        max_text=100_000,
        max_file_bytes=_MOST_FILE_BYTES,
        buttons=True,
        presence=True,
        prompts=True,
        notices=True,
    )

    def __init__(self) -> None:
        self._account: Account | None = None
        self._polling: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self._informed = asyncio.Event()
        """The daemon has said which prompts are open: before that, taps on them would be taken for late ones."""

    async def start(self, runtime: Runtime) -> str:
        """Connect, and return the bot's name; without the network, that it was not reached yet."""
        self._runtime = runtime
        self._settings, self._patterns = read_settings(runtime.worker, runtime.settings)
        if runtime.token is None:
            raise BadCredentials(
                "There is no token for this bot.",
                hint=f"Get one from @BotFather, then: channeld setup {runtime.worker}",
            )
        try:
            self._client = client = Client(runtime.token, self._settings.api_base_url)
        except InvalidToken:
            raise BadCredentials(
                "The token is none of Telegram's.",
                hint=f"Copy it from @BotFather whole, then: channeld setup {runtime.worker}",
            ) from None
        await client.open()
        self._courtesies = Courtesies(runtime, client, self._settings.ack_reaction)
        self._sender = Sender(client, self._settings, self._moved, self._doubt)
        self._downloads = Downloads(client, self._settings, runtime.inbox)
        self._prompts = Prompts(runtime, client)
        self._intake = Intake(runtime, self._prompts, self._courtesies, self._settings)
        self._poller = Poller(runtime, client, self._intake)
        try:
            async with asyncio.timeout(_FIRST_TRY_S):
                await self._learn_account(client)
        except (TelegramError, TimeoutError) as error:
            runtime.log.warning("telegram_not_reached", reason=type(error).__name__)
        self._polling = runtime.spawn(self._receive(client), "polling")
        return self._account_name()

    async def send(self, part: Send) -> Outcome:
        """Carry out one part."""
        return await self._sender.send(part)

    async def fetch(self, wanted: Fetch) -> Fetched | NotFetched:
        """Bring a file into the inbox."""
        return await self._downloads.fetch(wanted)

    def receipt(self, item: HistoryItem) -> None:
        """Never called: Telegram has no place for the states of messages."""

    def presence(self, presence: Presence) -> None:
        """Hear whether a session listens: whoever writes while none does is told once. It comes behind open prompts."""
        self._courtesies.presence(presence)
        self._informed.set()

    def groups(self, groups: Groups) -> None:
        """Never called: Telegram hands on what came meanwhile."""

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
        """Stop polling; what was not confirmed comes again."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait({self._polling})
        if self._client is not None:
            await self._client.close_connections()

    # -- the account

    async def _receive(self, client: Client) -> None:
        """Poll, as soon as it is known who the bot is: whether a message mentions it cannot be told before."""
        tries = 0
        while self._account is None:
            self._runtime.trouble(
                "unreachable", "Telegram cannot be reached: no messages come or go.", "It is tried again for ever."
            )
            await asyncio.sleep(pause_s(_WAITS_S, tries))
            tries += 1
            try:
                await self._learn_account(client)
            except TelegramError as error:
                self._runtime.log.warning("telegram_not_reached", reason=error.message)
            else:
                self._runtime.account_known(self._account_name())
        self._runtime.spawn(self._courtesies.set_commands(COMMANDS), "commands")
        await self._informed.wait()
        await self._poller.run()

    async def _learn_account(self, client: Client) -> None:
        me = await check_token(client, self._runtime.worker)
        self._account = Account(me["id"], me["username"], self._runtime.worker, self._patterns)
        self._intake.account = self._account

    def _account_name(self) -> str:
        return f"@{self._account.username}" if self._account is not None else "not reached yet"

    def _doubt(self) -> None:
        self._poller.doubted = True

    async def _moved(self, old: int, new: int) -> None:
        """Telegram says, as something is sent, that a group has a new id."""
        await self._runtime.moved(f"{self._runtime.worker}:{old}", f"{self._runtime.worker}:{new}")
