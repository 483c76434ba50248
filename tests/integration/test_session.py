"""``channeld session`` with real tmux, a real login shell, and a stand-in for Claude Code."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from channeld.cli.session_files import Declared, SessionFiles
from channeld.cli.tmux import Tmux
from channeld.core.opt_in import PLUGIN
from tests.doubles.daemon import Daemon
from tests.doubles.terminal import on_terminal

ROOT = Path(__file__).parents[2]
LIMIT_S = 20.0
_LOOK_EVERY_S = 0.05
DEVELOPMENT = ["--dangerously-load-development-channels", "plugin:channeld@channeld"]
MANAGED = {"channelsEnabled": True, "allowedChannelPlugins": [{"marketplace": "channeld", "plugin": "channeld"}]}


class Person:
    """Somebody with a home, a login shell with start files, the plugin, and a project with a stage for the stand-in."""

    def __init__(self, folder: Path, daemon: Daemon) -> None:
        self.home, self.project, self.managed = folder / "home", folder / "project", folder / "managed"
        self.files = SessionFiles(daemon.paths, "api")
        self.daemon = daemon
        programs = folder / "bin"
        for place in (self.home / ".claude", self.project, self.managed, programs):
            place.mkdir(parents=True)
        (self.home / ".claude" / "settings.json").write_text('{"enabledPlugins": {"channeld@channeld": true}}')
        claude = programs / "claude"
        script = shlex.join([sys.executable, "-P", str(ROOT / "tests" / "doubles" / "claude_code.py")])
        python = f"export PYTHON_OF_DOUBLE={shlex.quote(sys.executable)}"
        claude.write_text(f'#!/bin/bash\n{python}\nexec -a claude {script} "$@"\n')
        claude.chmod(0o755)
        profile = {"PATH": f"{programs}:/usr/bin:/bin", "PYTHONPATH": f"{ROOT}:{ROOT}/workers", "FROM_PROFILE": "yes"}
        lines = [f"export {name}={shlex.quote(value)}" for name, value in profile.items()]
        (self.home / ".profile").write_text("\n".join(["echo hello from the profile", *lines, ""]))
        self.environment = {
            "HOME": str(self.home), "SHELL": "/bin/bash", "LANG": "C.UTF-8", "PATH": os.environ["PATH"],
            "CHANNELD_HOME": str(daemon.home), "CHANNELD_TEST_MANAGED_SETTINGS": str(self.managed),
            "PYTHONPATH": f"{ROOT}:{ROOT}/workers", "TMUX_PANE": "%7", "INVOCATION_ID": "of a service",
        }  # fmt: skip

    def set_stage(self, *acts: dict[str, Any]) -> None:
        """Say what the stand-in does at each start, the last one at every later one."""
        (self.project / "stage.json").write_text(json.dumps(acts or [{}]))

    async def session(self, *words: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run ``channeld session …``."""
        done = await asyncio.to_thread(
            lambda: subprocess.run(
                [sys.executable, "-m", "channeld.cli.entry", "session", *words],
                env=self.environment, cwd=self.project, capture_output=True, text=True, timeout=60,
                stdin=subprocess.DEVNULL,
            )
        )  # fmt: skip
        assert status in (None, done.returncode), done.stdout + done.stderr + self.errors()
        return done

    async def listed(self) -> dict[str, Any]:
        """Return what is listed of the session."""
        (entry,) = json.loads((await self.session("list", "--json")).stdout)["sessions"]
        return dict(entry)

    async def until(self, **wanted: object) -> dict[str, Any]:
        """Return the first entry of the list in which fields have these values."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                if wanted.items() <= (entry := await self.listed()).items():
                    return entry
                await asyncio.sleep(_LOOK_EVERY_S)

    async def tmux(self, *words: str) -> str:
        """Ask the session's own tmux, and return what it prints."""
        command = ["tmux", "-S", str(self.files.socket), *words]
        done = await asyncio.to_thread(lambda: subprocess.run(command, capture_output=True, text=True, timeout=20))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def starts(self) -> list[dict[str, Any]]:
        """Return how the stand-in was started, each time."""
        return _lines(self.project / "starts.jsonl")

    def keys(self) -> list[list[str]]:
        """Return each key that it got at a question, with the question."""
        return _lines(self.project / "keys.jsonl")

    def errors(self) -> str:
        """Return what keepers have said."""
        return self.files.error_log.read_text() if self.files.error_log.exists() else ""


def _lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def _lives(pid: int) -> bool:
    """Tell whether a process is more than an entry that init has not removed yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
async def person(tmp_path: Path) -> AsyncIterator[Person]:
    """Somebody beside a running daemon, with a session ``api`` that is stopped with the test."""
    async with Daemon("[workers]\n") as daemon:
        somebody = Person(tmp_path, daemon)
        somebody.set_stage()
        yield somebody
        await somebody.session("stop", "api", status=None)
        assert Tmux(somebody.files.socket).pane() is None


async def test_it_is_started_as_in_a_terminal_of_the_users(person: Person):
    """Through the login shell, by its name, with the user's own options and umask, and ready when it says so."""
    person.set_stage({"asks": ["channel"]})
    done = await person.session("start", "api", "--", "--model", "opus")
    assert done.stdout.startswith("api is ready")
    assert "Starting Claude Code" in done.stderr and "first receipt" in done.stderr
    (start,) = person.starts()
    assert start["arguments"] == ["--model", "opus", *DEVELOPMENT]
    pane = start["environment"].pop("TMUX_PANE")  # its own, not that of the terminal in which it was started
    agent = str(person.files.agent)
    assert start["environment"] == {"CHANNELD_SESSION": "api", "FROM_PROFILE": "yes", "SSH_AUTH_SOCK": agent}
    umask = os.umask(0)
    os.umask(umask)
    assert (pane, start["umask"]) == ("%0", umask)
    assert person.keys() == [["channel", "\r"]]
    entry = await person.listed()
    assert (entry["state"], entry["ready"], entry["opt_in"], entry["restarts"]) == ("running", True, "development", 0)
    (attached,) = (await person.daemon.ask("sessions"))["sessions"]
    assert (attached["name"], attached["listening"], attached["ready"]) == ("api", "yes", True)


async def test_managed_settings_spare_the_question(person: Person):
    """Where they allow the plugin, the session is started with the other flag."""
    (person.managed / "managed-settings.json").write_text(json.dumps(MANAGED))
    await person.session("start", "api")
    assert person.starts()[0]["arguments"] == ["--channels", "plugin:channeld@channeld"]
    assert (person.keys(), (await person.listed())["opt_in"]) == ([], "managed")


@pytest.mark.parametrize(
    ("question", "told"),
    [("trust", "trust the folder"), ("new", "does not know"), ("two channels", "whether to load"),
     ("exit chosen", "whether to load")],
)  # fmt: skip
async def test_any_other_question_is_a_persons_to_answer(person: Person, question: str, told: str):
    """No key is pressed at it. Once it is answered, the one that is known is answered too."""
    person.set_stage({"asks": [question, "channel"]})
    done = await person.session("start", "api", status=1)
    assert told in done.stderr and "Try: channeld session attach api" in done.stderr
    assert (person.keys(), (await person.listed())["state"]) == ([], "asking")
    Tmux(person.files.socket).press("Enter")  # as somebody who has attached
    await person.until(state="running", ready=True)
    assert person.keys() == [[question, "\r"], ["channel", "\r"]]


async def test_nobody_is_logged_in(person: Person):
    """It runs, and could answer nothing: that is told."""
    person.set_stage({"logged_out": True})
    done = await person.session("start", "api", status=1)
    assert "/login" in done.stderr


async def test_claude_code_hears_no_channels(person: Person):
    """What it says of that at its start is passed on."""
    person.set_stage({"says": "▎ plugin:channeld@channeld · not on the approved channels allowlist\n\n"})
    done = await person.session("start", "api", status=1)
    assert "hears nothing from channels" in done.stderr


async def test_when_it_ends_it_goes_on_with_its_conversation(person: Person):
    """However it ended; and from the beginning where there is nothing to go on with."""
    person.set_stage({}, {"exit": 1, "says": "No conversation found to continue"}, {}, {})
    await person.session("start", "api", "--", "--model", "opus")
    os.kill(person.starts()[0]["pid"], signal.SIGKILL)
    entry = await person.until(restarts=2, ready=True)
    os.kill(entry["claude_pid"], signal.SIGTERM)
    await person.until(restarts=3, ready=True)
    assert [start["arguments"][0] for start in person.starts()] == ["--model", "--continue", "--model", "--continue"]


async def test_it_is_not_started_for_ever(person: Person):
    """What ends again and again is given up, with its last words; a person can start it anew."""
    person.set_stage({"exit": 3, "says": "the disk is full"})
    done = await person.session("start", "api", status=1)
    assert "ended 6 times within 5 minutes; last: exit status 3, the disk is full" in done.stderr
    assert len(person.starts()) == 6
    assert (await person.listed())["state"] == "failed"
    person.set_stage({})
    await person.session("start", "api")


async def test_a_stopped_session_leaves_nothing_behind(person: Person):
    """Claude Code, its terminal and its keeper end; it is listed until it is forgotten."""
    await person.session("start", "api")
    entry, keeper = await person.listed(), person.files.report()
    assert keeper is not None
    done = await person.session("stop", "api")
    assert done.stdout == "api has stopped.\n"
    assert not any(map(_lives, (entry["claude_pid"], keeper.pid)))
    entry = await person.listed()
    assert (entry["state"], entry["ready"], entry["claude_pid"]) == ("stopped", False, None)
    assert "not been running" in (await person.session("stop", "api", "--forget")).stdout
    assert json.loads((await person.session("list", "--json")).stdout) == {"sessions": []}
    assert "no session api" in (await person.session("stop", "api", status=1)).stderr


async def test_starting_it_twice_is_no_mistake(person: Person):
    """It says so, and there is one Claude Code."""
    await person.session("start", "api")
    done = await person.session("start", "api")
    assert "runs already" in done.stdout and "api is ready" in done.stdout
    assert len(person.starts()) == 1


async def test_another_keeper_takes_over_what_one_has_left(person: Person):
    """One that was killed costs the session nothing."""
    await person.session("start", "api")
    report = person.files.report()
    assert report is not None
    os.kill(report.pid, signal.SIGKILL)
    await person.until(state="stopped")
    await person.session("start", "api")
    assert len(person.starts()) == 1
    assert (await person.listed())["ready"]


async def test_a_terminal_without_its_keeper_can_be_stopped(person: Person):
    """The same, where the person wants no more of it."""
    await person.session("start", "api")
    report = person.files.report()
    assert report is not None
    os.kill(report.pid, signal.SIGKILL)
    assert "has stopped" in (await person.session("stop", "api")).stdout


async def test_attaching_brings_the_agent_of_that_terminal_along(person: Person, tmp_path: Path):
    """The session's link leads to it from then on."""
    await person.session("start", "api")
    agent = tmp_path / "agent"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(agent))
        words = (sys.executable, "-m", "channeld.cli.entry", "session", "attach", "api")
        environment = {**person.environment, "SSH_AUTH_SOCK": str(agent), "TERM": "xterm", "TMUX": "/another,1,0"}
        attaching = asyncio.create_task(asyncio.to_thread(on_terminal, environment, *words))
        async with asyncio.timeout(LIMIT_S):
            while True:
                if await person.tmux("list-clients"):
                    break
                await asyncio.sleep(_LOOK_EVERY_S)
        await person.tmux("detach-client", "-s", "claude")  # keys that come all at once are taken for a paste
        shown = await attaching
    assert "detached" in shown.stdout
    assert os.readlink(person.files.agent) == str(agent)
    assert (await person.listed())["state"] == "running"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("start", "a/b"), "no name for a session"),
        (("start", "-x"), "No such option"),
        (("start", "api", "--dir", "nowhere"), "is not there"),
        (("start", "api", "--", "--print"), "answers once"),
        (("attach", "api"), "does not run"),
        (("stop", "other"), "no session other"),
    ],
)
async def test_a_mistake_is_told_with_what_to_do(person: Person, words: tuple[str, ...], said: str):
    """And nothing is started."""
    done = await person.session(*words, status=None)
    assert done.returncode in {1, 2}
    assert said in done.stderr and "\nTry: " in done.stderr
    assert person.starts() == []


async def test_what_is_missing_is_told(person: Person, tmp_path: Path):
    """tmux, the plugin, Claude Code: each with what to do."""
    path = person.environment["PATH"]
    person.environment["PATH"] = str(tmp_path)
    assert "apt install tmux" in (await person.session("start", "api", status=1)).stderr
    person.environment["PATH"] = path
    settings = person.home / ".claude" / "settings.json"
    settings.rename(settings.with_suffix(".away"))
    assert "channeld install" in (await person.session("start", "api", status=1)).stderr
    settings.with_suffix(".away").rename(settings)
    (tmp_path / "bin" / "claude").unlink()
    done = await person.session("start", "api", status=1)
    assert "cannot run `claude`" in done.stderr
    assert (await person.listed())["state"] == "failed"


async def test_a_daemon_that_was_stopped_stays_so(person: Person):
    """The start says what to do, and starts nothing."""
    await asyncio.to_thread(person.daemon.cli, "stop")
    assert "Try: channeld start" in (await person.session("start", "api", status=1)).stderr


async def test_a_session_has_one_keeper(person: Person):
    """A second one ends, in a way that systemd does not mend."""
    lock = person.files.hold()
    assert lock is not None
    person.files.declare(Declared(str(person.project), PLUGIN))
    kept = await asyncio.to_thread(
        lambda: subprocess.run(
            [sys.executable, "-m", "channeld.cli.entry", "session", "keep", "api"],
            env=person.environment, capture_output=True, text=True, timeout=60,
        )
    )  # fmt: skip
    os.close(lock)
    assert (kept.returncode, "kept by another process" in kept.stderr) == (78, True)


async def test_a_start_says_where_a_keeper_left_its_words(person: Person):
    """One that has ended without telling anything, as after an error of ours."""
    (person.daemon.paths.run / "session-api.lock").mkdir()
    done = await person.session("start", "api", status=1)
    assert "has ended without a word" in done.stderr and str(person.files.error_log) in done.stderr
    assert "Error: " in person.errors()
    (person.daemon.paths.run / "session-api.lock").rmdir()


async def test_ready_means_that_the_first_receipt_came_back():
    """Attached and listening is not enough; and after a restart of the daemon it is found out anew."""
    async with Daemon("[workers]\n") as daemon, daemon.client(initialize=False) as client:
        client.pause_pings()
        await client.initialize()
        await daemon.attached(client)
        (session,) = (await daemon.ask("sessions"))["sessions"]
        assert (session["listening"], session["ready"]) == ("yes", False)
        await client.resume_pings()
        await daemon.status_where(lambda status: [each["ready"] for each in status["sessions"]] == [True])
        await daemon.restart_after_kill()
        await daemon.status_where(lambda status: [each["ready"] for each in status["sessions"]] == [True])
