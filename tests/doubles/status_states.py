"""What the daemon tells ``status`` in its usual states. Times are relative to ``NOW``; health is what core says."""

from typing import Any

from channeld.core.health import STORE, Report, shown
from channeld.core.listening import judge
from channeld.core.symptoms import Seat, nobody_listens, sending, waiting

NOW = 1_760_000_000.0
NO_FLAG = judge("auto", ["claude"])
WEB = "http://127.0.0.1:8787"


def status(**parts: Any) -> dict[str, Any]:
    """Return the status of a daemon with which all is well, except for the parts that are given."""
    calm: dict[str, Any] = {
        "daemon": {
            "version": "0.1.0", "pid": 4711, "started_at": NOW - 3 * 3600,
            "config": "/home/you/.config/channeld/config.toml", "state": "/home/you/.local/state/channeld",
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
        "name": name, "instance": f"i-{name}", "pid": 4800, "project": f"/home/you/{name}", "claude_pid": 4790,
        "client": "claude-code 2.1.330", "listening": "yes", "reason": "", "mend": "", "state": "attached",
        "unconfirmed": 0, "attached_at": NOW - 1800, "shim_version": "0.1.0", "default": True,
        "activity": "idle", "working_on": None, "working_since": None,
        "hooks": False, "permission_mode": None, "proven": False, "ready": True,
    }  # fmt: skip
    return idle | parts


def deaf(name: str = "shop", **parts: Any) -> dict[str, Any]:
    """Return a session that was started without the flag."""
    return session(name, listening="no", reason=NO_FLAG.reason, mend=NO_FLAG.mend, default=False, **parts)


def told(*reports: Report) -> list[dict[str, Any]]:
    """Return the health that the daemon tells of these reports."""
    return [issue.as_data() for issue in shown(reports, NOW)]


def issue(code: str, text: str, why: str, hint: str, subject: str, lasts_s: float, **parts: Any) -> dict[str, Any]:
    """Return an issue, an error unless ``severity`` says otherwise."""
    told = {"code": code, "severity": "error", "text": text, "why": why, "hint": hint, "subject": subject}
    return told | {"since": NOW - lasts_s, "hides": []} | parts


ENDED = "exited with status 1"
UNUSABLE = "its configuration cannot be used"

STATES: dict[str, dict[str, Any]] = {
    "all-well-and-idle": status(),
    "working-on-a-chat": status(
        sessions=[session(activity="working", working_on="web:main", working_since=NOW - 150, unconfirmed=1)]
    ),
    "no-session-attached": status(health=told(nobody_listens([], None, NOW - 40)), sessions=[]),
    "session-that-does-not-listen": status(
        health=told(
            nobody_listens([Seat("shop", NO_FLAG)], None, NOW - 600), *waiting([("web:main", 2, NOW - 540)])
        ),
        sessions=[deaf()],
        events={"queued": 2},
        waiting=[{"chat": "web:main", "count": 2, "since": NOW - 540}],
    ),
    "messages-waiting-without-a-session": status(
        health=told(nobody_listens([], None, NOW - 7300), *waiting([("web:main", 3, NOW - 7200)])),
        sessions=[],
        events={"queued": 4, "answered": 31},
        waiting=[
            {"chat": "web:main", "count": 3, "since": NOW - 7200},
            {"chat": "pager:412587349/17", "count": 1, "since": NOW - 60},
        ],
    ),
    "worker-blocked-port-in-use": status(
        health=told(
            Report(
                "worker_blocked",
                f"The worker web has stopped: {UNUSABLE}. Port 8787 of 127.0.0.1 is in use by another program.",
                "Set another [workers.web] port in config.toml, or 0 for any free one. Then `channeld restart web`.",
                NOW - 180, "web",
            )
        ),
        workers=[worker(state="blocked", detail=UNUSABLE, account=None, pid=None, since=NOW - 180, last_end=UNUSABLE)],
    ),
    "worker-keeps-ending": status(
        health=told(
            Report(
                "worker_failed", f"The worker pager keeps ending: {ENDED}.",
                "See `channeld logs pager`, mend the cause, then `channeld restart pager`.", NOW - 400, "pager",
            ),
            *sending([("pager", "queued", 2, NOW - 300, 0, None)], {"pager"}),
        ),
        workers=[
            worker(),
            worker(
                "pager", state="failed", account=None, pid=None, since=NOW - 400, starts=6, last_end=ENDED,
                detail=f"{ENDED}; it keeps ending, so the next try is in 15 minutes",
            ),
        ],
        outbox=[{"worker": "pager", "state": "queued", "count": 2}],
    ),
    "replies-not-sent": status(
        health=told(
            *sending(
                [
                    ("pager", "failed", 1, NOW - 4000, 1, "the chat does not exist any more"),
                    ("pager", "uncertain", 2, NOW - 90, 2, None),
                ],
                {"pager"},
            ),
        ),
        workers=[worker(), worker("pager", account="@shop_bot", starts=3, last_end="was killed by signal 9")],
        outbox=[
            {"worker": "pager", "state": "failed", "count": 1}, {"worker": "pager", "state": "uncertain", "count": 2},
        ],
    ),
    "disk-full": status(
        health=told(
            Report(
                "disk_full",
                "The disk of /home/you/.local/state/channeld/channeld.db is full: nothing new is accepted.",
                "Free some space; channeld goes on by itself.", NOW - 300, STORE,
            ),
            nobody_listens([], None, NOW - 290),
            *waiting([("web:main", 2, NOW - 280)]),
        ),
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
