"""What the daemon tells ``status`` in its most usual states, as literal data. Times are relative to ``NOW``."""

from typing import Any

NOW = 1_760_000_000.0
ATTACH = "claude --dangerously-load-development-channels server:channeld"
NO_FLAG = "Claude Code was started without the channel flag"
WEB = "http://127.0.0.1:8787"


def status(**parts: Any) -> dict[str, Any]:
    """Return the status of a daemon with which all is well, except for the parts that are given."""
    calm: dict[str, Any] = {
        "daemon": {
            "version": "0.1.0", "pid": 4711, "started_at": NOW - 3 * 3600,
            "config": "/home/ada/.config/channeld/config.toml", "state": "/home/ada/.local/state/channeld",
        },
        "health": [], "workers": [worker()], "sessions": [session()], "events": {}, "waiting": [], "outbox": [],
    }  # fmt: skip
    return calm | parts


def worker(name: str = "web", **parts: Any) -> dict[str, Any]:
    """Return a worker that is ready, except for the parts that are given."""
    ready = {
        "name": name, "platform": name, "state": "ready", "detail": "", "account": WEB, "pid": 4712,
        "since": NOW - 3 * 3600, "starts": 1, "last_end": "",
    }  # fmt: skip
    return ready | parts


def session(name: str = "shop", **parts: Any) -> dict[str, Any]:
    """Return a session that listens and is idle, except for the parts that are given."""
    idle = {
        "name": name, "instance": f"i-{name}", "pid": 4800, "project": f"/home/ada/{name}", "claude_pid": 4790,
        "client": "claude-code 2.1.330", "listening": "yes", "reason": "", "mend": "", "state": "attached",
        "unconfirmed": 0, "attached_at": NOW - 1800, "shim_version": "0.1.0", "default": True,
        "activity": "idle", "working_on": None, "working_since": None,
    }  # fmt: skip
    return idle | parts


def deaf(name: str = "shop", **parts: Any) -> dict[str, Any]:
    """Return a session that was started without the flag."""
    return session(name, listening="no", reason=NO_FLAG, mend=f"Restart it with: {ATTACH}", default=False, **parts)


def issue(code: str, text: str, why: str, hint: str, subject: str, lasts_s: float, **parts: Any) -> dict[str, Any]:
    """Return an issue, an error unless ``severity`` says otherwise."""
    told = {"code": code, "severity": "error", "text": text, "why": why, "hint": hint, "subject": subject}
    return told | {"since": NOW - lasts_s, "hides": []} | parts


KEEPS_ENDING = "exited with status 1"
UNREAD = "Messages are kept, and nobody reads them."

STATES: dict[str, dict[str, Any]] = {
    "all-well-and-idle": status(),
    "working-on-a-chat": status(
        sessions=[session(activity="working", working_on="web:main", working_since=NOW - 150, unconfirmed=1)]
    ),
    "no-session-attached": status(
        health=[
            issue(
                "no_session", "No Claude Code session is attached.", UNREAD,
                f"In a project, run `{ATTACH}`. docs/attaching.md has the steps.", "sessions", 40, severity="warning",
            )
        ],
        sessions=[],
    ),
    "session-that-does-not-listen": status(
        health=[
            issue(
                "session_deaf", f"The session shop does not listen: {NO_FLAG}.", UNREAD, f"Restart it with: {ATTACH}",
                "sessions", 600, hides=["messages_waiting"],
            )
        ],
        sessions=[deaf()],
        events={"queued": 2},
        waiting=[{"chat": "web:main", "count": 2, "since": NOW - 540}],
    ),
    "messages-waiting-without-a-session": status(
        health=[
            issue(
                "no_session", "No Claude Code session is attached.", UNREAD,
                f"In a project, run `{ATTACH}`. docs/attaching.md has the steps.", "sessions", 7300,
                severity="warning", hides=["messages_waiting"],
            )
        ],
        sessions=[],
        events={"queued": 4, "answered": 31},
        waiting=[
            {"chat": "web:main", "count": 3, "since": NOW - 7200},
            {"chat": "pager:412587349/17", "count": 1, "since": NOW - 60},
        ],
    ),
    "worker-blocked-port-in-use": status(
        health=[
            issue(
                "worker_blocked",
                "The worker web has stopped: its configuration cannot be used. "
                "Port 8787 of 127.0.0.1 is in use by another program.",
                "Its chats are cut off until somebody mends it.",
                "Set another [workers.web] port in config.toml, or 0 for any free one. Then `channeld restart web`.",
                "web", 180,
            )
        ],
        workers=[
            worker(
                state="blocked", detail="its configuration cannot be used", account=None, pid=None,
                since=NOW - 180, last_end="its configuration cannot be used",
            )
        ],
    ),
    "worker-keeps-ending": status(
        health=[
            issue(
                "worker_failed", f"The worker pager keeps ending: {KEEPS_ENDING}.",
                "Its chats are cut off; it is tried again every 15 minutes.",
                "See `channeld logs pager`, mend the cause, then `channeld restart pager`.", "pager", 400,
                hides=["sends_waiting"],
            )
        ],
        workers=[
            worker(),
            worker(
                "pager", state="failed", account=None, pid=None, since=NOW - 400, starts=6, last_end=KEEPS_ENDING,
                detail=f"{KEEPS_ENDING}; it keeps ending, so the next try is in 15 minutes",
            ),
        ],
        outbox=[{"worker": "pager", "state": "queued", "count": 2}],
    ),
    "replies-not-sent": status(
        health=[
            issue(
                "sends_failed", "1 message to pager could not be sent in the last 24 hours.",
                "Somebody waits for an answer that did not come.",
                "`channeld messages list --state failed`, then `channeld messages retry NUMBER` or `drop NUMBER`",
                "pager", 4000, severity="warning",
            ),
            issue(
                "sends_uncertain", "2 messages to pager may or may not have been sent in the last 24 hours.",
                "It was not repeated, because that could double it: look into the chat.",
                "`channeld messages list --state uncertain`, then `channeld messages retry NUMBER` or `drop NUMBER`",
                "pager", 90, severity="warning",
            ),
        ],
        workers=[worker(), worker("pager", account="@shop_bot", starts=3, last_end="was killed by signal 9")],
        outbox=[
            {"worker": "pager", "state": "failed", "count": 1}, {"worker": "pager", "state": "uncertain", "count": 2},
        ],
    ),
    "disk-full": status(
        health=[
            issue(
                "disk_full",
                "The disk of /home/ada/.local/state/channeld/channeld.db is full: nothing new is accepted.",
                "New messages are refused, and senders are told to try again; what was accepted is safe.",
                "Free some space; channeld goes on by itself.", "store",
                300, hides=["messages_waiting", "no_session"],
            )
        ],
        sessions=[],
    ),
    "several-sessions": status(
        sessions=[
            session("shop", default=False),
            session("api", activity="working", working_on="pager:412587349/17", working_since=NOW - 4000),
            deaf("docs"),
            session("new", listening="unknown", reason="the process that started it cannot be read", default=False,
                    mend="If it does take channel events, attach it with: channeld mcp --listening yes"),
            session("late", client="", state="connecting", default=False),
        ]
    ),
}  # fmt: skip
