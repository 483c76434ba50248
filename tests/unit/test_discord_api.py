"""Calls of Discord's API through discord.py: what one of them does to the others."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from channeld_workers.discord import api as calls
from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_client import point_library
from tests.doubles.discord_rig import logged_in


class Odd:
    """The library's client, which trusts what it is sent."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def request(self, route: Any, **more: Any) -> None:
        """Raise as the library does."""
        raise self._error


@pytest.mark.parametrize(
    "error", [RuntimeError("Session is closed"), TypeError("list indices"), AttributeError("get"), KeyError("x")]
)
async def test_whatever_the_library_raises_is_an_error_of_the_api(error):
    """What is not one ends the process where nobody waits for the answer, as of typing."""
    with pytest.raises(calls.Unknown):
        await calls.Api(cast(Any, Odd(error))).call("POST", "/channels/{channel_id}/typing", channel_id=1)


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


async def test_a_press_is_answered_while_all_else_must_wait(monkeypatch):
    """Discord's global limit does not hold for interactions, and nobody waits longer than three seconds for them."""
    async with DiscordApi() as server:
        point_library(server, monkeypatch)
        dm = server.person("ada", "Ada").dm
        async with logged_in(server) as api:
            server.slow_down("start_typing", 20.0, whole=True)
            typing = asyncio.create_task(api.call("POST", "/channels/{channel_id}/typing", channel_id=dm.id))
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(typing), 0.2)
            with pytest.raises(calls.Refusal, match="Unknown interaction"):  # it was asked
                async with asyncio.timeout(3):
                    await api.call(
                        "POST", "/interactions/{webhook_id}/{webhook_token}/callback", json={"type": 6},
                        webhook_id=7, webhook_token="gone",
                    )  # fmt: skip
            typing.cancel()
            await asyncio.wait({typing})
        assert server.rates.refused
