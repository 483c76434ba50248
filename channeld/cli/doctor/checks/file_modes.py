"""Are secrets and messages closed to other users of the machine, and open to this one?"""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path

from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.render.layout import count
from channeld.paths import Paths


class _Fault(StrEnum):
    """What can be wrong with a place."""

    FOREIGN = "foreign"  # another user's
    SHUT = "shut"  # its owner may not do all that is needed
    OPEN = "open"  # others get at it
    SHIELDED = "shielded"  # open, but in a closed folder
    SETTINGS = "settings"  # others get at the folder of the settings, and no further


def check(around: Surroundings) -> Iterator[Finding]:
    """Look at the owner and the mode of every folder and file that should be its owner's alone."""
    found: dict[_Fault, list[Path]] = {}
    for place in _places(around.paths):
        if (fault := _fault_of(place, around.uid)) is not None:
            if fault is _Fault.OPEN and place == around.paths.config:
                fault = _Fault.SETTINGS
            found.setdefault(fault, []).append(place)
    if _Fault.OPEN in found:  # what lies behind is worse, and mended with it
        found[_Fault.OPEN] = [*found.pop(_Fault.SETTINGS, []), *found[_Fault.OPEN]]
    for fault, places in sorted(found.items()):
        yield _told(fault, places)
    if not found:
        yield ok("What channeld keeps is yours alone.")


def _places(paths: Paths) -> Iterator[Path]:
    yield from (paths.config, paths.credentials, paths.state, paths.run, paths.log, paths.inbox, paths.spool)
    yield from sorted(paths.credentials.glob("*.token"))
    yield from sorted(paths.state.glob(f"{paths.database.name}*"))


def _fault_of(place: Path, uid: int) -> _Fault | None:
    try:
        seen = place.stat()
        if seen.st_uid != uid:
            return _Fault.FOREIGN
        if ~seen.st_mode & _wanted(place):
            return _Fault.SHUT
        if seen.st_mode & 0o077 == 0:
            return None
        return _Fault.OPEN if _lets_pass(place) else _Fault.SHIELDED
    except OSError:  # it is not there, or out of reach: then the folder above it is told
        return None


def _wanted(place: Path) -> int:
    return 0o700 if stat.S_ISDIR(place.stat().st_mode) else 0o600


def _lets_pass(place: Path) -> bool:
    """Tell whether others can pass all folders above a place."""
    return all(folder.stat().st_mode & 0o011 for folder in place.resolve().parents)


def _told(fault: _Fault, places: Sequence[Path]) -> Finding:
    first, which = places[0], _names(places)
    mode = stat.S_IMODE(first.stat().st_mode)
    links = [place for place in places if place.is_symlink()]  # what they lead to is not ours to change
    mend = partial(_set, places) if not links else None
    fix = f"`chmod {_wanted(first):o} {shlex.quote(str(first))}`"
    match fault:
        case _Fault.FOREIGN:
            owner = first.stat().st_uid
            return failure(
                f"{which}: owned by user {owner}, not by you.", "channeld may not read or write there.",
                f'`sudo chown -R "$(id -un)" {shlex.quote(str(first))}`',
            )  # fmt: skip
        case _Fault.SHUT:
            return failure(f"{which}: you may not do all there (mode {mode:04o}).", "Nor may channeld.", fix, mend)
        case _Fault.OPEN:
            why = "Messages and files lie there. Whoever has read a token is the bot."
            return failure(f"{which}: open to others (mode {mode:04o}).", why, fix, mend)
        case _Fault.SETTINGS:
            return warning(f"{which}: open to others (mode {mode:04o}).", "They can read your settings.", fix, mend)
        case _Fault.SHIELDED:
            why = "Only a folder above keeps others out."
            return warning(f"{which}: open to others (mode {mode:04o}).", why, fix, mend)


def _set(places: Sequence[Path]) -> str:
    for place in places:
        place.chmod(_wanted(place))
    return f"{_names(places)}: closed to others, open to you."


def _names(places: Sequence[Path]) -> str:
    more = f" and {count(len(places) - 1, 'other')}" if len(places) > 1 else ""
    return f"{places[0]}{more}"
