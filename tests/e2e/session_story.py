"""What a person does with kept sessions where a systemd of the user's is, see ``with_user_systemd``. Takes a folder."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from channeld.cli import service, service_unit
from channeld.paths import find_paths
from tests.e2e.service_story import LIMIT_S, channeld, run, status

PORT = 8787
UNIT = "claude-session@api.service"


def until(holds: Callable[[], Any], what: str) -> Any:
    """Return the first true value that something has."""
    end = time.monotonic() + 2 * LIMIT_S
    while not (found := holds()):
        assert time.monotonic() < end, f"not {what}"
        time.sleep(0.2)
    return found


def shown(name: str) -> str:
    """Return a property of the session's unit."""
    return run("systemctl", "--user", "show", UNIT, "--value", "--property", name).strip()


def listed() -> dict[str, Any]:
    """Return what is listed of the session."""
    (entry,) = json.loads(channeld("session", "list", "--json"))["sessions"]
    return dict(entry)


def ask(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the web chat."""
    token = (find_paths().credentials / "web.token").read_text().strip()
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=20)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request(method, path, body=json.dumps(body) if body else None, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status < 300, text
    return dict(json.loads(text))


def answered(text: str) -> None:
    """Say something in the chat, and return when Claude has answered it."""
    ask("POST", "/api/messages", {"text": text})
    until(lambda: f"echo: {text}" in [m["text"] for m in ask("GET", "/api/messages?after=0")["messages"]], text)


def started(project: str) -> None:
    """By systemd, with every login from now on; what Claude gets is what the login shell has."""
    channeld("session", "start", "api", "--dir", project)
    assert (shown("ActiveState"), shown("UnitFileState")) == ("active", "enabled")
    assert shown("MainPID") != str(listed()["claude_pid"])
    answered("good morning")


def outlives_the_daemon() -> None:
    """The service is restarted, and the session is the same."""
    before = listed()["claude_pid"]
    run("systemctl", "--user", "restart", "channeld.service")
    until(lambda: listed()["ready"], "ready again")
    until(lambda: [worker["state"] for worker in status()["workers"]] == ["ready"], "the web chat is back")
    assert listed()["claude_pid"] == before
    answered("still there")


def kept_by_systemd() -> None:
    """Its keeper is killed: nothing is left behind, and the conversation goes on."""
    before = listed()["claude_pid"]
    os.kill(int(shown("MainPID")), signal.SIGKILL)
    until(lambda: listed()["claude_pid"] not in {None, before} and listed()["ready"], "another one")
    assert not Path(f"/proc/{before}").exists()
    assert listed()["restarts"] == 1
    answered("back again")


def stopped() -> None:
    """Nothing runs in its control group, and no login starts it."""
    group = Path("/sys/fs/cgroup") / shown("ControlGroup").lstrip("/")
    channeld("session", "stop", "api")
    assert (shown("ActiveState"), shown("UnitFileState"), group.exists()) == ("inactive", "disabled", False)
    assert listed()["state"] == "stopped"


def main(project: str) -> None:
    """Tell the story."""
    paths = find_paths()
    paths.config.mkdir(parents=True)
    paths.config_file.write_text(f"[workers.web]\nport = {PORT}\n")
    channeld("install")
    unit = service.unit_folder() / service_unit.SESSION
    assert run("systemd-analyze", "--user", "verify", str(unit)).strip() == ""
    started(project)
    for chapter in (outlives_the_daemon, kept_by_systemd, stopped):
        print(f"=== {chapter.__name__}", flush=True)
        chapter()


if __name__ == "__main__":
    main(sys.argv[1])
