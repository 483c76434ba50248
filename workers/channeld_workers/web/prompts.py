"""What Claude Code asks: the prompts that the page shows as cards."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from channeld.ipc.messages import Prompt
from channeld_workers.web import render

_choice: Final = msgspec.json.Decoder(list[str])
_KEPT: Final = 20
"""Settled prompts that are still listed, so that a page that missed the end sees it."""


class Prompts:
    """Prompts by id, in the order in which they came. A new process of this worker is told the open ones anew."""

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

    def check(self, prompt: Prompt, text: str) -> str | None:
        """Return what is wrong with an answer, in a sentence; None where nothing is."""
        chosen = [text]
        if prompt.multiple:
            try:
                chosen = _choice.decode(text)
            except msgspec.MsgspecError:
                return "Several may be chosen: the answer must be a list of texts."
        if not chosen or not all(map(str.strip, chosen)):
            return "The answer is empty."
        if not render.takes_words(prompt) and not set(chosen) <= set(prompt.options):
            each = "Each answer" if prompt.multiple else "The answer"
            return f"{each} must be one of: {', '.join(prompt.options)}."
        return None

    def listed(self) -> list[dict[str, Any]]:
        """Return the prompts as ``GET /api/prompts`` shows them."""
        return [render.prompt(prompt) for prompt in self._prompts.values()]
