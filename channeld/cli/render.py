"""Turns the daemon's data into lines for people. Pure: data and the time in, text out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def age(seconds: float) -> str:
    """Return a duration in the largest whole unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def plain(text: object) -> str:
    """Return text that cannot move the cursor or recolour the terminal: senders wrote some of it."""
    return "".join(c if c.isprintable() else "·" for c in str(text).replace("\n", " "))


def status_lines(status: dict[str, Any], now: float) -> list[str]:
    """Return what ``channeld status`` prints."""
    daemon = status["daemon"]
    lines = [f"channeld {daemon['version']}, running for {age(now - daemon['started_at'])} (pid {daemon['pid']})"]
    if status["health"]:
        for issue in status["health"]:
            lines += ["", f"{'✗' if issue['severity'] == 'error' else '!'} {plain(issue['text'])}"]
            lines += [f"  Try: {plain(issue['hint'])}"] if issue["hint"] else []
    lines += ["", "Workers"]
    for worker in status["workers"]:
        what = worker["account"] or worker["detail"]
        lines.append(f"  {worker['name']:<12} {worker['state']:<9} {plain(what or '')}".rstrip())
    lines += [] if status["workers"] else ["  none declared"]
    lines += ["", *session_lines(status["sessions"]), "", *queue_lines(status, now)]
    return lines


def session_lines(sessions: list[dict[str, Any]]) -> list[str]:
    """Return the sessions, each with what it hears and how to mend it if it hears nothing."""
    lines = ["Sessions"]
    for session in sessions:
        listening = {"yes": "listening", "no": "not listening"}.get(session["listening"], "not known to listen")
        mark = "  ← new messages go here" if session["default"] else ""
        lines.append(f"  {plain(session['name']):<12} {listening}{mark}")
        lines.append(f"  {'':<12} {plain(session['client'] or 'no client')} in {plain(session['project'])}")
        if session["unconfirmed"]:
            lines.append(f"  {'':<12} {session['unconfirmed']} pushed, not confirmed yet")
        if session["reason"]:
            lines.append(f"  {'':<12} Why: {plain(session['reason'])}.")
            lines.append(f"  {'':<12} Try: {plain(session['mend'])}")
    if not sessions:
        lines.append("  none attached. Attach Claude Code with the channeld server in its .mcp.json and:")
        lines.append("  claude --dangerously-load-development-channels server:channeld")
    return lines


def queue_lines(status: dict[str, Any], now: float) -> list[str]:
    """Return what is on its way."""
    lines = ["Messages"]
    for chat in status["waiting"]:
        lines.append(f"  {plain(chat['chat']):<24} {chat['count']} waiting, the oldest for {age(now - chat['since'])}")
    for part in status["outbox"]:
        lines.append(f"  to {part['worker']:<21} {part['count']} {part['state']}")
    if len(lines) == 1:
        lines.append("  nothing is waiting")
    return lines


def message_lines(messages: list[dict[str, Any]]) -> list[str]:
    """Return messages, one a line."""
    lines = []
    for message in messages:
        moment = datetime.fromtimestamp(message["ts"], UTC).astimezone().strftime("%m-%d %H:%M:%S")
        arrow = "→" if message["direction"] == "in" else "←"
        again = f"  (pushed {message['pushes']} times)" if message.get("pushes", 0) > 1 else ""
        error = f"  ({plain(message['error'])})" if message.get("error") else ""
        where = f"{moment} {plain(message['chat']):<14} {arrow} {message['state']:<9}"
        lines.append(f"{where} {plain(message['text'])[:200]}{again}{error}")
    return lines or ["There are no messages yet."]


def log_line(entry: dict[str, Any], source: str) -> str:
    """Return one log entry as a line."""
    # A worker's own log need not name it in every line.
    shown_apart = {"timestamp", "level", "event", "exception"} | ({"worker"} if source != "channeld" else set())
    facts = " ".join(f"{key}={plain(value)}" for key, value in entry.items() if key not in shown_apart)
    moment, level, event = (plain(entry.get(key, "")) for key in ("timestamp", "level", "event"))
    line = f"{moment[:19]}Z {level:<7} {source:<9} {event} {facts}".rstrip()
    trace = [plain(traced) for traced in str(entry.get("exception") or "").splitlines()]
    return "\n".join([line, *trace])
