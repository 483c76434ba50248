"""What the bot lacks in open channels, as permissions add up, and how people hear of it."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from channeld_workers.discord.places import Places
from channeld_workers.discord.rights import Rights
from tests.doubles import discord_messages as made

BOT = int(made.BOT["id"])
GUILD, GENERAL = made.GUILD, made.GENERAL
ROLE, OTHER = "900000000000000001", "900000000000000002"
NEEDED = discord.Permissions(view_channel=True, read_message_history=True, send_messages=True).value
VIEW = discord.Permissions(view_channel=True).value
SEND = discord.Permissions(send_messages=True).value
ADMINISTRATOR = discord.Permissions(administrator=True).value


def told(everyone=0, roles=(), overwrites=(), channels=(int(GENERAL),), *, complete=True, of_bot=(ROLE, OTHER)):
    """Return what people are told of channels, where the bot has two roles."""
    places = Places()
    places.note("READY", {"user": {"id": str(BOT)}})
    guild = copy.deepcopy(made.guild())
    guild["roles"] = [{"id": GUILD, "name": "@everyone", "permissions": str(everyone)}] + [
        {"id": number, "name": number, "permissions": str(bits)} for number, bits in roles
    ]
    guild["members"] = [{"user": {"id": "1"}, "roles": []}, {"user": {"id": str(BOT)}, "roles": list(of_bot)}]
    for channel in guild["channels"]:
        if channel["id"] == GENERAL:
            channel["permission_overwrites"] = [
                {"id": str(target), "allow": str(allow), "deny": str(deny)} for target, allow, deny in overwrites
            ]
    places.note("GUILD_CREATE", guild)
    said: list[Any] = []
    runtime: Any = SimpleNamespace(worker="discord", trouble=lambda *words: said.append(words))
    rights = Rights(runtime, places)
    rights.look(channels, complete=complete)
    rights.look(channels, complete=complete)
    assert len(said) <= 1, "it was told twice"
    return said[0][1] if said else ""


@pytest.mark.parametrize(
    ("everyone", "roles", "overwrites", "lacks"),
    [
        (NEEDED, [], [], ""),
        (0, [(ROLE, VIEW), (OTHER, NEEDED & ~VIEW)], [], ""),
        (0, [(ROLE, ADMINISTRATOR)], [(GUILD, 0, NEEDED)], ""),
        (0, [], [], "View Channel, Read Message History and Send Messages"),
        (NEEDED, [], [(GUILD, 0, SEND)], "Send Messages"),
        (NEEDED, [], [(GUILD, 0, SEND), (ROLE, SEND, 0)], ""),
        (NEEDED, [], [(ROLE, 0, SEND), (OTHER, SEND, 0)], ""),
        (NEEDED, [], [(ROLE, SEND, 0), (BOT, 0, SEND)], "Send Messages"),
        (NEEDED, [], [(BOT, SEND, 0), (ROLE, 0, SEND)], ""),
        (NEEDED, [], [("900000000000000003", 0, SEND)], ""),
    ],
    ids=str,
)
def test_permissions_add_up_as_discord_has_them(everyone, roles, overwrites, lacks):
    """Everyone's, those of roles together, then the channel's: for everyone, for roles together, for the bot."""
    said = told(everyone, roles, overwrites)
    assert said == (f"In #general in Workshop, which is open, the bot lacks {lacks}." if lacks else "")


def test_a_channel_that_is_not_there_is_told_when_all_guilds_were_told():
    """Before that it may come."""
    assert told(NEEDED, channels=[77], complete=False) == ""
    assert told(NEEDED, channels=[77]) == "The bot sees no channel 77, which is open to it."
    assert told(NEEDED, channels=[77, 78, 79]).endswith("So it is with 2 more.")


def test_where_the_bots_roles_are_not_known_nothing_is_said():
    """A false alarm would be worse than none."""
    places = Places()
    places.note("GUILD_CREATE", made.guild())
    said: list[Any] = []
    runtime: Any = SimpleNamespace(worker="discord", trouble=lambda *words: said.append(words))
    Rights(runtime, places).look([int(GENERAL)], complete=True)
    assert said == []
