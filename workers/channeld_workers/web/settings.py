"""The worker's table of the configuration, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from channeld_workers.process import BadSettings

DEFAULT_PORT: Final = 8787
DEFAULT_MAX_UPLOAD_MB: Final = 25


class Settings(NamedTuple):
    """What can be set."""

    port: int  # 0: any free one
    max_upload_bytes: int  # of all files of one message together


def read_settings(worker: str, table: Mapping[str, Any]) -> Settings:
    """Return the settings of ``[workers.<worker>]``.

    Raises:
        BadSettings: a value is of the wrong type or out of range.
    """
    port = _number(worker, table, "port", DEFAULT_PORT, range(65536))
    megabytes = _number(worker, table, "max_upload_mb", DEFAULT_MAX_UPLOAD_MB, range(1, 1025))
    return Settings(port, megabytes * 1024 * 1024)


def _number(worker: str, table: Mapping[str, Any], key: str, default: int, allowed: range) -> int:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise BadSettings(
            f"[workers.{worker}] {key} must be a whole number from {allowed[0]} to {allowed[-1]}.",
            hint=f"Change it in config.toml, or leave it out for {default}.",
        )
    return value
