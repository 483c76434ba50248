"""The real client asks, and is answered from a chat: permissions, questions, plans and strangers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import CAPABILITIES, Pager
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import plugin_of, session_where

LIMIT_S = 40.0
LOOK_EVERY_S = 0.1
MANUAL = ("--permission-mode", "default")
NO_RULES: dict[str, Any] = {"permissions": {"allow": []}}


class Phone:
    """The web chat's API, as a script of the owner uses it."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, daemon: Daemon) -> AsyncIterator[Self]:
        """Open the web chat of a daemon."""
        printed = await asyncio.to_thread(daemon.terminal, "url", "web")
        assert printed.returncode == 0, printed.stderr
        address = urlsplit(printed.stdout.strip())
        headers = {"Authorization": f"Bearer {address.query.partition('=')[2]}"}
        async with httpx.AsyncClient(base_url=f"http://{address.netloc}", headers=headers, trust_env=False) as client:
            yield cls(client)

    async def say(self, text: str) -> None:
        """Send a message."""
        (await self._client.post("/api/messages", json={"text": text})).raise_for_status()

    async def sees(self, kind: str, state: str = "open", *, without: str = "") -> dict[str, Any]:
        """Return the first prompt of a kind and state, other than the one ``without``."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    listed = (await self._client.get("/api/prompts")).json()["prompts"]
                    for prompt in listed:
                        if (prompt["kind"], prompt["state"]) == (kind, state) and prompt["id"] != without:
                            return dict(prompt)
                await asyncio.sleep(LOOK_EVERY_S)

    async def answers(self, prompt: dict[str, Any], text: str) -> None:
        """Answer a prompt."""
        said = await self._client.post(f"/api/prompts/{prompt['id']}", json={"answer": text})
        assert said.status_code == 200, said.text

    async def hears(self, text: str) -> None:
        """Return when Claude has written this."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                listed = (await self._client.get("/api/messages")).json()["messages"]
                if any(each["direction"] == "out" and text in each["text"] for each in listed):
                    return
                await asyncio.sleep(LOOK_EVERY_S)


@pytest.fixture
async def phone(daemon: Daemon) -> AsyncIterator[Phone]:
    """The web chat."""
    async with Phone.of(daemon) as opened:
        yield opened


async def started(lab: ClaudeLab, daemon: Daemon, *arguments: str, **more: Any) -> None:
    """Start a session with the plugin that asks before it does anything."""
    await lab.start(**{**plugin_of(daemon.home), "arguments": arguments or MANUAL, **more})
    await session_where(daemon, lambda session: session["listening"] == "yes" and session["state"] == "attached")


async def exists(path: Path) -> None:
    """Return when a file is there."""
    async with asyncio.timeout(LIMIT_S):
        while not await asyncio.to_thread(path.exists):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(LOOK_EVERY_S)


def bash(command: str) -> str:
    """Return a message that makes the model call Bash."""
    return f"tool Bash {json.dumps({'command': command, 'description': 'run it'})}"


async def results(lab: ClaudeLab, text: str) -> None:
    """Return when the model was given a tool's result with this text."""
    await lab.model.wait_request(lambda request: text in json.dumps(request["messages"], ensure_ascii=False))


async def test_permissions_are_given_from_the_chat(daemon: Daemon, phone: Phone, lab: ClaudeLab):
    """Allowed, the command runs; exactly this again is not asked twice; denied, it does not run."""
    await started(lab, daemon, settings=NO_RULES)
    made = lab.project / "made"
    await phone.say(bash(f"touch {made}"))
    prompt = await phone.sees("permission")
    assert f"touch {made}" in prompt["body"] and not made.exists()
    await phone.answers(prompt, "Allow exactly this again in this session")
    await exists(made)
    await asyncio.to_thread(made.unlink)
    await phone.say(bash(f"touch {made}"))
    await exists(made)
    await phone.say(bash(f"touch {made}2"))
    other = await phone.sees("permission")
    assert other["id"] != prompt["id"]
    await phone.answers(other, "Deny")
    await phone.say("and now?")  # reply has no rule: the plugin's hook lets it through
    await phone.hears("echo: and now?")
    assert not (lab.project / "made2").exists()


async def test_the_terminal_answers_first(daemon: Daemon, phone: Phone, lab: ClaudeLab):
    """Allowed there, the card closes as answered elsewhere; closed there with Escape too."""
    await started(lab, daemon)
    await phone.say(bash(f"touch {lab.project / 'made'}"))
    prompt = await phone.sees("permission")
    await lab.terminal.wait_for("Do you want to proceed?")
    await lab.terminal.press("Enter")
    assert (await phone.sees("permission", "elsewhere"))["id"] == prompt["id"]
    await phone.say(bash(f"touch {lab.project / 'other'}"))
    escaped = await phone.sees("permission")
    await lab.terminal.wait_for("Do you want to proceed?")
    await lab.terminal.press("Escape")
    assert (await phone.sees("permission", "elsewhere", without=prompt["id"]))["id"] == escaped["id"]


async def test_the_daemon_is_killed_during_a_permission_prompt(daemon: Daemon, phone: Phone, lab: ClaudeLab):
    """The next one shows the prompt anew, and its answer closes the dialog."""
    await started(lab, daemon)
    made = lab.project / "made"
    await phone.say(bash(f"touch {made}"))
    prompt = await phone.sees("permission")
    await daemon.restart_after_kill()
    async with Phone.of(daemon) as again:
        assert (await again.sees("permission"))["id"] == prompt["id"]
        await again.answers(prompt, "Allow")
        await exists(made)


QUESTION = {
    "questions": [
        {"question": "Which colour?", "header": "Colour", "multiSelect": False,
         "options": [{"label": "Red", "description": "warm"}, {"label": "Blue", "description": "cold"}]}
    ]
}  # fmt: skip


async def test_questions_and_plans_are_answered_from_the_chat(daemon: Daemon, phone: Phone, lab: ClaudeLab):
    """A label, and words of one's own; a plan is sent back with a wish."""
    await started(lab, daemon)
    await phone.say(f"tool AskUserQuestion {json.dumps(QUESTION)}")
    question = await phone.sees("question")
    assert question["options"] == ["Red", "Blue"]
    await phone.answers(question, "Blue")
    await results(lab, 'Which colour?\\"=\\"Blue')
    await phone.say(f"tool AskUserQuestion {json.dumps(QUESTION)}")
    await phone.answers(await phone.sees("question"), "Green, please")
    await results(lab, 'Which colour?\\"=\\"Green, please')


async def test_a_question_that_nobody_answers_appears_in_the_terminal(daemon: Daemon, lab: ClaudeLab):
    """After question_timeout the dialog is there as usual; answered there, the card has long been closed."""
    daemon.paths.config_file.write_text(daemon.paths.config_file.read_text() + "[permissions]\nquestion_timeout = 2\n")
    await daemon.restart_after_kill()
    async with Phone.of(daemon) as phone:
        await started(lab, daemon)
        await phone.say(f"tool AskUserQuestion {json.dumps(QUESTION)}")
        await phone.sees("question", "expired")
        await lab.terminal.wait_for("Type something")
        await lab.terminal.press("Enter")
        await results(lab, 'Which colour?\\"=\\"Red')


async def test_a_plan_is_approved_from_the_chat(daemon: Daemon, phone: Phone, lab: ClaudeLab):
    """Sent back first with a wish, which reaches the model; then approved, and plan mode is left."""
    await started(lab, daemon, "--permission-mode", "plan")
    await phone.say("mute one")
    await phone.say("mute two")  # Claude Code tells the model where plans go when it is called again
    request = await lab.model.wait_request(lambda request: "create your plan at" in json.dumps(request["messages"]))
    path = json.dumps(request["messages"]).partition("create your plan at ")[2].partition(" ")[0]
    await phone.say(f"tool Write {json.dumps({'file_path': path, 'content': 'step one, then step two'})}")
    await exists(Path(path))
    await phone.say("tool ExitPlanMode {}")
    plan = await phone.sees("plan")
    assert "step one, then step two" in plan["body"]
    await phone.answers(plan, "mind the tests")
    await results(lab, "mind the tests")
    await phone.say("tool ExitPlanMode {}")
    await phone.answers(await phone.sees("plan"), "Approve")
    await session_where(daemon, lambda session: session["permission_mode"] == "default")


async def test_a_stranger_is_paired_in_the_terminal(lab: ClaudeLab):
    """The form names him; the code is typed, in small letters, and he is told."""
    async with Pager() as pager, Daemon(pager.config, listed={}) as daemon:
        worker = await pager.life()
        await worker.begin(msgspec.structs.replace(CAPABILITIES, notices=True))
        await started(lab, daemon)
        worker.offer("1", chat="pager:66", sender_id="66", sender="Eve", text="let me in")
        notice = await worker.expect(m.Notice)
        code = notice.text.partition("pairing code is ")[2][:9]
        await lab.terminal.wait_for("Eve")
        assert code not in await lab.terminal.screen()
        await lab.terminal.press("Enter")  # nothing is approved by that
        await lab.terminal.wait_for("not set")
        await lab.terminal.press("Up")
        await lab.terminal.wait_for("Type something")
        await lab.terminal.type(code.lower())  # and Enter, which leads to the button
        await lab.terminal.wait_for("✔ Code")
        async with asyncio.timeout(LIMIT_S):
            while "requests your input" in await lab.terminal.screen():  # it passes over keys that come too soon
                await lab.terminal.press("Enter")
                await asyncio.sleep(1)
        assert "on the list" in (await worker.expect(m.Notice)).text
        await worker.accepted("2", chat="pager:66", sender_id="66", text="mute thanks")
