"""Whether a token that was refused once is refused altogether."""

from __future__ import annotations

import pytest

from channeld.ipc.messages import Trouble
from channeld_workers.discord.doubt import Doubt
from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_api_faults import Garbage, Where
from tests.doubles.discord_client import point_library
from tests.doubles.discord_rig import logged_in, running


@pytest.fixture
async def rig(monkeypatch):
    """Return a server, the runtime, the daemon's end of its socket, and a doubt between them."""
    async with DiscordApi() as server:
        point_library(server, monkeypatch)
        async with logged_in(server) as api, running() as (runtime, daemon):
            server.calls.clear()  # of logging in
            yield server, runtime, daemon, Doubt(runtime, api)


async def test_a_token_that_is_nobodys_ends_the_worker_with_what_to_do(rig):
    """In the words in which the gateway's refusal does."""
    server, _, daemon, doubt = rig
    server.revoke_token()
    doubt.cast()
    trouble = await daemon.expect(Trouble)
    assert trouble.code == "bad_credentials" and "channeld setup discord" in trouble.hint


async def test_a_token_is_looked_at_once_at_a_time(rig):
    """However much is refused together; what is refused afterwards is another matter."""
    server, _, daemon, doubt = rig
    held = server.hold("get_me", Where.BEFORE)
    for _ in range(3):
        doubt.cast()
    await held.arrived
    doubt.cast()
    held.release()
    await doubt._looking
    assert len(server.calls_of("get_me")) == 1
    server.revoke_token()
    doubt.cast()
    await daemon.expect(Trouble)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda server: server.slow_down("get_me", 60.0),
        lambda server: server.refuse("get_me", 403, 50001),
        lambda server: server.garbage("get_me", Garbage.PORTAL, status=401),
        lambda server: None,
    ],
)
async def test_what_is_no_word_of_discords_on_the_token_ends_nothing(rig, spoil):
    """It is looked at again when it is refused again."""
    server, runtime, daemon, doubt = rig
    spoil(server)
    doubt.cast()
    await doubt._looking
    runtime.trouble("still", "there")
    assert (await daemon.expect(Trouble)).code == "still"
    server.revoke_token()
    doubt.cast()
    assert (await daemon.expect(Trouble)).code == "bad_credentials"
