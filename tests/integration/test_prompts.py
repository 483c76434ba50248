"""Every open prompt, over a real store: asked once, changed, settled, and taken back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from channeld.core.access import Role
from channeld.core.errors import Refused, StoreUnavailable
from channeld.core.prompts import PromptState, StoredPrompt, Who
from channeld.daemon import prompts as subject
from channeld.daemon.prompts import Prompts
from channeld.ipc import messages as m
from channeld.store.prompts import PromptStore
from tests.doubles.stores import SENDER, Stores
from tests.doubles.worker_end import ASKING

ANN = Who("pager", SENDER, "Ann")


class Access:
    """Ann is the only approver, in her private chat."""

    async def role_of(self, worker: str, sender_id: str) -> Role | None:
        """Return hers."""
        return Role.APPROVER if (worker, sender_id) == ("pager", SENDER) else None

    async def approver_chats(self) -> list[tuple[str, str, str]]:
        """Return hers."""
        return [("pager", SENDER, "pager:a")]


class Screens:
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.shown: list[m.Prompt] = []
        self.there = True

    def can_ask(self, worker: str) -> bool:
        """Every worker shows prompts, once it is there."""
        return self.there

    def ask(self, prompt: m.Prompt) -> None:
        """Keep it."""
        self.shown.append(prompt)

    def say(self, chat: str, text: str, reply_to: str | None = None) -> None:
        """Nobody listens."""


class Slow(PromptStore):
    """A store that takes its time over a new prompt."""

    def __init__(self, stores: Stores) -> None:
        super().__init__(stores.database)
        self.began, self.go_on = asyncio.Event(), asyncio.Event()

    async def put(self, prompt: StoredPrompt) -> bool:
        """Wait for leave."""
        self.began.set()
        await self.go_on.wait()
        return await super().put(prompt)


class FullOnce(PromptStore):
    """A store on a disk that is full at the first end of a prompt."""

    def __init__(self, stores: Stores) -> None:
        super().__init__(stores.database)
        self.full = True
        self.was_full = asyncio.Event()

    async def close(self, prompt_id: str, state: str, outcome: str, now: float) -> bool:
        """Fail once."""
        if self.full:
            self.full = False
            self.was_full.set()
            raise StoreUnavailable("The disk is full.")
        return await super().close(prompt_id, state, outcome, now)


@pytest.fixture
async def stores(tmp_path: Path):
    """An open store."""
    async with Stores(tmp_path / "db") as opened:
        yield opened


async def heard(prompt: StoredPrompt, answer: str, who: Who) -> str:
    """Take any answer."""
    return ""


async def ask(prompts: Prompts, title: str = "?") -> str:
    """Ask about one and the same thing."""
    return await prompts.open("stale", title, "b", ["Yes", "No"], key="k")


async def test_what_is_being_settled_is_asked_anew(stores, monkeypatch):
    """An id that was returned is that of a prompt on disk, also where the end of the last one cannot be stored yet."""
    monkeypatch.setattr(subject, "_STORE_RETRY_S", 0.01)
    store = FullOnce(stores)
    prompts = Prompts(store, Access(), Screens())
    prompts.on("stale", heard)
    first = await ask(prompts)
    closing = asyncio.create_task(prompts.close(first, PromptState.ELSEWHERE))
    await store.was_full.wait()
    second = await ask(prompts)
    assert second != first and prompts.find(second) is not None
    assert [each.id for each in await store.unsettled()] == [second]
    await closing
    assert await ask(prompts) == second


async def test_an_answer_that_comes_to_nothing_yields_to_the_same_asked_anew(stores):
    """Then the answer is done with, and the newer one is open."""

    async def refuse(prompt: StoredPrompt, answer: str, who: Who) -> str:
        newer.append(await ask(prompts))
        raise Refused("Not so.")

    newer: list[str] = []
    prompts = Prompts(PromptStore(stores.database), Access(), Screens())
    prompts.on("stale", refuse)
    first = await ask(prompts)
    with pytest.raises(Refused, match="Not so"):
        await prompts.answer(first, "Yes", ANN)
    assert [each.id for each in prompts.open_ones()] == newer != [first]
    assert [each.id for each in await PromptStore(stores.database).unsettled()] == newer
    with pytest.raises(Refused) as late:
        await prompts.answer(first, "Yes", ANN)
    assert late.value.code == "settled"


async def test_a_worker_that_comes_while_a_prompt_is_stored_shows_it(stores):
    """It was neither there when the chats were chosen, nor was the prompt open when it came."""
    screens, store = Screens(), Slow(stores)
    prompts = Prompts(store, Access(), screens)
    prompts.on("stale", heard)
    screens.there = False
    asking = asyncio.create_task(ask(prompts))
    await store.began.wait()
    screens.there = True
    link: Any = SimpleNamespace(name="pager", capabilities=ASKING)
    await prompts.worker_ready(link)
    store.go_on.set()
    asked = await asking
    assert [(each.id, each.chat) for each in screens.shown] == [(asked, "pager:a")]
    assert (await store.unsettled())[0].content.chats == ["pager:a"]


async def test_all_that_is_said_can_change(stores):
    """Title, body and options; it is shown anew and stored."""
    screens, store = Screens(), PromptStore(stores.database)
    prompts = Prompts(store, Access(), screens)
    prompts.on("stale", heard)
    asked = await ask(prompts, "1 message")
    await prompts.change(asked, title="2 messages\u202e", body="both", options=["Yes"])
    last = screens.shown[-1]
    assert (last.id, last.title, last.body, last.options) == (asked, "2 messages[U+202E]", "both", ["Yes"])
    (stored,) = await store.unsettled()
    assert stored.content.title == last.title
