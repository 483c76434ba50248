"""The corpus of dispatches holds what Discord sends, and what it could."""

from __future__ import annotations

import pytest

from tests.doubles.discord_api import DiscordApi
from tests.doubles.discord_client import connected, point_library
from tests.doubles.discord_dispatches import dispatch_samples, spoil

KINDS = {
    "CHANNEL_CREATE",
    "CHANNEL_DELETE",
    "CHANNEL_UPDATE",
    "GUILD_CREATE",
    "GUILD_DELETE",
    "GUILD_ROLE_CREATE",
    "INTERACTION_CREATE",
    "MESSAGE_CREATE",
    "MESSAGE_DELETE",
    "MESSAGE_DELETE_BULK",
    "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE",
    "MESSAGE_UPDATE",
    "THREAD_CREATE",
    "THREAD_DELETE",
    "THREAD_UPDATE",
    "TYPING_START",
}


@pytest.fixture
async def api(monkeypatch):
    """Return a server that discord.py takes for Discord."""
    async with DiscordApi() as server:
        point_library(server, monkeypatch)
        yield server


@pytest.fixture
async def samples(api):
    """Return the good ones, and who writes in them."""
    ada = api.person("ada", "Ada")
    channel = api.add_channel(api.add_guild("Workshop", ada), "general")
    return ada, dispatch_samples(api, channel, ada)


async def test_the_library_reads_every_good_one(api, samples):
    """discord.py takes each of them and goes on."""
    ada, good = samples
    assert {sample.name for sample in good} == KINDS
    async with connected(api) as client:
        for sample in good:
            api.dispatch(sample.name, sample.data)
        ada.write(ada.dm, "the end")
        while (await client.next("message")).content != "the end":
            pass
    assert not api.violations


async def test_each_is_spoiled_in_every_field(samples):
    """Every field is once missing, null and of another type, and the good one stays as it was."""
    _, good = samples
    for sample in good:
        whole = repr(sample.data)
        spoiled = list(spoil(sample.data))
        labels = [label for label, _ in spoiled]
        assert len(labels) == len(set(labels)) > 10
        assert sum(data == sample.data for _, data in spoiled) == sum(
            label.endswith(" null") and data == sample.data for label, data in spoiled
        )
        for field in sample.data:
            assert {f"without {field}", f"{field} null", f"{field} of another type"} <= set(labels)
        assert repr(sample.data) == whole


async def test_the_library_alone_does_not_survive_them(api, samples):
    """Many a spoiled one ends discord.py: what reads them must not be that alone."""
    _, good = samples
    text = next(sample for sample in good if sample.label == "text in a DM")
    spoiled = dict(spoil(text.data))
    async with connected(api) as client:
        api.dispatch(text.name, spoiled["without author"])
        api.dispatch(text.name, spoiled["without content"])
        with pytest.raises(KeyError):
            await client.ended
