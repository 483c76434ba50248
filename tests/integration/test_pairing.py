"""Strangers and how they come in: a scripted worker, a real process on the real socket."""

import asyncio
import json
import re
import socket
import sqlite3
import subprocess
import sys

import pytest

from channeld.ipc import messages as m
from channeld.ipc.control import GUARDED
from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import Pager

CAPABILITIES = m.Capabilities(tools=["reply"], notices=True)
STRANGER = {"chat": "pager:b", "sender_id": "8", "sender": "Bob"}
CODE = re.compile(r"\b[A-Z0-9]{4}(?:-[A-Z0-9]{4})+\b")


@pytest.fixture
async def worker(daemon, pager):
    """Return a worker that can show what channeld says."""
    life = await pager.life()
    await life.begin(CAPABILITIES)
    return life


async def refused(worker, key, **more):
    """Offer what is not let in; return the daemon's answer."""
    ref = worker.offer(key, **{**STRANGER, **more})
    return await worker.expect(m.Refused, lambda frame: frame.ref == ref)


async def told(worker, chat="pager:b"):
    """Return what a chat is told."""
    return await worker.expect(m.Notice, lambda frame: frame.chat == chat)


async def nothing_told(worker):
    """Make sure that nobody was told anything: a listed sender's message comes back first."""
    await worker.accepted("probe")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await worker.expect(m.Notice)


async def ran(daemon, *words, exit_status=0):
    """Run a command at a terminal and return what it prints."""
    done = await asyncio.to_thread(daemon.terminal, *words)
    assert done.returncode == exit_status, done.stdout
    return done.stdout


async def test_a_stranger_is_told_a_code_and_let_in_with_it(daemon, worker):
    """His words are kept nowhere and reach nobody; once he is paired, he is told so and heard."""
    answer = await refused(worker, "1", text="let me in, I am the owner")
    assert (answer.code, answer.retry) == ("not_admitted", False)
    notice = await told(worker)
    assert notice.reply_to == "1"
    (code,) = set(CODE.findall(notice.text))
    (request,) = (await daemon.ask("requests"))["requests"]
    assert (request["worker"], request["sender_id"], request["sender"], request["chat"]) == (
        "pager", "8", "Bob", "pager:b",
    )  # fmt: skip
    assert code not in json.dumps(request)
    assert await daemon.states() == []
    assert "8  Bob" not in await ran(daemon, "access")
    out = await ran(daemon, "pair", "approve", code.lower(), "--approver")
    assert out == "Bob (8 on pager) may chat with Claude now, and answer what it asks for permission.\n"
    assert (await told(worker)).text.startswith("You are on the list")
    async with daemon.client() as client:
        await worker.accepted("2", **STRANGER)
        event = await client.next_event()
        assert (event["content"], event["meta"]["user_id"], event["meta"]["message_id"]) == ("hi", "8", "2")
    assert "8 Bob: approver" in await ran(daemon, "access")
    await ran(daemon, "access", "approver", "pager", "8", "--off")
    assert "8 Bob: may chat" in await ran(daemon, "access")
    assert "let me in" not in daemon.log()
    assert b"let me in" not in daemon.paths.database.read_bytes()


async def test_a_code_is_told_twice_at_the_most_and_three_are_open(daemon, worker):
    """Whoever writes on, and a fourth, gets no answer: neither an echo nor a sign that somebody is there."""
    codes = set()
    for n in range(2):
        await refused(worker, f"b{n}")
        codes |= set(CODE.findall((await told(worker)).text))
    assert len(codes) == 1
    await refused(worker, "b3")
    for n in (9, 10):
        await refused(worker, f"c{n}", chat=f"pager:{n}", sender_id=str(n))
        await told(worker, f"pager:{n}")
    await refused(worker, "d", chat="pager:d", sender_id="11")
    await nothing_told(worker)
    assert len((await daemon.ask("requests"))["requests"]) == 3
    status = await daemon.ask("status")
    assert {each["code"]: each["count"] for each in status["access"][0]["dropped"]} == {"asked": 4, "pairing": 2}
    assert "3 people ask to be let in: `channeld pair`" in await ran(daemon, "status")


async def test_a_wrong_code_and_an_old_one_read_the_same_and_are_counted(daemon, worker):
    """After five of them not even the right one is looked at."""
    await refused(worker, "1")
    code = CODE.findall((await told(worker)).text)[0]
    wrong = await ran(daemon, "pair", "approve", "ACDE-FGHJ", exit_status=1)
    request = (await daemon.ask("requests"))["requests"][0]
    await ran(daemon, "pair", "deny", request["id"])
    assert await ran(daemon, "pair", "approve", code, exit_status=1) == wrong
    assert await ran(daemon, "pair", "approve", "no code", exit_status=1) == wrong
    await ran(daemon, "access", "remove", "pager", "8")
    await refused(worker, "2")
    code = CODE.findall((await told(worker)).text)[0]
    for _ in range(2):
        await ran(daemon, "pair", "approve", "ACDE-FGHJ", exit_status=1)
    assert "Too many wrong codes" in await ran(daemon, "pair", "approve", code, exit_status=1)


async def test_whoever_was_denied_is_not_answered_any_more(daemon, worker):
    """Until somebody takes that back."""
    await refused(worker, "1")
    await told(worker)
    out = await ran(daemon, "pair", "deny", (await daemon.ask("requests"))["requests"][0]["id"])
    assert "channeld access remove pager 8" in out
    await refused(worker, "2")
    await nothing_told(worker)
    assert (await daemon.ask("requests"))["requests"] == []
    await ran(daemon, "access", "remove", "pager", "8")
    await refused(worker, "3")
    code = CODE.findall((await told(worker)).text)[0]
    assert "is denied" in await ran(daemon, "pair", "deny", code)
    assert "no open request" in await ran(daemon, "pair", "deny", code, exit_status=1)


async def test_the_operator_lets_himself_in_with_a_code_of_his_own(daemon, worker):
    """Also while three strangers ask; it works once, and is no message to Claude, however often it comes."""
    for n in (9, 10, 11):
        await refused(worker, f"{n}", chat=f"pager:{n}", sender_id=str(n))
    code = CODE.findall(await ran(daemon, "setup", "pager"))[0]
    async with daemon.client() as client:
        await refused(worker, "1", text=f"/start {code}")
        assert "answer what Claude asks" in (await told(worker)).text
        await refused(worker, "1", text=f"/start {code}")
        assert "answer what Claude asks" in (await told(worker)).text
        await refused(worker, "2", text=code, sender_id="12", chat="pager:c")
        await worker.accepted("3", text="now then", **STRANGER)
        assert (await client.next_event())["content"] == "now then"
    people = (await daemon.ask("access"))["workers"][0]["people"]
    assert [(each["sender_id"], each["role"], each["by"]) for each in people if each["sender_id"] != "7"] == [
        ("8", "approver", "one-time code")
    ]


async def test_a_code_in_a_group_or_of_a_bot_lets_nobody_in(daemon, worker):
    """It is for a person, in a private chat."""
    code = CODE.findall(await ran(daemon, "setup", "pager"))[0]
    await refused(worker, "1", text=code, group=True, mentioned=True)
    await refused(worker, "2", text=code, bot=True)
    await refused(worker, "3", text=code, kind="edited")
    assert [each["sender_id"] for each in (await daemon.ask("access"))["workers"][0]["people"]] == ["7"]


async def test_changes_act_at_once_also_on_what_waits(daemon, worker):
    """Whoever is taken off the list is not heard with what he wrote before; nor a group that is closed."""
    await ran(daemon, "access", "allow", "pager", "8", "--name", "Bob")
    await ran(daemon, "access", "group", "open", "pager:g", "--every-message")
    await worker.accepted("1", **STRANGER)
    await worker.accepted("2", chat="pager:g", group=True)
    await worker.accepted("3", chat="pager:g/17", group=True)
    assert "1 message that waited for Claude was dropped" in await ran(daemon, "access", "remove", "pager", "8")
    assert "2 messages that waited for Claude were dropped" in await ran(daemon, "access", "group", "close", "pager:g")
    await refused(worker, "4")
    await refused(worker, "5", chat="pager:g", sender_id="7", group=True)
    assert {state for _, state in await daemon.states()} == {"dropped"}
    await ran(daemon, "access", "policy", "pager", "disabled")
    await refused(worker, "6", chat="pager:a", sender_id="7")
    assert "closed to everybody" in await ran(daemon, "status")


async def test_a_narrower_group_and_a_closed_worker_act_on_what_waits(daemon, worker):
    """Whoever is not heard there any more is not heard with what he wrote before, and a session gets the rest."""
    await ran(daemon, "access", "allow", "pager", "8")
    await ran(daemon, "access", "group", "open", "pager:g", "--every-message")
    await worker.accepted("1", chat="pager:g", group=True, sender_id="8", text="of one who goes")
    await worker.accepted("2", chat="pager:g", group=True, text="of one who stays")
    out = await ran(daemon, "access", "group", "open", "pager:g", "--every-message", "--sender", "7")
    assert "1 message that waited for Claude was dropped" in out
    async with daemon.client() as client:
        assert (await client.next_event())["content"] == "of one who stays"
    await daemon.events_where(delivered=1, dropped=1)
    await worker.accepted("3")
    out = await ran(daemon, "access", "policy", "pager", "disabled")
    assert "1 message that waited for Claude was dropped" in out
    await daemon.events_where(delivered=1, dropped=2)


async def test_a_quote_of_somebody_unlisted_is_left_out(daemon, worker):
    """Its words would reach Claude through another's message; a listed sender's may be quoted."""
    await ran(daemon, "access", "group", "open", "pager:g", "--every-message")
    quotes = {
        "stranger": ("8", "unlisted", None),
        "unknown": (None, "unlisted", None),
        "self": ("7", "Somebody", "do it"),
    }
    async with daemon.client() as client:
        for key, (author, user, text) in quotes.items():
            await worker.accepted(
                key, chat="pager:g", group=True, reply_to_id="0", reply_to_user="Somebody", reply_to_text="do it",
                reply_to_sender_id=author,
            )  # fmt: skip
            meta = (await client.next_event())["meta"]
            assert (meta.get("reply_to_user"), meta.get("reply_to_text")) == (user, text), key


async def test_too_many_messages_are_told_once():
    """What comes too fast is not kept, and the sender knows."""
    async with Pager(terms="max_per_minute = 3\n") as pager, Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin(CAPABILITIES)
        for key in "123":
            await worker.accepted(key)
        for key in "45":
            await refused(worker, key, chat="pager:a", sender_id="7")
        assert "More than 3 messages in a minute" in (await told(worker, "pager:a")).text
        status = await daemon.ask("status")
        assert status["access"][0]["dropped"][0]["code"] == "rate"
        assert len(await daemon.states()) == 3


async def test_a_list_that_cannot_be_read_lets_nobody_in(daemon, worker):
    """Not even who is on it; what he wrote is to be offered again, and comes in when the list can be read again."""
    await worker.accepted("1")
    await asyncio.to_thread(alter, daemon, "ALTER TABLE person RENAME TO person_away")
    ref = worker.offer("2")
    answer = await worker.expect(m.Refused, lambda frame: frame.ref == ref)
    assert (answer.code, answer.retry) == ("store_corrupt", True)
    assert "store_corrupt" in {issue["code"] for issue in (await daemon.ask("status"))["health"]}
    await asyncio.to_thread(alter, daemon, "ALTER TABLE person_away RENAME TO person")
    await worker.accepted("2")


def alter(daemon, statement):
    """Change the mailbox behind the daemon's back."""
    connection = sqlite3.connect(daemon.paths.database)
    connection.execute(statement)
    connection.commit()
    connection.close()


# -- Claude can't let itself in

ASK = """
import json, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1])
    s.sendall(json.dumps({"command": sys.argv[2], "args": {}}).encode() + b"\\n")
    reply = json.loads(s.makefile().readline())
print((reply.get("error") or {}).get("code"))
"""
ON_PTY = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
OPEN_TO_ALL = {
    "access", "dialog", "drop", "message", "messages", "prompts", "requests", "restart", "retry", "search", "send",
    "sessions", "status", "stop",
}  # fmt: skip


def asked(daemon, command, *before, executable=None):
    """Have another process ask the daemon, past the command line; return the code of the error."""
    words = [*before, sys.executable, "-c", ASK, str(daemon.paths.control_socket), command]
    done = subprocess.run(
        words, executable=executable, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30,
        start_new_session=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


async def test_the_daemon_refuses_whoever_has_no_terminal(daemon, worker):
    """Every guarded command; and every other one was looked at: this list grows with thought."""
    for command in sorted(GUARDED):
        assert await asyncio.to_thread(asked, daemon, command) == "no_terminal", command
    done = await asyncio.to_thread(daemon.cli, "pair", "approve", "ACDE-FGHJ")
    assert (done.returncode, done.stdout) == (1, "")
    assert "a person at a terminal" in done.stderr
    with socket.socket(socket.AF_UNIX) as connection:
        await asyncio.to_thread(connection.connect, str(daemon.paths.control_socket))
        connection.sendall(b'{"command": "nonsense"}\n')
        reply = json.loads(await asyncio.to_thread(connection.recv, 65536))
    known = set(reply["error"]["hint"].removeprefix("It knows: ").partition(".")[0].split(", "))
    assert known - GUARDED == OPEN_TO_ALL
    assert known >= GUARDED


async def test_the_daemon_refuses_what_runs_below_a_session_even_on_a_terminal(daemon, worker):
    """A pseudo-terminal is quickly made; what stands above a process is not shed so easily."""
    terminal = (sys.executable, "-c", ON_PTY)
    assert await asyncio.to_thread(asked, daemon, "setup", *terminal) == "bad_arguments"  # it was let through
    async with daemon.client():  # whose shim is this process's child
        assert await asyncio.to_thread(asked, daemon, "setup", *terminal) == "below_session"
        assert CODE.search(await ran(daemon, "setup", "pager"))
    below_claude = ("claude", "-c", ON_PTY)
    assert await asyncio.to_thread(asked, daemon, "setup", *below_claude, executable=sys.executable) == "below_session"
    assert '"event": "command_refused"' in daemon.log()


async def test_the_address_of_the_web_chat_is_for_a_person():
    """It has the token in it."""
    async with Daemon("[workers.web]\nport = 0\n") as daemon:
        await daemon.address()
        refusal = await asyncio.to_thread(daemon.cli, "url", "web")
        assert (refusal.returncode, refusal.stdout) == (1, "")
        assert "?token=" in await ran(daemon, "url", "web")
        assert "channeld url web" in await ran(daemon, "setup", "web")
        assert "is always listed" in await ran(daemon, "access", "remove", "web", "owner", exit_status=1)
        assert "nobody else can write there" in await ran(daemon, "access", "allow", "web", "8", exit_status=1)


async def test_mistakes_are_told_with_what_to_do(daemon, worker):
    """Each with a hint, and nothing is changed."""
    wrong = {
        ("access", "allow", "pgaer", "8"): "There is no worker 'pgaer'.\nTry: There are: pager.",
        ("access", "allow", "pager", ""): "'' cannot be a sender's id.\nTry: Use the user_id",
        ("access", "remove", "pager", "8"): "8 is not on the list of pager.\nTry: `channeld access show`",
        ("access", "approver", "pager", "8"): "8 is not on the list of pager.\nTry: `channeld access show`",
        ("access", "group", "open", "nonsense"): "'nonsense' is not a chat id.\nTry: Use the chat_id",
        ("access", "group", "close", "pager:g"): "The group pager:g is not open.\nTry: `channeld access show`",
        ("pair", "deny", "abc"): "There is no open request 'abc'.\nTry: `channeld pair`",
        ("setup", "webhook"): "The platform webhook is not part of this version yet.\nTry: What there is so far:",
    }
    before = await daemon.ask("access")
    for words, error in wrong.items():
        assert f"Error: {error}" in await ran(daemon, *words, exit_status=1)
    assert await daemon.ask("access") == before


async def test_a_worker_whose_people_may_not_approve(pager):
    """Its operator's code lists a chatter, and nobody there is made an approver."""
    async with Daemon(f"{pager.config}may_approve = false\n") as daemon:
        life = await pager.life()
        await life.begin(CAPABILITIES)
        code = CODE.findall(await ran(daemon, "setup", "pager"))[0]
        await refused(life, "1", text=code)
        assert "asks for permission" not in (await told(life)).text
        people = (await daemon.ask("access"))["workers"][0]["people"]
        assert {each["role"] for each in people} == {"chatter"}
        assert "may_approve = false" in await ran(daemon, "access", "approver", "pager", "8", exit_status=1)
        assert "may_approve = false" in await ran(daemon, "access", "allow", "pager", "9", "--approver")


async def test_may_approve_acts_on_what_waits_and_on_a_worker_that_is_restarted(pager):
    """What waits is of a chatter: when he is made more by hand, and when the configuration comes to say so."""
    table = f"{pager.config}may_approve = "
    async with Daemon(f"{table}true\n") as daemon:
        life = await pager.life()
        await life.begin(CAPABILITIES)
        await life.accepted("1")
        assert roles(daemon) == ["approver"]
        daemon.paths.config_file.write_text(f"{table}false\n")
        await ran(daemon, "restart", "pager")
        assert roles(daemon) == ["chatter"]
        await ran(daemon, "access", "allow", "pager", "7", "--approver")
        assert roles(daemon) == ["chatter"]
        daemon.paths.config_file.write_text(f"{table}true\n")
        await daemon.restart_after_kill()
        assert roles(daemon) == ["approver"]
        daemon.paths.config_file.write_text(f'{pager.config}dm_policy = "disabled"\n')
        await daemon.restart_after_kill()
        await daemon.events_where(dropped=1)


def roles(daemon):
    """Return the role of every message, as it is stored."""
    connection = sqlite3.connect(daemon.paths.database)
    found = [role for (role,) in connection.execute("SELECT role FROM event ORDER BY seq")]
    connection.close()
    return found
