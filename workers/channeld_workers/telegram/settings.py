"""What can be set of a Telegram bot; see docs/telegram.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from channeld_workers import bot_settings
from channeld_workers.bot_settings import BotSettings
from channeld_workers.patterns import Patterns
from channeld_workers.process import BadSettings
from channeld_workers.telegram import reactions
from channeld_workers.telegram.rendering import Mode

_MB: Final = 1_000_000


class Settings(BotSettings, kw_only=True):
    """The worker's table.

    Telegram's own server lets a bot fetch 20 MB, by which it means 20 · 2²⁰ bytes.
    """

    chunk_mode: Mode

    @property
    def max_upload_bytes(self) -> int:
        """Of one file. Telegram's own server takes 50 MB (https://core.telegram.org/bots/api#sending-files)."""
        return self.max_upload_mb * _MB


def read_settings(worker: str, table: Mapping[str, Any]) -> tuple[Settings, Patterns]:
    """Return the settings of ``[workers.<worker>]`` and its compiled mention patterns.

    Raises:
        BadSettings: one cannot be used.
    """
    settings, patterns = bot_settings.read_settings(worker, table, Settings)
    if settings.ack_reaction and reactions.nearest(settings.ack_reaction) != settings.ack_reaction:
        raise BadSettings(
            f"[workers.{worker}] ack_reaction is no emoji that a bot may react with.",
            hint=f"Use one of those that Telegram allows, such as {' '.join(reactions.SOME)}, or leave it out.",
        )
    return settings, patterns
