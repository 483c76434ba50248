"""Sessions that do not listen get nothing and are told why; what was meant for one waits for one that does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.doubles.daemon import Daemon
from tests.e2e.chat import Chat
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import session_where, shim_of

STAYING_WRAPPER = '"$@"; exit $?'


async def attach_listener(daemon: Daemon, chat: Chat, folder: Path) -> None:
    """Attach a session that listens, behind a wrapper script, and see that what waited arrives."""
    async with ClaudeLab(folder) as listener:
        await listener.start(shim_of(daemon, "--name", "listener"), wrapper=STAYING_WRAPPER)
        await listener.model.wait_event("who hears this")
        await chat.hears("echo: who hears this")
        session = await session_where(daemon, lambda session: session["name"] == "listener")
        assert session["listening"] == "yes"


@pytest.mark.parametrize("wrapper", [None, STAYING_WRAPPER], ids=["plain", "behind a wrapper"])
async def test_a_session_without_the_opt_in(
    daemon: Daemon, chat: Chat, lab: ClaudeLab, tmp_path: Path, wrapper: str | None
):
    """It is shown as not listening with the flag that mends it, and its model never sees a message."""
    await lab.start(shim_of(daemon, "--name", "deaf"), opt_in=False, wrapper=wrapper)
    session = await session_where(daemon, lambda session: session["name"] == "deaf" and session["state"] == "attached")
    assert session["listening"] == "no"
    assert "without the channel flag" in session["reason"]
    assert "--dangerously-load-development-channels server:channeld" in session["mend"]
    await chat.sees_banner("does not listen")
    await chat.say("who hears this")
    await attach_listener(daemon, chat, tmp_path / "listener")
    # Its own tools still work, so what the model was asked last holds all that ever reached it.
    await lab.terminal.type("typed by hand")
    await lab.model.wait_request(lambda request: "typed by hand" in json.dumps(request["messages"]))
    assert lab.model.events() == []


async def test_another_mcp_client(daemon: Daemon, chat: Chat, tmp_path: Path):
    """A client that is not Claude Code is shown as not listening with the reason, and gets no event."""
    async with daemon.client("--name", "foreign", "--listening", "auto") as client:
        session = await session_where(daemon, lambda session: session["name"] == "foreign")
        assert session["listening"] == "no"
        assert session["reason"]
        assert "--listening yes" in session["mend"]
        await chat.say("who hears this")
        await attach_listener(daemon, chat, tmp_path / "listener")
        assert {tool["name"] for tool in await client.list_tools()} >= {"reply", "fetch_messages"}
        assert not [message for message in client.received if message.get("method") == "notifications/claude/channel"]
