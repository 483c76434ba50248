"""Values out of a platform's JSON, none of which is trusted to be of the type that the documentation says."""

from __future__ import annotations

from typing import Final, TypeGuard

from channeld.core.text import clean_name

Raw = dict[str, object]

ID_LIMIT: Final = 2**53
"""Beyond it not every reader of JSON gets the number right. One of Telegram's ids has at most 52 significant bits
(https://core.telegram.org/bots/api#user); Discord writes its own as text."""
_HANDLE_LIMIT: Final = 512
_EMPTY: Final[Raw] = {}


def table(value: object) -> Raw:
    """Return a JSON object, an empty one where there is none."""
    return value if type(value) is dict else _EMPTY


def tables(value: object, most: int = 100) -> list[Raw]:
    """Return the objects of a list, at most so many."""
    return [item for item in value[:most] if type(item) is dict] if type(value) is list else []


def integer(value: object) -> int | None:
    """Return a number without fraction that is not beyond all bounds."""
    return value if type(value) is int and -ID_LIMIT < value < ID_LIMIT else None


def count(value: object) -> int:
    """Return a number from zero on: what is none counts as zero."""
    number = integer(value)
    return number if number is not None and number > 0 else 0


def is_handle(value: object) -> TypeGuard[str]:
    """Tell whether this can be a name that a platform gives to a file, an album or a query."""
    return type(value) is str and 0 < len(value) <= _HANDLE_LIMIT and value.isascii() and value.isprintable()


def words(value: object, limit: int = 10_000) -> str:
    """Return text that can be written as UTF-8, of at most ``limit`` characters; empty where there is none."""
    if type(value) is not str:
        return ""
    if len(value) > limit:
        value = value[:limit]
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:  # half a surrogate pair, which JSON can carry and nothing else
            value = value.encode(errors="replace").decode()
    return value


def line(value: object, limit: int = 120) -> str:
    """Return text fit for a description in brackets: one line, cleaned."""
    return clean_name(value, limit) if type(value) is str else ""
