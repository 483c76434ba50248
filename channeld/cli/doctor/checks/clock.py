"""Does the clock of this machine go right?"""

from __future__ import annotations

import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final

from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.render.layout import age
from channeld.cli.token_check import title_of

_LIMIT_S: Final = 8.0
_MUCH_S: Final = 30.0
_FAR_S: Final = 600.0


def check(around: Surroundings) -> Iterator[Finding]:
    """Hold it against the ``Date`` of a platform's answer; no token is sent for that."""
    for worker in around.bots:
        before = around.clock()
        date = _date_of(str(worker.settings["api_base_url"]))
        if date is None:
            continue
        off_s = (before + around.clock()) / 2 - date
        late = "ahead" if off_s > 0 else "behind"
        told = f"The clock is {age(abs(off_s))} {late}, by {title_of(worker.platform)}'s."
        fix = "`timedatectl set-ntp true`, as an administrator"
        if abs(off_s) > _FAR_S:
            yield failure(told, "Connections fail, new messages count as old ones, and codes run out.", fix)
        elif abs(off_s) > _MUCH_S:
            yield warning(told, "Far off, new messages count as old ones.", fix)
        else:
            yield ok(f"The clock is right, by {title_of(worker.platform)}'s.")
        return


def _date_of(address: str) -> float | None:
    """Return the unix time that a server says it is, None if none could be asked."""
    parts = urllib.parse.urlsplit(address)
    request = urllib.request.Request(f"{parts.scheme}://{parts.netloc}/", method="HEAD")  # noqa: S310 - http, by config
    try:
        with urllib.request.urlopen(request, timeout=_LIMIT_S) as answer:  # noqa: S310
            said = answer.headers.get("Date")
    except urllib.error.HTTPError as error:  # any answer has the time
        said = error.headers.get("Date")
        error.close()
    except (OSError, ValueError):
        return None
    try:
        return parsedate_to_datetime(said).timestamp() if said else None
    except ValueError:
        return None
