"""The console script. ``channeld mcp`` imports the shim and nothing else: the start of a session waits for it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; its exit status is that of the process."""
    if sys.argv[1:2] == ["mcp"]:
        from channeld.cli import shim  # noqa: PLC0415 - each branch pays for its own imports only

        sys.exit(shim.main(sys.argv[2:]))
    from channeld.cli.main import cli  # noqa: PLC0415

    cli(prog_name="channeld")


if __name__ == "__main__":
    main()
