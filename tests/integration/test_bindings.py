"""Several sessions and several chats: who gets what, and what people are told."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import pytest

from channeld.daemon.limits import Limits
from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.hooked import Hooked
from tests.doubles.mcp_client import McpClient
from tests.doubles.stores import SENDER
from tests.doubles.worker_end import ASKING

LISTENS = ("--listening", "yes")
TELLING = m.Capabilities(tools=["reply"], notices=True, presence=True)


def named(daemon, name):
    """Attach a session of a name."""
    return daemon.client("--name", name, *LISTENS)


async def bind(daemon, chat, session):
    """Bind a chat as a person at a terminal does."""
    return (await asyncio.to_thread(daemon.terminal, "bind", chat, session)).stdout


async def told(worker, begins):
    """Return the next of channeld's own words that begin so."""
    return (await worker.expect(m.Notice, lambda notice: notice.text.startswith(begins))).text


@pytest.fixture
async def bot(daemon, pager):
    """Return a worker that shows what channeld says."""
    worker = await pager.life()
    await worker.begin(TELLING)
    return worker


async def texts(client, count):
    """Return the texts of the next events."""
    return [(await client.next_event())["content"] for _ in range(count)]


async def test_two_sessions_with_two_chats_never_cross(daemon, bot):
    """Each gets what was written in its chat, in order, also what came in one batch; neither reaches the other's."""
    async with named(daemon, "api") as api, named(daemon, "web") as web:
        await bot.accepted("u1", "pager:1", text="/use api")
        await bot.accepted("u2", "pager:2", text="/use web")
        for n in range(20):
            bot.offer(f"a{n}", "pager:1", text=f"a{n}")
            bot.offer(f"b{n}", "pager:2", text=f"b{n}")
        assert await texts(api, 20) == [f"a{n}" for n in range(20)]
        assert await texts(web, 20) == [f"b{n}" for n in range(20)]
        assert api.nothing_came() and web.nothing_came()
        refused = await api.call_tool("reply", {"chat_id": "pager:2", "text": "not mine"})
        assert refused["isError"]
        assert "not routed to this session" in refused["content"][0]["text"]
        assert (await web.call_tool("fetch_messages", {"chat_id": "pager:1"}))["isError"]
        assert "a3" not in str(await web.call_tool("search_messages", {"query": "a3"}))


async def test_with_turns_each_session_takes_its_own(daemon, bot):
    """While one is busy, the other goes on."""
    async with named(daemon, "api") as one, named(daemon, "web") as two:
        api, web = Hooked(one), Hooked(two)
        for session in (api, web):
            await session.type("hello")
            await session.stop()
        await bot.accepted("u1", "pager:1", text="/use api")
        await bot.accepted("u2", "pager:2", text="/use web")
        for key, chat in (("1", "pager:1"), ("2", "pager:1"), ("3", "pager:2"), ("4", "pager:2")):
            await bot.accepted(key, chat, text=key)
        assert (await api.take())["content"] == "1"
        assert (await web.take())["content"] == "3"
        await web.stop()
        assert (await web.take())["content"] == "4"
        assert one.nothing_came()
        await api.stop()
        assert (await api.take())["content"] == "2"


async def test_what_is_bound_waits_for_its_session_and_for_no_other(daemon, bot):
    """Another one that listens gets none of it; that it waits is told in the chat and by ``status``."""
    async with named(daemon, "web") as web:
        said = await bind(daemon, "pager:1", "api")
        assert "pager:1 goes to the session api." in said
        assert "does not listen now" in said
        await bot.accepted("1", "pager:1", text="for api")
        await bot.accepted("2", "pager:2", text="for anybody")
        assert await texts(web, 1) == ["for anybody"]
        presence = await bot.expect(m.Presence, lambda news: bool(news.chats))
        assert (presence.listening, presence.of("pager:1").listening) == (True, False)
        assert "The session api, to which this chat is bound, is not attached." in presence.of("pager:1").text
        assert presence.of("pager:1/7").text == presence.of("pager:1").text
        status = await daemon.ask("status")
        assert "bound_session_missing" in [issue["code"] for issue in status["health"]]
        async with named(daemon, "api") as api:
            assert await texts(api, 1) == ["for api"]
            assert web.nothing_came()
            status = await daemon.ask("status")
            assert "bound_session_missing" not in [issue["code"] for issue in status["health"]]
            assert {s["name"]: s["chats"] for s in status["sessions"]} == {"web": [], "api": ["pager:1"]}


async def test_a_chat_is_told_nothing_of_others_that_are_bound_likewise(daemon, bot):
    """The id of a private chat is that of a person."""
    async with named(daemon, "web"):
        await bind(daemon, "pager:1", "api")
        await bind(daemon, "pager:2", "api")
        presence = await bot.expect(m.Presence, lambda news: len(news.chats) == 2)
        assert "pager:" not in presence.of("pager:1").text + presence.of("pager:2").text


async def test_a_thread_goes_as_its_group_unless_it_is_bound_itself(daemon, bot):
    """As a topic of a forum does."""
    async with named(daemon, "api") as api, named(daemon, "web") as web, named(daemon, "main") as main:
        await bot.accepted("u1", "pager:-1", text="/use api")
        await bot.accepted("u2", "pager:-1/5", text="/use web")
        await bot.accepted("1", "pager:-1/4", text="topic four")
        await bot.accepted("2", "pager:-1/5", text="topic five")
        await bot.accepted("3", "pager:-2", text="elsewhere")
        assert (await texts(api, 1), await texts(web, 1)) == (["topic four"], ["topic five"])
        assert await texts(main, 1) == ["elsewhere"]
        await bot.accepted("u3", "pager:-1/5", text="/use default")
        assert await told(bot, "This thread goes") == "This thread goes as its group does now, to the session api."


async def test_bindings_outlive_a_kill(daemon, pager, bot):
    """They are on disk before anybody is told that they hold."""
    async with named(daemon, "api") as api, named(daemon, "web") as web:
        await bot.accepted("u1", "pager:1", text="/use api")
        await told(bot, "This chat goes to the session api now.")
        await daemon.restart_after_kill()
        worker = await pager.life()
        await worker.begin(TELLING)
        for client in (api, web):
            await daemon.attached(client)
        await worker.accepted("1", "pager:1", text="after")
        assert await texts(api, 1) == ["after"]
        assert web.nothing_came()


async def test_a_bound_chat_moves_with_its_group(daemon, bot):
    """A group that becomes another one keeps its session, with its topics."""
    async with named(daemon, "api") as api, named(daemon, "web"):
        await bot.accepted("u1", "pager:-17", text="/use api")
        bot.send(m.Moved(ref=77, chat="pager:-17", to="pager:-10017"))
        await bot.expect(m.Accepted, lambda frame: frame.ref == 77)
        await bot.accepted("1", "pager:-10017/3", text="moved")
        assert await texts(api, 1) == ["moved"]
        assert (await daemon.ask("sessions"))["bindings"] == [{"chat": "pager:-10017", "session": "api"}]


async def test_two_sessions_of_one_name_are_told_apart(daemon, pager, bot):
    """The second takes no chats away, keeps its own name over a restart, and steps in when it is alone."""
    async with named(daemon, "api") as first, named(daemon, "api") as second:
        names = {s["pid"]: s["name"] for s in (await daemon.ask("sessions"))["sessions"]}
        assert (names[first.process.pid], names[second.process.pid]) == ("api", "api#2")
        await bot.accepted("u1", "pager:1", text="/use api")
        await bot.accepted("u2", "pager:2", text="/use api#2")
        await bot.accepted("1", "pager:1", text="one")
        await bot.accepted("2", "pager:2", text="two")
        assert (await texts(first, 1), await texts(second, 1)) == (["one"], ["two"])
        await daemon.restart_after_kill()
        worker = await pager.life()
        await worker.begin(TELLING)
        for client in (second, first):
            await daemon.attached(client)
        assert {s["pid"]: s["name"] for s in (await daemon.ask("sessions"))["sessions"]} == names
        first.kill()
        await daemon.status_where(lambda status: len(status["sessions"]) == 1)
        await worker.accepted("3", "pager:1", text="three")
        assert await texts(second, 1) == ["three"]


async def test_an_approver_sees_the_sessions_and_picks_one(daemon, bot):
    """With what each is at; a name that nobody has changes nothing."""
    async with named(daemon, "api"), named(daemon, "Web"):
        await bot.accepted("1", "pager:1", text="/sessions")
        assert "→ Web" in await told(bot, "api")
        await bot.accepted("2", "pager:1", text="/use nobody")
        assert "/use NAME" in await told(bot, "There is no session nobody.")
        await bot.accepted("3", "pager:1", text="/use API")
        assert await told(bot, "This chat goes") == "This chat goes to the session api now."
        await bot.accepted("4", "pager:1", text="/use")
        assert "Back to the usual one: /use default" in await told(bot, "→ api")
        await bot.accepted("5", "pager:1", text="/use Default")
        assert "which is Web now" in await told(bot, "This chat goes to the usual session again")


async def test_whoever_is_no_approver_changes_nothing(daemon, bot):
    """He is told so in his own chat; in a group it is a message like any other."""
    await daemon.list_sender("pager", "8", "chatter")
    async with named(daemon, "api"), named(daemon, "web") as web:
        for text in ("/use api", "/sessions", "/stop"):
            await bot.accepted(text, "pager:8", text=text, sender_id="8")
            await told(bot, "Only an approver can do that.")
        assert (await daemon.ask("sessions"))["bindings"] == []
        assert web.nothing_came()


async def test_a_chat_of_no_worker_is_not_bound(daemon):
    """Whoever has mistyped it would else believe that it goes there."""
    run = await asyncio.to_thread(daemon.terminal, "bind", "pagre:1", "api")
    assert run.returncode == 1
    assert "There is no worker 'pagre'." in run.stdout + run.stderr
    assert (await daemon.ask("sessions"))["bindings"] == []


async def test_no_session_changes_a_binding(daemon):
    """What Claude runs has no terminal of its own: no message talks it into taking over a chat."""
    run = await asyncio.to_thread(daemon.cli, "bind", "pager:1", "api")
    assert run.returncode == 1
    assert "terminal" in run.stderr


async def test_who_waits_is_told_that_the_session_has_gone(pager):
    """Once, and with what is the matter; the message is kept."""
    async with Daemon(pager.config, limits=Limits(gone_after_s=0.05)) as daemon:
        worker = await pager.life()
        await worker.begin(TELLING)
        async with named(daemon, "api") as api:
            api.pause_pings()
            await bind(daemon, "pager:1", "api")
            await worker.accepted("1", "pager:1", text="please")
            await api.next_event()
            api.kill()
            notice = await worker.expect(m.Notice)
            assert "has gone. The session api, to which this chat is bound, is not attached." in notice.text
            assert notice.reply_to == "1"
        assert await daemon.states("pager:1") == [("please", "queued")]


async def test_who_waits_is_told_that_the_session_did_not_outlive_the_daemon(pager):
    """As after a reboot: what was read by nobody waits again, and whoever wrote it is told."""
    async with Daemon(pager.config, limits=Limits(gone_after_s=2.0)) as daemon:
        worker = await pager.life()
        await worker.begin(TELLING)
        async with named(daemon, "api") as api:
            api.pause_pings()
            await bind(daemon, "pager:1", "api")
            await worker.accepted("1", "pager:1", text="please")
            await api.next_event()
            await daemon.kill()
            api.kill()
            await daemon.start()
            worker = await pager.life()
            await worker.begin(TELLING)
            assert "The session that was to get your message has gone." in (await worker.expect(m.Notice)).text
        assert await daemon.states("pager:1") == [("please", "queued")]


async def test_stop_says_why_it_cannot(daemon, bot):
    """A session that works on nothing, what was said long ago, and a terminal that is out of reach."""
    async with named(daemon, "api") as client:
        await bot.accepted("1", "pager:1", text="/stop")
        assert await told(bot, "The session api") == "The session api works on nothing."
        claude = Hooked(client)
        await claude.type("a long job")
        await bot.accepted("late", "pager:1", text="/stop", sent_at=time.time() - 300)
        await told(bot, "Your /stop came late")
        await bot.accepted("2", "pager:1", text="/stop")
        assert "Press Escape there." in await told(bot, "The session api runs in a terminal that channeld cannot reach")


IN_A_PANE = """
import os, sys
from channeld.cli import shim, shim_host
pane = {"socket": "/nowhere", "pane": "%0"}
describe = shim_host.describe_session
def described(*a, **more):
    return {**describe(*a, **more), "claude": {"pid": os.getpid(), "argv": ["claude"]}, "terminal": pane}
shim_host.describe_session = described
sys.exit(shim.main(sys.argv[1:]))
"""
TMUX = """#!/bin/sh
case $3 in
display-message) echo {pid} ;;
*) echo "$@" >> {keys} ;;
esac
"""


async def test_stop_said_twice_is_one_key(pager, tmp_path):
    """Pressed twice, Escape opens a dialog, in which a session hears nothing."""
    keys, tmux = tmp_path / "keys", tmp_path / "tmux"
    tmux.write_text(TMUX.format(pid=os.getpid(), keys=keys))
    tmux.chmod(0o755)
    daemon = Daemon(pager.config)
    daemon.environment["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    async with daemon:
        bot = await pager.life()
        await bot.begin(TELLING)
        argv = [sys.executable, "-c", IN_A_PANE, "--name", "api", "--no-start", *LISTENS]
        async with McpClient.spawn(argv, env=daemon.environment) as client:
            await client.initialize()
            await daemon.attached(client)
            claude = Hooked(client)
            await claude.type("a long job")
            await bot.accepted("1", "pager:1", text="/stop")
            await bot.accepted("2", "pager:1", text="/stop")
            await claude.stop()
            for _ in range(2):
                await told(bot, "Claude was interrupted in api.")
    assert await asyncio.to_thread(keys.read_text) == "-S /nowhere send-keys -t %0 Escape\n"


async def test_a_bound_chat_asks_its_own_session_before_others_are_let_in(pager):
    """What a chatter wrote is held for the session that asks nobody, and goes to the one that asks."""
    async with Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin(ASKING)
        await daemon.list_sender("pager", "8", "chatter")
        async with named(daemon, "api") as one, named(daemon, "web") as two:
            api, web = Hooked(one, "bypassPermissions"), Hooked(two)
            for session in (api, web):
                await session.type("hello")
                await session.stop()
            await worker.accepted("u1", "pager:1", text="/use api")
            await worker.accepted("u2", "pager:2", text="/use web")
            await worker.accepted("1", "pager:1", text="risky", sender_id="8")
            await worker.accepted("2", "pager:2", text="safe", sender_id="8")
            assert (await web.take())["content"] == "safe"
            card = await worker.shown("unattended")
            assert "while api asks nobody" in card.title
            await worker.answer(card, "Let in", SENDER)
            assert (await api.take())["content"] == "risky"
