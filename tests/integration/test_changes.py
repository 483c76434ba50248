"""Edits and reactions of senders: Claude is told, and everybody sees the message as it is now."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest

from channeld.core.delivery import PartState
from channeld.core.errors import StoreTooNew, StoreUnavailable
from channeld.core.model import HistoryItem, NewPart
from channeld.ipc import messages as m
from channeld.store.mailbox import own
from channeld.store.migrations import MIGRATIONS, copies
from tests.doubles.stores import Stores, message

CHAT = "web:main"


@pytest.fixture
async def stores(tmp_path):
    """Return an open store."""
    async with Stores(tmp_path / "mail.db") as opened:
        yield opened


async def accept(stores: Stores, *offers: Any) -> None:
    """Accept events."""
    await stores.mailbox.accept("web", list(offers), 5.0, own)


async def shown(stores: Stores, message_id: str = "1") -> HistoryItem:
    """Return a message as the chat shows it."""
    item = await stores.timeline.item(CHAT, message_id)
    assert item is not None
    return item


async def found(stores: Stores, query: str) -> list[str]:
    """Return the texts that a search finds."""
    return [item.text for item in await stores.timeline.search(query, None, 10)]


@pytest.mark.parametrize("indexed", [False, True], ids=["before the search", "after the search"])
async def test_an_edited_message_is_shown_and_found_as_it_is_now(stores, indexed):
    """And pushed so, if it has waited until then: the edit went with it."""
    await accept(stores, message("1", text="the first draft"))
    if indexed:
        assert await found(stores, "draft") == ["the first draft"]
    await accept(stores, message("1a", kind="edited", message_id="1", text="the final word"))
    item = await shown(stores)
    assert (item.text, item.edited, item.state) == ("the final word", True, "queued")
    assert await found(stores, "draft") == [] and await found(stores, "final") == ["the final word"]
    lease = (await stores.mailbox.attach("i", "main", 1, 1, frozenset(), 5.0)).lease
    pushed = await stores.mailbox.claim(lease, 10, 5.0)
    assert [(e.inbound.kind, e.inbound.text) for e in pushed] == [("message", "the final word")]


async def test_only_its_sender_changes_what_a_message_says(stores):
    """Somebody else's edit of it is an event that says so, and nothing more."""
    await accept(stores, message("1", text="mine"))
    await accept(stores, message("2", kind="edited", message_id="1", text="stolen", sender_id="8"))
    item = await shown(stores)
    assert (item.text, item.edited) == ("mine", False)
    await accept(stores, message("3", kind="edited", message_id="unknown", text="x"))  # of a message that is gone


async def test_everybody_has_one_reaction_a_message(stores):
    """A later one replaces it, an empty one takes it back, and Claude's stands beside."""
    await accept(
        stores, message("1"), message("r1", kind="reaction", message_id="1", text="👍"),
        message("r2", kind="reaction", message_id="1", text="🎉", sender_id="8"),
        message("r3", kind="reaction", message_id="1", text="👀"),
    )  # fmt: skip
    call = await stores.outbox.accept("i", None, "web", CHAT, [NewPart(kind="react", text="🙏", message_id="1")], 6.0)
    epoch, _ = await stores.outbox.begin_worker("web", PartState.QUEUED, 6.0)
    await stores.outbox.claim("web", epoch, 6.0)
    await stores.outbox.settle(call.parts[0], epoch, PartState.SENT, 6.0, platform_id="x")
    item = await shown(stores)
    assert dict(zip(item.reactors, item.reactions, strict=True)) == {"": "🙏", "7": "👀", "8": "🎉"}
    await accept(stores, message("r4", kind="reaction", message_id="1", text=""))
    assert set((await shown(stores)).reactors) == {"", "8"}


async def test_an_edited_message_leaves_the_search_when_it_is_removed(stores):
    """What was indexed last is what is taken out: another text would break the index."""
    await accept(stores, message("1", text="alpha"))
    await found(stores, "alpha")
    await accept(stores, message("2", kind="edited", message_id="1", text="omega"))
    lease = (await stores.mailbox.attach("i", "main", 1, 1, frozenset(), 5.0)).lease
    events = await stores.mailbox.claim(lease, 10, 5.0)
    await stores.mailbox.confirm(lease, [event.seq for event in events], 5.0)
    await stores.retention.apply(keep_s=1.0, max_bytes=2**40, now=1000.0)
    assert await found(stores, "omega") == [] and await found(stores, "alpha") == []
    await stores.database.submit(
        lambda connection: connection.execute("INSERT INTO search (search) VALUES ('integrity-check')").fetchall()
    )


def mailbox_of_the_first_version(file: Path) -> None:
    """Write a mailbox as the first version did, with one message that waits."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.executescript(resources.files("channeld.store").joinpath(MIGRATIONS[0]).read_text("utf-8"))
        connection.execute("PRAGMA user_version = 1")
        connection.execute("INSERT INTO transition VALUES ('in', '', 'queued')")
        connection.execute(
            "INSERT INTO event VALUES (1, 'd', 'web', 'message:1', ?, 'message', '1', 'old', ?, 1, 1, NULL, 'queued',"
            " 0, NULL, NULL)", (CHAT, msgspec.json.encode(message("1", text=""))),
        )  # fmt: skip


async def test_a_mailbox_of_the_first_version_is_brought_up_to_date(tmp_path):
    """What was in it is shown, and can be edited."""
    file = tmp_path / "mail.db"
    mailbox_of_the_first_version(file)
    async with Stores(file) as stores:
        assert (await shown(stores)).text == "old"
        await accept(stores, message("2", kind="edited", message_id="1", text="new"))
        assert (await shown(stores)).text == "new"
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)


async def test_a_mailbox_is_copied_before_it_is_brought_up_to_date(tmp_path):
    """Whole, for its owner alone, once; whoever goes back to the older version is told where it is."""
    file = tmp_path / "mail.db"
    mailbox_of_the_first_version(file)
    (tmp_path / "mail.db.v1.new").write_text("half of a copy, by a process that was killed")
    async with Stores(file) as stores:
        await accept(stores, message("2"))
    (copy,) = await asyncio.to_thread(copies, file)
    facts = await asyncio.to_thread(copy.stat)
    assert (copy.name, facts.st_mode & 0o777) == ("mail.db.v1", 0o600)
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
        assert [row[0] for row in connection.execute("SELECT text FROM event")] == ["old"]
    async with Stores(file):
        assert await asyncio.to_thread(copy.stat) == facts
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StoreTooNew) as caught:
        async with Stores(file):
            pass
    assert str(copy) in caught.value.hint


async def test_without_the_copy_the_mailbox_is_left_as_it_is(tmp_path):
    """The daemon does not start; the older version still can. The half of a copy takes no room."""
    file = tmp_path / "mail.db"
    mailbox_of_the_first_version(file)
    (tmp_path / "mail.db.v1").mkdir()  # nothing can be put in its place
    with pytest.raises(StoreUnavailable):
        async with Stores(file):
            pass
    assert not (tmp_path / "mail.db.v1.new").exists()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 1


async def test_claude_and_the_chat_hear_of_edits_and_reactions(pager, daemon):
    """As events about the message, and as receipts that show it anew."""
    worker = await pager.life()
    await worker.begin(m.Capabilities(tools=["reply"], receipts=True))
    async with daemon.client() as client:
        await worker.accepted("1", text="frist")
        await client.next_event()
        await worker.accepted("e", kind="edited", message_id="1", text="first")
        edited = await client.next_event()
        assert (edited["content"], edited["meta"]["event"], edited["meta"]["message_id"]) == ("first", "edited", "1")
        receipt = await worker.expect(m.Receipt, lambda frame: frame.item.edited)
        assert (receipt.item.id, receipt.item.text) == ("1", "first")
        for emoji, content in (("👍", "👍"), ("", "(the reaction was taken back)")):
            await worker.accepted(f"r{emoji}", kind="reaction", message_id="1", text=emoji)
            event = await client.next_event()
            assert (event["content"], event["meta"]["event"], event["meta"]["message_id"]) == (content, "reaction", "1")
            receipt = await worker.expect(m.Receipt, lambda f, want=[emoji] if emoji else []: f.item.reactions == want)
            assert receipt.item.id == "1"
