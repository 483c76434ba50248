"""A worker's token: environment, then systemd's credentials, then a file of ours. Never logged or shown."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from channeld.core.errors import ConfigError
from channeld.platforms import PLATFORMS


def find_token(worker: str, folder: Path) -> str | None:
    """Return a worker's token, or None if there is none anywhere.

    Raises:
        ConfigError: a token file is there and cannot be read.
    """
    platform = PLATFORMS.get(worker)  # the variable is for the worker that is named like its platform
    if platform and platform.token_variable and (token := os.environ.get(platform.token_variable)):
        return token.strip()
    folders = [Path(given)] if (given := os.environ.get("CREDENTIALS_DIRECTORY")) else []
    for place in (*folders, folder):  # an empty one is none
        if (token := saved_token(worker, place)) is not None:
            return token
    return None


def saved_token(worker: str, folder: Path) -> str | None:
    """Return the token in a worker's file there, or None if there is no file, or nothing in it.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return _read(folder / f"{worker}.token")
    except FileNotFoundError:
        return None


def _read(file: Path) -> str | None:
    try:
        return file.read_text("utf-8").strip() or None
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{file} cannot be read.", hint="Mend its permissions: chmod 600, owned by you.") from None


def save_token(worker: str, folder: Path, token: str) -> None:
    """Save a token for its owner alone, whole or not at all, so that it outlives a crash of the machine.

    Raises:
        OSError: it cannot be written; what was saved before is untouched.
    """
    draft = folder / f"{worker}.token.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(draft, flags, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o600)  # a draft that was left behind may have had another mode
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / f"{worker}.token")
    above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(above)
    finally:
        os.close(above)


def make_token(worker: str, folder: Path) -> str:
    """Return the worker's token, made at random and saved if there is none: for tokens that are our own."""
    if (token := find_token(worker, folder)) is not None:
        return token
    token = secrets.token_urlsafe(32)
    save_token(worker, folder, token)
    return token
