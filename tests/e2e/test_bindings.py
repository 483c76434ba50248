"""Several real sessions on one daemon."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.doubles.daemon import Daemon
from tests.e2e.chat import Chat
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import attach, session_where


@contextlib.asynccontextmanager
async def page_of(daemon: Daemon, worker: str, folder: Path) -> AsyncIterator[Chat]:
    """Open the page of one of several web workers."""
    await daemon.address(worker)
    printed = await asyncio.to_thread(daemon.terminal, "url", worker)
    assert printed.returncode == 0, printed.stdout
    await asyncio.to_thread(folder.mkdir)
    async with Chat.open(printed.stdout.strip(), folder) as page:
        yield page


def heard(lab: ClaudeLab) -> str:
    """Return everything that a session's model was told."""
    return json.dumps([request["messages"] for request in lab.model.requests])


@pytest.mark.parametrize("config", ['[workers.office]\nplatform = "web"\nport = 0\n'])
async def test_two_sessions_with_two_chats_never_cross(daemon: Daemon, chat: Chat, lab: ClaudeLab, tmp_path: Path):
    """Two folders of one name: the sessions are told apart, and each answers in its own chat alone."""
    await attach(lab, daemon)
    async with ClaudeLab(tmp_path / "second") as other, page_of(daemon, "office", tmp_path / "home") as office:
        await attach(other, daemon)
        await session_where(daemon, lambda session: session["name"] == "project#2")
        await chat.command("/use project")
        await chat.sees_notice("This chat goes to the session project now.")
        bound = await asyncio.to_thread(daemon.terminal, "bind", "office:main", "project#2")
        assert "office:main goes to the session project#2." in bound.stdout
        lab.model.hold()
        await chat.say("first of one")
        await lab.model.wait_event("first of one")
        await chat.say("second of one")
        await office.say("first of two")
        await office.hears("echo: first of two")  # though the other session is busy
        lab.model.release()
        await chat.hears("echo: first of one")
        await chat.hears("echo: second of one")
        await office.say("second of two")
        await office.hears("echo: second of two")
    assert "of two" not in heard(lab)
    assert "of one" not in heard(other)
    assert await chat.answers() == ["echo: first of one", "echo: second of one"]
