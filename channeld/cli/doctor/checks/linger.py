"""Does the service outlive the login?"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from channeld import __version__
from channeld.cli.doctor.finding import Finding, note, ok
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.shim_host import Places


def check(around: Surroundings) -> Iterator[Finding]:
    """Tell whether it ends when its user logs out; see loginctl(1)."""
    if around.environ.get("CHANNELD_HOME") or not Path(Places(around.environ, "/", __version__).unit).exists():
        yield ok("There is no service that could end with the login.")
    elif (around.linger / pwd.getpwuid(os.getuid()).pw_name).exists():
        yield ok("The service runs from boot on.")
    else:
        yield note(
            "The service ends when you log out.", "On a server, nobody is reached then.", "`channeld install --linger`"
        )
