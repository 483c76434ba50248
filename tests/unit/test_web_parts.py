"""The web chat's small parts: ids, settings, events, messages as scripts see them."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channeld.ipc.messages import Attachment, HistoryItem, Send
from channeld_workers.runtime import BadSettings
from channeld_workers.web import ids, render
from channeld_workers.web.body import is_emoji
from channeld_workers.web.hub import BACKLOG, MAX_LISTENERS, Hub
from channeld_workers.web.platform import WebPlatform
from channeld_workers.web.settings import Settings, read_settings


@given(st.lists(st.tuples(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10)), min_size=2, max_size=9))
def test_new_ids_sort_by_time_and_look_like_ids(moments):
    """An id made later sorts later."""
    moments.sort()
    made = [ids.new_id(*moment) for moment in moments]
    assert made == sorted(made)
    assert all(ids.MESSAGE_ID.fullmatch(each) and each.startswith("w") for each in made)


def test_derived_ids_are_stable_and_apart():
    """The same key is the same message; a post and a send never share an id."""
    assert ids.posted_id("a") == ids.posted_id("a") != ids.posted_id("b")
    assert ids.posted_id("a") != ids.sent_id("a")
    assert ids.MESSAGE_ID.fullmatch(ids.sent_id("ü" * 100))


def test_settings_have_defaults():
    """An empty table is fine, and keys of the daemon are left alone."""
    assert read_settings("web", {"platform": "web"}) == Settings(8787, 25 * 1024 * 1024)


@pytest.mark.parametrize("port", [-1, 65536, "8787", True, 1.5, None])
def test_a_senseless_port_is_refused_with_its_name(port):
    """The sentence names the worker's own table."""
    with pytest.raises(BadSettings, match=r"\[workers\.chat\] port must be a whole number from 0 to 65535"):
        read_settings("chat", {"port": port})


@pytest.mark.parametrize("size", [0, 1025, "25", False])
def test_a_senseless_upload_limit_is_refused(size):
    """Nothing or everything is not a limit."""
    with pytest.raises(BadSettings, match="max_upload_mb"):
        read_settings("web", {"max_upload_mb": size})


async def test_a_listener_hears_the_present_state_and_then_what_happens():
    """Presence is told to whoever comes late; messages only from then on."""
    hub = Hub()
    hub.presence({"listening": False})
    hub.message({"id": "old"})
    async with contextlib.aclosing(hub.stream()) as stream:  # type: ignore[type-var]
        first = [await anext(stream), await anext(stream)]
        hub.message({"id": "new\n\n"})
        assert first[1] == b'event: presence\ndata: {"listening":false}\n\n'
        assert await anext(stream) == b'event: message\ndata: {"id":"new\\n\\n"}\n\n'


async def test_a_slow_listener_is_dropped_and_the_others_stay():
    """Nothing is buffered without bound for somebody who does not read."""
    hub = Hub()
    with hub.listening() as slow, hub.listening() as quick:
        for number in range(BACKLOG + 1):
            hub.message({"n": number})
            assert quick.get_nowait() is not None
        assert slow.get_nowait() is None and slow.empty()
        hub.message({"n": "later"})
        assert slow.empty() and not quick.empty()


async def test_silence_is_filled_with_comments_and_a_closed_hub_ends_its_streams():
    """A connection that died unnoticed shows by the missing comments."""
    hub = Hub()
    async with contextlib.aclosing(hub.stream(keep_alive_s=0)) as stream:  # type: ignore[type-var]
        assert {await anext(stream) for _ in range(3)} == {b": here\n\n"}
    reading = asyncio.ensure_future(anext(stream := hub.stream()))
    assert await reading == b": here\n\n"
    hub.close()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_listeners_are_counted():
    """One more than the limit is too many, and a place becomes free again."""
    hub = Hub()
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_LISTENERS):
            assert not hub.full
            stack.enter_context(hub.listening())
        assert hub.full
    assert not hub.full


def test_a_message_is_shown_with_links_and_not_with_paths():
    """Scripts see an address for each file and nothing of where it lies."""
    item = HistoryItem(
        seq=7, id="w1", direction="in", chat="web:main", text="x", ts=0.5, state="queued", user="you",
        attachments=[Attachment(name="a.png", path="/secret/place/1.png", mime="image/png", size=3, token="t")],
    )  # fmt: skip
    shown = render.message(item)
    assert shown["ts"] == "1970-01-01T00:00:00.500Z"
    assert shown["attachments"] == [{"name": "a.png", "mime": "image/png", "size": 3, "url": "/api/files/w1/0"}]
    assert "secret" not in str(shown)


async def test_what_cannot_be_sent_fails_with_a_reason():
    """Another chat, an edit of nothing and an unknown kind are refused; nothing is raised."""
    platform = WebPlatform()
    platform._chat = "web:main"
    for part in (
        Send(ref=1, send_id="s", chat="web:other", kind="message", text="x"),
        Send(ref=1, send_id="s", chat="web:main", kind="edit", text="x"),
        Send(ref=1, send_id="s", chat="web:main", kind="dance", text="x"),
    ):
        outcome = await platform.send(part)
        assert type(outcome).__name__ == "Failed" and outcome.ref == 1


@pytest.mark.parametrize(
    "text", ["👍", "❤️", "1️⃣", "#️⃣", "\u2139\ufe0f", "👩‍👩‍👧", "🏴\U000e0067\U000e007f", "‼️", "↔️", "🇫🇷", ""]
)
def test_emoji_of_all_kinds_are_reactions(text):
    """Joined ones, keycaps, flags, and nothing, which takes a reaction back."""
    assert is_emoji(text)


@pytest.mark.parametrize(
    "text", ["ok", "1", "👍 👍", "<b>", "👍" * 17, "\u202e", "\u200b", "\u200d", "é", "世", "!", "👍a"]
)
def test_what_is_no_emoji_is_no_reaction(text):
    """Words, marks that hide things, and too many of anything."""
    assert not is_emoji(text)
