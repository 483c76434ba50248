"""What several commands share: ``--json``, the terminal's width, and printing."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from typing import Any, Final

import click

_WIDEST: Final = 100
"""Columns: longer lines are hard to read."""

as_json = click.option("--json", "as_json", is_flag=True, help="Print data for programs, see docs/cli-json.md.")


def print_json(data: Any) -> None:
    """Print data for programs."""
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines for people, in colour only where a terminal shows it."""
    click.echo("\n".join(lines))


def page_width() -> int:
    """Return the columns that a page may take."""
    return min(_WIDEST, shutil.get_terminal_size().columns)


def line_width() -> int | None:
    """Return the columns that a line of a list may take; None where no person looks: then nothing is cut off."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
