"""``doctor``: what is wrong, why, and how to mend it."""

from __future__ import annotations

import os
import sys

import click

from channeld.cli.client import EXIT_FAILED
from channeld.cli.options import as_json, page_width, print_json, print_lines


@click.command()
@as_json
@click.option("--fix", is_flag=True, help="Mend what is safe to mend, then look again.")
def doctor(as_json: bool, fix: bool) -> None:
    """Find what is wrong, why, and how to mend it.

    It looks at everything between a chat and Claude, and changes nothing without
    --fix. The exit status is 1 when something is wrong.

    Example: channeld doctor --fix
    """
    from channeld import __version__  # noqa: PLC0415 - none of these is of use to --help, and they load slowly
    from channeld.cli.doctor.examination import examine, is_sound, mend  # noqa: PLC0415
    from channeld.cli.doctor.surroundings import gather  # noqa: PLC0415
    from channeld.cli.render.doctor import as_data, doctor_lines  # noqa: PLC0415

    findings = examine(gather(os.environ))
    mended = mend(findings) if fix else []
    if mended:
        findings = examine(gather(os.environ))
    if as_json:
        print_json(as_data(__version__, findings, mended))
    else:
        print_lines(doctor_lines(findings, mended if fix else None, page_width()))
    if not is_sound(findings):
        sys.exit(EXIT_FAILED)
