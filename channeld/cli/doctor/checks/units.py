"""Does systemd run the daemon, if it is to?"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from channeld import __version__
from channeld.cli import service
from channeld.cli.doctor.finding import Finding, failure, note, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.service_unit import is_ours
from channeld.cli.shim_host import Places

_CONFIG_STATUS: Final = "78"
_PROPERTIES: Final = ("LoadState", "ActiveState", "SubState", "Result", "UnitFileState", "ExecMainStatus")


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell whether there are units, whether they are still good, and whether one has failed."""
    if around.environ.get("CHANNELD_HOME"):
        yield ok("CHANNELD_HOME is set: such a place has no service.")
        return
    service = Path(Places(around.environ, "/", __version__).unit)
    try:
        text = service.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        yield note(
            "systemd does not run channeld.", "After a reboot it starts with the next session.", "`channeld install`"
        )
        return
    except OSError as error:
        yield warning(
            f"{service} cannot be read: {error.strerror}.", "Whether it is good is not known.", "Mend its mode."
        )
        return
    if (program := _program(text)) is not None and is_ours(text) and not Path(program).exists():
        yield failure(
            f"The service runs {program}, which is gone.", "It cannot start, as after an upgrade of Python.",
            "`channeld install`",
        )  # fmt: skip
        return
    listening = service.with_suffix(".socket")
    units = [service.name, *([listening.name] if listening.exists() else [])]
    try:
        found = [finding for unit in units for finding in _look(around, unit)]
    except OSError:
        yield note("There is a unit, and no systemd here that could run it.", "", "`channeld start`")
        return
    yield from found or [ok("The service is as it should be.")]


def _program(text: str) -> str | None:
    """Return what a unit runs, with the escapes of systemd.syntax(7) taken back."""
    found = re.search(r'^ExecStart="((?:[^"\\]|\\.)*)"', text, re.MULTILINE)
    if found is None:
        return None
    return re.sub(r"%%|\$\$|\\.", lambda escape: escape[0][-1], found[1])


def _look(around: Surroundings, unit: str) -> Iterator[Finding]:
    told = service.properties(*_PROPERTIES, unit=unit)
    state = told.get("ActiveState")
    if not told:
        yield warning(
            f"This user's systemd does not tell of {unit}.", "Whether the service runs is not known.",
            "Log in as this user, not with su or sudo, and try again.",
        )  # fmt: skip
    elif told.get("LoadState") != "loaded":
        yield failure(f"systemd has not loaded {unit}.", "It does not start.", "`systemctl --user daemon-reload`")
    elif state == "failed":
        yield _failed(around, unit, told)
    elif told.get("SubState") == "auto-restart":
        yield failure(
            f"{unit} keeps ending ({told.get('Result')}, status {told.get('ExecMainStatus')}).",
            "systemd starts it again and again.", f"`{service.JOURNAL}`",
        )  # fmt: skip
    elif told.get("UnitFileState") == "disabled":
        yield warning(f"{unit} is not enabled.", "It does not start with your login.", "`channeld install`")
    elif state == "inactive" and around.status is not None:
        yield warning(
            f"A daemon runs, and {unit} does not.", "Nothing starts the daemon again if it ends.", "`channeld install`"
        )


def _failed(around: Surroundings, unit: str, told: dict[str, str]) -> Finding:
    how = (
        f"{told.get('Result')}, status {told.get('ExecMainStatus')}" if "ExecMainStatus" in told else told.get("Result")
    )
    hopeless = around.mistake is not None and told.get("ExecMainStatus") == _CONFIG_STATUS
    meant = os.path.exists(around.paths.stopped)
    fix = (
        "Mend the configuration, see above. Then: channeld start"
        if hopeless
        else f"See `{service.JOURNAL}`. Then: channeld start"
    )
    return failure(
        f"{unit} has failed ({how}).", "systemd does not start it again by itself.", fix,
        None if hopeless or meant else _start,
    )  # fmt: skip


def _start() -> str:
    """Start the units, whatever has become of them before.

    Raises:
        OSError: systemd did not do it.
    """
    if why := service.start():
        raise OSError(why)
    return "The service was started again."
