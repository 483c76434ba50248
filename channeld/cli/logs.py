"""``logs``: reads the log files, so that it works without a daemon too."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from channeld.cli import suggest
from channeld.cli.client import fail
from channeld.paths import find_paths

if TYPE_CHECKING:
    from channeld.cli.render.log import Entry

_POLL_S = 0.3
_DAEMON = "channeld"


@click.command()
@click.argument("worker", required=False, shell_complete=suggest.logs)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is new until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    default=100,
    show_default=True,
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="The last N lines.",
)
@click.option("--all", "everything", is_flag=True, help="The logs of the daemon and all workers, by time.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as they stand in the file.")
def logs(worker: str | None, follow: bool, lines: int, everything: bool, as_json: bool) -> None:
    """Show the daemon's log, or a worker's.

    Times are those of this machine's time zone. It works without a daemon too.

    Example: channeld logs -f web
    """
    if everything and worker is not None:
        raise click.UsageError("Name a worker, or ask for --all.")
    folder = find_paths().log
    known = sorted(path.stem for path in folder.glob("*.log"))
    wanted = known if everything else [worker or _DAEMON]
    if not wanted or not set(wanted) <= set(known):
        hint = f"There are logs of: {', '.join(known)}." if known else "channeld start"
        fail(f"There is no log of {wanted[0]!r} yet." if wanted else "There are no logs yet.", hint)
    try:
        _show([LogFile(folder / f"{source}.log") for source in wanted], lines, follow, as_json)
    except KeyboardInterrupt:
        return


class LogFile:
    """A log file that grows, and that a new one may take the place of."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: IO[bytes] | None = None
        self._begun = b""  # of a line whose end is not written yet
        self._at = 0.0

    def new(self) -> Iterator[tuple[float, Entry]]:
        """Return what was written since the last call, each with its time; a line without one has that before it."""
        from channeld.cli.render.log import parse  # noqa: PLC0415 - of no use to --help

        for line in self._lines():
            entry = parse(line.decode(errors="replace").rstrip("\n"), self._path.stem)
            self._at = entry.at if entry.at is not None else self._at
            yield self._at, entry

    def close(self) -> None:
        """Let go of the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _lines(self) -> Iterator[bytes]:
        if self._stream is not None:
            rotated = self._was_rotated()  # looked at first: what the old file got before that is still read
            yield from self._rest(self._stream)
            if not rotated:
                return
            if self._begun:  # nobody will end it any more
                yield self._begun
            self.close()
        self._begun = b""
        try:
            self._stream = self._path.open("rb")
        except FileNotFoundError:  # between two files
            return
        yield from self._rest(self._stream)

    def _rest(self, stream: IO[bytes]) -> Iterator[bytes]:
        while chunk := stream.readline():
            self._begun += chunk
            if self._begun.endswith(b"\n"):
                line, self._begun = self._begun, b""
                yield line

    def _was_rotated(self) -> bool:
        """Tell whether the path leads to another file, or to the same one emptied."""
        assert self._stream is not None
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return there.st_ino != os.fstat(self._stream.fileno()).st_ino or there.st_size < self._stream.tell()


def _show(files: list[LogFile], lines: int, follow: bool, as_json: bool) -> None:
    from channeld.cli.render.log import entry_lines  # noqa: PLC0415 - of no use to --help

    def show(entries: list[tuple[float, Entry]]) -> None:
        for _, entry in entries:
            click.echo(entry.raw if as_json else "\n".join(entry_lines(entry)))

    try:
        show(_merged(files)[-lines:])
        while follow:
            time.sleep(_POLL_S)
            show(_merged(files))
    finally:
        for file in files:
            file.close()


def _merged(files: list[LogFile]) -> list[tuple[float, Entry]]:
    """Return what is new in all files by time; lines of one file stay in their order."""
    return sorted((found for file in files for found in file.new()), key=lambda found: found[0])
