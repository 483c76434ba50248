"""What a process of a worker's package may know of our environment."""

from __future__ import annotations

import os
import sys
from typing import Final

from channeld.faultpoint import VARIABLE as FAULTPOINTS

PROXIES: Final = (
    "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "all_proxy", "no_proxy",
)  # fmt: skip
_ALLOWED: Final = (
    "PATH", "HOME", "USER", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR",
    *PROXIES, FAULTPOINTS,
)  # fmt: skip
"""Nothing that can hold another worker's secret."""


def bare_environment(*, bundled: bool) -> dict[str, str]:
    """Return the environment of such a process; a bundled package must be found as this process found ours."""
    environment = {name: os.environ[name] for name in _ALLOWED if name in os.environ}
    environment["PYTHONUNBUFFERED"] = "1"
    if bundled:
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return environment
