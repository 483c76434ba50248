"""From a person's browser to Claude and back."""

from __future__ import annotations

from pathlib import Path

from tests.doubles.daemon import Daemon
from tests.e2e.chat import Chat
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import session_where, shim_of


async def test_what_is_typed_in_the_browser_is_answered_in_the_browser(
    daemon: Daemon, chat: Chat, lab: ClaudeLab, tmp_path: Path
):
    """A message reaches the model as a channel event, and what ``reply`` says is on the page, as the ticks tell."""
    await lab.start(shim_of(daemon))
    await session_where(daemon, lambda session: session["listening"] == "yes" and session["state"] == "attached")
    await chat.say("good <morning> & welcome")
    event = await lab.model.wait_event("good <morning> & welcome")
    assert event.meta["source"] == "channeld"
    assert event.meta["platform"] == "web"
    assert event.meta["chat_id"] == "web:main"
    assert event.meta["delivery_id"]
    assert "redelivered" not in event.meta
    await chat.hears("echo: good <morning> & welcome")
    await chat.sees_answered("good <morning> & welcome")
    await chat.page.screenshot(path=tmp_path / "chat.png")


async def test_what_waited_for_a_session_arrives_when_it_attaches(daemon: Daemon, chat: Chat, lab: ClaudeLab):
    """Messages written while nobody is there are answered, all and in order, by the session that comes."""
    await chat.sees_banner("No Claude Code session is attached")
    for text in ("first", "second", "third"):
        await chat.say(text)
    await lab.start(shim_of(daemon))
    for text in ("first", "second", "third"):
        await chat.hears(f"echo: {text}")
        await chat.sees_answered(text)
    assert await chat.answers() == ["echo: first", "echo: second", "echo: third"]


async def test_a_shim_behind_a_shell_still_finds_its_session(daemon: Daemon, chat: Chat, lab: ClaudeLab):
    """With ``sh -c`` between Claude Code and the shim the opt-in is still seen."""
    shim = shim_of(daemon)
    script = 'trap "" HUP; "$0" "$@"; exit $?'
    await lab.start({**shim, "command": "sh", "args": ["-c", script, shim["command"], *shim["args"]]})
    await session_where(daemon, lambda session: session["listening"] == "yes")
    await chat.say("are you there")
    await chat.hears("echo: are you there")
