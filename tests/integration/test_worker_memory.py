"""What a worker has the daemon keep for it: facts for its next process, and since when a reply may have gone out."""

import asyncio

import msgspec
import pytest

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import CAPABILITIES, WorkerEnd
from tests.integration.test_flows import call

SAFE_TO_REPEAT = msgspec.structs.replace(CAPABILITIES, idempotent=True)


async def marks(worker: WorkerEnd) -> dict[str, str]:
    """Ask for all that was to be remembered."""
    worker.send(m.AskMarks(ref=77))
    return (await worker.expect(m.Marks, lambda frame: frame.ref == 77)).marks


async def test_facts_outlive_worker_and_daemon(pager):
    """The latest value counts, an empty one is forgotten, and what is too long is left out alone."""
    async with Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin()
        assert await marks(worker) == {}
        worker.send(
            m.Remember(marks={"a": "1", "b": "2", "c": "3"}), m.Remember(marks={"a": "9", "b": "", "d": "x" * 201})
        )
        assert await marks(worker) == {"a": "9", "c": "3"}
        worker.kill()
        second = await pager.life()
        await second.begin()
        assert await marks(second) == {"a": "9", "c": "3"}
        await daemon.restart_after_kill()
        third = await pager.life()
        await third.begin()
        assert await marks(third) == {"a": "9", "c": "3"}


async def test_a_deleted_message_that_waits_is_given_up(daemon, worker):
    """With its edits; what Claude was given stays, and so does what others wrote."""
    for key in ("1", "2"):
        await worker.accepted(key)
    ref = worker.offer("1e", message_id="1", kind="edited", text="changed")
    await worker.expect(m.Accepted, lambda frame: frame.ref == ref)
    worker.send(m.Withdrawn(chat="pager:a", message_id="1"), m.Withdrawn(chat="pager:b", message_id="2"))
    await daemon.status_where(lambda status: status["events"] == {"queued": 1, "dropped": 2})
    async with daemon.client() as client:
        assert (await client.next_event())["meta"]["message_id"] == "2"
        await daemon.status_where(lambda status: status["events"] == {"delivered": 1, "dropped": 2})
        worker.send(m.Withdrawn(chat="pager:a", message_id="2"))
        assert await marks(worker) == {}  # by now it was read
        assert (await daemon.ask("status"))["events"] == {"delivered": 1, "dropped": 2}


@pytest.mark.parametrize("refused_first", [False, True])
async def test_a_worker_is_told_since_when_a_reply_may_have_gone_out(pager, refused_first):
    """Of the first attempt nobody knows what became of it; one that certainly sent nothing does not count."""
    async with Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin(SAFE_TO_REPEAT)
        async with daemon.client() as client:
            await worker.accepted("1")
            await client.next_event()
            asking = asyncio.create_task(call(client, "reply", chat_id="pager:a", text="hi"))
            part = await worker.expect(m.Send)
            assert part.tried_at is None
            if refused_first:
                worker.send(m.RetryAfter(ref=part.ref, delay_s=0))
                part = await worker.expect(m.Send)
                assert part.tried_at is None
            worker.kill()
            second = await pager.life()
            await second.begin(SAFE_TO_REPEAT)
            again = await second.expect(m.Send)
            assert again.send_id == part.send_id
            assert again.tried_at is not None
            second.kill()
            third = await pager.life()
            await third.begin(SAFE_TO_REPEAT)
            last = await third.expect(m.Send)
            assert last.tried_at == again.tried_at
            third.send(m.Sent(ref=last.ref, message_id="p1"))
            assert await asking == ("sent (id: p1)", False)
