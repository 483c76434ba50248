"""The worker's table of the configuration. The daemon has checked its types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from channeld_workers.patterns import BadPattern, Patterns, compile_patterns
from channeld_workers.process import BadSettings

_MB: Final = 1_000_000
_MIB: Final = 1024 * 1024


class Settings(msgspec.Struct, kw_only=True):
    """What can be set; see docs/discord.md."""

    api_base_url: str
    gateway_url: str
    ack_reaction: str
    mention_patterns: list[str]
    text_chunk_limit: int  # UTF-16 code units
    reply_to_mode: str  # first | all | off
    text_file_above: int  # characters; 0: never
    silent: bool
    link_previews: bool
    max_download_mb: int
    max_upload_mb: int
    inbox_quota_mb: int
    catch_up_limit: int  # messages of a channel

    @property
    def max_download_bytes(self) -> int:
        """Of one file."""
        return self.max_download_mb * _MIB

    @property
    def max_upload_bytes(self) -> int:
        """Of one file. Discord takes 10 MiB, more in boosted servers (discord.com/developers/docs/reference)."""
        return self.max_upload_mb * _MIB

    @property
    def inbox_quota_bytes(self) -> int:
        """Of all received files together."""
        return self.inbox_quota_mb * _MB


def read_settings(worker: str, table: Mapping[str, Any]) -> tuple[Settings, Patterns]:
    """Return the settings of ``[workers.<worker>]`` and its compiled mention patterns.

    Raises:
        BadSettings: one cannot be used.
    """
    try:
        settings = msgspec.convert(dict(table), Settings)
    except msgspec.ValidationError as error:
        raise BadSettings(f"[workers.{worker}] cannot be used: {error}.", hint="Mend it in config.toml.") from None
    try:
        return settings, compile_patterns(settings.mention_patterns)
    except BadPattern as error:
        raise BadSettings(
            f"[workers.{worker}] mention_patterns: {error}", hint="Write it more simply, or take it out."
        ) from None
