"""What ``doctor`` prints: what is wrong first, each with its reason and what mends it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

from channeld.cli.doctor.examination import Mended
from channeld.cli.doctor.finding import Finding, Level
from channeld.cli.render.layout import advice, count, plain, wrap

_MARKS: Final = {Level.FAILURE: ("✗", "red"), Level.WARNING: ("!", "yellow"), Level.NOTE: ("·", "blue")}
"""In the order in which they are read."""


def doctor_lines(findings: Sequence[Finding], mended: Sequence[Mended] | None, width: int) -> list[str]:
    """Return the page.

    Args:
        findings: of all checks, after mending.
        mended: what was done before; None: nothing was to be mended.
        width: columns of the terminal.
    """
    lines = []
    if mended is not None:
        lines += [line for one in mended for line in _mended_lines(one, width)] or [
            "There was nothing for --fix to mend."
        ]
        lines += [""]
    lines += [*_summary(findings, width), ""]
    for level in _MARKS:
        for finding in findings:
            if finding.level is level:
                lines += [*_finding_lines(finding, width, by_hand=mended is not None), ""]
    return [*lines, *_calm_lines(findings, width)]


def as_data(version: str, findings: Iterable[Finding], mended: Iterable[Mended]) -> dict[str, Any]:
    """Return what ``channeld doctor --json`` prints."""
    told = [
        {
            "check": finding.check, "level": str(finding.level), "finding": finding.finding, "reason": finding.reason,
            "fix": finding.fix, "fixable": finding.mend is not None,
        }
        for finding in findings
    ]  # fmt: skip
    return {
        "version": version,
        "sound": all(finding["level"] != Level.FAILURE for finding in told),
        "findings": told,
        "mended": [one._asdict() for one in mended],
    }


def _summary(findings: Sequence[Finding], width: int) -> list[str]:
    wrong = sum(finding.level is Level.FAILURE for finding in findings)
    doubtful = sum(finding.level is Level.WARNING for finding in findings)
    more = f", and {count(doubtful, 'warning')}" if doubtful else ""
    if wrong:
        verb = "is" if wrong == 1 else "are"
        text = f"{count(wrong, 'thing')} {verb} wrong{more}. What stands first is mended first."
        return [click.style(line, fg="red", bold=True) for line in wrap(text, width)]
    text = f"✓ Nothing is wrong{more.replace(', and', ', with')}."
    return [click.style(line, fg="green") for line in wrap(text, width)]


def _finding_lines(finding: Finding, width: int, *, by_hand: bool) -> list[str]:
    mark, colour = _MARKS[finding.level]
    head = wrap(f"{finding.check}: {plain(finding.finding)}", width, f"{mark} ")
    bold = finding.level is not Level.NOTE
    lines = [click.style(line, fg=colour, bold=bold) for line in head]
    if finding.reason:
        lines += wrap(plain(finding.reason), width, "  ")
    if finding.mend is not None and not by_hand:
        return [*lines, *advice("`channeld doctor --fix`", width, 2)]
    return [*lines, *advice(finding.fix, width, 2)]


def _mended_lines(one: Mended, width: int) -> list[str]:
    mark, colour = ("✓", "green") if one.done else ("✗", "red")
    return [click.style(line, fg=colour) for line in wrap(plain(one.text), width, f"{mark} ")]


def _calm_lines(findings: Sequence[Finding], width: int) -> list[str]:
    """Return the names of the checks that have found nothing but good."""
    loud = {finding.check for finding in findings if finding.level is not Level.OK}
    calm = list(dict.fromkeys(finding.check for finding in findings if finding.check not in loud))
    return (
        [click.style(line, fg="green") for line in wrap(f"All right: {', '.join(calm)}.", width, "✓ ")] if calm else []
    )
