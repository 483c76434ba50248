"""Snowflakes: Discord's ids, which also say when something was made."""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 19
_LIMIT: Final = 2**63
_EPOCH_MS: Final = 1_420_070_400_000
_TIME_SHIFT: Final = 22


def snowflake(value: object) -> int | None:
    """Return an id; None where there is none that can be.

    In JSON it is text (https://docs.discord.com/developers/reference#snowflakes). No two texts are the same id.
    """
    if type(value) is not str or not 0 < len(value) <= _LONGEST or not value.isascii() or not value.isdecimal():
        return None
    number = int(value)
    return number if value[0] != "0" and number < _LIMIT else None


def made_at(number: int) -> float:
    """Return when the thing with that id was made, in unix seconds."""
    return ((number >> _TIME_SHIFT) + _EPOCH_MS) / 1000
