"""``channeld session`` with the real Claude Code: from the start to the first answer, with both ways to opt in."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from channeld.cli.session_files import SessionFiles
from channeld.cli.tmux import Tmux
from tests.doubles.daemon import Daemon
from tests.e2e.chat import Chat
from tests.e2e.kept import ALLOWED, Keeping
from tests.e2e.lab import ROOT, ClaudeLab
from tests.e2e.sessions import session_where

WITH_SYSTEMD = Path(__file__).with_name("with_user_systemd")


@pytest.fixture
async def keeping(daemon: Daemon, lab: ClaudeLab) -> AsyncIterator[Keeping]:
    """A person with a session ``api``, which is stopped with the test."""
    person = Keeping(lab, daemon.home)
    yield person
    await person.session("stop", "api")


async def interrupted_from_the_chat(daemon: Daemon, chat: Chat, lab: ClaudeLab) -> None:
    """``/stop`` does what Escape in the terminal does, with nobody there; then the next message is answered."""
    await session_where(daemon, lambda session: session["activity"] == "idle")
    lab.model.hold()
    await chat.say("a long job")
    await lab.model.wait_event("a long job")
    await chat.command("/stop")
    await chat.sees_notice("Claude was interrupted in api.")
    lab.model.release()
    await chat.say("and now?")
    await chat.hears("echo: and now?")


@pytest.mark.parametrize(
    ("furniture", "way"),
    [({}, "development"), ({"managed": ALLOWED}, "managed"), ({"plugin": False}, "development")],
    ids=["development", "managed", "server of the project"],
)
async def test_a_session_is_started_answers_and_comes_back(
    daemon: Daemon, chat: Chat, lab: ClaudeLab, keeping: Keeping, furniture: dict[str, Any], way: str
):
    """Ready means that a message is answered; one that is killed goes on with its conversation; `/stop` interrupts it.

    Stopped, it is gone.
    """
    await keeping.prepare(**furniture)
    started = await keeping.session("start", "api", "--dir", str(lab.project))
    assert started.returncode == 0, started.stdout + started.stderr
    assert "api is ready" in started.stdout
    await chat.say("good morning")
    await chat.hears("echo: good morning")
    listed = json.loads((await keeping.session("list", "--json")).stdout)["sessions"]
    assert [(each["name"], each["state"], each["ready"], each["opt_in"]) for each in listed] == [
        ("api", "running", True, way)
    ]

    await keeping.has_written("echo: good morning")  # killed before, Claude Code has no conversation to go on with
    os.kill(listed[0]["claude_pid"], signal.SIGKILL)
    await session_where(daemon, lambda session: session["ready"] and session["claude_pid"] != listed[0]["claude_pid"])
    await chat.say("still there")
    await chat.hears("echo: still there")
    conversation = lab.model.events()
    assert [event.text for event in conversation] == ["good morning", "still there"]  # one conversation

    if furniture.get("plugin", True):  # without its hooks nobody sees that a turn is over
        await interrupted_from_the_chat(daemon, chat, lab)

    stopped = await keeping.session("stop", "api")
    assert stopped.stdout == "api has stopped.\n"
    await daemon.status_where(lambda status: not status["sessions"])


async def test_a_folder_that_is_not_trusted_is_a_persons_to_trust(daemon: Daemon, lab: ClaudeLab, keeping: Keeping):
    """No key is pressed, the start says what is asked, and where to answer it."""
    await keeping.prepare(trusted=False)
    started = await keeping.session("start", "api", "--dir", str(lab.project))
    assert started.returncode == 1
    assert "whether you trust the folder" in started.stderr
    assert "channeld session attach api" in started.stderr
    listed = json.loads((await keeping.session("list", "--json")).stdout)["sessions"]
    assert listed[0]["state"] == "asking"
    # Somebody looks, and says yes; what is asked next is the channel's question again.
    for key in ("Down", "Enter"):
        Tmux(SessionFiles(daemon.paths, "api").socket).press(key)
    await session_where(daemon, lambda session: session["ready"] and session["listening"] == "yes")


async def test_one_that_nobody_has_spoken_to_comes_back_too(daemon: Daemon, lab: ClaudeLab, keeping: Keeping):
    """There is no conversation to go on with: Claude Code says so, and is started without."""
    await keeping.prepare(managed=ALLOWED)
    assert (await keeping.session("start", "api", "--dir", str(lab.project))).returncode == 0
    session = await session_where(daemon, lambda session: session["ready"])
    os.kill(session["claude_pid"], signal.SIGTERM)
    await session_where(daemon, lambda other: other["ready"] and other["claude_pid"] != session["claude_pid"])
    listed = json.loads((await keeping.session("list", "--json")).stdout)["sessions"]
    assert listed[0]["restarts"] == 2


@pytest.mark.parametrize(
    ("furniture", "told"),
    [
        ({"logged_in": False}, "asks for your login (/login)"),
        ({"managed": {"permissions": {}}}, "managed settings do not allow channels"),
    ],
    ids=["no login", "blocked"],
)
async def test_one_that_can_answer_nothing_says_so(
    daemon: Daemon, lab: ClaudeLab, keeping: Keeping, furniture: dict[str, Any], told: str
):
    """Claude Code runs, its server is attached, and no message would be answered."""
    await keeping.prepare(**furniture)
    started = await keeping.session("start", "api", "--dir", str(lab.project))
    assert (started.returncode, told in started.stderr) == (1, True)


async def test_systemd_keeps_a_session(lab: ClaudeLab, tmp_path: Path):
    """The whole story, see ``session_story``: what it printed is shown where it fails."""
    person = Keeping(lab, tmp_path)
    await person.prepare()
    with tempfile.TemporaryDirectory(prefix="cd") as runtime:
        environment = {"HOME": str(lab.home), "XDG_RUNTIME_DIR": runtime, "PATH": os.environ["PATH"]}
        told = await asyncio.to_thread(
            lambda: subprocess.run(
                [*lab.model.join, WITH_SYSTEMD, sys.executable, "-m", "tests.e2e.session_story", str(lab.project)],
                cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=170,
                env={**environment, "LANG": "C.UTF-8", "SHELL": "/bin/bash", "PYTHONPATH": f"{ROOT}:{ROOT}/workers"},
            )
        )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr
