"""Telegram updates of any shape: none raises, takes long, or speaks for somebody else."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from channeld.core.access import is_sender_id, room_of
from channeld.core.event import present
from channeld.core.ids import is_chat_of
from channeld.core.model import Inbound, StoredEvent
from channeld_workers.patterns import compile_patterns
from channeld_workers.telegram.content import FETCH_LIMIT
from channeld_workers.telegram.updates import Account, Moved, Standing, Tap, Unreadable, translate
from tests.doubles.telegram_updates import BOT, every_kind, message, update

ACCOUNT = Account(BOT["id"], BOT["username"], "telegram", compile_patterns([r"claude.*\?"]))
DELETED = object()
HUGE = 10**4299  # the decoder lets more through, but no test could show it
WRONG: tuple[Any, ...] = (
    DELETED, None, "x", "", "\ud800", [], [None], ["x", {}], {}, {"id": {}}, -1, 0, 1.5, True, HUGE, float("nan")
)  # fmt: skip
LONGEST_S = 0.5
"""Of processor time, for one update: a thousand times what it takes."""


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to everything in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*above, key)
        yield from paths(each, (*above, key))


def put(value: Any, path: tuple[Any, ...], wrong: Any) -> None:
    """Replace what is at the end of a way."""
    for key in path[:-1]:
        value = value[key]
    if wrong is DELETED:
        del value[path[-1]]
    else:
        value[path[-1]] = wrong


def events(result: Any) -> list[Inbound | Tap]:
    """Return what would be offered, or answered, in the name of a sender."""
    offered = result.event if isinstance(result, Unreadable) else result
    return [offered] if isinstance(offered, Inbound | Tap) else []


def check(result: Any) -> None:
    """Assert what holds of every result."""
    assert result is None or isinstance(result, Inbound | Tap | Moved | Standing | Unreadable)
    for event in events(result):
        assert is_sender_id(event.sender_id) and is_chat_of("telegram", event.chat) and event.sender
        assert event.group is not (int(room_of(event.chat).partition(":")[2]) > 0)
        msgspec.json.encode(event)
        if isinstance(event, Inbound):
            stored = StoredEvent(
                seq=1,
                delivery_id="d",
                worker="telegram",
                inbound=event,
                state="queued",
                pushes=1,
                accepted_at=0,
                role="x",
            )
            msgspec.json.encode(present(stored, "telegram"))
            assert event.event_key.isprintable() and event.message_id.isdecimal()


def real(value: dict[str, Any], reader: str) -> tuple[set[str], set[str]]:
    """Return the only rooms and senders that an update may be taken for."""
    body = value[reader]
    holder = body["message"] if reader == "callback_query" else body
    speaker = body.get("sender_chat") or body.get("actor_chat") or body.get("from") or body.get("user")
    return {f"telegram:{holder['chat']['id']}"}, {str(speaker["id"])}


@pytest.mark.parametrize("name", [name for name in every_kind() if name != "poll update"])
def test_whatever_is_wrong_in_an_update_it_speaks_for_nobody_else(name):
    """Every value in it in turn is missing, of another type, or absurd."""
    good = every_kind()[name]
    reader = next(key for key in good if key != "update_id")
    rooms, senders = real(good, reader)
    for path in paths(good):
        for wrong in WRONG:
            bad = copy.deepcopy(good)
            put(bad, path, wrong)
            began = time.process_time()
            result = translate(bad, ACCOUNT, FETCH_LIMIT)
            assert time.process_time() - began < LONGEST_S, (path, wrong)
            check(result)
            for event in events(result):
                # Another chat's well-formed id cannot be told from the right one.
                is_other = wrong == -1 and path[-2:] in {("chat", "id"), ("sender_chat", "id")}
                assert room_of(event.chat) in rooms or is_other, (path, wrong)
                assert event.sender_id in senders or is_other, (path, wrong)


KEYS = sorted({key for each in every_kind().values() for path in paths(each) for key in path if isinstance(key, str)})
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.characters(codec=None).map(lambda c: c * 3)
    | st.sampled_from(["private", "supergroup", "emoji", "mention", "text_link", "bot_command", BOT["id"], HUGE, -5])
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=6),
    max_leaves=40,
)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(JSON)
def test_any_json_is_read(value):
    """None raises."""
    check(translate(value, ACCOUNT, FETCH_LIMIT))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(["message", "edited_message", "channel_post"]), st.dictionaries(st.sampled_from(KEYS), JSON))
def test_any_json_in_a_message_is_read(kind, more):
    """Also beside what makes it a message."""
    check(translate(update(kind, {**message(None), **more}), ACCOUNT, FETCH_LIMIT))
    check(
        translate(update(kind, {**more, "text": "😀 claude", "entities": more.get("entities")}), ACCOUNT, FETCH_LIMIT)
    )


def test_deep_nesting_and_great_length_cost_little():
    """As deep as the decoder lets through, and as long as no server should let through."""
    deep = json.loads("[" * 900 + "]" * 900)
    nested: dict[str, Any] = message("deep")
    for _ in range(900):
        nested = message("deep", reply_to_message=nested)
    long = "😀" * 300_000
    many = [
        {"type": "text_link", "offset": at, "length": 1, "url": "https://example.org/" + "x" * 9000}
        for at in range(50_000)
    ]
    hostile: list[dict[str, Any]] = [
        message(deep),
        nested,
        message(long, entities=many, reply_to_message=message(long), quote={"text": long}),
        message(None, caption=long, caption_entities=many, new_chat_members=[{"id": 5}] * 100_000),
        message(None, rich_message={"blocks": [" " * 100_000] * 100_000}),
        message(" " * 100_000, forward_sender_name=" " * 100_000, sender={"id": 5, "first_name": " " * 100_000}),
        message(None) | {f"kind {number}": {} for number in range(50_000)},
        message(None, poll={"question": long, "options": [{"text": long}] * 50_000}, photo=[{"width": 1}] * 100_000),
    ]
    for each in hostile:
        value = update("message", each)
        began = time.process_time()
        result = translate(value, ACCOUNT, FETCH_LIMIT)
        assert time.process_time() - began < LONGEST_S
        check(result)
        assert all(len(msgspec.json.encode(event)) < 1_000_000 for event in events(result))
