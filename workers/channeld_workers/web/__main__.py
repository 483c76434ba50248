"""The process: ``python -m channeld_workers.web``, started by the daemon."""

from __future__ import annotations

from channeld_workers.runtime import run
from channeld_workers.web.platform import WebPlatform

if __name__ == "__main__":
    run(WebPlatform())
