"""Which open channels the bot cannot use, and what to change. Told as soon as it is so, and not when a message is lost.

How permissions add up: https://docs.discord.com/developers/topics/permissions#permission-overwrites.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import discord

from channeld_workers.discord.places import Place, Places
from channeld_workers.runtime import Runtime

_NEEDED: Final = (
    (discord.Permissions(view_channel=True).value, "View Channel"),
    (discord.Permissions(read_message_history=True).value, "Read Message History"),
    (discord.Permissions(send_messages=True).value, "Send Messages"),
)
"""What it takes to hear and to answer; the names are those of Discord's settings."""
_ADMINISTRATOR: Final = discord.Permissions(administrator=True).value
_CODE: Final = "channel"


class Rights:
    """Looks at the open channels, and tells people what is wrong with them.

    Args:
        runtime: the daemon.
        places: what Discord has told of.
    """

    def __init__(self, runtime: Runtime, places: Places) -> None:
        self._runtime, self._places = runtime, places
        self._told = ""

    def look(self, channels: Iterable[int], *, complete: bool) -> None:
        """Look at all open channels.

        Args:
            channels: their ids.
            complete: all guilds were told of: what is not known is not there.
        """
        wrong = [(each, why) for each in sorted(channels) if (why := self._fault(each, complete=complete))]
        text = hint = ""
        if wrong:
            channel, text = wrong[0]
            more = f" So it is with {len(wrong) - 1} more." if len(wrong) > 1 else ""
            text += more
            hint = (
                "In Discord: Edit Channel, Permissions, add the bot. "
                f"Or close it: `channeld access group close {self._runtime.worker}:{channel}`"
            )
        if text != self._told:
            self._told = text
            self._runtime.trouble(_CODE, text, hint)

    def _fault(self, channel: int, *, complete: bool) -> str:
        place = self._places.find(channel)
        if place is None:
            return f"The bot sees no channel {channel}, which is open to it." if complete else ""
        missing = missing_in(place, self._places)
        return f"In {self._places.title_of(place)}, which is open, the bot lacks {_listed(missing)}." if missing else ""


def missing_in(place: Place, places: Places) -> list[str]:
    """Return the permissions that the bot needs in a channel of a guild and has not; none where that is not known."""
    standing = places.standing_in(place)
    if standing is None:
        return []
    allowed = standing.roles
    if allowed & _ADMINISTRATOR:
        return []
    for allow, deny in standing.overwrites:
        allowed = allowed & ~deny | allow
    return [name for bit, name in _NEEDED if not allowed & bit]


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
