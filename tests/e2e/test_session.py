"""``channeld session`` with the real Claude Code: from the start to the first answer, with both ways to opt in."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator

import pytest

from tests.doubles.daemon import Daemon
from tests.e2e.chat import Chat
from tests.e2e.kept import Keeping
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import session_where


@pytest.fixture
async def keeping(daemon: Daemon, lab: ClaudeLab) -> AsyncIterator[Keeping]:
    """A person with a session ``api``, which is stopped with the test."""
    person = Keeping(lab, daemon.home)
    yield person
    await person.session("stop", "api")


@pytest.mark.parametrize(("managed", "way"), [(False, "development"), (True, "managed")])
async def test_a_session_is_started_answers_and_comes_back(
    daemon: Daemon, chat: Chat, lab: ClaudeLab, keeping: Keeping, managed: bool, way: str
):
    """Ready means that a message is answered; one that is killed goes on with its conversation; stopped, it is gone."""
    await keeping.prepare(managed=managed)
    started = await keeping.session("start", "api", "--dir", str(lab.project))
    assert started.returncode == 0, started.stdout + started.stderr
    assert "api is ready" in started.stdout
    await chat.say("good morning")
    await chat.hears("echo: good morning")
    listed = json.loads((await keeping.session("list", "--json")).stdout)["sessions"]
    assert [(each["name"], each["state"], each["ready"], each["opt_in"]) for each in listed] == [
        ("api", "running", True, way)
    ]

    os.kill(listed[0]["claude_pid"], signal.SIGKILL)
    await session_where(daemon, lambda session: session["ready"] and session["claude_pid"] != listed[0]["claude_pid"])
    await chat.say("still there")
    await chat.hears("echo: still there")
    conversation = lab.model.events()
    assert [event.text for event in conversation] == ["good morning", "still there"]  # one conversation

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
