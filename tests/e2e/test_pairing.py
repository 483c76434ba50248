"""A stranger is let in from the dialog in the terminal of Claude Code: by the code that the bot has sent, alone."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest

from channeld.ipc import messages as m
from tests.doubles.daemon import Daemon
from tests.doubles.worker_end import CAPABILITIES, Pager, WorkerEnd
from tests.e2e.lab import ClaudeLab
from tests.e2e.sessions import attach

ACCEPT = "\N{HEAVY RIGHT-POINTING ANGLE QUOTATION MARK ORNAMENT} Accept"
TRIES = 5
FORM = "requests your input"
CAN = msgspec.structs.replace(CAPABILITIES, prompts=True, notices=True)


@pytest.fixture
async def pager() -> AsyncIterator[Pager]:
    """A platform whose worker the test scripts."""
    async with Pager() as platform:
        yield platform


@pytest.fixture
def config(pager: Pager) -> str:
    """The daemon runs that platform too."""
    return pager.config


@pytest.fixture
async def worker(daemon: Daemon, pager: Pager) -> WorkerEnd:
    """Its worker."""
    life = await pager.life()
    await life.begin(CAN)
    return life


async def code_of(worker: WorkerEnd) -> str:
    """A stranger writes and is told a code, which is returned."""
    worker.offer("s1", chat="pager:66", sender_id="66", sender="Eve", text="let me in")
    notice = await worker.expect(m.Notice, lambda frame: frame.chat == "pager:66")
    return notice.text.partition("pairing code is ")[2][:9]


async def submit(lab: ClaudeLab, code: str = "") -> None:
    """Type into the dialog's field, and accept: Enter leads from the field to the buttons, and presses one.

    A key that follows too soon on another is not heard, as a guard against stray ones, and puts the guard off again.
    """
    await lab.terminal.type(code)
    await lab.terminal.wait_for(ACCEPT)
    for _ in range(TRIES):
        await lab.terminal.press("Enter")
        with contextlib.suppress(AssertionError):
            await lab.terminal.wait_gone(ACCEPT, timeout_s=2)
            return
    raise AssertionError(await lab.terminal.screen())


async def test_the_code_typed_into_the_dialog_lets_the_sender_in(daemon: Daemon, lab: ClaudeLab, worker: WorkerEnd):
    """The dialog names who asks and not the code; stray Enters do nothing; typed, the sender is told and is heard."""
    await attach(lab, daemon)
    await lab.terminal.type("say hello")  # with the first hook it is known that the session asks
    await lab.terminal.wait_for("● hello")
    code = await code_of(worker)
    await lab.terminal.wait_for(FORM)
    await submit(lab)
    await lab.terminal.wait_for("This field is required")
    shown = " ".join((await lab.terminal.screen()).split())  # its lines are broken anywhere
    assert "pager id 66, who chose the name “Eve”" in shown
    assert "chatter" in shown
    assert code not in shown
    await submit(lab, code)
    assert "on the list" in (await worker.expect(m.Notice, lambda frame: frame.chat == "pager:66")).text
    await worker.accepted("s2", chat="pager:66", sender_id="66", sender="Eve", text="now I may")
    event = await lab.model.wait_event("now I may")
    assert event.meta["user"] == "Eve"
    assert not any(event.text == "let me in" for event in lab.model.events())


async def test_a_wrong_code_and_a_decline_let_nobody_in(daemon: Daemon, lab: ClaudeLab, worker: WorkerEnd):
    """The dialog comes again after a wrong code, and not after Escape; nothing of the stranger's reaches Claude."""
    await attach(lab, daemon)
    await code_of(worker)
    await lab.terminal.wait_for(FORM)
    await submit(lab, "AAAA-AAAA")
    await lab.terminal.wait_for("No open request has this code")
    await lab.terminal.press("Escape")
    await lab.terminal.wait_gone(FORM)
    await lab.terminal.type("say still here")
    await lab.terminal.wait_for("● still here")
    assert lab.model.events() == []


async def test_a_permission_prompt_withdraws_the_dialog(daemon: Daemon, lab: ClaudeLab, worker: WorkerEnd):
    """A turn that needs leave is not hidden behind it: the form makes way, and comes back when that is answered."""
    await attach(lab, daemon)
    lab.model.hold()
    await lab.terminal.type("run touch made")
    await lab.model.wait_request(lambda request: "run touch made" in str(request["messages"]))
    await code_of(worker)
    await lab.terminal.wait_for(FORM)
    lab.model.release()
    await lab.terminal.wait_for("Do you want to proceed?")
    assert FORM not in await lab.terminal.screen()
    await lab.terminal.press("Escape")
    await lab.terminal.wait_for(FORM)
