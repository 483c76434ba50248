"""A daemon whose only worker is the real one of Telegram, before a test server of the Bot API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from channeld.credentials import save_token
from tests.doubles.bot_api import BotApi
from tests.doubles.bot_api_person import Person
from tests.doubles.bot_api_world import Chat, Message
from tests.doubles.daemon import Daemon
from tests.doubles.faultpoints import FaultPoints

ANN_ID = 412587349


class TelegramDaemon(Daemon):
    """A place with a token, and Ann as an approver."""

    def __init__(
        self, api: BotApi, *, settings: str = "", rest: str = "", points: FaultPoints | None = None, **options: Any
    ) -> None:
        """Make it; ``settings`` are lines of ``[workers.telegram]``, ``rest`` other tables."""
        config = f'[workers.telegram]\napi_base_url = "{api.url}"\nmax_per_minute = 1000000\n{settings}\n{rest}'
        super().__init__(config, points=points, listed={"telegram": str(ANN_ID)}, **options)
        self.paths.credentials.mkdir(mode=0o700, parents=True, exist_ok=True)
        save_token("telegram", self.paths.credentials, api.token)

    async def ready(self) -> None:
        """Return when the worker has connected."""
        await self.status_where(lambda s: any(w["account"] and w["account"][0] == "@" for w in s["workers"]))

    def worker_pid(self, status: dict[str, Any]) -> int:
        """Return the process of the worker."""
        return int(status["workers"][0]["pid"])


class Scene:
    """The server, Ann and her private chat, and the daemon."""

    def __init__(self, api: BotApi, ann: Person, chat: Chat, daemon: TelegramDaemon) -> None:
        self.api, self.ann, self.chat, self.daemon = api, ann, chat, daemon

    @property
    def chat_id(self) -> str:
        """Ann's chat as channeld names it."""
        return f"telegram:{self.chat.id}"

    async def terminal(self, *arguments: str, typed: Sequence[tuple[str, str]] = ()) -> str:
        """Run the channeld command as a person does, while the server goes on; return what it prints."""
        done = await asyncio.to_thread(lambda: self.daemon.terminal(*arguments, typed=typed))
        assert done.returncode == 0, done.stdout
        return str(done.stdout)

    def write(self, text: str, **more: Any) -> Message:
        """Have Ann write."""
        return self.ann.write(self.chat, text, **more)

    async def said(self, text: str) -> Message:
        """Return the bot's message that has a text in it."""

        def find() -> Message | None:
            return next((m for m in self.api.sent if text in (m.raw.get("text") or m.raw.get("caption") or "")), None)

        found = await self.api.until(find)
        assert found is not None
        return found


@asynccontextmanager
async def scene(**options: Any) -> AsyncIterator[Scene]:
    """Run all of it; whatever the test does, the worker must not have done what a good client never does."""
    async with BotApi() as api:
        ann = api.person(ANN_ID, "Ann")
        chat = api.add_private_chat(ann)
        async with TelegramDaemon(api, **options) as daemon:
            await daemon.ready()
            yield Scene(api, ann, chat, daemon)
        assert not api.violations
