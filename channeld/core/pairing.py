"""Codes with which a person on a phone and a person at a terminal find each other, and what is said about them."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from channeld.core.access import Role
from channeld.core.text import short_name

ALPHABET: Final = "ACDEFGHJKMNPQRTWXY34679"
"""Without what looks alike: 0 O, 1 I L, 2 Z, 5 S, 8 B, U V."""
CODE_LENGTH: Final = 8
OWNER_CODE_LENGTH: Final = 12
"""Of the code that the operator sends himself. Strangers can try those in the chat: 54 bits are beyond trying."""
VALID_S: Final = 3600.0
MOST_ANSWERS: Final = 2
"""To one sender's messages while his code is valid."""
MOST_OPEN: Final = 3
"""Codes of one worker that are valid at the same time."""
MOST_WRONG: Final = 5
WRONG_WITHIN_S: Final = 600.0
_BLANKS: Final = re.compile(r"[\s–-]+")
_LONGEST_TEXT: Final = 40
_SIGN: Final = rf"(?:[{ALPHABET}{ALPHABET.lower()}]|[^\W_\x00-\x7f])"
_LIKE_A_CODE: Final = re.compile(rf"(?<!\w)(?=({_SIGN}{{4}}[\s.\u2010-\u2015\u2212-]*{_SIGN}{{4}}))")
_LEFT_OUT: Final = "(name left out)"
_START: Final = "/start"


class PairingRequest(NamedTuple):
    """Somebody asks to be listed. The code is not part of it: whoever approves has it from the sender."""

    id: str
    worker: str
    platform: str
    sender_id: str
    sender: str  # his name, as it may be shown
    chat: str
    asked_at: float  # unix seconds


class Paired(NamedTuple):
    """Somebody was listed."""

    worker: str
    sender_id: str
    sender: str
    chat: str
    role: Role


def spell(number: int, length: int) -> str:
    """Return a code for a random number, which should be far above ``len(ALPHABET) ** length``."""
    letters = []
    for _ in range(length):
        number, letter = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(letters)


def shown(code: str) -> str:
    """Return a code as people write it: in groups of four."""
    return "-".join(code[n : n + 4] for n in range(0, len(code), 4))


def read(text: str, length: int = CODE_LENGTH) -> str | None:
    """Return the code that somebody typed, in whatever case and grouping, or None if it is none of that length."""
    if len(text) > _LONGEST_TEXT:
        return None
    code = _BLANKS.sub("", text).upper()
    return code if len(code) == length and all(letter in ALPHABET for letter in code) else None


def read_message(text: str) -> str | None:
    """Return the operator's code if a message is nothing but that, with or without ``/start`` before it."""
    return read(text.strip().removeprefix(_START), OWNER_CODE_LENGTH)


def shown_name(name: str, codes: Iterable[str] = ()) -> str:
    """Return a name as it may stand in a sentence of ours; one that shows a code, or what reads like one, is left out.

    Whoever reads the sentence is about to type a code: it must be one that he was told by the person.

    Args:
        name: as its bearer chose it.
        codes: those that are open.
    """
    shown = short_name(name)
    signs = "".join(filter(str.isalnum, shown)).upper()
    is_code = any(code in signs for code in codes) or any(
        found[1] == found[1].upper() or any(map(str.isdigit, found[1]))  # ordinary names have small letters, no digits
        for found in _LIKE_A_CODE.finditer(shown)
    )
    return _LEFT_OUT if is_code else shown


def find(code: str, known: Iterable[str]) -> int | None:
    """Return the place of a code among those known; the time it takes tells nothing about them."""
    found = None
    for place, each in enumerate(known):
        if hmac.compare_digest(code.encode(), each.encode()):
            found = place
    return found


class WrongTries:
    """Limits how often a code may be guessed."""

    def __init__(self) -> None:
        self._at: list[float] = []

    def wait_s(self, now: float) -> float:
        """Return for how many seconds no further code is looked at; 0: it is."""
        self._at = [at for at in self._at if 0 <= now - at < WRONG_WITHIN_S]
        return 0.0 if len(self._at) < MOST_WRONG else self._at[0] + WRONG_WITHIN_S - now

    def count(self, now: float) -> None:
        """Note a wrong one."""
        self._at.append(now)


def code_text(code: str) -> str:
    """Return what a stranger is told."""
    return (
        "This chat leads to somebody's Claude Code, and you are not on its list yet: your message was not passed on. "
        f"Your pairing code is {shown(code)}. Tell it to the owner, who types it when asked, or runs "
        f"`channeld pair approve {shown(code)}`. It is valid for an hour. "
        "If you did not mean to come here, ignore this."
    )


def paired_text(role: Role) -> str:
    """Return what somebody is told who has been listed."""
    more = " You can also answer what Claude asks for permission." if role is Role.APPROVER else ""
    return f"You are on the list: what you write here from now on reaches Claude.{more} What you wrote before did not."


def rate_text(per_minute: int) -> str:
    """Return what somebody is told who writes too fast."""
    return (
        f"More than {per_minute} messages in a minute: this one did not reach Claude, and neither do those that follow "
        "at once. Wait a minute, then send it again."
    )


def dialog_text(request: PairingRequest, role: Role, wrong: str = "") -> str:
    """Return what a form in the terminal says; it never shows the code.

    Args:
        request: who asks.
        role: what he would be allowed.
        wrong: what was wrong with the code that was typed before.
    """
    again = f"{wrong}\n\n" if wrong else ""
    return (
        f"{again}Somebody asks to write to Claude here, as a {role}: what they write reaches Claude, and they may not "
        f"give permissions. It is {who_asks(request)}.\n"
        "If you know who that is, type the code that the bot has sent them. Declining leaves it open; "
        f"`channeld pair deny {request.id}` refuses it for good."
    )


def prompt_title(request: PairingRequest, role: Role) -> str:
    """Return what an approver is asked in a chat, in one line."""
    return f"Somebody asks to write to Claude, as a {role}: {who_asks(request)}"


def prompt_text(role: Role) -> str:
    """Return what an approver is told in a chat."""
    return (
        f"As a {role}, what they write reaches Claude, and they may not give permissions. "
        "If you know who that is, ask them for the code that the bot has sent them, and write it here."
    )


def who_asks(request: PairingRequest) -> str:
    """Return a stranger's platform, id and name, the last because it is his own choice."""
    name = f"who chose the name “{request.sender}”" if request.sender else "without a name"
    return f"{request.platform} id {request.sender_id}, {name}"
