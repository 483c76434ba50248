"""What Claude Code asks: the prompts that the page shows as cards."""

from __future__ import annotations

from typing import Any, Final

from channeld.ipc.messages import Prompt
from channeld_workers.web import render

_KEPT: Final = 20
"""Settled prompts that are still listed, so that a page that missed the end sees it."""


class Prompts:
    """Prompts by id, in the order in which they came. A new process of this worker is told anew."""

    def __init__(self) -> None:
        self._prompts: dict[str, Prompt] = {}

    def put(self, prompt: Prompt) -> None:
        """Take a prompt that is new or has changed."""
        self._prompts[prompt.id] = prompt
        settled = [each.id for each in self._prompts.values() if each.state != "open"]
        for prompt_id in settled[:-_KEPT]:
            del self._prompts[prompt_id]

    def find(self, prompt_id: str) -> Prompt | None:
        """Return a prompt, or None."""
        return self._prompts.get(prompt_id)

    def listed(self) -> list[dict[str, Any]]:
        """Return the prompts as ``GET /api/prompts`` shows them."""
        return [render.prompt(prompt) for prompt in self._prompts.values()]
