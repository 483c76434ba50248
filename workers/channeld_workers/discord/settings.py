"""What can be set of a Discord bot; see docs/discord.md."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from channeld_workers import bot_settings
from channeld_workers.bot_settings import BotSettings
from channeld_workers.patterns import Patterns

_MIB: Final = 1024 * 1024


class Settings(BotSettings, kw_only=True):
    """The worker's table."""

    gateway_url: str
    catch_up_limit: int  # messages of a channel

    @property
    def max_upload_bytes(self) -> int:
        """Of one file; Discord may take less."""
        return self.max_upload_mb * _MIB


def read_settings(worker: str, table: Mapping[str, Any]) -> tuple[Settings, Patterns]:
    """Return the settings of ``[workers.<worker>]`` and its compiled mention patterns.

    Raises:
        BadSettings: one cannot be used.
    """
    return bot_settings.read_settings(worker, table, Settings)
