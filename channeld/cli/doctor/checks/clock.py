"""Does the clock of this machine go right?"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Final

from channeld.cli.doctor.finding import Finding, failure, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.render.layout import age
from channeld.cli.token_check import title_of

_LIMIT_S: Final = 8.0
_MUCH_S: Final = 30.0
_FAR_S: Final = 600.0
_UNTIMELY: Final = frozenset({9, 10})
"""OpenSSL's codes of certificates that are not valid yet, and not any more."""
_HARM: Final = "Connections fail, new messages count as old ones, and codes run out."
_FIX: Final = "`timedatectl set-ntp true`, as an administrator"


class _Untimely(Exception):
    """The server's certificate is not valid at the time of this clock."""


def check(around: Surroundings) -> Iterator[Finding]:
    """Hold it against the ``Date`` of a platform's answer; no token is sent for that."""
    for worker in around.bots:
        title = title_of(worker.platform)
        before = around.clock()
        try:
            date = _date_of(str(worker.settings["api_base_url"]))
        except _Untimely:
            yield failure(f"By this clock, {title}'s certificate is not valid: the clock is far off.", _HARM, _FIX)
            return
        if date is None:
            continue
        off_s = (before + around.clock()) / 2 - date
        told = f"The clock is {age(abs(off_s))} {'ahead' if off_s > 0 else 'behind'}, by {title}'s."
        if abs(off_s) > _FAR_S:
            yield failure(told, _HARM, _FIX)
        elif abs(off_s) > _MUCH_S:
            yield warning(told, "Once it is far off, new messages count as old ones.", _FIX)
        else:
            yield ok(f"The clock is right, by {title}'s.")
        return


class _Stay(urllib.request.HTTPRedirectHandler):
    """The first answer has the time: where it leads is of no use."""

    def redirect_request(self, *_: Any) -> None:
        """Go nowhere."""
        return


def _date_of(address: str) -> float | None:
    """Return the unix time that a server says it is, None if none could be asked.

    Raises:
        _Untimely: its certificate is not valid at this time.
    """
    parts = urllib.parse.urlsplit(address)
    request = urllib.request.Request(f"{parts.scheme}://{parts.netloc}/", method="HEAD")  # noqa: S310 - http, by config
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=_LIMIT_S) as answer:
            said = answer.headers.get("Date")
    except urllib.error.HTTPError as error:  # any answer has the time
        said = error.headers.get("Date")
        error.close()
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError) and error.reason.verify_code in _UNTIMELY:
            raise _Untimely from None
        return None
    except (OSError, ValueError, http.client.HTTPException):  # the last: what answers speaks no HTTP
        return None
    try:
        return parsedate_to_datetime(said).timestamp() if said else None
    except ValueError:
        return None
