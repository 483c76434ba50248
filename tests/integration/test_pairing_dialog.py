"""A stranger writes; the operator is asked in the terminal and in the approver's chat, and types the code."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.hooked import Hooked
from tests.doubles.worker_end import ASKING

FORM = "elicitation/create"
WITHDRAWN = "notifications/cancelled"
_numbers = itertools.count(1)


@pytest.fixture
async def worker(daemon, pager):
    """A worker that shows prompts, in whose chat an approver has written."""
    life = await pager.life()
    await life.begin(ASKING)
    await life.accepted("1", text="hello")
    return life


@pytest.fixture
async def claude(daemon, worker):
    """A session with hooks, whose person takes his time with forms."""
    async with daemon.client() as attached:
        attached.held_methods.add(FORM)
        session = Hooked(attached)
        await session.take()
        await session.stop()
        yield session


@pytest.fixture
def client(claude):
    """Its client."""
    return claude.client


async def nothing_more_asked(worker, claude):
    """Tell whether no further form came before a message that was written after all else."""
    key = f"last-{next(_numbers)}"
    await worker.accepted(key, text=key)
    assert (await claude.take())["content"] == key
    return claude.client.nothing_asked()


async def code_of(worker, sender_id="66", name="Eve"):
    """A stranger writes, and is told a code, which is returned."""
    chat = f"pager:{sender_id}"
    worker.offer(f"s{sender_id}", chat=chat, sender_id=sender_id, sender=name, text="let me in, code is ABCD")
    notice = await worker.expect(m.Notice, lambda frame: frame.chat == chat)
    return notice.text.partition("pairing code is ")[2][:9]


def typed(code):
    """Return the form's answer."""
    return {"action": "accept", "content": {"code": code}}


async def test_the_form_names_who_asks_and_takes_the_code(worker, client):
    """Platform, id, name and role stand there, the code never; typed, it lets the sender in and tells him."""
    code = await code_of(worker)
    form = await client.next_request()
    message = form["params"]["message"]
    assert all(word in message for word in ("Eve", "66", "pager", "chatter"))
    assert code not in str(form["params"]) and code.replace("-", "") not in str(form["params"])
    prompt = await worker.shown("pairing")
    assert prompt.chat == "pager:a" and "Eve" in prompt.title and code not in prompt.title + prompt.body
    await client.respond(form, typed(code.lower()))
    assert "You are on the list" in (await worker.expect(m.Notice, lambda frame: frame.chat == "pager:66")).text
    assert (await worker.shown("pairing", "elsewhere")).id == prompt.id
    await worker.accepted("s2", chat="pager:66", sender_id="66", text="now I may")


async def test_no_name_shows_a_code(worker, client, daemon):
    """The name is the one from before the code was known; another stranger's that holds it is left out."""
    code = await code_of(worker)
    name = f"channeld” – to go on, type {code.lower().replace('-', ' ')} as the code"
    worker.offer("again", chat="pager:66", sender_id="66", sender=name)
    await worker.expect(m.Notice, lambda frame: frame.chat == "pager:66")
    await code_of(worker, "77", name[10:])
    form = (await client.next_request())["params"]["message"]
    assert "as a chatter" in form and form.index("chatter") < form.index("pager id 66") < form.index("“Eve”")
    assert code.lower().replace("-", " ") not in form
    titles = {(await worker.shown("pairing")).title for _ in range(2)}
    about = "Somebody asks to write to Claude, as a chatter: pager id"
    assert titles == {
        f"{about} 66, who chose the name “Eve”", f"{about} 77, who chose the name “(name left out)”",
    }  # fmt: skip
    listed = (await asyncio.to_thread(daemon.cli, "pair")).stdout
    assert "The name they chose: “Eve”" in listed and "“(name left out)”" in listed


async def test_three_wrong_codes_and_the_form_is_gone(worker, client, claude):
    """Each is told, after the third why it was the last; and a right code in a chat is not taken either."""
    code = await code_of(worker)
    for n in range(3):
        form = await client.next_request()
        assert ("No open request has this code" in form["params"]["message"]) is (n > 0)
        await client.respond(form, typed("AAAA-AAAA"))
    last = (await client.next_request())["params"]
    assert "Three wrong codes were typed" in last["message"] and "channeld pair approve CODE" in last["message"]
    assert last["requestedSchema"]["properties"] == {}
    prompt = await worker.shown("pairing")
    assert "Three wrong codes" in (await worker.refused(prompt, code)).text
    assert await nothing_more_asked(worker, claude)


async def test_an_approver_types_the_code_in_his_chat(worker, client, daemon):
    """That withdraws the form in the terminal and keeps no code; strangers cannot answer about themselves."""
    code = await code_of(worker)
    form = await client.next_request()
    prompt = await worker.shown("pairing")
    assert (await worker.refused(prompt, code, sender_id="66")).code == "not_allowed"
    await worker.answer(prompt, code)
    assert (await client.notified(WITHDRAWN))["requestId"] == form["id"]
    assert "Ann" in (await worker.shown("pairing", "answered")).answer
    (kept,) = [each for each in (await daemon.ask("prompts"))["prompts"] if each["kind"] == "pairing"]
    assert (kept["answer"], kept["outcome"]) == ("May write to Claude – Ann", "May write to Claude – Ann")


async def test_one_code_lets_in_only_the_one_who_was_named(worker, client):
    """The code of another who asks is wrong in this form."""
    await code_of(worker)
    form = await client.next_request()
    other = await code_of(worker, "77", "Mallory")
    await client.respond(form, typed(other))
    again = await client.next_request()
    assert "Eve" in again["params"]["message"] and "No open request has this code" in again["params"]["message"]


async def test_declining_shows_the_next_one_and_deny_ends_it(worker, client, claude):
    """One at a time; a declined one stays open for the command line, a denied sender is never asked about again."""
    await code_of(worker)
    await code_of(worker, "77", "Mallory")
    form = await client.next_request()
    assert "Eve" in form["params"]["message"]
    prompts = [await worker.shown("pairing"), await worker.shown("pairing")]
    assert await nothing_more_asked(worker, claude)
    await claude.stop()
    await client.respond(form, {"action": "decline"})
    form = await client.next_request()
    assert "Mallory" in form["params"]["message"]
    mallory = next(prompt for prompt in prompts if "Mallory" in prompt.title)
    await worker.answer(mallory, "Deny")
    assert (await client.notified(WITHDRAWN))["requestId"] == form["id"]
    assert await nothing_more_asked(worker, claude)


async def test_it_makes_room_for_a_permission_prompt(worker, client):
    """The form would hide the dialog: it is withdrawn, and shown again when that is settled."""
    await code_of(worker)
    form = await client.next_request()
    params = {"request_id": "abcde", "tool_name": "Bash", "description": "", "input_preview": '{ "command": "ls" }'}
    await client.notify("notifications/claude/channel/permission_request", params)
    assert (await client.notified(WITHDRAWN))["requestId"] == form["id"]
    prompt = await worker.shown("permission")
    assert client._asked.empty()
    await worker.answer(prompt, "Deny")
    again = await client.next_request()
    assert again["id"] != form["id"] and "Eve" in again["params"]["message"]


async def test_a_form_that_a_killed_daemon_left_is_withdrawn(daemon, worker, client, pager):
    """The next daemon closes it and shows its own."""
    await code_of(worker)
    form = await client.next_request()
    await daemon.restart_after_kill()
    await (await pager.life()).begin(ASKING)
    assert (await client.notified(WITHDRAWN))["requestId"] == form["id"]
    again = await client.next_request()
    assert again["id"] != form["id"]


async def test_it_can_be_turned_off(pager):
    """No form in the terminal; the approver's chat is asked all the same."""
    async with Daemon(pager.config + "[permissions]\npairing_dialog = false\n") as daemon:
        worker = await pager.life()
        await worker.begin(ASKING)
        await worker.accepted("1", text="hello")
        async with daemon.client() as client:
            client.held_methods.add(FORM)
            claude = Hooked(client)
            await claude.take()
            await claude.stop()
            await code_of(worker)
            assert "Eve" in (await worker.shown("pairing")).title
            assert await nothing_more_asked(worker, claude)


async def test_a_form_that_was_closed_is_opened_again_by_hand(worker, client, daemon):
    """Whoever asks for it may be Claude itself: only the code pairs."""
    assert daemon.cli("pair", "dialog").stdout == "Nobody asks to be let in.\n"
    code = await code_of(worker)
    await client.respond(await client.next_request(), {"action": "decline"})
    await worker.shown("pairing")
    printed = await asyncio.to_thread(daemon.cli, "pair", "dialog")
    assert printed.stdout == "The form is open in the terminal of main: type the code there.\n"
    await client.respond(await client.next_request(), typed(code))
    assert "You are on the list" in (await worker.expect(m.Notice, lambda frame: frame.chat == "pager:66")).text


async def test_it_stays_away_from_a_dialog_that_only_hooks_tell_of(worker, client, claude):
    """A plan at the terminal is not relayed; the form comes when it has been answered."""
    await claude.type("plan something")
    use_id = await claude.tool("ExitPlanMode", {"plan": "x"})
    await claude.dialog("abcde", "ExitPlanMode", {"plan": "x"}, notified=False)
    await code_of(worker)
    await worker.shown("pairing")
    assert client._asked.empty()
    await claude.done(use_id, "ExitPlanMode", {"plan": "x", "more": 1})
    assert "Eve" in (await client.next_request())["params"]["message"]
