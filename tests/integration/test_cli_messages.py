"""``messages`` and ``send``, against a real daemon and a scripted platform."""

import asyncio
import os
import re
import sys

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import Pager


async def test_messages_and_sessions_are_readable_and_hostile_text_is_tame():
    """What a sender wrote can neither move the cursor nor fake a line."""
    async with Pager() as pager, Daemon(pager.config) as daemon:
        worker = await pager.life()
        await worker.begin()
        await worker.accepted("1", text="evil\x1b[2J\nsecond line")
        await worker.accepted("2", chat="pager:b", text="other")
        shown = daemon.cli("messages", "pager:a").stdout
        assert "evil·[2J second line" in shown
        assert "other" not in shown
        async with daemon.client("--listening", "no"):
            sessions = daemon.cli("sessions").stdout
            assert "not listening" in sessions
            assert "Why: it was attached with --listening no." in sessions
        status = daemon.cli("status").stdout
        assert re.search(r"pager:a  1 waits for Claude, the oldest for \d+ s", status)


async def test_a_message_is_shown_searched_dropped_and_tried_again(daemon, worker):
    """By its number, from the list to the page; a refusal says what can be done."""

    async def cli(*words):
        return await asyncio.to_thread(daemon.cli, *words)

    await worker.accepted("1", text="the release\nis green")
    (delivery_id,) = [message["delivery_id"] for message in (await daemon.ask("messages"))["messages"]]
    listed = (await cli("messages")).stdout
    number = listed.split()[0]
    assert "pager:a → queued  the release is green" in listed
    assert (await cli("messages", "list", "pager:a", "--state", "queued")).stdout == listed
    assert (await cli("messages", "--state", "sent")).stdout == "There are no such messages.\n"
    wrong = await cli("messages", "--state", "qeued")
    assert (wrong.returncode, "Try: There are: answered," in wrong.stderr) == (1, True)
    page = (await cli("messages", "show", number)).stdout
    assert "State     queued, for" in page
    assert "  │ the release\n  │ is green\n" in page
    assert delivery_id in page
    assert (await cli("messages", "show", delivery_id)).stdout.splitlines()[0] == page.splitlines()[0]
    assert (await cli("messages", "search", "green", "release")).stdout == listed
    assert (await cli("messages", "search", "red")).stdout == "No message holds all these words.\n"
    refused = await cli("messages", "retry", number)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"Error: Message {number} cannot be sent again: it waits for a session already.\n"
        f"Try: `channeld messages show {number}` tells what can be done.\n"
    )
    dropped = await cli("messages", "drop", number)
    assert dropped.stdout == f"Message {number} is dropped. See: channeld messages show {number}\n"
    assert f"`channeld messages retry {number}`" in (await cli("messages", "show", number)).stdout
    assert (await cli("messages", "retry", number)).returncode == 0
    assert (await daemon.states()) == [("the release\nis green", "queued")]
    assert (await cli("messages", "shwo", number)).returncode == 2
    unknown = await cli("messages", "show", "999")
    assert (unknown.returncode, unknown.stderr.startswith("Error: There is no message '999'.\nTry: ")) == (1, True)


async def test_send_takes_text_stdin_and_files(daemon, worker, tmp_path, monkeypatch):
    """Relative paths are those of the shell, and the exit status says whether it went."""
    (tmp_path / "a.txt").write_text("data")
    monkeypatch.chdir(tmp_path)

    async def send(*arguments, text=""):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "channeld.cli.entry", "send", "pager:a", *arguments, env=daemon.environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        talk = asyncio.create_task(process.communicate(text.encode()))
        return process, talk

    process, talk = await send("-", "--file", "a.txt", "--plain", text="from a pipe\n")
    asked = await worker.expect(m.Send)
    assert (asked.text, asked.format, [file.name for file in asked.files]) == (
        "from a pipe", "plain", ["a.txt"],
    )  # fmt: skip
    worker.send(m.Sent(ref=asked.ref, message_id="p1"))
    assert await talk == (b"sent (id: p1)\n", b"")
    assert process.returncode == 0

    process, talk = await send("**no**")
    asked = await worker.expect(m.Send)
    assert asked.format == "markdown"
    worker.send(m.Failed(ref=asked.ref, reason="the chat is gone"))
    out, error = await talk
    assert (process.returncode, out) == (1, b"")
    assert re.fullmatch(
        r"Error: It was not sent: the chat is gone\.\nTry: channeld messages show \d+\n", error.decode()
    )

    process, talk = await send("-", text="x" * 300_000)
    out, error = await talk
    assert (process.returncode, out) == (1, b"")
    assert error == b"Error: That is more than the 256 KiB that can be said at once.\nTry: Send it as a file.\n"

    process, talk = await send("hello", "--file", os.fsdecode(b"\xff"))
    assert (await talk)[1].startswith(b"Error: An argument is no UTF-8 text.\nTry: ")

    process, talk = await send("hello", "--file", "missing.txt")
    out, error = await talk
    assert process.returncode == 1
    assert f"{tmp_path}/missing.txt" in error.decode()
