"""Both flows through real processes: a worker, the daemon, the shim, an MCP client."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from channeld.cli import shim_host
from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import CAPABILITIES


async def call(client, tool, tool_use_id="toolu_1", **arguments):
    """Call a tool and return its text and whether it is an error."""
    result = await client.call_tool(tool, arguments, tool_use_id)
    return result["content"][0]["text"], result.get("isError", False)


async def test_a_message_goes_to_claude_and_the_answer_comes_back(daemon, worker):
    """The whole way there and back, with every state on it."""
    async with daemon.client() as client:
        await worker.accepted("1", text="hello", sender="Ann <x>")
        event = await client.next_event()
        assert event["content"] == "hello"
        meta = event["meta"]
        assert (meta["platform"], meta["chat_id"], meta["message_id"], meta["user"]) == (
            "pager",
            "pager:a",
            "1",
            "Ann x",
        )
        assert "redelivered" not in meta
        await daemon.events_where(delivered=1)
        reply = asyncio.create_task(call(client, "reply", chat_id="pager:a", text="hi!", reply_to="1"))
        part = await worker.expect(m.Send)
        assert (part.chat, part.kind, part.text, part.reply_to) == ("pager:a", "message", "hi!", "1")
        worker.send(m.Sent(ref=part.ref, message_id="p7"))
        assert await reply == ("sent (id: p7)", False)
        await daemon.events_where(answered=1)
        assert await daemon.states() == [("hello", "answered"), ("hi!", "sent")]


async def test_messages_wait_for_a_session_and_arrive_in_order(daemon, worker):
    """Accepted while nobody is there, pushed when somebody is."""
    for n in range(200):
        worker.offer(str(n), chat=f"pager:{'ab'[n % 2]}")
    for n in range(200):
        assert not (await worker.expect(m.Accepted, lambda f, n=n: f.ref == n + 1)).duplicate
    await daemon.events_where(queued=200)
    async with daemon.client() as client:
        got = [await client.next_event() for _ in range(200)]
        assert [event["meta"]["message_id"] for event in got] == [str(n) for n in range(200)]
        await daemon.events_where(delivered=200)


async def test_an_offer_repeated_by_the_platform_is_one_event(daemon, worker):
    """The second offer is told that it is a duplicate and pushes nothing."""
    async with daemon.client() as client:
        assert not (await worker.accepted("1")).duplicate
        assert (await worker.accepted("1")).duplicate
        await worker.accepted("2")
        assert [(await client.next_event())["meta"]["message_id"] for _ in range(2)] == ["1", "2"]


async def test_no_more_is_pushed_than_the_window_while_a_client_is_silent(daemon, worker):
    """Unconfirmed pushes are bounded; the rest follows when pings are answered."""
    async with daemon.client() as client:
        client.pause_pings()
        for n in range(100):
            worker.offer(str(n))
        await daemon.events_where(pushed=64, queued=36)
        await client.resume_pings()
        await daemon.events_where(delivered=100)
        got = [(await client.next_event())["meta"]["message_id"] for _ in range(100)]
        assert got == [str(n) for n in range(100)]


@pytest.mark.parametrize("arguments", [("--listening", "no"), ("--listening", "auto")])
async def test_a_session_that_does_not_listen_gets_nothing_and_is_told_why(daemon, worker, arguments):
    """A foreign client, or one told not to listen, sees tools and no events; its messages wait for another."""
    async with daemon.client(*arguments) as deaf:
        assert {tool["name"] for tool in await deaf.list_tools()} >= {"reply", "react", "search_messages"}
        await worker.accepted("1")
        (session,) = (await daemon.ask("sessions"))["sessions"]
        assert (session["listening"], session["default"]) == ("no", False)
        assert session["reason"]
        assert session["mend"]
        await daemon.events_where(queued=1)
        async with daemon.client() as client:
            assert (await client.next_event())["meta"]["message_id"] == "1"
        assert not any(message.get("method") == "notifications/claude/channel" for message in deaf.received)


async def test_a_probe_is_no_session(daemon):
    """A client that only asks ``server/discover`` and goes away was never there."""
    async with daemon.client(initialize=False) as client:
        answer = await client.exchange("server/discover", {})
        assert answer["error"]["code"] == -32601
        sessions = (await daemon.ask("sessions"))["sessions"]
        assert [session["state"] for session in sessions] == ["connecting"]
    assert (await daemon.status_where(lambda s: not s["sessions"]))["events"] == {}


async def test_the_later_of_two_listening_sessions_gets_the_chats_and_the_first_may_still_answer(daemon, worker):
    """Routing follows the latest session; what a session was given, it may answer."""
    async with daemon.client() as first:
        await worker.accepted("1")
        await first.next_event()
        async with daemon.client() as second:
            await worker.accepted("2", chat="pager:b")
            assert (await second.next_event())["meta"]["message_id"] == "2"
            refused = await call(first, "reply", chat_id="pager:b", text="x")
            assert refused[1]
            assert "not routed to this session" in refused[0]
            reply = asyncio.create_task(call(first, "reply", "toolu_2", chat_id="pager:a", text="x"))
            part = await worker.expect(m.Send)
            worker.send(m.Sent(ref=part.ref, message_id="p"))
            assert await reply == ("sent (id: p)", False)
        await worker.accepted("3")
        assert (await first.next_event())["meta"]["message_id"] == "3"


async def test_an_ended_session_gives_back_what_it_did_not_confirm(daemon, worker):
    """The next session gets it with the same delivery id and the flag."""
    async with daemon.client() as client:
        client.pause_pings()
        await worker.accepted("1")
        before = (await client.next_event())["meta"]
        client.kill()
    await daemon.events_where(queued=1)
    async with daemon.client() as client:
        after = (await client.next_event())["meta"]
        shown = (await asyncio.to_thread(daemon.cli, "messages", "show", before["delivery_id"])).stdout
        assert "given to a session 2 times" in shown
    assert after == {**before, "redelivered": "true"}
    (shown,) = (await daemon.ask("messages"))["messages"]
    assert (shown["delivery_id"], shown["pushes"]) == (before["delivery_id"], 2)
    assert f"'{before['delivery_id']}/2'" in daemon.log() or f'"{before["delivery_id"]}/2"' in daemon.log()


async def test_the_same_tool_call_is_sent_once(daemon, worker):
    """A repeated ``toolUseId`` waits for the outcome of the first and sends nothing."""
    async with daemon.client() as client:
        await worker.accepted("1")
        calls = [asyncio.create_task(call(client, "reply", chat_id="pager:a", text="x")) for _ in range(3)]
        part = await worker.expect(m.Send)
        worker.send(m.Sent(ref=part.ref, message_id="p1"))
        assert await asyncio.gather(*calls) == [("sent (id: p1)", False)] * 3
        assert await call(client, "reply", chat_id="pager:a", text="x") == ("sent (id: p1)", False)
        assert [state for _, state in await daemon.states()] == ["answered", "sent"]


@pytest.mark.parametrize(
    ("outcome", "words", "state"),
    [
        (lambda ref: m.Failed(ref=ref, reason="the chat is gone"), "not sent: the chat is gone", "failed"),
        (lambda ref: m.Uncertain(ref=ref, reason="reset"), "may or may not have been sent: reset", "uncertain"),
    ],
)
async def test_a_send_that_goes_wrong_is_told_to_claude(daemon, worker, outcome, words, state):
    """The tool's result says what happened and what to do; the store remembers."""
    async with daemon.client() as client:
        await worker.accepted("1")
        reply = asyncio.create_task(call(client, "reply", chat_id="pager:a", text="x"))
        worker.send(outcome((await worker.expect(m.Send)).ref))
        text, is_error = await reply
        assert is_error
        assert words in text
        assert (await daemon.states())[-1] == ("x", state)
        assert (await daemon.ask("status"))["events"] == {"answered": 1}  # told once: no event says it again


async def test_a_platform_that_asks_to_wait_is_obeyed_without_stopping_other_chats(daemon, worker):
    """The same part comes again under the same id, after others."""
    async with daemon.client() as client:
        await worker.accepted("1")
        await worker.accepted("2", chat="pager:b")
        first = asyncio.create_task(call(client, "reply", "t1", chat_id="pager:a", text="slow"))
        part = await worker.expect(m.Send)
        worker.send(m.RetryAfter(ref=part.ref, delay_s=0.2))
        second = asyncio.create_task(call(client, "reply", "t2", chat_id="pager:b", text="fast"))
        other = await worker.expect(m.Send, lambda f: f.chat == "pager:b")
        worker.send(m.Sent(ref=other.ref, message_id="p2"))
        assert await second == ("sent (id: p2)", False)
        again = await worker.expect(m.Send)
        assert again.send_id == part.send_id
        worker.send(m.Sent(ref=again.ref, message_id="p1"))
        assert await first == ("sent (id: p1)", False)


async def test_edits_and_reactions_reach_the_platform_and_the_history(daemon, worker):
    """Each tool says what the contract says, and ``fetch_messages`` shows the result."""
    async with daemon.client() as client:
        await worker.accepted("1", text="do\n<channel x>it", attachments=[m.Attachment(name="a.txt", path="/inbox/a")])

        async def do(tool, sent_id, **arguments):
            running = asyncio.create_task(call(client, tool, f"{tool}-{sent_id}", chat_id="pager:a", **arguments))
            part = await worker.expect(m.Send)
            worker.send(m.Sent(ref=part.ref, message_id=sent_id))
            return await running

        assert await do("reply", "p1", text="draft") == ("sent (id: p1)", False)
        assert await do("edit_message", "p1", message_id="p1", text="final") == ("edited (id: p1)", False)
        assert await do("react", "-", message_id="1", emoji="👍") == ("reacted", False)
        text, _ = await call(client, "fetch_messages", chat_id="pager:a")
        first, second, third = text.splitlines()
        assert first.endswith("Ann (id: 1) [reaction 👍, file a.txt]: do")
        assert second == "    ‹channel x>it"
        assert third.endswith("Claude (id: p1) [sent, edited]: final")
        assert (await call(client, "search_messages", query="final"))[0].endswith("[sent, edited]: final")
        assert await call(client, "download_attachment", chat_id="pager:a", message_id="1") == ("/inbox/a", False)


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("reply", {"text": "x"}, "chat_id"),
        ("reply", {"chat_id": "pager:a", "text": 3}, "str"),
        ("reply", {"chat_id": "pager:a", "text": "x", "colour": "red"}, "colour"),
        ("reply", {"chat_id": "pager:a", "text": "x", "format": "html"}, "format"),
        ("reply", {"chat_id": "nonsense", "text": "x"}, "not a chat id"),
        ("reply", {"chat_id": "irc:a", "text": "x"}, "no worker 'irc'"),
        ("reply", {"chat_id": "pager:unknown", "text": "x"}, "not routed"),
        ("reply", {"chat_id": "pager:a", "text": " "}, "empty"),
        ("reply", {"chat_id": "pager:a", "text": "x" * 4001}, "4000 at most"),
        ("reply", {"chat_id": "pager:a", "text": "x", "buttons": ["ok"]}, "cannot show buttons"),
        ("reply", {"chat_id": "pager:a", "text": "x", "files": ["a.txt"]}, "not an absolute path"),
        ("reply", {"chat_id": "pager:a", "text": "x", "files": ["/etc/none"]}, "cannot be read"),
        ("reply", {"chat_id": "pager:a", "text": "x", "files": ["/proc/self/environ"]}, "never sent"),
        ("download_attachment", {"chat_id": "pager:a", "message_id": "9"}, "no message '9'"),
        ("download_attachment", {"chat_id": "pager:a", "message_id": "1"}, "no files"),
        ("fetch_messages", {"chat_id": "pager:a", "limit": 1000}, "limit"),
        ("fetch_messages", {"chat_id": "pager:unknown"}, "not routed"),
        ("search_messages", {"query": ""}, "query"),
        ("dance", {}, "no tool 'dance'"),
    ],
)
async def test_a_mistake_in_a_tool_call_is_a_sentence_that_mends_it(daemon, worker, tool, arguments, words):
    """Never a protocol error, never a traceback, and nothing is sent."""
    async with daemon.client() as client:
        await worker.accepted("1")
        text, is_error = await call(client, tool, **arguments)
        assert is_error
        assert words in text
        assert "Traceback" not in text
        assert await call(client, "session_event") == ("{}", False)


async def test_a_tool_that_the_platform_cannot_do_is_refused_by_its_name(daemon, pager):
    """The sentence names the platform."""
    worker = await pager.life()
    await worker.begin(m.Capabilities(tools=["reply"]))
    async with daemon.client() as client:
        await worker.accepted("1")
        assert await call(client, "react", chat_id="pager:a", message_id="1", emoji="x") == (
            "pager cannot do react. Use reply instead.", True,
        )  # fmt: skip


async def test_files_of_a_reply_are_copied_before_anything_is_sent(daemon, worker, tmp_path):
    """The worker gets a copy in the spool, private, with the sniffed type; a link is refused."""
    file, link = tmp_path / "plot.txt", tmp_path / "link.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    link.symlink_to(file)
    async with daemon.client() as client:
        await worker.accepted("1")
        text, is_error = await call(client, "reply", "t0", chat_id="pager:a", text="", files=[str(link)])
        assert is_error
        assert "not a regular file" in text
        reply = asyncio.create_task(call(client, "reply", chat_id="pager:a", text="", files=[str(file)]))
        part = await worker.expect(m.Send)
        (sent,) = part.files
        file.unlink()
        assert sent.path is not None
        assert sent.path.startswith(str(daemon.paths.spool))
        assert (sent.name, sent.mime, sent.size) == ("plot.txt", "image/png", 108)
        assert os.stat(sent.path).st_mode & 0o777 == 0o600
        worker.send(m.Sent(ref=part.ref, message_id="p1"))
        assert await reply == ("sent (id: p1)", False)
        # The same call again: its file is gone, its outcome is known.
        again = await call(client, "reply", chat_id="pager:a", text="", files=[str(file)])
        assert again == ("sent (id: p1)", False)


async def test_a_worker_speaks_only_for_its_own_chats(daemon, worker):
    """An event for another worker's chat is refused for good, with a reason."""
    ref = worker.offer("1", chat="web:main")
    refused = await worker.expect(m.Refused, lambda f: f.ref == ref)
    assert (refused.code, refused.retry) == ("foreign_chat", False)
    worker.send(m.AskHistory(ref=9, chat="web:main"))
    assert (await worker.expect(m.Refused)).ref == 9


async def test_a_reply_queued_while_the_worker_is_away_is_sent_when_it_is_back(daemon, pager, worker):
    """The outbox keeps it, under its own id."""
    async with daemon.client() as client:
        await worker.accepted("1")
        await client.next_event()
        worker.kill()
        await daemon.status_where(lambda s: s["workers"][0]["state"] != "ready")
        reply = asyncio.create_task(call(client, "reply", chat_id="pager:a", text="later"))
        back = await pager.life()
        await back.begin()
        part = await back.expect(m.Send)
        back.send(m.Sent(ref=part.ref, message_id="p1"))
        assert await reply == ("sent (id: p1)", False)


async def test_presence_and_receipts_reach_a_worker_that_wants_them(pager):
    """A chat can show whether anybody listens, and where each message is."""
    wants = m.Capabilities(tools=["reply"], receipts=True, presence=True)
    assert wants != CAPABILITIES
    async with Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin(wants)
        presence = await worker.expect(m.Presence)
        assert not presence.listening
        assert "kept and delivered" in presence.text
        await worker.accepted("1")
        assert (await worker.expect(m.Receipt)).item.state == "queued"
        async with daemon.client():
            assert (await worker.expect(m.Presence)).listening
            states = [(await worker.expect(m.Receipt)).item.state for _ in range(2)]
            assert states == ["pushed", "delivered"]
        assert not (await worker.expect(m.Presence)).listening


async def test_a_chat_is_told_while_claude_works_on_it(pager):
    """From the reading to the answer; also a worker that comes in between, and after a restart of the daemon."""
    wants = m.Capabilities(tools=["reply"], presence=True)
    async with Daemon(pager.config) as daemon, daemon.client() as client:
        worker = await pager.life()
        await worker.begin(wants)
        await worker.accepted("1")
        await client.next_event()
        typing = await worker.expect(m.Typing)
        assert (typing.chat, typing.working) == ("pager:a", True)
        (session,) = (await daemon.ask("sessions"))["sessions"]
        assert (session["activity"], session["working_on"]) == ("working", "pager:a")
        worker.kill()
        back = await pager.life()
        await back.begin(wants)
        assert (await back.expect(m.Typing)).working
        await daemon.kill()
        await daemon.start()
        again = await pager.life()
        await again.begin(wants)
        assert (await again.expect(m.Typing)).working
        reply = asyncio.create_task(call(client, "reply", chat_id="pager:a", text="done"))
        part = await again.expect(m.Send)
        again.send(m.Sent(ref=part.ref, message_id="p1"))
        await reply
        typing = await again.expect(m.Typing)
        assert (typing.chat, typing.working) == ("pager:a", False)
        (session,) = (await daemon.ask("sessions"))["sessions"]
        assert (session["activity"], session["working_on"]) == ("idle", None)


async def test_how_long_nobody_listens_is_told_from_when_it_began(daemon):
    """Not from the start of the daemon or the last sign of life: a session that was idle for hours has just left."""
    async with daemon.client():
        (session,) = (await daemon.ask("sessions"))["sessions"]
    status = await daemon.status_where(lambda s: bool(s["health"]))
    (issue,) = status["health"]
    assert issue["code"] == "no_session"
    assert session["attached_at"] <= issue["since"] <= time.time() - 5


async def test_a_flooding_client_does_not_starve_another(daemon, worker):
    """Ten thousand pings of one session do not keep an event from the other."""
    async with daemon.client("--listening", "no") as flood, daemon.client() as client:
        ping = b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n'
        await flood.send(b"".join(ping % n for n in range(100_000, 110_000)))
        await worker.accepted("1")
        assert (await client.next_event())["meta"]["message_id"] == "1"


async def test_garbage_of_a_client_costs_only_its_own_line(daemon, worker):
    """Not JSON, not JSON-RPC, a wrong shape: answered or ignored, and the session lives on."""
    async with daemon.client() as client:
        for line in (b"nonsense\n", b"[]\n", b'{"jsonrpc":"2.0","id":{},"method":3}\n', b"\xff\xfe\n", b"\n"):
            await client.send(line)
        await client.notify("notifications/unknown", {"x": 1})
        await worker.accepted("1")
        assert (await client.next_event())["meta"]["message_id"] == "1"


async def test_the_shim_carries_the_handshake_that_the_daemon_gives(daemon):
    """The built-in answer and the real one are the same, or a session that starts alone would see other tools."""
    built_in = json.loads((Path(shim_host.__file__).parent / "handshake.json").read_text())
    async with daemon.client(initialize=False) as client:
        assert await client.initialize() == built_in["initialize"]
        assert await client.list_tools() == built_in["tools_list"]["tools"]


async def test_what_a_worker_cannot_do_is_refused_while_it_is_away_too(daemon, pager):
    """By what it said when it was last there; or, if nobody knew, when it comes. No chat waits behind it."""
    worker = await pager.life()
    only_text = m.Capabilities(tools=["reply"])
    await worker.begin(only_text)
    async with daemon.client() as client:
        await worker.accepted("1")
        worker.kill()
        await daemon.status_where(lambda s: s["workers"][0]["state"] != "ready")
        arguments = {"chat_id": "pager:a", "message_id": "1", "emoji": "x"}
        assert (await call(client, "react", **arguments))[0] == "pager cannot do react. Use reply instead."
        await daemon.restart_after_kill()
        await daemon.attached(client)
        reacting = asyncio.create_task(call(client, "react", "t2", **arguments))
        replying = asyncio.create_task(call(client, "reply", "t3", chat_id="pager:a", text="still"))
        await daemon.status_where(lambda s: s["outbox"] == [{"worker": "pager", "state": "queued", "count": 2}])
        back = await pager.life()
        while back.pid == worker.pid:
            back = await pager.life()
        await back.begin(only_text)
        part = await back.expect(m.Send)
        assert part.text == "still"
        back.send(m.Sent(ref=part.ref, message_id="p"))
        assert await replying == ("sent (id: p)", False)
        assert await reacting == ("It was not sent: pager cannot do react.", True)


async def test_the_banner_names_the_session_that_chats_wait_for(pager):
    """With a default name, a session of another name is no reason to say that nobody is there."""
    async with Daemon(pager.config + "[sessions]\ndefault = 'other'\n") as daemon:
        worker = await pager.life()
        await worker.begin(m.Capabilities(presence=True))
        async with daemon.client():
            presence = await worker.expect(m.Presence, lambda frame: "named other" in frame.text)
            assert not presence.listening
            await worker.accepted("1")
            await daemon.events_where(queued=1)
