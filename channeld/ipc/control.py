"""What the command line and the daemon say to each other: one request and one answer, a line each."""

from __future__ import annotations

from typing import Any, Final

import msgspec

MAX_REQUEST_BYTES: Final = 256 * 1024
"""The daemon takes no longer request."""

GUARDED: Final = frozenset(
    {
        "approve", "deny", "setup",
        "allow", "remove", "approver", "policy", "open_group", "close_group",
        "answer",
        "bind", "unbind",
        "url",
    }
)  # fmt: skip
"""Commands for a person at a terminal only: they change who may speak and who hears it, answer for a
person, or lead to a secret.

The command line refuses them without a terminal, and the daemon decides for itself, by what the kernel says of the
caller.
"""


class ControlRequest(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A command for the daemon."""

    command: str
    args: dict[str, Any] = {}


class ControlError(msgspec.Struct, omit_defaults=True, kw_only=True):
    """Why a command was not carried out."""

    code: str
    message: str
    hint: str = ""


class ControlReply(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The answer: data, or an error."""

    data: Any = None
    error: ControlError | None = None
