"""Prompts: stored before anybody is shown them, answered once, and kept as the record of who decided what."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

import msgspec

from channeld.core.prompts import Content, StoredPrompt, Who
from channeld.store.db import Database
from channeld.store.queries import QUERIES

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Content).decode


class PromptStore:
    """Prompts on disk. Times are unix seconds, passed in; every method raises ``StoreUnavailable`` where it cannot."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def put(self, prompt: StoredPrompt) -> bool:
        """Store a new prompt; False where one with its key is open."""
        values = {
            "id": prompt.id, "kind": prompt.kind, "key": prompt.key, "instance": prompt.instance,
            "content": _encode(prompt.content), "asked_at": prompt.asked_at, "expires_at": prompt.expires_at,
        }  # fmt: skip
        return await self._write("put_prompt", values, durable=True)

    async def change(self, prompt: StoredPrompt) -> None:
        """Store what it says now."""
        await self._write("change_prompt", {"id": prompt.id, "content": _encode(prompt.content)})

    async def answer(self, prompt_id: str, answer: str, outcome: str, who: Who, now: float) -> bool:
        """Record an answer, and the same in words; False where the prompt is not open any more."""
        values = {"id": prompt_id, "answer": answer, "outcome": outcome, "now": now}
        values |= {"by_worker": who.worker, "by_id": who.sender_id, "by_name": who.name}
        return await self._write("answer_prompt", values, durable=True)

    async def carried_out(self, prompt_id: str, outcome: str | None = None) -> None:
        """Record that all that an answer asks for has been done, and perhaps what became of it, in words."""
        await self._write("carried_out_prompt", {"id": prompt_id, "outcome": outcome})

    async def reopen(self, prompt_id: str) -> bool:
        """Take an answer back with which nothing was done; False where one with its key is open."""
        return await self._write("reopen_prompt", {"id": prompt_id})

    async def close(self, prompt_id: str, state: str, outcome: str, now: float) -> bool:
        """Settle a prompt without an answer; False where it is not open any more."""
        return await self._write("close_prompt", {"id": prompt_id, "state": state, "outcome": outcome, "now": now})

    async def unsettled(self) -> list[StoredPrompt]:
        """Return the open prompts, and the answered ones whose answer has not been carried out; oldest first."""
        return await self._prompts("unsettled_prompts")

    async def last_settled(self, limit: int) -> list[StoredPrompt]:
        """Return those that were settled last, newest first."""
        return await self._prompts("last_settled_prompts", limit=limit)

    async def latest(self, limit: int) -> list[StoredPrompt]:
        """Return the latest prompts, newest first."""
        return await self._prompts("latest_prompts", limit=limit)

    async def find(self, prompt_id: str) -> StoredPrompt | None:
        """Return a prompt, or None."""
        return next(iter(await self._prompts("find_prompt", id=prompt_id)), None)

    async def answered_so(self, instance: str, kind: str, answer: str) -> list[StoredPrompt]:
        """Return the prompts of a session process that were answered in one way."""
        return await self._prompts("answered_of_instance", instance=instance, kind=kind, answer=answer)

    async def lives(self, instance: str) -> bool:
        """Tell whether a session process is known and its end was not seen."""
        return await self._db.submit(
            lambda connection: (
                connection.execute(QUERIES["instance_lives"], {"instance": instance}).fetchone() is not None
            )
        )

    async def _write(self, query: str, values: Mapping[str, object], *, durable: bool = False) -> bool:
        return await self._db.submit(
            lambda connection: connection.execute(QUERIES[query], values).rowcount > 0, durable=durable
        )

    async def _prompts(self, query: str, **values: object) -> list[StoredPrompt]:
        return await self._db.submit(
            lambda connection: [_prompt(row) for row in connection.execute(QUERIES[query], values)]
        )


def _prompt(row: sqlite3.Row) -> StoredPrompt:
    return StoredPrompt(
        id=row["id"],
        kind=row["kind"],
        key=row["key"],
        instance=row["instance"],
        content=_decode(row["content"]),
        asked_at=row["asked_at"],
        expires_at=row["expires_at"],
        state=row["state"],
        answer=row["answer"],
        outcome=row["outcome"],
        by=Who(row["by_worker"], row["by_id"], row["by_name"]) if row["by_id"] else None,
        settled_at=row["settled_at"],
        carried_out=bool(row["carried_out"]),
    )
