"""Reads ``config.toml``. A mistake names the file, the line, the key and what was probably meant."""

from __future__ import annotations

import difflib
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, Field, ValidationError

from channeld.core.errors import ConfigError
from channeld.core.ids import WORKER_NAME
from channeld.platforms import LATER, PLATFORMS, CommandTable, Table, WorkerTable


class DaemonTable(Table):
    """``[daemon]``."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"


class SessionsTable(Table):
    """``[sessions]``."""

    default: str | None = Field(default=None, min_length=1, max_length=64)


class DeliveryTable(Table):
    """``[delivery]``."""

    busy: Literal["wait", "push"] = "wait"
    stale_after_s: float = Field(default=3600, gt=0)
    unreplied: Literal["send", "off"] = "send"


class PermissionsTable(Table):
    """``[permissions]``: what Claude Code asks, and who is asked."""

    relay: Literal["origin", "approvers", "off"] = "origin"
    question_timeout: float = Field(default=120, ge=0, le=570)
    pairing_dialog: bool = True
    unattended_chatters: Literal["hold", "allow"] = "hold"


class RetentionTable(Table):
    """``[retention]``: how long and how much of what is finished is kept."""

    days: float = Field(default=90, gt=0, le=36500)
    max_mb: int = Field(default=1024, ge=1)


_RESERVED: Final = frozenset({"channeld", "config", "store", "sessions"})
"""Names of the daemon's own log, and of what else an issue can be about."""
_TYPES: Final = {
    "dict_type": "it should be a table, with settings of its own below [{key}]",
    "list_type": 'it should be a list, such as ["a", "b"]',
    "int_type": "it should be a whole number, without quotes",
    "float_type": "it should be a number, without quotes",
    "bool_type": "it should be true or false, without quotes",
    "string_type": "it should be a text, in quotes",
}
"""What a value of the wrong type should be, by the names that pydantic gives to such mistakes."""


class Worker(BaseModel):
    """One worker that is to run."""

    name: str
    platform: str
    enabled: bool
    command: list[str] | None
    dm_policy: str
    may_approve: bool
    max_per_minute: int
    settings: dict[str, Any]
    """What is the worker's own business."""


class Config(Table):
    """The whole configuration, checked."""

    daemon: DaemonTable = DaemonTable()
    sessions: SessionsTable = SessionsTable()
    delivery: DeliveryTable = DeliveryTable()
    permissions: PermissionsTable = PermissionsTable()
    retention: RetentionTable = RetentionTable()
    workers: dict[str, dict[str, Any]] = Field(default={"web": {}})

    def worker_list(self) -> list[Worker]:
        """Return the declared workers. Their tables were checked by ``load``."""
        found = []
        for name, raw in self.workers.items():
            table = _table_of(name, raw).model_validate(raw)
            everything = table.model_dump()
            ours = {key: everything.pop(key) for key in WorkerTable.model_fields}
            found.append(Worker(**{**ours, "platform": table.platform or name}, name=name, settings=everything))
        return found


def load(path: Path) -> Config:
    """Read and check the configuration; a missing file means the defaults: one web worker.

    Raises:
        ConfigError: with the file, the line and a hint.
    """
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):  # what is wrong with the folder is told where it is made
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", hint="Mend the file or its permissions.") from None
    if text.startswith("\ufeff"):
        raise ConfigError(
            f"{path} begins with a byte order mark, an invisible character that TOML does not allow.",
            hint=f"Save it as UTF-8 without BOM, or run: sed -i '1s/^\\xEF\\xBB\\xBF//' {shlex.quote(str(path))}",
        )
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise ConfigError(f"{path} has too many brackets in one another.", hint="Take them out.") from None
    except ValueError as error:  # TOMLDecodeError is one; so is what Python says of a number of 5000 digits
        raise ConfigError(f"{path} is not TOML: {error}.", hint="Mend that line; strings need quotes.") from None
    try:
        config = Config.model_validate(data)
        for name, raw in config.workers.items():
            _check_worker(path, text, name, raw)
    except ValidationError as error:
        raise _explain(path, text, error, (), Config) from None
    return config


def _check_worker(path: Path, text: str, name: str, raw: dict[str, Any]) -> None:
    where = f"{path}, line {_line_of(text, ('workers', name))}"
    if not WORKER_NAME.fullmatch(name):
        raise ConfigError(
            f"{where}: {name!r} cannot be a worker's name.",
            hint="Use up to 32 small letters, digits, - and _, beginning with a letter.",
        )
    if name in _RESERVED:
        raise ConfigError(
            f"{where}: {name!r} cannot be a worker's name: channeld uses it itself.", hint="Give it another name."
        )
    platform = raw.get("platform", name)
    if not isinstance(platform, str):
        raise ConfigError(f"{where}: platform is no text.", hint=f"Use platform = {' or '.join(PLATFORMS)!r}.")
    if platform in LATER and "command" not in raw:
        raise ConfigError(
            f"{where}: the platform {platform} is not part of this version yet.",
            hint=f"Take out [workers.{name}]; what there is so far: {', '.join(PLATFORMS)}.",
        )
    if platform not in PLATFORMS and "command" not in raw:
        near = difflib.get_close_matches(platform, PLATFORMS, n=1)
        raise ConfigError(
            f"{where}: there is no platform {platform!r}.",
            hint=f"Did you mean {near[0]}?" if near
            else f"Use platform = {' or '.join(PLATFORMS)!r}, or give the worker's command.",
        )  # fmt: skip
    table = _table_of(name, raw)
    try:
        table.model_validate(raw)
    except ValidationError as error:
        raise _explain(path, text, error, ("workers", name), table) from None


def _table_of(name: str, raw: dict[str, Any]) -> type[WorkerTable]:
    return CommandTable if "command" in raw else PLATFORMS[str(raw.get("platform", name))].table


def _explain(
    path: Path, text: str, error: ValidationError, above: tuple[str, ...], model: type[BaseModel]
) -> ConfigError:
    """Say the first mistake in one sentence."""
    first = error.errors()[0]
    keys = (*above, *(str(part) for part in first["loc"]))
    where = f"{path}, line {_line_of(text, keys)}: {'.'.join(keys)}"
    if first["type"] != "extra_forbidden":
        wrong = _TYPES.get(first["type"], _lower_first(first["msg"])).replace("{key}", ".".join(keys))
        return ConfigError(f"{where}: {wrong}.", hint=_default(model, first["loc"]))
    known = _known_keys(model, tuple(str(part) for part in first["loc"][:-1]))
    near = difflib.get_close_matches(keys[-1], known, n=1)
    return ConfigError(
        f"{where}: unknown key.", hint=f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."
    )


def _default(model: type[BaseModel], loc: tuple[int | str, ...]) -> str:
    """Return what holds without the setting, as far as that is one value."""
    try:
        table = _table_at(model, tuple(str(part) for part in loc[:-1]))
        value = table.model_fields[str(loc[-1])].default
    except (KeyError, AssertionError):
        value = None
    if not isinstance(value, str | int | float):
        return "Mend that line, or take it out for the default."
    return f"Mend that line, or take it out: then it is {json.dumps(value)}."


def _known_keys(model: type[BaseModel], loc: tuple[str, ...]) -> list[str]:
    return sorted(_table_at(model, loc).model_fields)


def _table_at(model: type[BaseModel], loc: tuple[str, ...]) -> type[BaseModel]:
    for part in loc:
        inner = model.model_fields[part].annotation
        assert isinstance(inner, type) and issubclass(inner, BaseModel)
        model = inner
    return model


def _line_of(text: str, keys: tuple[str, ...]) -> int:
    """Return the line on which a key stands, as far as a plain reading finds it, else that of its table, else 1."""
    table: tuple[str, ...] = ()
    best = 1
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[\s*([^\[\]]+?)\s*\]", line):
            table = tuple(part.strip().strip("\"'") for part in header[1].split("."))
            if table == keys[: len(table)]:
                best = number
            if table[: len(keys)] == keys:
                return number
        elif (key := re.match(r"\s*([\w\"'.-]+)\s*=", line)) and (*table, *key[1].strip("\"'").split(".")) == keys:
            return number
    return best


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
