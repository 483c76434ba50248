"""What can be set of every bot: the part of ``[workers.NAME]`` that platforms with bots have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from channeld_workers.patterns import BadPattern, Patterns, compile_patterns
from channeld_workers.process import BadSettings

_MB: Final = 1_000_000
_MIB: Final = 1024 * 1024


class BotSettings(msgspec.Struct, kw_only=True):
    """The worker's table. The daemon has checked its types; the page of the platform in docs/ says what they mean."""

    api_base_url: str
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

    @property
    def max_download_bytes(self) -> int:
        """Of one file that is received."""
        return self.max_download_mb * _MIB

    @property
    def inbox_quota_bytes(self) -> int:
        """Of all received files together."""
        return self.inbox_quota_mb * _MB


S = TypeVar("S", bound=BotSettings)


def read_settings(worker: str, table: Mapping[str, Any], kind: type[S]) -> tuple[S, Patterns]:
    """Return the settings of ``[workers.<worker>]`` and its compiled mention patterns.

    Raises:
        BadSettings: one cannot be used.
    """
    try:
        settings = msgspec.convert(dict(table), kind)
    except msgspec.ValidationError as error:
        raise BadSettings(f"[workers.{worker}] cannot be used: {error}.", hint="Mend it in config.toml.") from None
    try:
        return settings, compile_patterns(settings.mention_patterns)
    except BadPattern as error:
        raise BadSettings(
            f"[workers.{worker}] mention_patterns: {error}", hint="Write it more simply, or take it out."
        ) from None
