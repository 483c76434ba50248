"""``logs``: reads the log files, so that it works without a daemon too."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import IO

import click

from channeld.cli import render
from channeld.cli.client import fail
from channeld.paths import find_paths

_POLL_S = 0.3


@click.command()
@click.argument("worker", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is new until Ctrl-C.")
@click.option("-n", "--lines", default=100, show_default=True, type=click.IntRange(1, 100_000), help="So many lines.")
def logs(worker: str | None, follow: bool, lines: int) -> None:
    """Show the daemon's log, or a worker's.

    Example: channeld logs -f web
    """
    source = worker or "channeld"
    file = find_paths().log / f"{source}.log"
    if "/" in source or not file.is_file():
        known = sorted(path.stem for path in file.parent.glob("*.log")) if file.parent.is_dir() else []
        hint = f"There are logs of: {', '.join(known)}." if known else "channeld start"
        fail(f"There is no log of {source!r} yet.", hint)
    try:
        _show(file, source, lines, follow)
    except KeyboardInterrupt:
        return


def _show(file: Path, source: str, lines: int, follow: bool) -> None:
    stream = file.open(encoding="utf-8", errors="replace")
    for line in stream.readlines()[-lines:]:
        click.echo(_readable(line, source))
    while follow:
        if line := stream.readline():
            click.echo(_readable(line, source))
        elif _was_rotated(file, stream):
            stream.close()
            stream = file.open(encoding="utf-8", errors="replace")
        else:
            time.sleep(_POLL_S)


def _was_rotated(file: Path, stream: IO[str]) -> bool:
    try:
        return os.stat(file).st_ino != os.fstat(stream.fileno()).st_ino
    except FileNotFoundError:
        return False


def _readable(line: str, source: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return render.plain(line.rstrip("\n"))
    return render.log_line(entry, source) if isinstance(entry, dict) else render.plain(line.rstrip("\n"))
