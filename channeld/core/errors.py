"""The one exception tree: every error has a stable code, a sentence, and a hint that says what to do."""

from __future__ import annotations


class ChanneldError(Exception):
    """Something channeld cannot or will not do.

    Attributes:
        code: stable snake_case name for programs.
        hint: what to do about it, one sentence, may be empty.
    """

    code = "error"
    hint = ""

    def __init__(self, message: str, *, hint: str = "", code: str = "") -> None:
        super().__init__(message)
        self.hint = hint or type(self).hint
        self.code = code or type(self).code


class ConfigError(ChanneldError):
    """The configuration cannot be used."""

    code = "bad_config"


class StoreUnavailable(ChanneldError):
    """The database cannot take writes now: nothing is accepted, and nothing that was accepted is lost."""

    code = "store_unavailable"


class StoreTooNew(ChanneldError):
    """The database was written by a newer channeld."""

    code = "store_too_new"


class ProtocolError(ChanneldError):
    """A peer on a socket sent something that is not the protocol."""

    code = "protocol"


class Refused(ChanneldError):
    """A request was understood and refused; the sentence says how to mend it."""

    code = "refused"
