"""Takes in what Discord tells: which channel it belongs to, and what it is to channeld."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import Any, Final

from channeld.ipc.messages import Accepted, Inbound, Notice, Refused
from channeld_workers.discord import messages
from channeld_workers.discord.api import Api
from channeld_workers.discord.asking import ask
from channeld_workers.discord.catch_up import CatchUp
from channeld_workers.discord.courtesies import Courtesies
from channeld_workers.discord.ids import snowflake
from channeld_workers.discord.lanes import MESSAGE, Answer, Item, Lanes
from channeld_workers.discord.messages import Account
from channeld_workers.discord.places import Place, Places
from channeld_workers.discord.prompts import Prompts
from channeld_workers.discord.recollection import Recollection
from channeld_workers.discord.rights import Rights
from channeld_workers.discord.settings import Settings
from channeld_workers.discord.watermarks import Watermarks
from channeld_workers.raw import Raw, table
from channeld_workers.runtime import Runtime

_OF_CHANNELS: Final = frozenset({
    MESSAGE, "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK",
    "MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE",
})  # fmt: skip
_OF_RIGHTS: Final = frozenset({
    "CHANNEL_CREATE", "CHANNEL_UPDATE", "CHANNEL_DELETE", "GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE", "GUILD_ROLE_DELETE",
    "GUILD_MEMBER_UPDATE",
})  # fmt: skip
_MOST_DELETED: Final = 100


class Intake:
    """What becomes of dispatches.

    Args:
        runtime: the daemon.
        api: for what dispatches do not say.
        settings: of the worker.
        prompts: cards to which a message may be the answer.
        courtesies: hears of every message that is on disk now.

    Attributes:
        account: the bot; known before the first dispatch.
    """

    def __init__(
        self, runtime: Runtime, api: Api, settings: Settings, prompts: Prompts, courtesies: Courtesies
    ) -> None:
        self._runtime, self._api, self._settings = runtime, api, settings
        self._prompts, self._courtesies = prompts, courtesies
        self.account: Account | None = None
        self.places = Places()
        self.marks = Watermarks(runtime.remember)
        self._recollection = Recollection()
        self._lanes = Lanes(runtime, api, self.marks, self._handle, self._closed, settings.catch_up_limit)
        self._catch_up = CatchUp(
            runtime, api, self.places, Rights(runtime, self.places), self.marks, self._lanes.catch_up
        )
        self._reactions = itertools.count()
        self._process = time.time_ns()

    def take(self, event: str, data: Any) -> None:
        """Take a dispatch."""
        if event in _OF_CHANNELS:  # most are
            self._put(event, data)
            return
        self.places.note(event, data)
        match event:
            case "READY":
                self._catch_up.session_began(table(data))
            case "GUILD_CREATE":
                self._catch_up.guild_came(table(data))
            case "GUILD_DELETE":
                self._catch_up.guild_left(table(data))
            case "THREAD_CREATE":
                self._catch_up.thread_came(table(data))
            case "THREAD_LIST_SYNC":
                self._catch_up.begin_places()
            case _ if event in _OF_RIGHTS:
                self._catch_up.rights_changed()

    def opened(self, chats: list[str]) -> None:
        """Take in which channels are open now."""
        self._catch_up.opened(chats)

    def _put(self, event: str, data: Any) -> None:
        """Put a dispatch of a channel on its lane."""
        channel = snowflake(table(data).get("channel_id"))
        if channel is None:
            return
        assert self.account is not None
        self.places.meet(data, self.account.id)
        item = Item(event, data)
        self._catch_up.message_told(item.message_id or 0)
        self._lanes.put(channel, item)

    def _closed(self, channel: int) -> None:
        self._catch_up.closed(channel)

    # -- one after the other, of each channel

    async def _handle(self, channel: int, items: list[Item]) -> list[Answer]:
        """Offer items of a channel together, in their order, and return the answers."""
        # First of all: items that asked for themselves where they belong would go on as they are answered.
        place = await self._place_of(channel)
        if place is None:
            return [None] * len(items)
        if place.guild_id is not None and any(table(item.data).get("mention_roles") for item in items):
            await self._learn_roles(place.guild_id)
        return await asyncio.gather(*(self._handle_one(item, place) for item in items))

    async def _handle_one(self, item: Item, place: Place) -> Answer:
        """Offer an item, and return the answer; whatever it is, the next one gets through."""
        try:
            return await self._offer(item.event, table(item.data), place)
        except ConnectionError:
            raise  # the daemon is gone
        except Exception:
            self._runtime.log.exception("dispatch_not_taken", event_name=item.event)
            return None

    async def _place_of(self, channel: int) -> Place | None:
        """Return a channel, which Discord is asked about where it is not known; None if it refuses to tell.

        As long as it cannot be asked, the channel waits: what is passed over here is never read again.
        """
        if (known := self.places.find(channel)) is not None:
            return known
        found = await ask(
            self._runtime,
            self._api,
            lambda answer: snowflake(table(answer).get("id")) == channel,
            "/channels/{channel_id}",
            channel_id=channel,
        )
        return self.places.find(channel) or self.places.add(found)

    async def _learn_roles(self, guild: int) -> None:
        """Ask for a guild's roles where it was not told yet: a mention of the account's own addresses it."""
        if not self.places.knows_guild(guild):
            found = await ask(
                self._runtime,
                self._api,
                lambda answer: snowflake(table(answer).get("id")) == guild,
                "/guilds/{guild_id}",
                guild_id=guild,
            )
            self.places.add_guild(found)

    async def _offer(self, event: str, data: Raw, place: Place) -> Answer:
        match event:
            case "MESSAGE_CREATE" | "MESSAGE_UPDATE":
                return await self._offer_message(data, place, edited=event == "MESSAGE_UPDATE")
            case "MESSAGE_DELETE":
                self._withdraw(place, data.get("id"))
            case "MESSAGE_DELETE_BULK":
                ids = data.get("ids")
                for each in ids[:_MOST_DELETED] if isinstance(ids, list) else ():
                    self._withdraw(place, each)
            case _:
                return await self._offer_reaction(data, place, added=event == "MESSAGE_REACTION_ADD")
        return None

    async def _offer_message(self, data: Raw, place: Place, *, edited: bool) -> Answer:
        assert self.account is not None
        self._recollection.note_message(data, place, self.account.id)
        event = messages.read(
            data, self.account, place, self.places, edited=edited, max_bytes=self._settings.max_download_bytes
        )
        if event is None:
            if wrong := messages.fault(data):
                self._runtime.log.warning("message_not_read", channel=place.id, reason=wrong)
            return None
        if not edited and (told := await self._prompts.reply(event)) is not None:
            if told:
                self._courtesies.say(Notice(chat=event.chat, text=told, reply_to=event.message_id))
            return Accepted(ref=0, command=True)
        answer = await self._offer_event(event)
        message = snowflake(event.message_id)
        if isinstance(answer, Accepted) and place.is_thread and place.parent_id is not None and message is not None:
            self.marks.thread_read(place.parent_id, message)
        return answer

    async def _offer_reaction(self, data: Raw, place: Place, *, added: bool) -> Answer:
        assert self.account is not None
        if added:
            self._recollection.note_reaction(data, place, self.account.id)
        event = messages.read_reaction(
            data, self.account, place, self.places, added=added, key=f"{self._process}-{next(self._reactions)}",
            known=self._recollection.person(data.get("user_id"), place),
            own=self._recollection.is_own(data.get("message_id")),
        )  # fmt: skip
        return await self._offer_event(event) if event is not None else None

    async def _offer_event(self, event: Inbound) -> Answer:
        answer = await self._runtime.offer(event)
        accepted = not isinstance(answer, Refused) and not (answer.duplicate or answer.command)
        if accepted and event.kind == "message":
            self._courtesies.taken_in(event.chat, event.message_id)
        return answer

    def _withdraw(self, place: Place, number: object) -> None:
        assert self.account is not None
        if (message := snowflake(number)) is not None:
            self._runtime.withdrawn(self.places.chat_of(place, self.account.worker), str(message))
