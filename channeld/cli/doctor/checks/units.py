"""Does systemd run the daemon, if it is to?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from channeld import __version__
from channeld.cli import service_unit
from channeld.cli.doctor.finding import Finding, failure, note, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.shim_host import Places

_CONFIG_STATUS = "78"


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell whether there is a unit, whether it is still good, and whether it has failed."""
    if around.environ.get("CHANNELD_HOME"):
        yield ok("CHANNELD_HOME is set: such a place has no service.")
        return
    unit = Path(Places(around.environ, "/", __version__).unit)
    try:
        text = unit.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        yield note(
            "systemd does not run channeld.", "After a reboot it starts with the next session.", "`channeld install`"
        )
        return
    except OSError as error:
        yield warning(f"{unit} cannot be read: {error.strerror}.", "Whether it is good is not known.", "Mend its mode.")
        return
    if not service_unit.is_ours(text):
        yield note(f"{unit} was not written by channeld.", "Whether it is good is not known.")
    elif (program := _program(text)) is not None and not Path(program).exists():
        yield failure(
            f"The service runs {program}, which is gone.", "It cannot start, as after an upgrade of Python.",
            "`channeld install`",
        )  # fmt: skip
        return
    yield from _state(around)


def _program(text: str) -> str | None:
    found = re.search(r'^ExecStart="((?:[^"\\]|\\.)*)"', text, re.MULTILINE)
    return found[1].replace("%%", "%").replace("$$", "$").replace('\\"', '"').replace("\\\\", "\\") if found else None


def _state(around: Surroundings) -> Iterator[Finding]:
    try:
        told = service_unit.properties("LoadState", "ActiveState", "Result", "UnitFileState", "ExecMainStatus")
    except OSError:
        yield note("There is a unit, and no systemd here that could run it.", "", "`channeld start`")
        return
    if not told:
        yield warning(
            "This user's systemd does not answer.", "Whether the service runs is not known.",
            "Log in as this user, not with su or sudo, and try again.",
        )  # fmt: skip
    elif told.get("LoadState") != "loaded":
        yield failure(
            "systemd has not loaded the unit.", "The service does not start.", "`systemctl --user daemon-reload`"
        )
    elif told.get("ActiveState") == "failed":
        yield _failed(around, told)
    elif told.get("UnitFileState") == "disabled":
        yield warning("The service is not enabled.", "It does not start with your login.", "`channeld install`")
    elif around.status is not None and told.get("ActiveState") == "inactive":
        yield warning(
            "A daemon runs, but not as the service.", "It is not started again if it ends.", "`channeld install`"
        )
    else:
        yield ok(f"The service is {told.get('ActiveState')}.")


def _failed(around: Surroundings, told: dict[str, str]) -> Finding:
    how = f"{told.get('Result')}, status {told.get('ExecMainStatus')}"
    hopeless = told.get("ExecMainStatus") == _CONFIG_STATUS and around.mistake is not None
    meant = around.paths.stopped.exists()
    return failure(
        f"The service has failed ({how}).", "systemd does not start it again by itself.",
        "Mend the configuration, see above. Then: channeld start" if hopeless
        else "See `journalctl --user -u channeld`. Then: channeld start",
        None if hopeless or meant or around.status is not None else _start,
    )  # fmt: skip


def _start() -> str:
    """Start a service that has failed.

    Raises:
        OSError: systemd did not start it.
    """
    for words in (("reset-failed", service_unit.NAME), ("start", service_unit.NAME)):
        done = service_unit.systemctl(*words)
        if done.returncode != 0:
            raise OSError(done.stderr.strip() or f"systemctl {words[0]}: exit status {done.returncode}")
    return "The service was started again."
