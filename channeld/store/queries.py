"""Loads the named statements of ``queries.sql``."""

from __future__ import annotations

import re
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def _load() -> dict[str, str]:
    script = resources.files("channeld.store").joinpath("queries.sql").read_text("utf-8")
    _, *pieces = _NAME.split(script)
    return {name: text.strip() for name, text in zip(pieces[::2], pieces[1::2], strict=True)}


QUERIES: Final[dict[str, str]] = _load()
