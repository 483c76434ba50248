"""``python -m channeld.daemon``: what ``channeld run`` becomes."""

from __future__ import annotations

import sys

from channeld.core.errors import ChanneldError, ConfigError, StoreTooNew
from channeld.core.lifecycle import EXIT_BAD_CONFIG
from channeld.paths import find_paths


def main() -> int:
    """Run the daemon; returns the exit status: 78 where starting it again would end the same way."""
    # structlog loads rich and pygments wherever they are installed, for tracebacks in colour: five megabytes that a
    # daemon has no use for. An entry of None is how Python says that a module is not there.
    sys.modules["rich"] = None  # type: ignore[assignment]
    from channeld.daemon.app import start  # noqa: PLC0415

    try:
        start(find_paths())
    except ChanneldError as error:
        hint = f"\nTry: {error.hint}" if error.hint else ""
        sys.stderr.write(f"Error: {error}{hint}\n")
        return EXIT_BAD_CONFIG if isinstance(error, ConfigError | StoreTooNew) else 1
    except KeyboardInterrupt:  # before the loop has its signal handlers
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
