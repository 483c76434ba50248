"""Adds to ``config.toml`` what a command needs there, and keeps every byte of what stands there."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from channeld.config import load
from channeld.core.errors import ConfigError
from channeld.paths import unusable

_HEADER: Final = re.compile(rb"[ \t]*\[[ \t]*workers[ \t]*\.[ \t]*(?:\"([\w-]+)\"|'([\w-]+)'|([\w-]+))[ \t]*\]")


class Edit(NamedTuple):
    """A change of the configuration that was found possible, and not made yet."""

    file: Path
    old: bytes | None
    new: bytes
    added: tuple[str, ...]
    """What it adds: ``[workers.NAME]`` for a table, and the names of keys."""

    @property
    def changes(self) -> bool:
        """Tell whether there is anything to write."""
        return self.old != self.new


def plan_worker(file: Path, worker: str, settings: dict[str, Any]) -> Edit:
    """Return the change that gives a worker its table, with those settings that are not in it.

    A configuration without any worker means the web chat alone, so that one is written down too.

    Args:
        file: need not exist.
        worker: name of its table, which is that of its platform.
        settings: keys that are to stand there; a key that stands there already is left as it is.

    Raises:
        ConfigError: the configuration has a mistake, or there is no place in it for this.
    """
    load(file)
    try:
        old = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        old = None
    text = old or b""
    before = tomllib.loads(text.decode())
    tables = before.get("workers")
    here = (tables or {}).get(worker)
    wanted = {key: value for key, value in settings.items() if key not in (here or {})}
    if here is not None and not wanted:
        return Edit(file, old, text, ())
    eol = b"\r\n" if b"\r\n" in text else b"\n"
    lines = [f"{key} = {_toml(value)}".encode() for key, value in wanted.items()]
    if here is None:
        heads = [] if tables is not None else [b"[workers.web]", b""]
        heads += [f"[workers.{worker}]".encode()]
        gap = b"" if not text else eol if text.endswith(b"\n") else eol * 2
        new = text + gap + eol.join([*heads, *lines, b""])
    else:
        new = _below_header(text, worker, lines, eol)
    expected = {"web": {}} if tables is None else dict(tables)
    expected[worker] = {**(here or {}), **wanted}
    try:
        fits = tomllib.loads(new.decode()) == {**before, "workers": expected}
    except tomllib.TOMLDecodeError:
        fits = False
    if not fits:
        shown = "; ".join([f"[workers.{worker}]", *(line.decode() for line in lines)])
        raise ConfigError(
            f"{file} is written in a way in which channeld can add nothing to it.",
            hint=f"Add this to it yourself: {shown}",
        )
    if old is not None and not stat.S_IMODE(file.stat().st_mode) & 0o222:
        raise ConfigError(
            f"{file} is read-only, so [workers.{worker}] cannot be added to it.",
            hint=f"chmod u+w {file}, or add it yourself.",
        )
    return Edit(file, old, new, (*([f"[workers.{worker}]"] if here is None else []), *wanted))


def write(edit: Edit) -> None:
    """Make a planned change: the file is exchanged for a checked one whole, or stays as it is.

    Raises:
        ConfigError: it cannot be written, or has changed since.
    """
    if not edit.changes:
        return
    target = Path(os.path.realpath(edit.file))  # a link to a file elsewhere stays one
    draft = target.with_name(f"{target.name}.new")
    mode = 0o600 if edit.old is None else stat.S_IMODE(target.stat().st_mode)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(draft, flags, mode), "wb") as written:
            os.fchmod(written.fileno(), mode)
            written.write(edit.new)
            written.flush()
            os.fsync(written.fileno())
        try:
            load(draft)
        except ConfigError:
            draft.unlink()
            raise
        draft.replace(target)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise unusable(edit.file, error) from None


def _below_header(text: bytes, worker: str, lines: list[bytes], eol: bytes) -> bytes:
    """Return the text with lines right below a table's header; as it is where that has no line of its own."""
    parts = text.splitlines(keepends=True)
    for number, part in enumerate(parts):
        found = _HEADER.match(part)
        if found is not None and worker.encode() in found.groups():
            if not part.endswith(b"\n"):
                parts[number] = part + eol
            return b"".join([*parts[: number + 1], *(line + eol for line in lines), *parts[number + 1 :]])
    return text


def _toml(value: object) -> str:
    """Return a text, number, truth value or list of texts as TOML has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    # TOML's escapes are JSON's, but a surrogate pair is none of them, and U+007F has to be one.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
