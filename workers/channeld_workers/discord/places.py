"""Channels, DMs and threads: what is known of them, and which chats of channeld they are.

Kept up to date by dispatches, and by what the REST API answers. What cannot be read is left as it was known before.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from channeld_workers.discord.ids import snowflake
from channeld_workers.discord.people import user
from channeld_workers.raw import Raw, line, table, tables

_MOST: Final = 2000
"""Channels, threads or roles that are read of one guild: far more than Discord allows."""
_MOST_MEMBERS: Final = 100_000
"""Members that a guild may be told with: one of them is the account. Of a large guild they are few."""
_FILE_BYTES: Final = {0: 10 << 20, 1: 10 << 20, 2: 50 << 20, 3: 100 << 20}
"""By a guild's premium tier (https://docs.discord.com/developers/reference#uploading-files); elsewhere as in tier 0."""


class Kind(IntEnum):
    """Types of channels that differ for channeld (https://docs.discord.com/developers/resources/channel).

    Others that are known or will be are channels of a guild, where others can read too.
    """

    TEXT = 0
    DM = 1
    VOICE = 2
    GROUP_DM = 3
    CATEGORY = 4
    NEWS = 5
    NEWS_THREAD = 10
    PUBLIC_THREAD = 11
    PRIVATE_THREAD = 12
    STAGE = 13
    DIRECTORY = 14
    FORUM = 15
    MEDIA = 16


_THREADS: Final = frozenset({Kind.NEWS_THREAD, Kind.PUBLIC_THREAD, Kind.PRIVATE_THREAD})
_WITHOUT_MESSAGES: Final = frozenset({Kind.CATEGORY, Kind.DIRECTORY, Kind.FORUM, Kind.MEDIA})
_WITH_THREADS: Final = frozenset({Kind.TEXT, Kind.NEWS, Kind.FORUM, Kind.MEDIA})


class Overwrite(NamedTuple):
    """What a channel allows and denies to a role or a member, as bits of permissions."""

    target: int
    allow: int
    deny: int


class Standing(NamedTuple):
    """What decides on the account's permissions in a channel, as bits."""

    roles: int  # what its roles have in the guild, everyone's among them
    overwrites: list[tuple[int, int]]  # what is allowed and denied there, in the order in which that counts


class Place(NamedTuple):
    """A channel, a DM, a thread or a forum's post. Names are cleaned."""

    id: int
    kind: int  # see ``Kind``; any other number too
    name: str = ""  # of a DM: its person's; empty: unknown
    parent_id: int | None = None  # of a thread its channel, always known; of a channel its category
    guild_id: int | None = None
    guild_name: str = ""
    recipient_id: int | None = None  # of a DM: whom it is with, if that is known
    archived: bool = False  # of a thread
    last_message_id: int | None = None  # when the place was told of; it may be deleted by now
    overwrites: tuple[Overwrite, ...] = ()  # of a channel

    @property
    def is_dm(self) -> bool:
        """Whether nobody but the account and one person can read and write here."""
        return self.kind == Kind.DM

    @property
    def is_thread(self) -> bool:
        """Whether it is in a channel, whose gate it inherits."""
        return self.kind in _THREADS

    @property
    def has_messages(self) -> bool:
        """Whether messages stand in it: in a forum only its posts have some."""
        return self.kind not in _WITHOUT_MESSAGES

    @property
    def has_threads(self) -> bool:
        """Whether threads can be in it."""
        return self.kind in _WITH_THREADS


class Role(NamedTuple):
    """A role of a guild."""

    name: str  # cleaned
    bot_id: int | None  # of a bot's own role: the bot
    permissions: int = 0  # bits


class Guild:
    """What is known of a guild besides its channels."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.roles: dict[int, Role] = {}
        self.file_bytes = _FILE_BYTES[0]
        """How large a file may be."""
        self.own_roles: frozenset[int] | None = None
        """Those of the account; None: they are not known."""


class Places:
    """All places that the bot knows of."""

    def __init__(self) -> None:
        self._places: dict[int, Place] = {}
        self._guilds: dict[int, Guild] = {}
        self._account = 0

    def note(self, event: str, data: object) -> None:
        """Take in a dispatch. Other kinds than those about guilds, roles, channels and threads change nothing."""
        taker = _TAKERS.get(event)
        if taker is not None and type(data) is dict:
            taker(self, data)

    def add(self, channel: object) -> Place | None:
        """Take in a channel, DM or thread as the REST API gives it, and return it; None if it cannot be read."""
        raw = table(channel)
        return self._put(raw, snowflake(raw.get("guild_id")))

    def add_guild(self, guild: object) -> None:
        """Take in a guild's name and roles as the REST API gives them."""
        raw = table(guild)
        number = snowflake(raw.get("id"))
        if number is not None:
            self._name_guild(number, raw)

    def knows_guild(self, guild_id: int) -> bool:
        """Tell whether a guild's roles are known: a session is told of it some time after it began."""
        return guild_id in self._guilds

    def find(self, channel_id: int) -> Place | None:
        """Return a place, None if nothing is known of it."""
        return self._places.get(channel_id)

    def meet(self, data: object, account_id: int) -> Place | None:
        """Return where a dispatch about a message happened; None if nobody can tell before Discord is asked.

        Nothing tells of a DM before something is written in it, and what is written in a guild says so. That does not
        hold of answers of the REST API, which never name the guild.

        Args:
            data: of a dispatch with ``channel_id``.
            account_id: the bot, which is nobody's recipient.
        """
        raw = table(data)
        number = snowflake(raw.get("channel_id"))
        if number is None:
            return None
        known = self._places.get(number)
        if known is not None and (not known.is_dm or known.name):
            return known
        if not raw.keys().isdisjoint(_SIGNS_OF_A_GUILD) or raw.get("channel_type", Kind.DM) != Kind.DM:
            return known
        who = user(raw.get("author")) or user({"id": raw.get("user_id")})
        if who is None:
            return known
        place = known or Place(number, Kind.DM)
        if who.id != str(account_id) and place.recipient_id in {None, int(who.id)}:
            place = place._replace(recipient_id=int(who.id), name=who.name if who.name != who.id else "")
        self._places[number] = place
        return place

    def channels(self, guild_id: int | None = None) -> list[Place]:
        """Return DMs and channels, those of one guild if it is given, oldest first; threads are not among them."""
        found = (each for each in self._places.values() if not each.is_thread and guild_id in {None, each.guild_id})
        return sorted(found)

    def threads_of(self, parent_id: int) -> list[Place]:
        """Return the active threads of a channel or the active posts of a forum, oldest first."""
        return sorted(each for each in self._places.values() if _is_active_in(each, {parent_id}))

    def role(self, guild_id: int | None, role_id: int) -> Role | None:
        """Return a role of a guild, None if it is not known."""
        guild = self._guilds.get(guild_id) if guild_id is not None else None
        return guild.roles.get(role_id) if guild is not None else None

    def file_bytes(self, channel_id: int) -> int | None:
        """Return how large a file in a place may be, which depends on its guild's boosts; None: it is not known."""
        place = self._places.get(channel_id)
        if place is None:
            return None
        if place.guild_id is None:
            return _FILE_BYTES[0]
        guild = self._guilds.get(place.guild_id)
        return guild.file_bytes if guild is not None else None

    def standing_in(self, place: Place) -> Standing | None:
        """Return what decides on the account's permissions in a channel of a guild; None where that is not known."""
        if place.guild_id is None or place.guild_id not in self._guilds:
            return None
        guild = self._guilds[place.guild_id]
        if guild.own_roles is None or place.guild_id not in guild.roles:  # the role of everyone has the guild's id
            return None
        found = {each.target: (each.allow, each.deny) for each in place.overwrites}
        of_roles = [found[role] for role in guild.own_roles if role in found]
        steps = [
            found.get(place.guild_id),
            (_all_of(allow for allow, _ in of_roles), _all_of(deny for _, deny in of_roles)),
            found.get(self._account),
        ]
        roles = [guild.roles[role].permissions for role in guild.own_roles if role in guild.roles]
        return Standing(
            roles=_all_of([guild.roles[place.guild_id].permissions, *roles]),
            overwrites=[step for step in steps if step is not None],
        )

    def title_of(self, place: Place) -> str | None:
        """Return what a chat is called: the channel, of a thread its parent, and the guild. None for a DM."""
        if place.is_dm:
            return None
        channel = place
        if place.is_thread and place.parent_id is not None:
            channel = self._places.get(place.parent_id) or Place(place.parent_id, Kind.TEXT)
        name = f"#{channel.name or channel.id}"
        return f"{name} in {place.guild_name}" if place.guild_name else name

    @staticmethod
    def chat_of(place: Place, worker: str) -> str:
        """Return the chat id of a place; a thread's names its parent first."""
        return f"{worker}:{place.parent_id}/{place.id}" if place.is_thread else f"{worker}:{place.id}"

    def _put(self, raw: Raw, guild_id: int | None) -> Place | None:
        """Take in a channel. It cannot become another guild's or parent's: what says so cannot be believed."""
        place = _read(raw, guild_id)
        if place is None:
            return None
        known = self._places.get(place.id)
        if known is not None:
            if known.guild_id not in {None, place.guild_id} or known.is_thread is not place.is_thread:
                return None
            if (place.is_thread and known.parent_id != place.parent_id) or known.is_dm is not place.is_dm:
                return None
            if place.recipient_id is None and known.recipient_id is not None:
                place = place._replace(recipient_id=known.recipient_id, name=known.name)
        guild = self._guilds.get(guild_id) if guild_id is not None else None
        self._places[place.id] = place = place._replace(guild_name=guild.name if guild is not None else "")
        return place

    def _take_account(self, raw: Raw) -> None:
        self._account = snowflake(table(raw.get("user")).get("id")) or 0

    def _take_member(self, raw: Raw) -> None:
        """Take in the account's own roles; of other members nothing is wanted."""
        guild = self._guilds.get(snowflake(raw.get("guild_id")) or 0)
        if guild is not None:
            self._put_member(guild, raw)

    def _put_member(self, guild: Guild, member: Raw) -> None:
        roles = member.get("roles")
        if self._account and snowflake(table(member.get("user")).get("id")) == self._account and type(roles) is list:
            guild.own_roles = frozenset(number for each in roles[:_MOST] if (number := snowflake(each)) is not None)

    def _take_channel(self, raw: Raw) -> None:
        self.add(raw)

    def _lose_channel(self, raw: Raw) -> None:
        number = snowflake(raw.get("id"))
        if number is not None:
            self._places.pop(number, None)
            self._drop(each for each in self._places.values() if each.is_thread and each.parent_id == number)

    def _take_guild(self, raw: Raw) -> None:
        """Take in a guild, complete: threads that it does not name are archived, channels are gone."""
        number = snowflake(raw.get("id"))
        if number is None or raw.get("unavailable") is True:
            return
        self._name_guild(number, raw)
        for member in tables(raw.get("members"), _MOST_MEMBERS):
            self._put_member(self._guilds[number], member)
        named = self._put_all(raw.get("channels"), number)
        if named is not None:
            self._drop(
                each
                for each in self._places.values()
                if each.guild_id == number and (each.parent_id if each.is_thread else each.id) not in named
            )
        active = self._put_all(raw.get("threads"), number)
        if active is not None:
            self._archive(each for each in self._places.values() if each.guild_id == number and each.id not in active)

    def _name_guild(self, number: int, raw: Raw) -> None:
        guild = self._guilds.setdefault(number, Guild(""))
        name = line(raw.get("name"))
        if name and name != guild.name:
            guild.name = name
            for each in list(self._places.values()):
                if each.guild_id == number:
                    self._places[each.id] = each._replace(guild_name=name)
        tier = raw.get("premium_tier")
        if type(tier) is int:
            guild.file_bytes = _FILE_BYTES.get(tier, max(_FILE_BYTES.values()))
        if type(raw.get("roles")) is list:
            guild.roles = {}
            for role in tables(raw["roles"], _MOST):
                self._put_role(guild, role)

    def _update_guild(self, raw: Raw) -> None:
        number = snowflake(raw.get("id"))
        if number is not None and number in self._guilds:
            self._name_guild(number, raw)

    def _lose_guild(self, raw: Raw) -> None:
        """Forget a guild that the bot is not in any more; one that has an outage comes back."""
        number = snowflake(raw.get("id"))
        if number is not None and raw.get("unavailable") is not True:
            self._guilds.pop(number, None)
            self._drop(each for each in self._places.values() if each.guild_id == number)

    def _take_role(self, raw: Raw) -> None:
        number = snowflake(raw.get("guild_id"))
        if number is not None and number in self._guilds:
            self._put_role(self._guilds[number], table(raw.get("role")))

    def _lose_role(self, raw: Raw) -> None:
        number, role = snowflake(raw.get("guild_id")), snowflake(raw.get("role_id"))
        if number is not None and role is not None and number in self._guilds:
            self._guilds[number].roles.pop(role, None)

    @staticmethod
    def _put_role(guild: Guild, raw: Raw) -> None:
        number = snowflake(raw.get("id"))
        if number is not None:
            bot = snowflake(table(raw.get("tags")).get("bot_id"))
            guild.roles[number] = Role(line(raw.get("name")), bot, _bits(raw.get("permissions")))

    def _take_threads(self, raw: Raw) -> None:
        """Take in the active threads of some channels, or of the whole guild."""
        number = snowflake(raw.get("guild_id"))
        active = self._put_all(raw.get("threads"), number)
        if number is None or active is None:
            return
        some = raw.get("channel_ids")
        parents = {snowflake(each) for each in some} if type(some) is list else None
        self._archive(
            each
            for each in self._places.values()
            if each.guild_id == number and each.id not in active and (parents is None or each.parent_id in parents)
        )

    def _put_all(self, channels: object, guild_id: int | None) -> set[int] | None:
        """Take in a list of channels, and return the ids in it; None if there is no list, or one is unreadable."""
        if type(channels) is not list or guild_id is None:
            return None
        ids: set[int] = set()
        for channel in tables(channels, _MOST):
            number = snowflake(channel.get("id"))
            if number is not None:
                ids.add(number)
                self._put(channel, guild_id)
        return ids if len(ids) == len(channels) else None

    def _drop(self, places: Iterable[Place]) -> None:
        for each in list(places):
            del self._places[each.id]

    def _archive(self, places: Iterable[Place]) -> None:
        for each in list(places):
            if each.is_thread:
                self._places[each.id] = each._replace(archived=True)


def _read(raw: Raw, guild_id: int | None) -> Place | None:
    number, kind, own_guild = snowflake(raw.get("id")), raw.get("type"), snowflake(raw.get("guild_id"))
    parent = snowflake(raw.get("parent_id"))
    if number is None or type(kind) is not int or (own_guild or guild_id) != guild_id:
        return None
    if kind == Kind.DM:
        who = user(next(iter(tables(raw.get("recipients"), 1)), None)) if guild_id is None else None
        name, recipient = (who.name, int(who.id)) if who else ("", None)
        return Place(number, kind, name, recipient_id=recipient) if guild_id is None else None
    if kind in _THREADS and (parent is None or parent == number):
        return None
    return Place(
        id=number,
        kind=kind,
        name=line(raw.get("name")),
        parent_id=parent,
        guild_id=guild_id,
        archived=table(raw.get("thread_metadata")).get("archived") is True,
        last_message_id=snowflake(raw.get("last_message_id")),
        overwrites=tuple(
            Overwrite(target, _bits(each.get("allow")), _bits(each.get("deny")))
            for each in tables(raw.get("permission_overwrites"), _MOST)
            if (target := snowflake(each.get("id"))) is not None
        ),
    )


def _all_of(permissions: Iterable[int]) -> int:
    together = 0
    for each in permissions:
        together |= each
    return together


def _bits(value: object) -> int:
    """Return permissions, which are a number as text."""
    is_number = type(value) is str and len(value) <= 40 and value.isascii() and value.isdecimal()
    return int(str(value)) if is_number else 0


def _is_active_in(place: Place, parents: set[int]) -> bool:
    return place.is_thread and place.parent_id in parents and not place.archived


_SIGNS_OF_A_GUILD: Final = frozenset({"guild_id", "member", "webhook_id"})
_TAKERS: Final = {
    "READY": Places._take_account,
    "GUILD_MEMBER_UPDATE": Places._take_member,
    "GUILD_CREATE": Places._take_guild,
    "GUILD_UPDATE": Places._update_guild,
    "GUILD_DELETE": Places._lose_guild,
    "GUILD_ROLE_CREATE": Places._take_role,
    "GUILD_ROLE_UPDATE": Places._take_role,
    "GUILD_ROLE_DELETE": Places._lose_role,
    "CHANNEL_CREATE": Places._take_channel,
    "CHANNEL_UPDATE": Places._take_channel,
    "CHANNEL_DELETE": Places._lose_channel,
    "THREAD_CREATE": Places._take_channel,
    "THREAD_UPDATE": Places._take_channel,
    "THREAD_DELETE": Places._lose_channel,
    "THREAD_LIST_SYNC": Places._take_threads,
}
