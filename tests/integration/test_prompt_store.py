"""Prompts on disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from channeld.core.model import Attachment
from channeld.core.prompts import Content, PromptState, StoredPrompt, Who, new_id
from channeld.store.prompts import PromptStore
from tests.doubles.stores import Stores

ANN = Who("pager", "7", "Ann")


@pytest.fixture
async def stores(tmp_path: Path):
    """An open store."""
    async with Stores(tmp_path / "db") as opened:
        yield opened


def prompt(key=None, **content):
    """Return a new prompt."""
    facts = {"title": "?", "body": "b", "options": ["Yes", "No"], **content}
    return StoredPrompt(id=new_id(), kind="permission", content=Content(**facts), asked_at=10.0, key=key, instance="i")


async def test_what_is_put_is_found_as_it_was(stores):
    """Every field survives; of two with the same key only one is open."""
    store = PromptStore(stores.database)
    one = prompt("k", files=[Attachment(name="f", path="/spool/f")], data={"a": [1]}, chats=["pager:a"])
    assert await store.put(one)
    assert not await store.put(prompt("k"))
    assert await store.unsettled() == [one] == await store.latest(5)
    assert await store.close(one.id, PromptState.ELSEWHERE, "there", 20.0)
    assert await store.put(prompt("k"))
    found = await store.find(one.id)
    assert found is not None and (found.state, found.outcome, found.settled_at) == ("elsewhere", "there", 20.0)


async def test_of_two_answers_the_first_counts(stores):
    """It is kept with who gave it and when, until it was carried out, and then for good."""
    store = PromptStore(stores.database)
    one = prompt()
    await store.put(one)
    assert await store.answer(one.id, "Yes", "Yes – Ann", ANN, 20.0)
    assert not await store.answer(one.id, "No", "No", Who("web", "owner", ""), 21.0)
    assert not await store.close(one.id, PromptState.EXPIRED, "", 22.0)
    (pending,) = await store.unsettled()
    assert (pending.answer, pending.outcome, pending.by) == ("Yes", "Yes – Ann", ANN)
    assert (pending.settled_at, pending.carried_out) == (20.0, False)
    await store.carried_out(one.id)
    assert [(each.outcome, each.carried_out) for each in await store.last_settled(5)] == [("Yes – Ann", True)]
    assert await store.unsettled() == [] and not await store.reopen(one.id)
    assert [each.id for each in await store.answered_so("i", "permission", "Yes")] == [one.id]


async def test_an_answer_that_could_not_be_carried_out_is_taken_back(stores):
    """Then it is open as before, and nobody has answered it."""
    store = PromptStore(stores.database)
    one = prompt()
    await store.put(one)
    await store.answer(one.id, "Yes", "Yes – Ann", ANN, 20.0)
    assert await store.reopen(one.id)
    assert await store.unsettled() == [one]


@pytest.mark.parametrize("after", ["open", "expired", "elsewhere"])
async def test_what_is_settled_stays_so(stores, after):
    """The file itself refuses another state."""
    store = PromptStore(stores.database)
    one = prompt()
    await store.put(one)
    await store.answer(one.id, "Yes", "Yes – Ann", ANN, 20.0)
    await store.carried_out(one.id, "")
    with pytest.raises(sqlite3.IntegrityError):
        await stores.database.submit(lambda c: c.execute("UPDATE prompt SET state = ? WHERE id = ?", (after, one.id)))


async def test_old_ones_are_removed_with_their_files_and_open_ones_never(stores):
    """So are answers that have not been carried out."""
    store = PromptStore(stores.database)
    settled, open_one, pending = (prompt(files=[Attachment(name="f", path=f"/spool/{n}")]) for n in range(3))
    for each in (settled, open_one, pending):
        await store.put(each)
    await store.close(settled.id, PromptState.EXPIRED, "", 20.0)
    await store.answer(pending.id, "Yes", "Yes – Ann", ANN, 20.0)
    assert await stores.retention.files_in_use() == {"/spool/0", "/spool/1", "/spool/2"}
    assert await stores.retention.apply(keep_s=50.0, max_bytes=10**9, now=60.0) == []
    assert await stores.retention.apply(keep_s=50.0, max_bytes=10**9, now=100.0) == ["/spool/0"]
    assert {each.id for each in await store.latest(9)} == {open_one.id, pending.id}
