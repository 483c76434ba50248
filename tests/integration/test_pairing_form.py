"""The form in the terminal about a stranger, over a real store: what it does when little works."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from channeld.core.errors import Refused, StoreUnavailable
from channeld.core.pairing import PairingRequest
from channeld.core.prompts import StoredPrompt
from channeld.daemon import pairing_dialog as subject
from channeld.daemon.asking import Asking
from channeld.daemon.pairing_dialog import PairingDialog
from channeld.daemon.prompts import Prompts
from channeld.store.prompts import PromptStore
from tests.doubles.stores import Stores

EVE = PairingRequest("e", "pager", "pager", "66", "Eve", "pager:66", time.time())
MALLORY = PairingRequest("m", "pager", "pager", "77", "Mallory", "pager:77", time.time())


class Access:
    """Strangers who ask, and what becomes of a code. Nobody can be asked in a chat."""

    def __init__(self, *requests: PairingRequest) -> None:
        self.asking = list(requests)
        self.refusal = Refused("Wrong.", code="wrong_code")
        self.tell = lambda: None

    def on_request(self, listener: Any) -> None:
        """Keep it."""
        self.tell = listener

    async def requests(self) -> list[PairingRequest]:
        """Return them."""
        return list(self.asking)

    async def approver_chats(self) -> list[tuple[str, str, str]]:
        """Return none."""
        return []

    async def approve(self, code: str, worker: str, **_: Any) -> None:
        """No code is right."""
        raise self.refusal


class Terminal:
    """A session whose forms are left to the test."""

    name, instance, has_forms, is_closed = "main", "i", True, False

    def __init__(self) -> None:
        self.forms: asyncio.Queue[tuple[str, asyncio.Future[dict[str, Any] | None]]] = asyncio.Queue()

    async def show_form(self, message: str, schema: Any, form_id: str) -> dict[str, Any] | None:
        """Show one."""
        answer: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self.forms.put_nowait((message, answer))
        return await answer

    async def form(self) -> tuple[str, asyncio.Future[dict[str, Any] | None]]:
        """Return the next one."""
        return await asyncio.wait_for(self.forms.get(), 20)


class Full(PromptStore):
    """A store on a disk that is full when a form is noted."""

    def __init__(self, stores: Stores, times: int) -> None:
        super().__init__(stores.database)
        self.times = times

    async def change(self, prompt: StoredPrompt) -> None:
        """Fail so many times."""
        if self.times > 0:
            self.times -= 1
            raise StoreUnavailable("The disk is full.")
        await super().change(prompt)


@pytest.fixture
async def stores(tmp_path: Path):
    """An open store."""
    async with Stores(tmp_path / "db") as opened:
        yield opened


def dialog(store: PromptStore, access: Any) -> tuple[PairingDialog, Prompts, Any]:
    """Return a dialog, the prompts, and the terminal that it shows its form in."""
    screens: Any = SimpleNamespace(can_ask=lambda worker: True, ask=lambda prompt: None)
    prompts = Prompts(store, access, screens)
    terminal: Any = Terminal()
    return (
        PairingDialog(access, prompts, target=lambda: terminal, at_dialog=lambda _: False, in_terminal=True),
        prompts,
        terminal,
    )


async def test_a_full_disk_puts_the_form_off(stores, monkeypatch):
    """It is not shown before it is noted, as nobody could withdraw it, and it is shown when it can be."""
    monkeypatch.setattr(subject, "_STORE_RETRY_S", 0.01)
    store = Full(stores, 2)
    pairing, _, terminal = dialog(store, Access(EVE))
    await pairing.start()
    message, _ = await terminal.form()
    assert "Eve" in message and store.times == 0
    (noted,) = await store.unsettled()
    assert noted.content.data["form"]["instance"] == "i"
    pairing.stop()


async def test_only_wrong_codes_count_as_wrong(stores):
    """Codes that were not looked at leave the form open, however many they are; of wrong ones the third closes it."""
    access = Access(EVE)
    pairing, _, terminal = dialog(PromptStore(stores.database), access)
    await pairing.start()
    access.refusal = Refused("Wait a while.", code="too_many_tries")
    for _ in range(subject.MOST_TRIES + 1):
        _, answer = await terminal.form()
        answer.set_result({"code": "AAAA"})
    message, answer = await terminal.form()
    assert "Wait a while." in message
    access.refusal = Refused("Wrong.", code="wrong_code")
    answer.set_result({"code": "AAAA"})
    for _ in range(subject.MOST_TRIES - 1):
        message, answer = await terminal.form()
        assert "Wrong." in message
        answer.set_result({"code": "AAAA"})
    message, last = await terminal.form()
    assert "Three wrong codes were typed" in message
    last.set_result({})
    access.asking.append(MALLORY)
    access.tell()
    assert "Mallory" in (await terminal.form())[0]
    pairing.stop()


async def test_a_form_is_a_dialog_of_ours(stores):
    """While it stands in a session's terminal Claude Code takes nothing else up there; so with what it is asked."""
    pairing, prompts, terminal = dialog(PromptStore(stores.database), Access(EVE))
    relay: Any = None
    interview: Any = SimpleNamespace(holds=lambda session: session is held)
    held: Any = SimpleNamespace(instance="j")
    asking = Asking(prompts, relay, interview, pairing)
    other: Any = SimpleNamespace(instance="k")
    assert not asking.has_dialog(terminal)
    await pairing.start()
    await terminal.form()
    assert [asking.has_dialog(each) for each in (terminal, held, other)] == [True, True, False]
    await prompts.open("pairing", "?", "b", ["Allow"], instance="k")
    assert asking.has_dialog(other)
    pairing.stop()
