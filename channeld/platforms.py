"""The platforms that come with channeld: their settings, and what is special about their tokens. One table."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Table(BaseModel):
    """A table of the configuration: unknown keys are mistakes, and a number in quotes is none."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class WorkerTable(Table):
    """What every ``[workers.NAME]`` may say, whatever its platform."""

    platform: str = ""
    enabled: bool = True
    command: list[str] | None = Field(default=None, min_length=1)
    dm_policy: Literal["pairing", "allowlist", "disabled"] = "pairing"
    may_approve: bool = True
    max_per_minute: int = Field(default=60, ge=1, le=1_000_000)


class WebTable(WorkerTable):
    """``[workers.NAME]`` of the platform ``web``."""

    port: int = Field(default=8787, ge=0, le=65535)
    max_upload_mb: int = Field(default=25, ge=1, le=1024)


class TelegramTable(WorkerTable):
    """``[workers.NAME]`` of the platform ``telegram``."""

    api_base_url: str = "https://api.telegram.org"
    ack_reaction: str = Field(default="", max_length=8)
    mention_patterns: list[str] = []
    text_chunk_limit: int = Field(default=4096, ge=100, le=4096)
    chunk_mode: Literal["newline", "length"] = "newline"
    reply_to_mode: Literal["first", "all", "off"] = "first"
    text_file_above: int = Field(default=0, ge=0, le=100_000)
    silent: bool = False
    link_previews: bool = False
    max_download_mb: int = Field(default=20, ge=1, le=2000)
    max_upload_mb: int = Field(default=50, ge=1, le=2000)
    inbox_quota_mb: int = Field(default=2048, ge=1)

    @field_validator("api_base_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        return _address(url, ("http://", "https://"), "https://api.telegram.org")


class DiscordTable(WorkerTable):
    """``[workers.NAME]`` of the platform ``discord``."""

    api_base_url: str = "https://discord.com/api/v10"
    gateway_url: str = "wss://gateway.discord.gg/"
    ack_reaction: str = Field(default="", max_length=64)  # a server's own emoji is written <:name:id>
    mention_patterns: list[str] = []
    text_chunk_limit: int = Field(default=2000, ge=100, le=2000)
    reply_to_mode: Literal["first", "all", "off"] = "first"
    text_file_above: int = Field(default=0, ge=0, le=100_000)
    silent: bool = False
    link_previews: bool = False
    max_download_mb: int = Field(default=25, ge=1, le=500)
    max_upload_mb: int = Field(default=100, ge=1, le=500)
    inbox_quota_mb: int = Field(default=2048, ge=1)
    catch_up_limit: int = Field(default=500, ge=1, le=10_000)

    @field_validator("api_base_url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        return _address(url, ("http://", "https://"), "https://discord.com/api/v10")

    @field_validator("gateway_url")
    @classmethod
    def _is_gateway(cls, url: str) -> str:
        return f"{_address(url, ('ws://', 'wss://'), 'wss://gateway.discord.gg/')}/"


def _address(url: str, schemes: tuple[str, ...], example: str) -> str:
    """Return an address without its last slash."""
    if not url.startswith(schemes) or any(sign in url for sign in " \n@?#"):
        raise ValueError(f"it should be an address such as {example}, without a name or token in it")
    return url.rstrip("/")


class CommandTable(WorkerTable):
    """``[workers.NAME]`` with a ``command`` of its own: its other settings are the worker's business."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)


class Platform(NamedTuple):
    """What channeld knows of a platform besides its worker."""

    table: type[WorkerTable]
    token_variable: str = ""
    """Environment variable with the token of the worker that is named like the platform."""
    makes_token: bool = False
    """The token is our own, and made where there is none."""
    holder: str = ""
    """Sender id, as the worker says it, of whoever holds the token: he is listed without more ado."""
    holder_chat: str = ""
    """Where he writes, without the worker's name."""
    chat_is_sender: bool = False
    """A private chat has the id of whoever writes there, so that it is known before he has written."""


PLATFORMS: Final[dict[str, Platform]] = {
    "web": Platform(WebTable, makes_token=True, holder="owner", holder_chat="main"),
    "telegram": Platform(TelegramTable, "TELEGRAM_BOT_TOKEN", chat_is_sender=True),
    "discord": Platform(DiscordTable, "DISCORD_BOT_TOKEN"),
}
LATER: Final = ("webhook",)
"""Platforms of versions to come."""
