"""Discord and the real Claude Code: a mention in a channel, a direct message, and a permission by button."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.doubles.discord import Scene, scene
from tests.doubles.discord_api_objects import Channel, Message
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import attach

ASKED = "Do you want to proceed?"
DONE = "done"  # what the scripted model says after a tool's result; a turn without a reply sends it
TURN_S = 30.0


@pytest.fixture
async def discord() -> AsyncIterator[Scene]:
    """Discord, the daemon, and Ada, who is an approver."""
    async with scene() as running:
        yield running


@pytest.fixture
async def session(lab: ClaudeLab, discord: Scene) -> ClaudeLab:
    """A session with the plugin, which asks before it runs a command."""
    await attach(lab, discord.daemon)
    return lab


async def hears(discord: Scene, place: Channel, text: str) -> Message:
    """Return the bot's message in a place that has a text in it, once it is there."""

    def find() -> Message | None:
        return next((m for m in discord.api.sent if m.channel_id == place.id and text in str(m.raw)), None)

    found = await discord.api.until(find, TURN_S)
    assert found is not None
    return found


async def test_mentions_and_direct_messages_are_answered(discord: Scene, session: ClaudeLab):
    """Each where it was asked, in Discord's Markdown, quoting nobody and pinging nobody; the bot types meanwhile."""
    session.model.hold()
    discord.ada.write(discord.general, f"{discord.api.mention} is **all** of `main` green?")
    event = await session.model.wait_event("@Courier is **all** of `main` green?")
    assert (event.meta["platform"], event.meta["chat_id"]) == ("discord", discord.general_id)
    assert event.meta["chat_title"] == "#general in Workshop"
    await discord.api.until(lambda: discord.api.typings)
    session.model.release()
    answer = await hears(discord, discord.general, "echo:")
    assert answer.raw["content"] == "echo: @Courier is **all** of `main` green?"
    assert not answer.pings
    await discord.daemon.events_where(answered=1)
    discord.ada.write(discord.dm, "and in private?")
    assert (await hears(discord, discord.dm, "echo:")).raw["content"] == "echo: and in private?"
    await discord.daemon.events_where(answered=2)


async def test_leave_is_given_and_refused_with_a_button(discord: Scene, session: ClaudeLab):
    """The card shows the command and afterwards who chose what; the terminal goes on by itself."""
    discord.ada.write(discord.dm, "run touch made")
    card = await hears(discord, discord.dm, "touch made")
    await session.terminal.wait_for(ASKED)
    assert not (session.project / "made").exists()
    discord.ada.press(card, "Allow")
    await hears(discord, discord.dm, DONE)
    assert (session.project / "made").exists()
    await discord.api.until(lambda: "Allow – Ada" in str(card.raw), TURN_S)
    discord.ada.write(discord.dm, "run touch other")
    card = await hears(discord, discord.dm, "touch other")
    await session.terminal.wait_for(ASKED)
    discord.ada.press(card, "Deny")
    await discord.api.until(lambda: "Deny – Ada" in str(card.raw), TURN_S)
    assert not (session.project / "other").exists()
