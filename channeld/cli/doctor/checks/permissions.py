"""May somebody who is no approver have things done that nobody is asked about?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from channeld.cli.doctor.finding import Finding, note, ok, warning
from channeld.cli.doctor.surroundings import Surroundings
from channeld.cli.render.layout import count

_ASKING: Final = frozenset({"default", "acceptEdits", "plan"})
"""Modes in which Claude asks before it does what is not allowed yet."""


def check(around: Surroundings) -> Iterator[Finding]:
    """Hold the permission modes of the sessions against who may chat."""
    unasked = [session for session in around.sessions if (session["permission_mode"] or "default") not in _ASKING]
    chatters = {each["worker"]: number for each in _access(around) if (number := each["people"] - each["approvers"])}
    if not unasked:
        yield ok("Every session of which the mode is known asks before it does what is not allowed.")
        return
    names = ", ".join(f"{session['name']} ({session['permission_mode']})" for session in unasked)
    lets = around.config is not None and around.config.permissions.unattended_chatters == "allow"
    if chatters and lets:
        who = ", ".join(f"{count(number, 'person', 'people')} on {worker}" for worker, number in chatters.items())
        yield warning(
            f"{who} may chat without being an approver, and nobody is asked in {names}.",
            "So they can have Claude do what you would not allow them.",
            'Set `unattended_chatters = "hold"` under [permissions] in config.toml, then `channeld restart`. '
            "Or start the session with `--permission-mode default`.",
        )  # fmt: skip
    elif chatters:
        yield note(
            f"Nobody is asked in {names}.",
            "Messages of people who are no approvers are held there until an approver lets them in.",
        )
    else:
        yield note(f"Nobody is asked in {names}.", "Whoever has the account of somebody listed can have anything done.")


def _access(around: Surroundings) -> list[dict[str, Any]]:
    return [each for each in (around.status or {}).get("access", []) if each["policy"] != "disabled"]
