"""Messages that wait: for Claude's turn, for their sender's word, for an approver's. And who is told of it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Protocol

import structlog

from channeld.core import waiting
from channeld.core.errors import Refused, StoreUnavailable
from channeld.core.model import StoredEvent
from channeld.core.prompts import APPROVERS, PromptState, StoredPrompt, Who
from channeld.daemon.router import Router
from channeld.daemon.session import Session
from channeld.store.holds import Hold, Holds

log = structlog.get_logger()
_DEAF: Final = (
    "Claude Code has taken your message, but Claude was not given it: a dialog may be open in its terminal. The message "
    "is kept. Somebody has to look there."
)
_NOTHING_WAITS: Final = "Nothing of yours is waiting."
_SENT_IN: Final = "Claude gets it as a note in the midst of its work."


class Desk(Protocol):
    """Where people are asked; see daemon/prompts.py."""

    async def open(
        self,
        kind: str,
        title: str,
        body: str,
        options: list[str],
        *,
        audience: str,
        only: str = APPROVERS,
        key: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> str:
        """Ask, unless the same is asked already; return the prompt's id."""

    async def close_key(self, key: str, state: PromptState, answer: str = "") -> None:
        """Close the open prompt of a key, if there is one."""

    def on(self, kind: str, handler: Callable[[StoredPrompt, str, Who], Awaitable[str]]) -> None:
        """Name who carries the answers to a kind of prompts out."""
