"""Calls of Discord's API through discord.py: what one of them does to the others."""

from __future__ import annotations

import asyncio

import pytest

from channeld_workers.discord import api as calls
from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_client import point_library
from tests.doubles.discord_rig import logged_in


async def test_a_call_given_up_while_all_must_wait_does_not_stop_the_others_for_ever(monkeypatch):
    """It meets Discord's global limit, and its caller no longer wants it, as when Claude is not working any more."""
    monkeypatch.setattr(calls, "MOST_WAIT_S", 0.5)
    async with DiscordApi() as server:
        point_library(server, monkeypatch)
        dm = server.person("ada", "Ada").dm
        async with logged_in(server) as api:
            server.slow_down("start_typing", 0.4, whole=True)
            typing = asyncio.create_task(api.call("POST", "/channels/{channel_id}/typing", channel_id=dm.id))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(typing, 0.2)
            assert server.rates.refused
            async with asyncio.timeout(5):
                await api.call("GET", "/channels/{channel_id}", channel_id=dm.id)
        assert not server.violations
