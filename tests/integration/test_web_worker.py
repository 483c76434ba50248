"""The web worker as a real process, with a stand-in for the daemon at the other end of its socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import httpx
import msgspec
import pytest

from channeld.ipc.messages import (
    PROTOCOL,
    Accepted,
    AnswerPrompt,
    AskHistory,
    Attachment,
    Beat,
    Drain,
    Drained,
    Failed,
    Fault,
    Hello,
    History,
    HistoryItem,
    Notice,
    Offer,
    Presence,
    Prompt,
    Ready,
    Receipt,
    Refused,
    RetryAfter,
    Send,
    Sent,
    ToWorker,
    Trouble,
    Welcome,
    encode,
)
from channeld_workers.web.http import FIRST_REQUEST_S
from tests.doubles.daemon_end import DaemonEnd, running_worker

TOKEN = "t0ken-of-the-test"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[DaemonEnd]:
    """The daemon's end of a web worker that has just been started."""
    async with running_worker("web", tmp_path / "stderr", token=TOKEN) as end:
        yield end
    assert TOKEN not in end.log()


@pytest.fixture
async def url(daemon: DaemonEnd, tmp_path: Path) -> str:
    """The address of the worker, once it is ready."""
    return await daemon.ready({"port": 0, "max_upload_mb": 1}, tmp_path / "inbox")


@pytest.fixture
async def client(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A script that holds the token."""
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=15) as script:
        yield script


def item(number: int, **fields: object) -> HistoryItem:
    """Return a message of the chat."""
    given = {
        "id": f"w{number}",
        "direction": "in",
        "text": f"text {number}",
        "state": "queued",
        "user": "you",
        **fields,
    }
    return HistoryItem(seq=number, chat="web:main", ts=1000.0 + number, **given)  # type: ignore[arg-type]


# -- messages


async def test_a_message_is_confirmed_only_after_it_is_on_disk(daemon, client):
    """202 follows ``Accepted`` and names the message that was offered."""
    posting = asyncio.create_task(client.post("/api/messages", json={"text": "hello ✓", "reply_to": "w12"}))
    ask = await daemon.expect(AskHistory)
    assert ask.only == "w12"
    daemon.send(History(ref=ask.ref, items=[item(12, user="Claude")]))
    offer = await daemon.expect(Offer)
    assert not posting.done()
    daemon.send(Accepted(ref=offer.ref))
    response = await posting
    event = offer.event
    assert response.status_code == 202 and response.json() == {"message_id": event.message_id}
    assert (event.chat, event.sender_id, event.sender) == ("web:main", "owner", "you")
    assert (event.reply_to_user, event.reply_to_text) == ("Claude", "text 12")
    assert (event.text, event.reply_to_id, event.event_key) == ("hello ✓", "w12", f"message:{event.message_id}")


async def test_many_posts_wait_at_once_and_each_gets_its_own_answer(daemon, client):
    """Answers may come in any order."""
    posts = [asyncio.create_task(client.post("/api/messages", json={"text": str(n)})) for n in range(10)]
    offers = [await daemon.expect(Offer) for _ in posts]
    for offer in reversed(offers):
        daemon.send(Accepted(ref=offer.ref))
    wanted = {offer.event.text: offer.event.message_id for offer in offers}
    assert {str(n): (await post).json()["message_id"] for n, post in enumerate(posts)} == wanted


async def test_a_repeated_post_with_the_same_key_is_the_same_message(daemon, client):
    """A client that lost an answer repeats its post, and the mailbox can tell."""
    offers, answers = [], []
    for key in ("one", "two", "three"):
        posting = asyncio.create_task(
            client.post("/api/messages", json={"text": "x"}, headers={"Idempotency-Key": key})
        )
        offers.append((await daemon.accept()).event)
        answers.append((await posting).json()["message_id"])
    assert answers == [offer.message_id for offer in offers] and len(set(answers)) == 3
    for text, status in (("x", 202), ("another text", 422)):
        posting = asyncio.create_task(
            client.post("/api/messages", json={"text": text}, headers={"Idempotency-Key": "one"})
        )
        again = await daemon.expect(Offer)
        assert again.event.event_key == offers[0].event_key
        daemon.send(Accepted(ref=again.ref, duplicate=True))
        ask = await daemon.expect(AskHistory)
        assert ask.only == answers[0]
        kept = HistoryItem(seq=1, id=answers[0], direction="in", chat="web:main", text="x", ts=0.0, state="queued")
        daemon.send(History(ref=ask.ref, items=[kept]))
        assert (await posting).status_code == status


async def test_a_connection_that_asks_for_nothing_is_closed(daemon, url):
    """Silence and half a request end alike; a place is kept for those who ask."""
    port = int(url.rpartition(":")[2])

    async def hangs(sent: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        answer = await asyncio.wait_for(reader.read(), FIRST_REQUEST_S * 3)
        writer.close()
        return answer

    assert list(await asyncio.gather(hangs(b""), hangs(b"GET / HTT"))) == [b"", b""]


@pytest.mark.parametrize(("retry", "status"), [(True, 503), (False, 403)])
async def test_a_refusal_reaches_the_client_as_a_sentence(daemon, client, retry, status):
    """The daemon's reason is shown; whether repeating helps is in the status."""
    posting = asyncio.create_task(client.post("/api/messages", json={"text": "x"}))
    offer = await daemon.expect(Offer)
    daemon.send(Refused(ref=offer.ref, code="full", text="The disk is full.", retry=retry))
    response = await posting
    assert response.status_code == status and response.json()["error"] == "The disk is full."
    assert ("retry-after" in response.headers) is retry


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"text": 5}', 400),
        (b'{"text": "  "}', 400),
        (b'{"text": "x", "reply": "y"}', 400),
        (b'{"text": "x", "reply_to": "<b>"}', 400),
        (b'{"text": "\xff"}', 400),
        (b'{"text": "\\ud800"}', 400),
        (b"[" * 100_000, 400),
        (json.dumps({"text": "ä" * 100_001}).encode(), 413),
        (b'{"text": "' + b"x" * 1_500_000 + b'"}', 413),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_bad_input_is_refused_with_a_sentence_and_nothing_is_offered(daemon, client, body, status):
    """The daemon never hears of it."""
    response = await client.post("/api/messages", content=body)
    assert response.status_code == status and response.json()["error"]
    assert not daemon.has(Offer)


async def test_a_body_without_a_length_is_bounded_too(daemon, client):
    """Chunks are counted while they come."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 50_000

    response = await client.post("/api/messages", content=endless())
    assert response.status_code == 413 and not daemon.has(Offer)


async def test_the_longest_text_is_accepted(daemon, client):
    """Exactly the limit passes, however many bytes it takes."""
    text = "\u0001" * 50_000 + "😀" * 50_000
    posting = asyncio.create_task(client.post("/api/messages", json={"text": text}))
    assert (await daemon.accept()).event.text == text
    assert (await posting).status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 201, "a\tb"])
async def test_a_senseless_key_is_refused(daemon, client, key):
    """A key that cannot be told from a mistake is one."""
    response = await client.post("/api/messages", json={"text": "x"}, headers={"Idempotency-Key": key})
    assert response.status_code == 400 and not daemon.has(Offer)


async def test_history_is_asked_of_the_daemon(daemon, client):
    """The worker keeps nothing: what the store says is what is shown."""
    asking = asyncio.create_task(client.get("/api/messages", params={"after": "w1", "limit": 2}))
    ask = await daemon.expect(AskHistory)
    assert (ask.chat, ask.after, ask.before, ask.limit) == ("web:main", "w1", None, 2)
    reply = item(3, direction="out", user="Claude", state="sent", reply_to="w2", reactions=["👍"], edited=True)
    daemon.send(History(ref=ask.ref, items=[item(2), reply], more=True))
    data = (await asking).json()
    assert data["more"] is True
    assert data["messages"][0] == {
        "id": "w2", "seq": 2, "direction": "in", "text": "text 2", "ts": "1970-01-01T00:16:42.000Z", "user": "you",
        "state": "queued", "reply_to": None, "attachments": [], "edited": False, "reactions": [], "error": None,
        "html": None, "mine": [],
    }  # fmt: skip
    assert data["messages"][1]["reply_to"] == "w2" and data["messages"][1]["reactions"] == ["👍"]


@pytest.mark.parametrize("query", ["after=a&before=b", "limit=0", "limit=501", "limit=x", "after=../x", "before="])
async def test_a_senseless_question_is_refused(daemon, client, query):
    """It does not reach the daemon."""
    response = await client.get(f"/api/messages?{query}")
    assert response.status_code == 400 and not daemon.has(AskHistory)


async def settled(daemon: DaemonEnd, last: ToWorker) -> None:
    """Say something, and return when the worker has taken it: it answers a send in its turn."""
    daemon.send(last)
    daemon.send(Send(ref=1, send_id="s", chat="web:main", kind="react", text="👍", message_id="w1"))
    await daemon.expect(Sent)


async def test_a_prompt_is_listed_and_its_answer_counts_when_the_daemon_says_so(daemon, client):
    """Open, answered with an option, and then settled for everybody."""
    assert (await client.get("/api/prompts")).json() == {"prompts": []}
    prompt = Prompt(
        id="p1", chat="web:main", kind="permission", title="Run a command", body="rm -r build",
        options=["Allow", "Deny"], state="open",
    )  # fmt: skip
    await settled(daemon, prompt)
    (listed,) = (await client.get("/api/prompts")).json()["prompts"]
    assert listed == {
        "id": "p1", "kind": "permission", "title": "Run a command", "body": "rm -r build",
        "options": ["Allow", "Deny"], "multiple": False, "free": False, "file": None, "state": "open", "answer": "",
    }  # fmt: skip
    answering = asyncio.create_task(client.post("/api/prompts/p1", json={"answer": "Maybe"}))
    answer = await daemon.expect(AnswerPrompt)
    daemon.send(Refused(ref=answer.ref, code="bad_answer", text="'Maybe' is not one of the answers."))
    refused = await answering
    assert refused.status_code == 400 and refused.json()["error"] == "'Maybe' is not one of the answers."
    answering = asyncio.create_task(client.post("/api/prompts/p1", json={"answer": "Allow"}))
    answer = await daemon.expect(AnswerPrompt)
    assert (answer.id, answer.answer, answer.sender_id) == ("p1", "Allow", "owner")
    assert not answering.done()
    daemon.send(Accepted(ref=answer.ref))
    assert (await answering).status_code == 200
    await settled(daemon, msgspec.structs.replace(prompt, state="answered", answer="Allow"))
    late = await client.post("/api/prompts/p1", json={"answer": "Deny"})
    assert late.status_code == 409 and "settled" in late.json()["error"]
    assert not daemon.has(AnswerPrompt)


async def test_an_answer_that_does_not_count_is_told(daemon, client):
    """Unknown here, or refused by the daemon: never taken for done."""
    response = await client.post("/api/prompts/1", json={"answer": "yes"})
    assert response.status_code == 404 and "prompt" in response.json()["error"]
    question = Prompt(
        id="q", chat="web:main", kind="question", title="?", body="", options=["a"], state="open", free=True
    )
    await settled(daemon, question)
    answering = asyncio.create_task(client.post("/api/prompts/q", json={"answer": "in words"}))
    answer = await daemon.expect(AnswerPrompt)
    daemon.send(Refused(ref=answer.ref, code="unknown_prompt", text="No prompt with this id is open."))
    response = await answering
    assert response.status_code == 409 and response.json()["error"] == "No prompt with this id is open."


QUESTION = Prompt(id="q", chat="web:main", kind="question", title="?", body="", options=["a", "b"], state="open")


@pytest.mark.parametrize("answer", ["a", "in words", '["b"]', ["a", "b"], []])
async def test_an_answer_reaches_the_daemon_as_it_was_given(daemon, client, answer):
    """A text as it is, a list of texts as JSON: the daemon knows which the prompt takes."""
    await settled(daemon, QUESTION)
    answering = asyncio.create_task(client.post("/api/prompts/q", json={"answer": answer}))
    taken = await daemon.expect(AnswerPrompt)
    assert (msgspec.json.decode(taken.answer) if isinstance(answer, list) else taken.answer) == answer
    daemon.send(Accepted(ref=taken.ref))
    assert (await answering).status_code == 200


@pytest.mark.parametrize("body", [{"answer": 1}, {"answer": [1]}, {"answer": {"a": 1}}, {}, {"answer": "a", "b": "c"}])
async def test_what_is_no_answer_does_not_reach_the_daemon(daemon, client, body):
    """Neither a text nor a list of texts."""
    await settled(daemon, QUESTION)
    response = await client.post("/api/prompts/q", json=body)
    assert response.status_code == 400 and "answer" in response.json()["error"]
    assert not daemon.has(AnswerPrompt)


async def test_the_whole_text_of_a_prompt_is_handed_out(daemon, client, tmp_path):
    """With the token only, as a text to save; gone with its file."""
    text = tmp_path / "whole.txt"
    text.write_text("all of the plan\n<script>")
    await settled(daemon, msgspec.structs.replace(QUESTION, kind="plan", file=str(text)))
    (listed,) = (await client.get("/api/prompts")).json()["prompts"]
    assert listed["file"] == "/api/prompts/q/file"
    handed = await client.get(listed["file"])
    assert handed.text == "all of the plan\n<script>"
    assert handed.headers["content-type"] == "text/plain; charset=utf-8"
    assert handed.headers["content-disposition"] == 'attachment; filename="plan-q.txt"'
    assert (await client.get(listed["file"], headers={"Authorization": "Bearer no"})).status_code == 401
    text.unlink()
    assert (await client.get(listed["file"])).status_code == 404
    await settled(daemon, QUESTION)
    assert (await client.get("/api/prompts/q/file")).status_code == 404
    assert (await client.get("/api/prompts/unknown/file")).status_code == 404


async def test_a_notice_is_streamed_to_who_is_there_and_not_kept(daemon, client):
    """It reaches open pages of its chat; whoever comes later is not told."""
    notice = ("notice", {"text": "Claude is busy.", "reply_to": "w1"})
    async with client.stream("GET", "/api/events") as stream:
        events = events_of(stream)
        daemon.send(Presence(listening=True, text=""))
        assert (await anext(events))[0] == "presence"
        daemon.send(Notice(chat="web:other", text="not here"))
        await settled(daemon, Notice(chat="web:main", text="Claude is busy.", reply_to="w1"))
        assert await anext(events) == notice
    async with client.stream("GET", "/api/events") as stream:
        events = events_of(stream)
        assert (await anext(events))[0] == "presence"
        await settled(daemon, Prompt(id="p", chat="web:main", kind="plan", title="", body="", options=[], state="open"))
        assert (await anext(events))[0] == "prompt"


# -- edits and reactions


async def change(
    daemon: DaemonEnd, client: httpx.AsyncClient, method: str, path: str, body: dict[str, str], known: list[HistoryItem]
):
    """Ask for a change of a message, with the daemon knowing what is given, and return the pending answer."""
    asking = asyncio.create_task(client.request(method, path, json=body))
    ask = await daemon.expect(AskHistory)
    daemon.send(History(ref=ask.ref, items=known))
    return asking


async def test_an_own_message_is_edited_when_that_is_on_disk(daemon, client):
    """The edit is an event about the message, with its new text."""
    asking = await change(daemon, client, "PATCH", "/api/messages/w7", {"text": "better"}, [item(7)])
    offer = await daemon.expect(Offer)
    assert not asking.done()
    daemon.send(Accepted(ref=offer.ref))
    assert (await asking).json() == {"message_id": "w7"}
    event = offer.event
    assert (event.kind, event.message_id, event.text, event.sender_id) == ("edited", "w7", "better", "owner")
    assert event.event_key.startswith("edited:w7:")


@pytest.mark.parametrize(
    ("known", "text", "status"),
    [([], "x", 404), (["out"], "x", 403), (["in"], " ", 400)],
    ids=["unknown", "Claude's", "empty"],
)
async def test_an_edit_that_makes_no_sense_is_refused(daemon, client, known, text, status):
    """Nothing of it reaches the mailbox."""
    items = [item(7, direction=direction) for direction in known]
    if text.strip():
        response = await (await change(daemon, client, "PATCH", "/api/messages/w7", {"text": text}, items))
    else:
        response = await client.patch("/api/messages/w7", json={"text": text})
    assert response.status_code == status and response.json()["error"] and not daemon.has(Offer)


async def test_a_reaction_is_an_event_and_is_shown_as_ones_own(daemon, client):
    """An emoji, nothing else; an empty one takes it back."""
    for emoji in ("👩‍👩‍👧", ""):
        asking = await change(daemon, client, "PUT", "/api/messages/w8/reaction", {"emoji": emoji}, [item(8)])
        event = (await daemon.accept()).event
        assert (event.kind, event.message_id, event.text) == ("reaction", "w8", emoji)
        assert (await asking).status_code == 202
    for emoji in ("ok", "👍 👍", "<b>", "👍" * 17):
        assert (await client.put("/api/messages/w8/reaction", json={"emoji": emoji})).status_code == 400
    asking = asyncio.create_task(client.get("/api/messages"))
    ask = await daemon.expect(AskHistory)
    shown = item(8, direction="out", reactions=["👍", "👀"], reactors=["owner", "17"], format="markdown", text="**b**")
    daemon.send(History(ref=ask.ref, items=[shown]))
    (message,) = (await asking).json()["messages"]
    assert (message["reactions"], message["mine"]) == (["👍", "👀"], ["👍"])
    assert message["html"] == "<p><strong>b</strong></p>\n"


# -- events


async def events_of(response: httpx.Response) -> AsyncIterator[tuple[str, dict[str, object]]]:
    """Yield the name and data of server-sent events."""
    name = ""
    async for line in response.aiter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


async def test_events_begin_with_the_presence_and_go_on_with_receipts(daemon, client):
    """A page that connects late knows whether anybody listens, and sees every change."""
    daemon.send(Presence(listening=False, text="Nobody listens."))
    daemon.send(Send(ref=1, send_id="s", chat="web:main", kind="react", text="👍", message_id="w1"))
    await daemon.expect(Sent)  # the presence came before it
    async with client.stream("GET", "/api/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = events_of(response)
        assert await anext(events) == ("presence", {"listening": False, "text": "Nobody listens."})
        daemon.send(Receipt(item=item(5, state="seen")))
        name, data = await anext(events)
        assert (name, data["id"], data["state"]) == ("message", "w5", "seen")


# -- files


async def upload(daemon: DaemonEnd, client: httpx.AsyncClient, **fields) -> tuple[httpx.Response, Offer]:
    """Upload with the daemon accepting, and return the answer and what was offered."""
    posting = asyncio.create_task(client.post("/api/files", **fields))
    offer = await daemon.accept()
    return await posting, offer


class Kept(NamedTuple):
    folder: Path
    suffix: str
    mode: int
    content: bytes


def kept_file(attachment: Attachment) -> Kept:
    """Return how an attachment lies on disk."""
    assert attachment.path is not None
    path = Path(attachment.path)
    return Kept(path.parent, path.suffix, stat.S_IMODE(path.stat().st_mode), path.read_bytes())


async def test_an_upload_becomes_one_message_with_files_on_disk(daemon, client, tmp_path):
    """Names and types are ours, the text goes along, and the inbox is private."""
    files = [("file", ("../../evil.html", PNG, "text/html")), ("file", ("notes", b"hello", "image/png"))]
    response, offer = await upload(daemon, client, data={"text": "two"}, files=files)
    assert response.status_code == 202 and response.json() == {"message_id": offer.event.message_id}
    assert offer.event.text == "two"
    picture, notes = offer.event.attachments
    assert (picture.name, picture.mime, notes.name, notes.mime) == ("evil.html", "image/png", "notes", "text/plain")
    for file, content, suffix in ((picture, PNG, ".png"), (notes, b"hello", ".txt")):
        kept = kept_file(file)
        assert (kept.folder, kept.suffix, kept.mode) == (tmp_path / "inbox", suffix, 0o600)
        assert kept.content == content and file.size == len(content)
    assert stat.S_IMODE((tmp_path / "inbox").stat().st_mode) == 0o700


@pytest.mark.parametrize("answer", ["duplicate", "refused"])
async def test_files_of_a_message_that_did_not_enter_are_deleted(daemon, client, tmp_path, answer):
    """A repeated upload keeps the first copies only, a refused one keeps nothing."""
    posting = asyncio.create_task(client.post("/api/files", files={"file": ("a.png", PNG)}))
    offer = await daemon.expect(Offer)
    assert len(list((tmp_path / "inbox").iterdir())) == 1
    if answer == "duplicate":
        daemon.send(Accepted(ref=offer.ref, duplicate=True))
        daemon.send(History(ref=(await daemon.expect(AskHistory)).ref, items=[]))
    else:
        daemon.send(Refused(ref=offer.ref, code="x", text="No."))
    await posting
    assert list((tmp_path / "inbox").iterdir()) == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"data": {"text": "no file"}}, 400),
        ({"content": b"garbage", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, 400),
        ({"content": b"garbage", "headers": {"Content-Type": "multipart/form-data"}}, 400),
        ({"json": {"text": "x"}}, 400),
        ({"files": [("file", (f"{n}", b"x")) for n in range(11)]}, 400),
        ({"files": [("other", ("a", b"x"))]}, 400),
        ({"files": {"file": ("a", b"x" * (1024 * 1024 + 1))}}, 413),
        ({"files": {"file": ("a", b"x" * (20 * 1024 * 1024))}}, 413),
        ({"files": {"file": ("a", b"x")}, "data": {"text": "x" * 100_001}}, 413),
    ],
)
async def test_a_bad_upload_is_refused_and_leaves_nothing(daemon, client, tmp_path, fields, status):
    """Neither the mailbox nor the inbox hears of it."""
    response = await client.post("/api/files", **fields)
    assert response.status_code == status and response.json()["error"]
    assert not daemon.has(Offer) and not (tmp_path / "inbox").exists()


async def fetch_file(
    daemon: DaemonEnd, client: httpx.AsyncClient, path: str, items: list[HistoryItem]
) -> httpx.Response:
    """Fetch a file with the daemon knowing these messages."""
    fetching = asyncio.create_task(client.get(path))
    ask = await daemon.expect(AskHistory)
    daemon.send(History(ref=ask.ref, items=items))
    return await fetching


async def test_files_are_handed_out_so_that_a_browser_runs_nothing(daemon, client, tmp_path):
    """Pictures are shown, all else is saved, nothing is sniffed, and a sandbox holds whatever is opened."""
    (tmp_path / "a").write_bytes(PNG)
    known = item(
        1,
        attachments=[
            Attachment(name="a.png", path=str(tmp_path / "a"), mime="image/png", size=len(PNG)),
            Attachment(name='x"\r\nEvil: 1.html', path=str(tmp_path / "a"), mime="text/html"),
        ],
    )
    shown = await fetch_file(daemon, client, "/api/files/w1/0", [known])
    assert shown.status_code == 200 and shown.content == PNG and shown.headers["content-type"] == "image/png"
    assert shown.headers["content-disposition"].startswith("inline")
    saved = await fetch_file(daemon, client, "/api/files/w1/1", [known])
    assert saved.headers["content-disposition"].startswith("attachment") and "evil" not in saved.headers
    for response in (shown, saved):
        assert response.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_only_files_of_known_messages_of_this_chat_are_handed_out(daemon, client, tmp_path):
    """An unknown message, a wrong index, a file that is gone, a link, another chat: all are not there."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    gone = [Attachment(name="a", path=str(tmp_path / name)) for name in ("missing", "link")]
    foreign = item(1, attachments=[Attachment(name="a", path=str(tmp_path / "secret"))])
    foreign.chat = "web:other"
    for path, items in (
        ("/api/files/w1/0", []),
        ("/api/files/w1/0", [item(2, attachments=gone)]),
        ("/api/files/w1/2", [item(1, attachments=gone)]),
        ("/api/files/w1/0", [item(1, attachments=gone)]),
        ("/api/files/w1/1", [item(1, attachments=gone)]),
        ("/api/files/w1/0", [foreign]),
    ):
        assert (await fetch_file(daemon, client, path, items)).status_code == 404


@pytest.mark.parametrize("path", ["..%2f..%2fetc/0", "w1/-1", "w1/0/../../../x", "%00/0", "w1/999999999999999999999"])
async def test_a_path_cannot_leave_the_files(daemon, client, path):
    """What is no id and index finds nothing, without the daemon being asked or with it knowing of none."""
    fetching = asyncio.create_task(client.get(f"/api/files/{path}"))
    asking = asyncio.create_task(daemon.expect(AskHistory))
    await asyncio.wait({fetching, asking}, return_when=asyncio.FIRST_COMPLETED)
    if asking.done():
        daemon.send(History(ref=asking.result().ref, items=[item(1)]))
    assert (await fetching).status_code == 404
    asking.cancel()


# -- who may ask


@pytest.mark.parametrize("path", ["/api/messages", "/api/events", "/api/files/w1/0", "/api/prompts", "/api/nothing"])
async def test_without_the_right_token_nothing_is_told(client, path):
    """A wrong or missing token is 401 with a way to mend it, in the same form everywhere."""
    for authorization in ("", "Bearer wrong"):
        response = await client.get(path, headers={"Authorization": authorization})
        assert response.status_code == 401 and "channeld url web" in response.json()["hint"]


@pytest.mark.parametrize("path", ["/", "/api/messages", "/api/events"])
async def test_foreign_pages_and_names_are_refused(client, path):
    """Another origin and a rebound name get nothing, although the token is right."""
    assert (await client.get(path, headers={"Origin": "http://evil.example"})).status_code == 403
    assert (await client.get(path, headers={"Host": "evil.example:80"})).status_code == 421


async def test_the_page_comes_with_a_strict_policy(client):
    """The page's parts are served to anybody on this machine, with everything foreign forbidden."""
    for path, mime in (("/?token=x", "text/html"), ("/app.js", "text/javascript"), ("/style.css", "text/css")):
        response = await client.get(path, headers={"Authorization": ""})
        assert response.status_code == 200 and response.headers["content-type"].startswith(mime)
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["referrer-policy"] == "no-referrer" and response.headers["x-frame-options"] == "DENY"
    assert (await client.get("/../auth.py")).status_code == 404


# -- what Claude sends


async def test_a_send_is_confirmed_with_an_id_of_its_own_that_repeats(daemon, url):
    """Sending the same part again gives the same id; edits and reactions keep the message's."""
    ids = []
    for ref, (send_id, kind, message_id) in enumerate(
        [("a", "message", None), ("a", "message", None), ("b", "message", None), ("c", "edit", "w9")]
    ):
        part = Send(ref=ref, send_id=send_id, chat="web:main", kind=kind, text="x", message_id=message_id)
        daemon.send(part)
        ids.append((await daemon.expect(Sent, lambda sent, ref=ref: sent.ref == ref)).message_id)
    assert ids[0] == ids[1] != ids[2] and ids[3] == "w9"
    daemon.send(Send(ref=9, send_id="d", chat="web:other", kind="message", text="x"))
    assert "web:main" in (await daemon.expect(Failed)).reason


# -- the worker's life


async def test_the_greeting_says_what_the_web_chat_can_do(daemon, tmp_path):
    """Version, capabilities, then the account, then heartbeats."""
    hello = await daemon.greet({"port": 0}, tmp_path / "inbox", beat_every_s=0.01)
    assert (hello.protocol, hello.worker, hello.platform) == (PROTOCOL, "web", "web")
    able = hello.capabilities
    assert able.idempotent and able.receipts and able.presence and not able.buttons
    assert (await daemon.expect(Ready)).account.startswith("http://127.0.0.1:")
    for _ in range(3):
        await daemon.expect(Beat)


async def test_a_drained_worker_finishes_what_it_began_and_ends_with_0(daemon, client):
    """What was offered is answered, new posts are turned away, open streams end."""
    async with client.stream("GET", "/api/events") as stream:
        posting = asyncio.create_task(client.post("/api/messages", json={"text": "x"}))
        offer = await daemon.expect(Offer)
        daemon.send(Drain())
        daemon.send(Send(ref=7, send_id="s", chat="web:main", kind="message", text="late"))
        assert (await daemon.expect(RetryAfter)).ref == 7  # the drain has begun, and the part is not lost
        late = await client.post("/api/messages", json={"text": "y"})
        assert late.status_code == 503 and not daemon.has(Drained)
        daemon.send(Accepted(ref=offer.ref))
        assert (await posting).status_code == 202
        async for _ in stream.aiter_bytes():
            pass
    await daemon.expect(Drained)
    assert await daemon.exit_code() == 0
    assert not daemon.has(Offer)


async def test_sigterm_drains_and_sigint_is_the_daemons_to_handle(daemon, url):
    """Ctrl-C in the terminal reaches the whole group and must not end a worker by itself."""
    daemon.process.send_signal(signal.SIGINT)
    daemon.send(Send(ref=1, send_id="s", chat="web:main", kind="message", text="still there?"))
    await daemon.expect(Sent)
    daemon.process.send_signal(signal.SIGTERM)
    await daemon.expect(Drained)
    assert await daemon.exit_code() == 0


@pytest.mark.parametrize("moment", ["before welcome", "ready", "offering"])
async def test_a_worker_ends_with_its_daemon(daemon, tmp_path, moment):
    """An end of file on the socket is the end, whatever was going on."""
    async with contextlib.AsyncExitStack() as stack:
        if moment == "before welcome":
            await daemon.expect(Hello)
        else:
            url = await daemon.ready({"port": 0}, tmp_path / "inbox")
        if moment == "offering":
            script = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"})
            client = await stack.enter_async_context(script)
            posting = asyncio.create_task(client.post("/api/messages", json={"text": "x"}))
            await daemon.expect(Offer)
        await daemon.hang_up()
        assert await daemon.exit_code() == 1
        if moment == "offering":
            with contextlib.suppress(httpx.TransportError):
                assert (await posting).status_code == 503  # if anything was answered, it was not success
    assert [event["event"] for event in daemon.log_events()][-1] == "daemon_gone"


PARENT = """
import os, signal, socket, subprocess, sys
from channeld.ipc.messages import Welcome, encode
ours, theirs = socket.socketpair()
read, write = os.pipe(); os.write(write, b"t"); os.close(write)
environ = {"CHANNELD_WORKER": "web", "CHANNELD_SOCKET_FD": str(theirs.fileno()), "CHANNELD_TOKEN_FD": str(read)}
worker = subprocess.Popen([sys.executable, "-m", "channeld_workers.web"], env=environ, pass_fds=[theirs.fileno(), read])
theirs.close()
lines = ours.makefile("rb")
lines.readline()
ours.sendall(encode(Welcome(protocol=1, settings={"port": 0}, inbox="/nonexistent", beat_every_s=10)))
lines.readline()
os.kill(worker.pid, signal.SIGSTOP)
os.waitpid(worker.pid, os.WUNTRACED)
print(worker.pid, flush=True)
sys.stdin.read()
"""


async def test_a_stopped_worker_dies_with_its_parent():
    """A process that is stopped cannot read its socket: the kernel kills it when the daemon is killed."""
    pipe = asyncio.subprocess.PIPE
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    assert parent.stdout is not None and parent.stdin is not None
    worker = os.pidfd_open(int(await parent.stdout.readline()))
    try:
        assert not select.select([worker], [], [], 0)[0]
        parent.kill()
        await parent.wait()
        ended, _, _ = await asyncio.to_thread(select.select, [worker], [], [], 15)
        assert ended
    finally:
        if not select.select([worker], [], [], 0)[0]:
            signal.pidfd_send_signal(worker, signal.SIGKILL)
        os.close(worker)
        parent.stdin.close()


async def test_malformed_frames_of_the_daemon_are_answered_logged_once_and_survived(daemon, url):
    """Garbage, unknown types and endless lines cost a ``Fault`` each and nothing else."""
    for raw in (
        b"garbage\n",
        b"{}\n",
        b'{"type":"unknown"}\n',
        b'{"type":"send","ref":"x"}\n',
        b"\xff\xfe\n",
        b"[" * 5000,
    ):
        daemon.send_raw(raw)
    daemon.send_raw(b"\n")
    assert [(await daemon.expect(Fault)).code for _ in range(6)] == ["malformed"] * 6
    daemon.send_raw(b"x" * (5 * 1024 * 1024) + b"\n")
    assert (await daemon.expect(Fault)).code == "oversized"
    half = encode(Send(ref=1, send_id="s", chat="web:main", kind="message", text="x"))
    daemon.send_raw(half[:10])
    daemon.send_raw(half[10:])
    await daemon.expect(Sent)
    logged = [event["code"] for event in daemon.log_events() if event["event"] == "bad_frame_from_daemon"]
    assert logged == ["malformed", "oversized"]


async def test_another_protocol_version_blocks_the_worker(daemon, tmp_path):
    """The versions differ until somebody restarts with what is installed: trying again is pointless."""
    await daemon.expect(Hello)
    daemon.send(Welcome(protocol=PROTOCOL + 1, settings={}, inbox=str(tmp_path), beat_every_s=10))
    trouble = await daemon.expect(Trouble)
    assert trouble.code == "protocol_mismatch" and "restart" in trouble.hint
    assert await daemon.exit_code() == 78


async def test_a_port_in_use_blocks_the_worker_and_names_the_setting(daemon, tmp_path):
    """Somebody must choose another port, or end the other program."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        await daemon.greet({"port": taken.getsockname()[1]}, tmp_path)
        trouble = await daemon.expect(Trouble)
        assert await daemon.exit_code() == 78
    assert trouble.code == "port_in_use" and "[workers.web] port" in trouble.hint


async def test_a_bad_setting_blocks_the_worker(daemon, tmp_path):
    """The sentence reaches the daemon and the log."""
    await daemon.greet({"port": "eighty"}, tmp_path)
    trouble = await daemon.expect(Trouble)
    assert trouble.code == "bad_settings" and "[workers.web] port" in trouble.text
    assert await daemon.exit_code() == 78
    assert daemon.log_events()[-1]["reason"] == trouble.text


async def test_without_a_token_the_web_chat_does_not_start(tmp_path):
    """An open chat on a shared machine would be everybody's."""
    async with running_worker("web", tmp_path / "stderr", token=None) as daemon:
        await daemon.greet({"port": 0}, tmp_path)
        assert (await daemon.expect(Trouble)).code == "bad_credentials"
        assert await daemon.exit_code() == 77


async def test_a_drain_before_the_welcome_is_kept(daemon, tmp_path):
    """A worker that is no longer wanted ends in order as soon as it can."""
    daemon.send(Drain())
    await daemon.greet({"port": 0}, tmp_path)
    await daemon.expect(Drained)
    assert await daemon.exit_code() == 0


async def test_an_aborted_worker_dumps_its_stacks(daemon, url):
    """The supervisor aborts a silent worker to learn where it hangs."""
    daemon.process.send_signal(signal.SIGABRT)
    assert await daemon.exit_code() == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in daemon.log() and "runtime.py" in daemon.log()


async def test_the_worker_passes_its_named_steps_in_order(tmp_path, monkeypatch):
    """Fault tests stop a worker at these steps, so each comes before what it is named after."""
    steps: list[str] = []

    async def at_step(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        steps.append((await reader.readline()).split()[0].decode())
        writer.close()

    address = str(tmp_path / "steps")
    server = await asyncio.start_unix_server(at_step, address)
    monkeypatch.setenv("CHANNELD_TEST_FAULTPOINTS", address)
    async with server, running_worker("web", tmp_path / "stderr", token=TOKEN) as daemon:
        url = await daemon.ready({"port": 0}, tmp_path)
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            posting = asyncio.create_task(client.post("/api/messages", json={"text": "x"}))
            offer = await daemon.expect(Offer)
            assert steps == ["worker.before_offer"]
            daemon.send(Accepted(ref=offer.ref))
            assert (await posting).status_code == 202
            assert steps[1:] == ["worker.after_accepted"]
        daemon.send(Send(ref=1, send_id="s", chat="web:main", kind="message", text="x"))
        await daemon.expect(Sent)
        assert steps[2:] == ["worker.before_send", "worker.after_send"]
