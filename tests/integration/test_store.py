"""The store on real SQLite files."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from channeld.core.delivery import EVENT_TRANSITIONS, PART_TRANSITIONS, PartState
from channeld.core.errors import Refused, StoreTooNew, StoreUnavailable
from channeld.core.model import Attachment, Lease, NewPart, PartDetail
from channeld.store.mailbox import NOBODY, Taker, own
from channeld.store.migrations import MIGRATIONS, legal_transitions
from tests.doubles.stores import Stores, message

NOTHING = frozenset[str]()


@pytest.fixture
async def stores(tmp_path):
    """Return an open store."""
    async with Stores(tmp_path / "mail.db") as opened:
        yield opened


async def attach(stores, instance="i1", written=NOTHING):
    """Attach a session process and return what it finds."""
    return await stores.mailbox.attach(instance, "main", 1, 1, written, 1.0)


async def accept(stores, *offers, lease=None, room=0):
    """Accept messages and return what became of each."""
    takers = dict.fromkeys((offer.chat for offer in offers), Taker(lease, room)) if lease is not None else NOBODY
    return await stores.mailbox.accept("web", list(offers), 1.0, own, takers)


def reply(text="yes", **detail):
    """Return one part of a reply."""
    return NewPart(kind="message", text=text, detail=PartDetail(**detail))


async def test_the_database_enforces_exactly_the_transitions_of_the_core(stores, tmp_path):
    """The table in the file is the table in the code."""
    with closing(sqlite3.connect(tmp_path / "mail.db")) as other:
        rows = other.execute("SELECT * FROM transition").fetchall()
    assert set(rows) == legal_transitions()


@pytest.mark.parametrize(("table", "transitions"), [("event", EVENT_TRANSITIONS), ("part", PART_TRANSITIONS)])
async def test_the_database_takes_the_legal_steps_and_no_other(stores, tmp_path, table, transitions):
    """Every pair of states, tried on the file itself, goes exactly where the core's table has a way."""
    await accept(stores, message("1"))
    await stores.outbox.accept("i1", "a", "web", "web:main", [reply()], 1.0)
    with closing(sqlite3.connect(tmp_path / "mail.db", isolation_level=None)) as other:
        for before, legal in transitions.items():
            for after in transitions:
                # Put the row where the step begins, past the trigger: that is the only way into some states.
                other.execute("INSERT OR IGNORE INTO transition SELECT 'in', state, ? FROM event", (before,))
                other.execute("INSERT OR IGNORE INTO transition SELECT 'out', state, ? FROM part", (before,))
                other.execute(f"UPDATE {table} SET state = ?", (before,))
                other.execute("DELETE FROM transition")
                other.executemany("INSERT INTO transition VALUES (?, ?, ?)", sorted(legal_transitions()))
                try:
                    other.execute(f"UPDATE {table} SET state = ?", (after,))
                    moved = True
                except sqlite3.IntegrityError:
                    moved = False
                assert moved == (after in legal or after == before), f"{before} to {after}"


async def test_the_database_refuses_an_illegal_step_of_anybody(stores, tmp_path):
    """Even a hand on the file cannot move an event where the table has no way."""
    await accept(stores, message("1"))
    with closing(sqlite3.connect(tmp_path / "mail.db")) as other:
        with pytest.raises(sqlite3.IntegrityError, match="illegal"):
            other.execute("UPDATE event SET state = 'answered'")
        other.rollback()
        columns = "worker, chat, kind, message_id, text, detail, accepted_at, changed_at"
        with pytest.raises(sqlite3.IntegrityError, match="illegal"):
            other.execute(f"INSERT INTO event (seq, delivery_id, event_key, state, {columns})"
                          f" SELECT 99, 'x', 'y', 'seen', {columns} FROM event")  # fmt: skip


async def test_an_event_enters_once(stores):
    """The same key again is a duplicate, for this worker and not for another."""
    first, second = await accept(stores, message("1"), message("1"))
    assert first.event is not None
    assert second.event is None
    again = await stores.mailbox.accept("other", [message("1")], 1.0, own)
    assert again[0].event is not None


async def test_accepting_claims_for_a_free_session_only_in_order(stores):
    """What waits behind an older message of its chat is not claimed on the way in."""
    lease = (await attach(stores)).lease
    await accept(stores, message("1"))
    behind, other_chat, full = await accept(
        stores, message("2"), message("3", chat="web:b"), message("4", chat="web:c"), lease=lease, room=1
    )
    assert (behind.claimed, other_chat.claimed, full.claimed) == (False, True, False)
    claimed = await stores.mailbox.claim(lease, 10, 1.0)
    assert [event.inbound.message_id for event in claimed] == ["1", "2", "4"]


async def test_a_stale_lease_settles_and_claims_nothing(stores):
    """An earlier connection of a process, or an ended process, has no say."""
    old = (await attach(stores)).lease
    await accept(stores, message("1"), lease=old, room=1)
    new = (await attach(stores)).lease
    assert await stores.mailbox.confirm(old, [1], 1.0) == []
    assert not (await accept(stores, message("2"), lease=old, room=1))[0].claimed
    assert await stores.mailbox.claim(old, 10, 1.0) == []
    assert [e.seq for e in await stores.mailbox.confirm(new, [1], 1.0)] == [1]
    await stores.mailbox.give_back("i1", 1.0)
    assert await stores.mailbox.claim(new, 10, 1.0) == []


async def test_a_returning_process_keeps_what_it_has_written_and_gets_the_rest_again(stores):
    """Only what never reached Claude is pushed again, with its count raised."""
    lease = (await attach(stores)).lease
    results = await accept(stores, message("1"), message("2"), lease=lease, room=2)
    back = await attach(stores, written=frozenset({results[0].event.delivery_id}))
    assert [e.inbound.message_id for e in back.to_ping] == ["1"]
    assert [(e.inbound.message_id, e.pushes) for e in back.to_repush] == [("2", 2)]


async def test_an_ended_process_gives_back_what_it_did_not_confirm(stores):
    """Confirmed events stay delivered, the others go to the next session, flagged and in order."""
    lease = (await attach(stores)).lease
    await accept(stores, message("1"), message("2"), message("3"), lease=lease, room=3)
    await stores.mailbox.confirm(lease, [1], 1.0)
    assert [e.seq for e in await stores.mailbox.give_back("i1", 2.0)] == [2, 3]
    other = (await attach(stores, "i2")).lease
    assert [(e.seq, e.pushes) for e in await stores.mailbox.claim(other, 10, 1.0)] == [(2, 2), (3, 2)]


async def test_a_reply_answers_what_was_delivered_and_what_turns_out_to_have_been(stores):
    """What was only pushed might still be lost with its process; its receipt, when it comes, finds the reply."""
    lease = (await attach(stores)).lease
    await accept(stores, message("1"), message("2"), message("3", chat="web:b"), lease=lease, room=3)
    await stores.mailbox.confirm(lease, [1, 3], 2.0)
    await stores.outbox.accept("i1", "t", "web", "web:main", [reply()], 3.0)
    assert [e.inbound.message_id for e in await stores.mailbox.answer("i1", "web:main", 3.0)] == ["1"]
    assert await stores.mailbox.answer("i2", "web:b", 3.0) == []
    await accept(stores, message("4"), lease=lease, room=1)
    confirmed = await stores.mailbox.confirm(lease, [2, 5], 4.0)
    assert [(e.inbound.message_id, e.state) for e in confirmed] == [("2", "answered"), ("4", "delivered")]


async def test_a_call_is_accepted_once_per_id_and_session(stores):
    """The same tool call again is the same reply; another session's id is its own."""
    first = await stores.outbox.accept("i1", "toolu_1", "web", "web:main", [reply()], 1.0)
    again = await stores.outbox.accept("i1", "toolu_1", "web", "web:main", [reply("other")], 1.0)
    other = await stores.outbox.accept("i2", "toolu_1", "web", "web:main", [reply()], 1.0)
    unnamed = [await stores.outbox.accept("i1", None, "web", "web:main", [reply()], 1.0) for _ in range(2)]
    assert (first.fresh, again.fresh, again.call, again.parts[0].text) == (True, False, first.call, "yes")
    assert other.fresh
    assert unnamed[0].call != unnamed[1].call


async def test_parts_of_a_chat_leave_one_by_one_and_other_chats_do_not_wait(stores):
    """While one part is being sent, or waits for its time, its chat waits; others go on."""
    await stores.outbox.accept("i1", "a", "web", "web:main", [reply("1"), reply("2")], 1.0)
    await stores.outbox.accept("i1", "b", "web", "web:b", [reply("3")], 1.0)
    epoch, _ = await stores.outbox.begin_worker("web", PartState.UNCERTAIN, 1.0)
    parts, _ = await stores.outbox.claim("web", epoch, 1.0)
    assert [p.text for p in parts] == ["1", "3"]
    assert (await stores.outbox.claim("web", epoch, 1.0)) == ([], None)
    await stores.outbox.settle(parts[0], epoch, PartState.QUEUED, 1.0, not_before=50.0)
    assert (await stores.outbox.claim("web", epoch, 49.0)) == ([], 50.0)
    (again,), _ = await stores.outbox.claim("web", epoch, 50.0)
    assert (again.text, again.send_id, again.attempts) == ("1", parts[0].send_id, 2)
    await stores.outbox.settle(again, epoch, PartState.SENT, 51.0, platform_id="p1")
    (second,), _ = await stores.outbox.claim("web", epoch, 51.0)
    assert second.text == "2"


async def test_a_lost_worker_leaves_its_parts_as_the_platform_demands(stores):
    """Uncertain where a repeat could double, queued where it cannot; a stale worker settles nothing."""
    await stores.outbox.accept("i1", "a", "web", "web:main", [reply()], 1.0)
    epoch, _ = await stores.outbox.begin_worker("web", PartState.UNCERTAIN, 1.0)
    (part,), _ = await stores.outbox.claim("web", epoch, 1.0)
    newer, lost = await stores.outbox.begin_worker("web", PartState.QUEUED, 2.0)
    assert [p.state for p in lost] == ["queued"]
    assert await stores.outbox.settle(part, epoch, PartState.SENT, 3.0, platform_id="x") == []
    (again,), _ = await stores.outbox.claim("web", newer, 3.0)
    _, lost = await stores.outbox.begin_worker("web", PartState.UNCERTAIN, 4.0)
    assert [(p.seq, p.state) for p in lost] == [(again.seq, "uncertain")]


async def test_history_has_both_directions_in_order_with_edits_and_reactions(stores):
    """What people see: the text as it is now, and the last reaction."""
    await accept(stores, message("1"), message("2"))
    await stores.outbox.accept("i1", "a", "web", "web:main", [reply("draft")], 1.0)
    epoch, _ = await stores.outbox.begin_worker("web", PartState.QUEUED, 1.0)

    async def send(platform_id):
        (part,), _ = await stores.outbox.claim("web", epoch, 1.0)
        return await stores.outbox.settle(part, epoch, PartState.SENT, 1.0, platform_id=platform_id)

    await send("p1")
    edit = NewPart(kind="edit", text="final", message_id="p1")
    react = [NewPart(kind="react", text=emoji, message_id="1") for emoji in ("👀", "👍")]
    await stores.outbox.accept("i1", "b", "web", "web:main", [edit, *react], 1.0)
    assert {p.kind for p in await send(None)} == {"edit", "message"}
    await send(None)
    await send(None)
    items, more = await stores.timeline.history("web:main")
    assert [(i.id, i.direction, i.text, i.edited, i.reactions) for i in items] == [
        ("1", "in", "hi", False, ["👍"]), ("2", "in", "hi", False, []), ("p1", "out", "final", True, []),
    ]  # fmt: skip
    assert more is False
    after, _ = await stores.timeline.history("web:main", after="1")
    before, more = await stores.timeline.history("web:main", before="p1", limit=1)
    assert [i.id for i in after] == ["2", "p1"]
    assert ([i.id for i in before], more) == (["2"], True)


async def test_search_finds_words_of_both_directions_and_follows_edits(stores):
    """Searching needs no index to be kept while messages arrive, and no operator can be smuggled in."""
    await accept(stores, message("1", text="the Größe of it"), message("2", text="other", chat="web:b"))
    await stores.outbox.accept("i1", "a", "web", "web:main", [reply("the draft")], 1.0)
    epoch, _ = await stores.outbox.begin_worker("web", PartState.QUEUED, 1.0)
    (part,), _ = await stores.outbox.claim("web", epoch, 1.0)
    await stores.outbox.settle(part, epoch, PartState.SENT, 1.0, platform_id="p1")
    assert [i.id for i in await stores.timeline.search("the", None, 10)] == ["p1", "1"]
    assert [i.id for i in await stores.timeline.search("grosse OR", None, 10)] == []
    assert [i.id for i in await stores.timeline.search("größe", "web:main", 10)] == ["1"]
    assert await stores.timeline.search("größe", "web:b", 10) == []
    for hostile in ('" NEAR( *', "a\0b", "text: the", "^", "{"):
        assert await stores.timeline.search(hostile, None, 10) == []
    with pytest.raises(Refused):
        await stores.timeline.search("  ", None, 10)
    edit = NewPart(kind="edit", text="the final", message_id="p1")
    await stores.outbox.accept("i1", "b", "web", "web:main", [edit], 1.0)
    (part,), _ = await stores.outbox.claim("web", epoch, 1.0)
    await stores.outbox.settle(part, epoch, PartState.SENT, 1.0)
    assert await stores.timeline.search("draft", None, 10) == []
    assert [i.id for i in await stores.timeline.search("final", None, 10)] == ["p1"]


async def test_search_finds_what_the_index_has_no_words_for(stores):
    """Words without blanks between them, emoji and parts of words; no sign in a query is a wildcard."""
    await accept(
        stores, message("1", text="你好世界"), message("2", text="shipped 🚀 today"),
        message("3", text="100% of a_b in C++", chat="web:b"), message("4", text="1000 acb"),
    )  # fmt: skip
    found = {
        "世界": ["1"], "你好": ["1"], "🚀": ["2"], "SHIPPED 🚀": ["2"], "🚀 yesterday": [], "ipp": ["2"],
        "0%": ["3"], "a_": ["3"], "++": ["3"], "%": ["3"], "\\": [], "00": ["4", "3"],
    }  # fmt: skip
    for query, ids in found.items():
        assert [item.id for item in await stores.timeline.search(query, None, 10)] == ids, query
    assert await stores.timeline.search("世界", "web:b", 10) == []
    assert [item.id for item in await stores.timeline.search("00", None, 1)] == ["4"]


async def test_retention_removes_only_what_is_finished_and_tells_its_files(stores):
    """By age and by size; a message that still waits is never removed, and numbers are never used again."""
    lease = (await attach(stores)).lease
    file = Attachment(name="a", path="/inbox/a")
    await accept(stores, message("1", attachments=[file]), message("2"), lease=lease, room=2)
    await stores.mailbox.confirm(lease, [1], 2.0)
    await accept(stores, message("3"))
    await stores.timeline.search("hi", None, 10)
    assert await stores.retention.apply(keep_s=100, max_bytes=10**9, now=50.0) == []
    assert await stores.retention.apply(keep_s=10, max_bytes=10**9, now=50.0) == ["/inbox/a"]
    assert [i.id for i in (await stores.timeline.history("web:main"))[0]] == ["2", "3"]
    assert [i.id for i in await stores.timeline.search("hi", None, 10)] == ["3", "2"]
    await stores.mailbox.confirm(lease, [2], 2.0)
    assert await stores.retention.apply(keep_s=1000, max_bytes=1, now=60.0) == []
    assert [i.id for i in (await stores.timeline.history("web:main"))[0]] == ["3"]
    (fourth,) = await accept(stores, message("4"))
    assert fourth.event.seq == 4


async def test_offers_that_wait_together_share_a_commit(stores, tmp_path):
    """A hundred offers at once need far fewer than a hundred commits, and all are there afterwards."""
    commits = 0

    def trace(statement):
        nonlocal commits
        commits += statement == "COMMIT"

    await stores.database.submit(lambda connection: connection.set_trace_callback(trace))
    await asyncio.gather(*(accept(stores, message(str(n))) for n in range(100)))
    assert commits < 50
    assert (await stores.mailbox.counts()) == {"queued": 100}


async def test_one_bad_job_costs_the_others_of_its_transaction_nothing(stores):
    """What raises is undone alone."""

    def bad(connection):
        connection.execute("INSERT INTO counter VALUES ('bad', 1)")
        raise ValueError("mine")

    def nonsense(connection):
        connection.execute("INSERT INTO counter VALUES ('bad', 1)")
        connection.execute("SELEKT")

    outcomes: Any = await asyncio.gather(
        accept(stores, message("1")), stores.database.submit(bad), stores.database.submit(nonsense),
        accept(stores, message("2")), return_exceptions=True,
    )  # fmt: skip
    good, worse, worst, fine = outcomes
    assert isinstance(worse, ValueError)
    assert isinstance(worst, sqlite3.OperationalError)
    assert stores.database.trouble is None
    assert good[0].event is not None
    assert fine[0].event is not None
    count = await stores.database.submit(lambda c: c.execute("SELECT count(*) FROM counter").fetchone()[0])
    assert count == 0


async def test_acceptance_is_synced_to_the_disk_and_later_steps_are_not(stores):
    """``synchronous`` is FULL for an acceptance and NORMAL for a confirmation."""

    def level(connection):
        return connection.execute("PRAGMA synchronous").fetchone()[0]

    assert await stores.database.submit(level, durable=True) == 2
    assert await stores.database.submit(level) == 1


async def test_a_newer_file_is_refused_untouched(tmp_path):
    """A downgrade is told so, and the file keeps its format."""
    file = tmp_path / "mail.db"
    async with Stores(file):
        pass
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StoreTooNew, match="newer channeld"):
        await Stores(file).database.open()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS) + 1


async def test_a_file_that_is_no_database_is_told_so_and_kept(tmp_path):
    """Garbage in the place of the mailbox is left as it is."""
    file = tmp_path / "mail.db"
    file.write_bytes(b"no database " * 1000)
    with pytest.raises(StoreUnavailable) as caught:
        await Stores(file).database.open()
    assert caught.value.code == "store_corrupt"
    assert file.read_bytes() == b"no database " * 1000


async def test_damage_met_while_running_stops_acceptance_with_a_reason(tmp_path):
    """A page that turned to garbage under us: an error that says what to try, and no event is taken."""
    file = tmp_path / "mail.db"
    async with Stores(file) as stores:
        await accept(stores, *(message(str(n), text="x" * 500) for n in range(200)))
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreUnavailable) as caught:
        async with Stores(file) as stores:
            await accept(stores, message("new"))
    assert caught.value.code == "store_corrupt"
    assert ".recover" in caught.value.hint


async def test_a_full_file_refuses_and_goes_on_when_there_is_room(stores):
    """SQLite's own "full": nothing of the batch is accepted, what was there stays, and later acceptance works."""
    await accept(stores, message("1"))
    pages = await stores.database.submit(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    await stores.database.submit(lambda c: c.execute(f"PRAGMA max_page_count={pages}").fetchall())
    with pytest.raises(StoreUnavailable) as caught:
        await accept(stores, *(message(f"big{n}", text="x" * 4000) for n in range(20)))
    assert caught.value.code == "disk_full"
    assert stores.database.trouble is not None
    assert await stores.mailbox.counts() == {"queued": 1}
    await stores.database.submit(lambda c: c.execute("PRAGMA max_page_count=100000").fetchall())
    await accept(stores, *(message(f"big{n}", text="x" * 4000) for n in range(20)))
    assert stores.database.trouble is None
    assert await stores.mailbox.counts() == {"queued": 21}


async def test_the_file_is_for_its_owner_alone(stores, tmp_path):
    """Messages are nobody else's to read."""
    assert (tmp_path / "mail.db").stat().st_mode & 0o777 == 0o600


async def test_a_lease_is_worth_nothing_without_its_process(stores):
    """An invented lease claims nothing."""
    await accept(stores, message("1"))
    assert await stores.mailbox.claim(Lease("nobody", 1), 10, 1.0) == []
