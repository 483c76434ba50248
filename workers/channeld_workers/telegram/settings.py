"""The worker's table of the configuration. The daemon has checked its types; here is what only a worker can check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from channeld_workers.patterns import BadPattern, Patterns, compile_patterns
from channeld_workers.process import BadSettings
from channeld_workers.telegram import reactions
from channeld_workers.telegram.rendering import Mode

_MB = 1_000_000
_MIB = 1024 * 1024


class Settings(msgspec.Struct, kw_only=True):
    """What can be set; see docs/telegram.md."""

    api_base_url: str
    ack_reaction: str
    mention_patterns: list[str]
    text_chunk_limit: int  # UTF-16 code units
    chunk_mode: Mode
    reply_to_mode: str  # first | all | off
    text_file_above: int  # characters; 0: never
    silent: bool
    link_previews: bool
    max_download_mb: int
    max_upload_mb: int
    inbox_quota_mb: int

    @property
    def max_download_bytes(self) -> int:
        """Of one file. Telegram's own server lets a bot fetch 20 MB, by which it means 20 · 2²⁰ bytes."""
        return self.max_download_mb * _MIB

    @property
    def max_upload_bytes(self) -> int:
        """Of one file. Telegram's own server takes 50 MB (https://core.telegram.org/bots/api#sending-files)."""
        return self.max_upload_mb * _MB

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
    if settings.ack_reaction and reactions.nearest(settings.ack_reaction) != settings.ack_reaction:
        raise BadSettings(
            f"[workers.{worker}] ack_reaction is no emoji that a bot may react with.",
            hint=f"Use one of those that Telegram allows, such as {' '.join(reactions.SOME)}, or leave it out.",
        )
    try:
        return settings, compile_patterns(settings.mention_patterns)
    except BadPattern as error:
        raise BadSettings(
            f"[workers.{worker}] mention_patterns: {error}", hint="Write it more simply, or take it out."
        ) from None
