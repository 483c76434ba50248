"""A session that channeld keeps: its name, what is declared of it, and what its keeper says. Pure."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from channeld.core.errors import ChanneldError

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")


class Phase(StrEnum):
    """Where the keeper of a session is."""

    STARTING = "starting"  # Claude Code was started, and its prompt is not there yet
    ASKING = "asking"  # it shows something that a person has to answer
    RUNNING = "running"
    WAITING = "waiting"  # it has ended, and is started again in a moment
    STOPPED = "stopped"  # on purpose
    FAILED = "failed"


ENDED: Final = frozenset({Phase.STOPPED, Phase.FAILED})


def check_name(name: str) -> str:
    """Return a name that a file, a unit of systemd's and a socket can carry as it is.

    Raises:
        ChanneldError: it is no such name.
    """
    if not _NAME.fullmatch(name):
        raise ChanneldError(
            "That is no name for a session.",
            hint="Take letters, digits, - _ and . (at most 40), such as: channeld session start api",
        )
    return name
