"""What ``status`` and ``sessions`` print: what is wrong first, then who is there and what waits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import click

from channeld.cli.render.access import DROPPED_WORDS, STRANGERS, asking_text
from channeld.cli.render.layout import advice, age, cells, count, plain, wrap
from channeld.core.listening import ATTACH

_LATELY_S: Final = 86400.0
"""How long it is told that messages were not passed on."""
_FAST: Final = ("rate", "bots")
_JUST_NOW_S: Final = 5.0
_MOST_LABEL: Final = 18
_DETAIL: Final = 4
"""Blanks before what is said below a row: few, for the sake of narrow terminals."""
_WORKER_WORDS: Final = {"backoff": "restarting", "draining": "stopping", "failed": "failing"}
_WORKER_COLOURS: Final = {"ready": "green", "blocked": "red", "failed": "red"}
_WORKER_ISSUES: Final = frozenset({"worker_blocked", "worker_failed", "worker_restarting"})
_OUTBOX_WORDS: Final = {
    "queued": "to be sent",
    "sending": "being sent",
    "failed": "could not be sent",
    "uncertain": "may or may not have been sent",
}
HIDDEN_WORDS: Final = {
    "messages_waiting": "messages wait",
    "messages_held": "messages are held",
    "sends_waiting": "answers wait to be sent",
    "sends_failed": "answers could not be sent",
    "sends_uncertain": "answers may not have been sent",
    "no_session": "no session is attached",
    "session_deaf": "no session listens",
    "session_stuck": "a session takes no messages",
    "default_session_missing": "the default session is missing",
}
"""Issues that another one can hide, by code, in few words."""


def status_lines(status: dict[str, Any], now: float, width: int) -> list[str]:
    """Return what ``channeld status`` prints.

    Args:
        status: as the daemon tells it.
        now: unix seconds.
        width: columns of the terminal.
    """
    daemon, health = status["daemon"], status["health"]
    uptime = age(now - daemon["started_at"])
    return [
        *_health_lines(health, now, width),
        *_worker_lines(status["workers"], health, width),
        *_access_lines(status.get("access", []), now, width),  # an older daemon does not tell
        "",
        *_session_section(status["sessions"], " ".join(issue["hint"] for issue in health), now, width),
        "",
        *_queue_lines(status, now, width),
        "",
        *wrap(f"channeld {plain(daemon['version'])}, running for {uptime}, pid {daemon['pid']}", width),
    ]


def not_running_lines(reason: str, hint: str, width: int) -> list[str]:
    """Return what stands in place of the status while there is no daemon."""
    return [*_marked("✗", reason, "red", width), *advice(hint, width, 2)]


def session_lines(sessions: list[dict[str, Any]], bindings: list[dict[str, str]], now: float, width: int) -> list[str]:
    """Return what ``channeld sessions`` prints: each session, what it hears, and how to mend it if it hears nothing."""
    lines = _session_section(sessions, "", now, width)
    served = {chat for session in sessions for chat in session.get("chats", [])}
    if waiting := [bound for bound in bindings if bound["chat"] not in served]:
        lines += ["", _heading("Bound to a session that does not listen")]
        label = _label_width(bound["session"] for bound in waiting)
        for bound in waiting:
            lines += _row(bound["session"], plain(bound["chat"]), width, label, "yellow")
    return lines


def issue_lines(issue: dict[str, Any], now: float, width: int) -> list[str]:
    """Return an issue: what is wrong, why it matters, since when, what it explains, and what to do."""
    mark, colour = ("✗", "red") if issue["severity"] == "error" else ("!", "yellow")
    # A daemon that runs on after an upgrade does not tell the fields that were added.
    since = _since(now - issue["since"]) if "since" in issue else ""
    if hides := issue.get("hides"):
        hidden = (HIDDEN_WORDS.get(code, plain(code).replace("_", " ")) for code in hides)
        since += f" It also explains: {', '.join(hidden)}."
    return [
        *_marked(mark, issue["text"], colour, width),
        *(line for text in (issue.get("why"), since) if text for line in wrap(plain(text), width, "  ")),
        *advice(issue["hint"], width, 2),
    ]


def _since(lasts_s: float) -> str:
    return f"For {age(lasts_s)} now." if lasts_s >= _JUST_NOW_S else "Just now."


def _health_lines(health: list[dict[str, Any]], now: float, width: int) -> list[str]:
    if not health:
        return [click.style("✓ All is well.", fg="green"), ""]
    return [line for issue in health for line in [*issue_lines(issue, now, width), ""]]


def _marked(mark: str, text: str, colour: str, width: int) -> list[str]:
    return [click.style(line, fg=colour, bold=True) for line in wrap(plain(text), width, f"{mark} ")]


def _worker_lines(workers: list[dict[str, Any]], health: list[dict[str, Any]], width: int) -> list[str]:
    lines = [_heading("Workers")]
    told = {issue["subject"] for issue in health if issue["code"] in _WORKER_ISSUES}
    label = _label_width(worker["name"] for worker in workers)
    for worker in workers:
        above = worker["name"] in told
        rest = "see above" if above else worker["account"] or worker["detail"]
        state = _WORKER_WORDS.get(worker["state"], worker["state"])
        text = plain(f"{state}, {rest}" if rest else state)
        lines += _row(worker["name"], text, width, label, _WORKER_COLOURS.get(worker["state"], "yellow"))
        if worker["starts"] > 1 and worker["last_end"] and not above:
            lines += _more(f"started {worker['starts']} times; last end: {plain(worker['last_end'])}", width)
    return lines if workers else [*lines, "  none declared in the configuration"]


def _access_lines(workers: list[dict[str, Any]], now: float, width: int) -> list[str]:
    """Return what a person should know of who may speak; nothing where all is as it mostly is."""
    lines: list[str] = []
    for worker in workers:
        name, notes = plain(worker["worker"]), []
        if worker["requests"]:
            notes.append(asking_text(worker["requests"]))
        recent = [each for each in worker["dropped"] if now - each["last_at"] < _LATELY_S]
        if strangers := [each for each in recent if each["code"] in STRANGERS]:
            times, last = sum(each["count"] for each in strangers), max(each["last_at"] for each in strangers)
            notes.append(f"{count(times, 'message')} of strangers kept out so far, the last {age(now - last)} ago")
        notes += [
            f"kept out: {count(each['count'], 'message')} {DROPPED_WORDS[each['code']]}"
            for each in recent
            if each["code"] in _FAST
        ]
        if worker["policy"] == "disabled":
            notes.append(f"closed to everybody. To open it again: channeld access policy {name} allowlist")
        elif not worker["people"]:
            notes.append(f"nobody may speak yet. To let yourself in: channeld setup {name}")
        elif worker["policy"] == "pairing" and worker["platform"] != "web":
            notes.append(f"strangers are still told a code. Is everybody in? channeld access policy {name} allowlist")
        lines += [line for note in notes for line in wrap(f"{name}: {note}", width, "    ")]
    return lines


def _session_section(sessions: list[dict[str, Any]], told: str, now: float, width: int) -> list[str]:
    """Return the sessions; advice that was given above (``told``) is not repeated."""
    lines = [_heading("Sessions")]
    label = _label_width(session["name"] for session in sessions)
    for session in sessions:
        text, colour = _activity(session, now)
        lines += _row(session["name"], text, width, label, colour)
        client = f"{plain(session['client'])} in" if session["client"] else "in"
        lines += _more(f"{client} {plain(session['project'] or 'a folder that is gone')}", width)
        if session["default"] and len(sessions) > 1:
            lines += _more("New messages go to it.", width)
        if chats := session.get("chats"):  # none from a daemon of before an upgrade
            lines += _more(f"Bound to it: {', '.join(map(plain, chats))}", width)
        if session["unconfirmed"]:
            lines += _more(f"{count(session['unconfirmed'], 'message')} given to it and not read yet", width)
        if session["reason"] and session["mend"] not in told:
            lines += _more(f"Why: {plain(session['reason'])}.", width)
            lines += advice(session["mend"], width, _DETAIL)
    if sessions:
        return lines
    if ATTACH in told:
        return [*lines, "  none attached, see above"]
    return [*lines, *wrap("none attached. Start one with channeld's plugin:", width, "  "), f"  {ATTACH}"]


def _activity(session: dict[str, Any], now: float) -> tuple[str, str]:
    """Return what a session does, in words, and the colour of that."""
    if session["state"] != "attached":
        return "connecting", "yellow"
    if session["listening"] != "yes":
        known = "not listening" if session["listening"] == "no" else "not known to listen"
        return f"{known}: it is given no messages", "yellow"
    if "activity" not in session:  # as above
        return "listening", "green"
    if session["activity"] != "working":
        return "listening, idle", "green"
    on = f" on {plain(session['working_on'])}" if session["working_on"] else ""
    since = f" for {age(now - session['working_since'])}" if session["working_since"] is not None else ""
    return f"listening, working{on}{since}", "green"


def _queue_lines(status: dict[str, Any], now: float, width: int) -> list[str]:
    lines = [_heading("Messages")]
    rows = []
    for chat in status["waiting"]:
        verb = "waits" if chat["count"] == 1 else "wait"
        rows.append((chat["chat"], f"{chat['count']} {verb} for Claude, the oldest for {age(now - chat['since'])}"))
    for part in status["outbox"]:
        rows.append(
            (f"to {part['worker']}", f"{part['count']} {_OUTBOX_WORDS.get(part['state'], plain(part['state']))}")
        )
    label = _label_width(name for name, _ in rows)
    for name, text in rows:
        lines += _row(name, text, width, label, "")
    if rows:
        return lines
    unread = not status["events"] and any(issue["subject"] == "store" for issue in status["health"])
    return [*lines, *wrap("not known while the mailbox cannot be used" if unread else "nothing waits", width, "  ")]


def _heading(text: str) -> str:
    return click.style(text, bold=True)


def _label_width(labels: Iterable[str]) -> int:
    """Return the columns of the widest label; one that is wider than most gets a line of its own."""
    return max((size for label in labels if (size := cells(plain(label))) <= _MOST_LABEL), default=0)


def _row(label: str, text: str, width: int, label_width: int, colour: str) -> list[str]:
    """Return a label and what is said of it, in the colour of that."""
    name = plain(label)
    if cells(name) > label_width:
        return [f"  {_heading(name)}", *_coloured(wrap(text, width, " " * _DETAIL), colour)]
    hang = label_width + 4
    first, *rest = wrap(text, width, " " * hang)
    blanks = " " * (label_width - cells(name))
    return [f"  {_heading(name)}{blanks}  {''.join(_coloured([first[hang:]], colour))}", *_coloured(rest, colour)]


def _coloured(lines: list[str], colour: str) -> list[str]:
    return [click.style(line, fg=colour) for line in lines] if colour else lines


def _more(text: str, width: int) -> list[str]:
    return wrap(text, width, " " * _DETAIL)
