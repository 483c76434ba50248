"""Finds a worker's token: environment, then systemd's credentials, then a file of ours. Never logged or stored."""

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
    for file in (f / f"{worker}.token" for f in (*folders, folder)):
        try:
            return file.read_text("utf-8").strip() or None
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            raise ConfigError(
                f"{file} cannot be read.", hint="Mend its permissions: chmod 600, owned by you."
            ) from None
    return None


def make_token(worker: str, folder: Path) -> str:
    """Return the worker's token, made at random and saved 0600 if there is none: for tokens that are our own."""
    if (token := find_token(worker, folder)) is not None:
        return token
    token = secrets.token_urlsafe(32)
    draft = folder / f"{worker}.token.new"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / f"{worker}.token")  # whole or not at all, also over an empty one of an earlier accident
    return token
