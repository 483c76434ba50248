"""Are secrets and messages closed to other users of the machine?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.paths import Paths


def check(around: Surroundings) -> Iterator[Finding]:
    """Look at the owner and the mode of every folder and file that should be its owner's alone."""
    calm = True
    for place, is_secret in _places(around.paths):
        for finding in _look(place, is_secret=is_secret):
            calm = False
            yield finding
    if calm:
        yield ok("What channeld keeps is yours alone.")


def _places(paths: Paths) -> Iterator[tuple[Path, bool]]:
    """Return each place that is there, and whether a token is in it."""
    for folder in (paths.config, paths.credentials, paths.state, paths.run, paths.log, paths.inbox, paths.spool):
        yield folder, folder == paths.credentials
    yield from ((file, True) for file in _files(paths.credentials, "*.token*"))
    yield from ((file, False) for file in _files(paths.state, f"{paths.database.name}*"))


def _files(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def _look(place: Path, *, is_secret: bool) -> Iterator[Finding]:
    try:
        seen = place.stat()
    except OSError:  # it is not there, which is for others to tell
        return
    mode = stat.S_IMODE(seen.st_mode)
    wanted = 0o700 if stat.S_ISDIR(seen.st_mode) else 0o600
    if seen.st_uid != os.geteuid():
        yield failure(
            f"{place} belongs to user {seen.st_uid}, not to you.", "channeld may not read or write it.",
            f'`sudo chown "$(id -un)" {place}`',
        )  # fmt: skip
    elif mode & 0o077:
        tell, why = (failure, "Whoever reads the token is the bot.") if is_secret else (warning, "Messages lie there.")
        yield tell(
            f"Others may look into {place} (mode {mode:04o}).", why, f"`chmod {wanted:o} {place}`",
            None if place.is_symlink() else partial(_close, place, wanted),
        )  # fmt: skip
    elif ~mode & (wanted & 0o600):
        yield failure(
            f"You may not read and write {place} (mode {mode:04o}).", "Then channeld may not either.",
            f"`chmod {wanted:o} {place}`", None if place.is_symlink() else partial(_close, place, wanted),
        )  # fmt: skip


def _close(place: Path, mode: int) -> str:
    place.chmod(mode)
    return f"{place} has the mode {mode:o} now."
