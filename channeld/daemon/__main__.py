"""``python -m channeld.daemon``: what ``channeld run`` becomes."""

from __future__ import annotations

import sys
from typing import Final

from channeld.core.errors import ChanneldError, ConfigError, StoreTooNew
from channeld.core.lifecycle import EXIT_BAD_CONFIG
from channeld.daemon.app import start
from channeld.paths import find_paths

_POINTLESS_TO_REPEAT: Final = (ConfigError, StoreTooNew)


def main() -> int:
    """Run the daemon; returns the exit status: 78 where starting it again would end the same way."""
    try:
        start(find_paths())
    except ChanneldError as error:
        hint = f"\nTry: {error.hint}" if error.hint else ""
        sys.stderr.write(f"Error: {error}{hint}\n")
        return EXIT_BAD_CONFIG if isinstance(error, _POINTLESS_TO_REPEAT) else 1
    except KeyboardInterrupt:  # before the loop has its signal handlers
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
