"""The process: ``python -m channeld_workers.discord``, which the daemon starts; with ``check``, the command line."""

from __future__ import annotations

import sys

from channeld_workers.discord.check import check
from channeld_workers.discord.platform import DiscordPlatform
from channeld_workers.runtime import run

if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        check(sys.stdin, sys.stdout)
    else:
        run(DiscordPlatform())
