"""What ``session list`` prints."""

from __future__ import annotations

from typing import Any, Final

import click

from channeld.cli.render.layout import advice, age, plain, wrap

_COLOURS: Final = {"running": "green", "failed": "red", "asking": "red"}
_WORDS: Final = {"waiting": "restarting", "asking": "asks something"}
_WAYS: Final = {
    "managed": "allowed by managed settings",
    "development": "by the development flag",
    "own": "by your own flags",
}


def kept_lines(sessions: list[dict[str, Any]], now: float, width: int) -> list[str]:
    """Return a line on each session that is kept, what is wrong with it, and what to do.

    Args:
        sessions: as ``--json`` has them.
        now: unix seconds.
        width: columns of the terminal.
    """
    if not sessions:
        return ["No session was started here yet.", *advice("channeld session start NAME --dir FOLDER", width, 0)]
    label = max(len(each["name"]) for each in sessions)
    return [line for each in sessions for line in _lines(each, label, now, width)]


def _lines(session: dict[str, Any], label: int, now: float, width: int) -> list[str]:
    name, state = session["name"], session["state"]
    words = [_WORDS.get(state, state)]
    if state == "running":
        words.append("ready" if session["ready"] else "not ready: messages do not reach it")
    if session["since"] is not None:
        words.append(f"for {age(now - session['since'])}")
    if session["restarts"]:
        words.append(f"restarted {session['restarts']}×")
    if state == "running" and session["opt_in"]:
        words.append(f"channel {_WAYS.get(session['opt_in'], session['opt_in'])}")
    colour = _COLOURS.get(state, "yellow") if state != "running" or session["ready"] else "yellow"
    head = f"{click.style(f'{name:{label}}', fg=colour)}  {', '.join(words)}"
    lines = [head, *wrap(f"in {plain(session['project'])}", width, "    ")]
    if session["note"]:
        lines += wrap(plain(session["note"]), width, "    ")
    if state == "asking":
        lines += advice(f"channeld session attach {name}", width, 4)
    elif state == "failed":
        lines += advice(f"channeld session start {name}", width, 4)
    return lines
