"""Finds what was missed while nobody listened: which channels and threads have to be read, and from where."""

from __future__ import annotations

from typing import Final, Protocol

from channeld_workers.discord.api import Api
from channeld_workers.discord.asking import ask
from channeld_workers.discord.channels import channel_of
from channeld_workers.discord.ids import snowflake
from channeld_workers.discord.places import Kind, Place, Places
from channeld_workers.discord.rights import Rights
from channeld_workers.discord.watermarks import Watermarks
from channeld_workers.raw import Raw, table, tables
from channeld_workers.runtime import Runtime

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


class Reader(Protocol):
    """Whoever reads histories."""

    def __call__(self, channel: int, after: int | None = None) -> None:
        """Read a channel behind its watermark, or behind ``after`` where it has none."""


class CatchUp:
    """What is read after a gap, and from where what is new is read after the next one.

    Args:
        runtime: the daemon.
        api: for threads that were put away.
        places: what Discord has told of; kept by others, and up to date before anything is said here.
        rights: looks at what the bot may do.
        marks: how far each channel was read.
        read: has a channel read.
    """

    def __init__(
        self, runtime: Runtime, api: Api, places: Places, rights: Rights, marks: Watermarks, read: Reader
    ) -> None:
        self._runtime, self._api, self._places, self._rights = runtime, api, places, rights
        self._marks, self._catch_up = marks, read
        self._begun = 0
        """About when this account was last heard before the session of now, as an id; 0: never."""
        self._latest = 0
        """The latest message that was told of, wherever."""
        self._open: frozenset[int] = frozenset()
        """Channels of guilds that people opened."""
        self._due: set[int] = set()
        """Guilds that were not looked through since the session began."""
        self._connected = False

    def session_began(self, ready: Raw) -> None:
        """Read what came while nobody listened, wherever something was read before."""
        self._begun = self._marks.look_back()
        guilds = tables(ready.get("guilds"), _MOST_GUILDS)
        self._due = {number for each in guilds if (number := snowflake(each.get("id"))) is not None}
        self._connected = True
        for channel in self._marks.channels:
            self._catch_up(channel)
        if not self._due:
            self._looked_through()

    def guild_came(self, guild: Raw) -> None:
        """Read threads that were begun or woken meanwhile in channels that are read."""
        number = snowflake(guild.get("id"))
        if number is None or guild.get("unavailable") is True:
            return
        known = [place for place in self._places.channels(number) if self._is_followed(place)]
        if self._begun:
            for thread in (thread for place in known for thread in self._places.threads_of(place.id)):
                self._catch_up_thread(thread)
        self.begin_places()
        self.rights_changed()
        self._runtime.spawn(self._look_for_archived(number, known if self._begun else []), "archived threads")

    def _is_followed(self, place: Place) -> bool:
        return place.has_threads and place.id in self._open and self._marks.is_known(place.id)

    def _catch_up_thread(self, thread: Place) -> None:
        """Read a thread that is not known, if something was written in it since this account was last heard.

        Whatever was written in it before has been heard, and then it would be known, or was not wanted.
        """
        after = max(thread.id - 1, self._begun)  # a forum's post has the id of its first message
        if self._marks.of(thread.id) is None and (thread.last_message_id or _ALWAYS) > after:
            self._catch_up(thread.id, after=after)

    async def _look_for_archived(self, guild: int, channels: list[Place]) -> None:
        """Read threads that were put away since this account was last heard; then the guild is looked through."""
        for place in channels:
            for path in _ARCHIVES if place.kind == Kind.TEXT else _ARCHIVES[:1]:
                found = await ask(
                    self._runtime, self._api, lambda answer: isinstance(table(answer).get("threads"), list),
                    path, params={"limit": _ARCHIVED}, channel_id=place.id,
                )  # fmt: skip
                for raw in tables(table(found).get("threads"), _ARCHIVED):
                    if (thread := self._places.add(raw)) is not None:
                        self._catch_up_thread(thread)
        self._guild_done(guild)

    def guild_left(self, guild: Raw) -> None:
        """Go on without a guild that the bot is in no more; one that has an outage comes later, and is waited for."""
        if guild.get("unavailable") is not True:
            self._guild_done(snowflake(guild.get("id")))
            self.rights_changed()

    def _guild_done(self, guild: int | None) -> None:
        if guild in self._due:
            self._due.remove(guild)
            if not self._due:
                self._looked_through()

    def _looked_through(self) -> None:
        self._marks.looked_back()
        self.rights_changed()

    def rights_changed(self) -> None:
        """Look at what the bot may do in open channels."""
        self._rights.look(self._open, complete=self._connected and not self._due)

    # -- where nothing was ever read

    def message_told(self, number: int) -> None:
        """A new message was told of, wherever."""
        self._latest = max(self._latest, number)

    def opened(self, chats: list[str]) -> None:
        """Take in which channels are open now."""
        before = self._open
        self._open = frozenset(number for each in chats if (number := channel_of(each)) is not None)
        for channel in before - self._open:
            self._marks.forget(channel)  # what is written until it is opened again is not wanted then either
        self.begin_places()
        self.rights_changed()

    def closed(self, channel: int) -> None:
        """Read a channel no more that the daemon says is closed, unless it was opened since."""
        self._marks.forget(channel)
        self.begin_places()

    def thread_came(self, thread: Raw) -> None:
        """Follow a thread from its first message, and one that the bot was let into from now on."""
        place = self._places.find(snowflake(thread.get("id")) or 0)
        if place is None or place.parent_id not in self._open:
            return
        if thread.get("newly_created") is True and self._marks.of(place.id) is None:
            self._follow(place, place.id - 1)
        self.begin_places()

    def begin_places(self) -> None:
        """Follow what is open and was never read: from its newest message on, though nothing be heard there for long.

        Without that, the next process would know nothing of a channel that was silent since it was opened.
        """
        for channel in self._open:
            place = self._places.find(channel)
            for each in [place, *self._places.threads_of(channel)] if place is not None else ():
                if not self._marks.is_known(each.id):
                    # The latest message may still wait, and may be here.
                    self._follow(each, max(each.last_message_id or each.id, self._latest - 1))
        self._marks.flush()

    def _follow(self, place: Place, after: int) -> None:
        if place.has_messages:
            self._marks.answered(place.id, [after])
        else:
            self._marks.thread_read(place.id, after)
