"""The process: ``python -m channeld_workers.telegram``, which the daemon starts; with ``check``, the command line."""

from __future__ import annotations

import sys

from channeld_workers.runtime import run
from channeld_workers.telegram.check import check
from channeld_workers.telegram.platform import TelegramPlatform

if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        check(sys.stdin, sys.stdout)
    else:
        run(TelegramPlatform())
