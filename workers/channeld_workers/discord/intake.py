"""Takes in what Discord tells: which channel it belongs to, what it is to channeld, and what is made up after a gap."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any, Final

from channeld.ipc.messages import Accepted, Inbound, Notice, Refused
from channeld_workers.discord import messages
from channeld_workers.discord.api import Api, DiscordError, TooFast
from channeld_workers.discord.channels import channel_of
from channeld_workers.discord.courtesies import Courtesies
from channeld_workers.discord.ids import snowflake
from channeld_workers.discord.lanes import MESSAGE, Answer, Item, Lanes
from channeld_workers.discord.messages import Account
from channeld_workers.discord.places import Kind, Place, Places
from channeld_workers.discord.prompts import Prompts
from channeld_workers.discord.recollection import Recollection
from channeld_workers.discord.refusals import is_final
from channeld_workers.discord.settings import Settings
from channeld_workers.discord.watermarks import Watermarks
from channeld_workers.raw import Raw, table, tables
from channeld_workers.runtime import Runtime

_OF_CHANNELS: Final = frozenset({
    MESSAGE, "MESSAGE_UPDATE", "MESSAGE_DELETE", "MESSAGE_DELETE_BULK",
    "MESSAGE_REACTION_ADD", "MESSAGE_REACTION_REMOVE",
})  # fmt: skip
_ASK_WAITS_S: Final = (1.0, 2.0, 5.0, 10.0)
_MOST_DELETED: Final = 100
_ARCHIVED: Final = 50
"""Archived threads of a channel that are looked at after a gap, the latest of each kind."""
_ARCHIVES: Final = (
    "/channels/{channel_id}/threads/archived/public",
    "/channels/{channel_id}/users/@me/threads/archived/private",  # those that the bot is in; elsewhere there are none
)
_MOST_GUILDS: Final = 5000
"""Discord wants bots in more than 2500 to share the work among connections."""
_ALWAYS: Final = 2**63
"""As an id: later than any."""


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
        self._begun = 0
        """About when this account was last heard before the session of now, as an id; 0: never."""
        self._latest = 0
        """The latest message that was told of, wherever."""
        self._open: frozenset[int] = frozenset()
        """Channels of guilds that people opened."""
        self._due: set[int] = set()
        """Guilds that were not looked through since the session began."""
        self._reactions = itertools.count()
        self._process = time.time_ns()

    def take(self, event: str, data: Any) -> None:
        """Take a dispatch."""
        self.places.note(event, data)
        if event == "READY":
            self._session_began(table(data))
        elif event == "GUILD_CREATE":
            self._guild_came(table(data))
        elif event == "GUILD_DELETE":
            self._guild_done(snowflake(table(data).get("id")))
        elif event == "THREAD_CREATE":
            self._thread_came(table(data))
        elif event == "THREAD_LIST_SYNC":
            self._begin_places()
        elif event in _OF_CHANNELS and (channel := snowflake(table(data).get("channel_id"))) is not None:
            assert self.account is not None
            self.places.meet(data, self.account.id)
            item = Item(event, data)
            self._latest = max(self._latest, item.message_id or 0)
            self._lanes.put(channel, item)

    def opened(self, chats: list[str]) -> None:
        """Take in which channels are open now."""
        before = self._open
        self._open = frozenset(number for each in chats if (number := channel_of(each)) is not None)
        for channel in before - self._open:
            self.marks.forget(channel)  # what is written until it is opened again is not wanted then either
        self._begin_places()

    # -- what was missed

    def _session_began(self, ready: Raw) -> None:
        """Read what came while nobody listened, wherever something was read before."""
        self._begun = self.marks.look_back()
        guilds = tables(ready.get("guilds"), _MOST_GUILDS)
        self._due = {number for each in guilds if (number := snowflake(each.get("id"))) is not None}
        for channel in self.marks.channels:
            self._lanes.catch_up(channel)
        if not self._due:
            self.marks.looked_back()

    def _guild_came(self, guild: Raw) -> None:
        """Read threads that were begun or woken meanwhile in channels that are read."""
        number = snowflake(guild.get("id"))
        if number is None or guild.get("unavailable") is True:
            return
        known = [place for place in self.places.channels(number) if self._is_followed(place)]
        if self._begun:
            for thread in (thread for place in known for thread in self.places.threads_of(place.id)):
                self._catch_up_thread(thread)
        self._begin_places()
        self._runtime.spawn(self._look_for_archived(number, known if self._begun else []), "archived threads")

    def _is_followed(self, place: Place) -> bool:
        return place.has_threads and place.id in self._open and self.marks.is_known(place.id)

    def _catch_up_thread(self, thread: Place) -> None:
        """Read a thread that is not known, if something was written in it since this account was last heard.

        Whatever was written in it before has been heard, and then it would be known, or was not wanted.
        """
        after = max(thread.id - 1, self._begun)  # a forum's post has the id of its first message
        if self.marks.of(thread.id) is None and (thread.last_message_id or _ALWAYS) > after:
            self._lanes.catch_up(thread.id, after=after)

    async def _look_for_archived(self, guild: int, channels: list[Place]) -> None:
        """Read threads that were put away since this account was last heard; then the guild is looked through."""
        for place in channels:
            for path in _ARCHIVES if place.kind == Kind.TEXT else _ARCHIVES[:1]:
                found = await self._ask(
                    lambda answer: isinstance(table(answer).get("threads"), list),
                    path, params={"limit": _ARCHIVED}, channel_id=place.id,
                )  # fmt: skip
                for raw in tables(table(found).get("threads"), _ARCHIVED):
                    if (thread := self.places.add(raw)) is not None:
                        self._catch_up_thread(thread)
        self._guild_done(guild)

    def _guild_done(self, guild: int | None) -> None:
        if guild in self._due:
            self._due.remove(guild)
            if not self._due:
                self.marks.looked_back()

    # -- where nothing was ever read

    def _thread_came(self, thread: Raw) -> None:
        """Follow a thread from its first message, and one that the bot was let into from now on."""
        place = self.places.find(snowflake(thread.get("id")) or 0)
        if place is None or place.parent_id not in self._open:
            return
        if thread.get("newly_created") is True and self.marks.of(place.id) is None:
            self._follow(place, place.id - 1)
        self._begin_places()

    def _begin_places(self) -> None:
        """Follow what is open and was never read: from its newest message on, though nothing be heard there for long.

        Without that, the next process would know nothing of a channel that was silent since it was opened.
        """
        for channel in self._open:
            place = self.places.find(channel)
            for each in [place, *self.places.threads_of(channel)] if place is not None else ():
                if not self.marks.is_known(each.id):
                    self._follow(
                        each, max(each.last_message_id or each.id, self._latest - 1)
                    )  # that one may still wait
        self.marks.flush()

    def _follow(self, place: Place, after: int) -> None:
        if place.has_messages:
            self.marks.answered(place.id, [after])
        else:
            self.marks.thread_read(place.id, after)

    def _closed(self, channel: int) -> None:
        """Read a channel no more that the daemon says is closed, unless it was opened since."""
        self.marks.forget(channel)
        self._begin_places()

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
        found = await self._ask(
            lambda answer: snowflake(table(answer).get("id")) == channel, "/channels/{channel_id}", channel_id=channel
        )
        return self.places.find(channel) or self.places.add(found)

    async def _learn_roles(self, guild: int) -> None:
        """Ask for a guild's roles where it was not told yet: a mention of the account's own addresses it."""
        if not self.places.knows_guild(guild):
            found = await self._ask(
                lambda answer: snowflake(table(answer).get("id")) == guild, "/guilds/{guild_id}", guild_id=guild
            )
            self.places.add_guild(found)

    async def _ask(self, is_right: Callable[[Any], bool], path: str, **more: Any) -> Any:
        """Ask Discord something until it answers itself; None if it refuses to tell."""
        tries = 0
        while True:
            wait_s = _ASK_WAITS_S[min(tries, len(_ASK_WAITS_S) - 1)]
            tries += 1
            try:
                answer = await self._api.call("GET", path, **more)
            except TooFast as error:
                wait_s, reason = max(wait_s, error.delay_s), error.message
            except DiscordError as error:
                if is_final(error):
                    self._runtime.log.info("discord_does_not_tell", path=path, reason=error.message)
                    return None
                reason = error.message
            else:
                if is_right(answer):
                    return answer
                reason = "what answered is not Discord"
            self._runtime.log.warning("discord_not_asked", path=path, reason=reason)
            await asyncio.sleep(wait_s)

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
