"""What the command line can ask about prompts, and answer."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from channeld.core.prompts import OPERATOR, StoredPrompt
from channeld.daemon.control import Command, checked
from channeld.daemon.prompts import Prompts


class ListArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``prompts``."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 20


class AnswerArguments(msgspec.Struct, forbid_unknown_fields=True):
    """Of ``answer``."""

    id: str
    answer: str


class PromptCommands:
    """Carries out ``channeld prompts``."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts

    def table(self) -> dict[str, Command]:
        """Return the commands by name."""
        return {"prompts": self.prompts, "answer": self.answer}

    async def prompts(self, args: dict[str, Any]) -> dict[str, Any]:
        """Return the open prompts and the latest settled ones, oldest first."""
        wanted = checked(args, ListArguments)
        latest = await self._prompts.latest(wanted.limit)
        ids = {prompt.id for prompt in latest}
        older = [prompt for prompt in self._prompts.open_ones() if prompt.id not in ids]
        return {"prompts": [_shown(prompt) for prompt in (*older, *reversed(latest))]}

    async def answer(self, args: dict[str, Any]) -> dict[str, Any]:
        """Answer a prompt in the operator's name."""
        wanted = checked(args, AnswerArguments)
        prompt_id = wanted.id.strip().lower()
        outcome = await self._prompts.answer(prompt_id, wanted.answer, OPERATOR)
        left = self._prompts.find(prompt_id)
        return {"outcome": outcome, "prompt": _shown(left) if left is not None else None}


def _shown(prompt: StoredPrompt) -> dict[str, Any]:
    content, by = prompt.content, prompt.by
    return {
        "id": prompt.id, "kind": prompt.kind, "state": prompt.state, "title": content.title, "body": content.body,
        "options": content.options, "multiple": content.multiple, "free": content.free, "file": prompt.file,
        "session": content.session or None, "chats": content.chats, "asked_at": prompt.asked_at,
        "expires_at": prompt.expires_at, "settled_at": prompt.settled_at, "answer": prompt.answer,
        "outcome": prompt.outcome, "carried_out": prompt.carried_out,
        "by": None if by is None else {"worker": by.worker or None, "sender_id": by.sender_id, "name": by.name},
    }  # fmt: skip
