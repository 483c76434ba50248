"""What is asked of people: a prompt, who may answer it, and which answers it takes."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from channeld.core.errors import Refused
from channeld.core.model import Attachment

APPROVERS: Final = "approvers"
"""In place of a chat: the private chats of all approvers. In place of a sender's id: any approver."""
ANSWER_LIMIT: Final = 4000
"""Characters of an answer in words."""
NOT_ALLOWED: Final = "not_allowed"
"""Code of the refusal of somebody who may not answer."""
TITLE_LIMIT: Final = 200
"""Characters of a prompt's title."""
LETTERS: Final = "abcdefghijkmnopqrstuvwxyz"
"""Without l, which looks like 1 and I."""
_ID_LENGTH: Final = 8


class PromptState(StrEnum):
    """Where a prompt is."""

    OPEN = "open"
    ANSWERED = "answered"
    ELSEWHERE = "elsewhere"  # the terminal had the answer, or it is of no use any more
    EXPIRED = "expired"  # nobody waits for the answer any more


class Who(NamedTuple):
    """Somebody who answers."""

    worker: str  # empty: at the terminal
    sender_id: str
    name: str


OPERATOR: Final = Who("", "operator", "the operator")
"""Whoever sits at the terminal that the command line was typed at."""


class Content(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What of a prompt is stored in one piece."""

    title: str
    body: str
    options: list[str]
    multiple: bool = False  # several options may be chosen
    free: bool = False  # an answer in words is taken too
    files: list[Attachment] = []  # at most one, in the spool: what ``body`` shows only a part of
    session: str = ""  # name of the session that waits, for people
    audience: str = APPROVERS  # or a chat
    only: str = APPROVERS  # or the one sender's id
    chats: list[str] = []  # where it was shown
    shown: dict[str, str] = {}  # by chat, the message as which it stands there
    data: dict[str, Any] = {}  # its kind's own


class StoredPrompt(msgspec.Struct, kw_only=True):
    """One prompt."""

    id: str
    kind: str
    content: Content
    asked_at: float  # unix time, seconds, as all times here
    key: str | None = None
    instance: str = ""
    expires_at: float | None = None
    state: str = PromptState.OPEN
    answer: str = ""
    outcome: str = ""  # what became of it, in words
    by: Who | None = None
    settled_at: float | None = None
    carried_out: bool = False

    @property
    def file(self) -> str | None:
        """Absolute path of the text that goes with it."""
        return self.content.files[0].path if self.content.files else None


def clipped_title(text: str) -> str:
    """Return a title that leaves room for the rest of its card."""
    return text if len(text) <= TITLE_LIMIT else f"{text[: TITLE_LIMIT - 1]}…"


def new_id() -> str:
    """Return a new id."""
    return "".join(secrets.choice(LETTERS) for _ in range(_ID_LENGTH))


def chosen(answer: str) -> list[str]:
    """Return what an answer to a prompt with several choices names: it is a JSON list, or one thing in plain words."""
    try:
        return msgspec.json.decode(answer, type=list[str])
    except (msgspec.DecodeError, RecursionError):
        return [answer]


def in_words(prompt: StoredPrompt, answer: str, who: Who) -> str:
    """Return what was answered and by whom, for people."""
    said = ", ".join(chosen(answer)) if prompt.content.multiple else answer
    return f"{said} – {who.name}" if who.name else said


def check_answer(prompt: StoredPrompt, answer: str) -> str:
    """Return an answer as it is recorded: an option as it is spelt, a JSON list where several may be chosen.

    Raises:
        Refused: the prompt does not take it.
    """
    content = prompt.content
    if len(answer) > ANSWER_LIMIT:
        raise Refused(f"The answer is too long: at most {ANSWER_LIMIT} characters are taken.")
    if not content.multiple:
        return _one(content, answer)
    several = list(dict.fromkeys(_one(content, each) for each in chosen(answer)))
    if not several:
        raise Refused("Nothing was chosen.", hint=_what_is_taken(content), code="bad_answer")
    return msgspec.json.encode(several).decode()


def _one(content: Content, answer: str) -> str:
    said = answer.strip()
    alike = [option for option in content.options if option.strip().casefold() == said.casefold()]
    if alike:  # options may differ in case only
        return next((option for option in alike if option.strip() == said), alike[0])
    if not content.free:
        raise Refused(f"{said[:60]!r} is not one of the answers.", hint=_what_is_taken(content), code="bad_answer")
    if not said:
        raise Refused("The answer is empty.", hint=_what_is_taken(content), code="bad_answer")
    return said


def _what_is_taken(content: Content) -> str:
    if not content.options:
        return "Answer in your own words."
    return f"Answer with {or_list(content.options)}{', or in your own words' if content.free else ''}."


def or_list(options: Iterable[str]) -> str:
    """Return options as a person would list them."""
    *most, last = list(options)
    return f"{', '.join(most)} or {last}" if most else last
