"""The web worker killed at each of its own steps, with a browser's retries on one side and Claude on the other."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import httpx
import pytest

from tests.doubles.faultpoints import TIMEOUT_S, FaultPoints
from tests.doubles.mcp_client import McpClient
from tests.faults.nursery import Nursery, QuickDaemon

CHANNEL = "notifications/claude/channel"
CONFIG = "[workers.web]\nport = 0\n"


@contextlib.asynccontextmanager
async def web(nursery: Nursery):
    """Start a daemon with a web worker."""
    async with FaultPoints() as points, QuickDaemon(nursery, CONFIG, points=points) as daemon:
        yield daemon, points


async def browse(daemon: QuickDaemon, method: str, path: str, **more: Any) -> httpx.Response:
    """Ask the worker of now, as a page does that was opened anew."""
    url = await daemon.address()  # waits for a worker that is ready
    token = (daemon.paths.credentials / "web.token").read_text().strip()
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S) as client:
        return await client.request(
            method, path, headers={"Authorization": f"Bearer {token}", **more.pop("headers", {})}, **more
        )


async def post(daemon: QuickDaemon) -> httpx.Response:
    """Post the one message under its key."""
    return await browse(daemon, "POST", "/api/messages", json={"text": "hello"}, headers={"Idempotency-Key": "k1"})


async def history(daemon: QuickDaemon) -> list[dict[str, Any]]:
    """Return the messages that the page shows."""
    found: list[dict[str, Any]] = (await browse(daemon, "GET", "/api/messages")).json()["messages"]
    return found


def pushes(client: McpClient) -> list[dict[str, str]]:
    """Return what the tags of all events of a session say."""
    return [heard["params"]["meta"] for heard in client.received if heard.get("method") == CHANNEL]


@pytest.mark.parametrize("step", ["worker.before_offer", "worker.after_accepted"])
@pytest.mark.parametrize("victim", ["worker", "daemon"])
async def test_a_post_that_failed_is_repeated_and_is_one_message(nursery: Nursery, step, victim):
    """The browser sees its connection end, repeats the post under its key, and there is exactly one message."""
    async with web(nursery) as (daemon, points), daemon.client() as client:
        stop = points.arm(step)
        posting = asyncio.create_task(post(daemon))
        at = await asyncio.wait_for(stop, TIMEOUT_S)
        if victim == "worker":
            at.kill()
        else:
            await daemon.kill()  # the worker, which stands still, dies with it
        with pytest.raises(httpx.TransportError):
            await posting
        if victim == "daemon":
            await daemon.start()
        else:
            await daemon.status_where(lambda status: status["workers"][0]["starts"] == 2)
        answer = await post(daemon)
        assert answer.status_code == 202
        event = await client.next_event()
        assert (event["content"], event["meta"]["message_id"]) == ("hello", answer.json()["message_id"])
        assert [(item["id"], item["text"]) for item in await history(daemon)] == [
            (answer.json()["message_id"], "hello")
        ]
        await daemon.events_where(delivered=1)
        metas = pushes(client)
        assert len({meta["delivery_id"] for meta in metas}) == 1
        assert [meta.get("redelivered") for meta in metas[1:]] == ["true"] * (len(metas) - 1)


@pytest.mark.parametrize("step", ["worker.before_send", "worker.after_send"])
async def test_a_reply_of_a_worker_that_died_is_shown_once(nursery: Nursery, step):
    """The chat can tell a repeated send by its id: the reply is sent again and appears once."""
    async with web(nursery) as (daemon, points), daemon.client() as client:
        assert (await post(daemon)).status_code == 202
        await client.next_event()
        stop = points.arm(step)
        calling = asyncio.create_task(client.call_tool("reply", {"chat_id": "web:main", "text": "hi"}, "toolu_1"))
        (await asyncio.wait_for(stop, TIMEOUT_S)).kill()
        result = await calling
        assert not result.get("isError", False)
        shown = [item for item in await history(daemon) if item["direction"] == "out"]
        assert [(item["text"], item["state"]) for item in shown] == [("hi", "sent")]
        assert result["content"][0]["text"] == f"sent (id: {shown[0]['id']})"
