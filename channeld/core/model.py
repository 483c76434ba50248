"""The nouns that every part speaks of: events, files, and messages of a chat."""

from __future__ import annotations

from typing import Any

import msgspec


class Attachment(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A file of a message."""

    name: str  # as the sender called it, for display only
    path: str | None = None  # absolute, in the inbox (received) or the spool (to be sent); None: not fetched yet
    mime: str = "application/octet-stream"  # sniffed, not what the sender claimed
    size: int = 0  # bytes
    token: str | None = None  # the platform's own handle for fetching it, opaque to the daemon
    wanted: bool = False  # to be fetched before its message goes to Claude; else when somebody asks for it
    note: str = ""  # why there is no file, in words


class Inbound(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One event of a platform, translated. Every text in it is the sender's and hostile."""

    event_key: str  # the kind plus the platform's own id: unique per worker for ever
    chat: str
    message_id: str
    sender_id: str
    sender: str  # display name
    text: str
    sent_at: float  # unix time, seconds
    kind: str = "message"  # message | edited | reaction | button | webhook
    chat_title: str | None = None
    thread: str | None = None
    reply_to_id: str | None = None
    reply_to_user: str | None = None
    reply_to_text: str | None = None
    reply_to_sender_id: str | None = None  # who wrote what is quoted; needed in groups, where it may be anybody
    forwarded_from: str | None = None
    group: bool = False  # others can read and write in that chat too
    mentioned: bool = False  # in a group: the account was addressed
    bot: bool = False  # the sender is a bot
    attachments: list[Attachment] = []
    album: str | None = None  # the platform's id of a group of messages that were sent as one

    def written_at(self, accepted_at: float) -> float:
        """Return when it was sent, in unix seconds: platforms keep what comes while nobody fetches it."""
        return min(accepted_at, self.sent_at) if self.sent_at > 0 else accepted_at


class Capabilities(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a worker's platform can do. A tool that is not among them is refused with the platform's name."""

    tools: list[str] = []  # of: reply edit_message react download_attachment
    max_text: int = 4000  # characters of one reply before the daemon refuses it
    max_file_bytes: int = 50 * 1024 * 1024
    buttons: bool = False
    idempotent: bool = False  # a repeated send with the same id cannot double a message
    receipts: bool = False  # wants ``Receipt`` for every state change of its chats' messages
    presence: bool = False  # wants ``Presence`` and ``Typing``
    prompts: bool = False  # can show a ``Prompt`` and send the answer back
    notices: bool = False  # can show a ``Notice``
    groups: bool = False  # wants ``Groups``


class HistoryItem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One message of a chat as the store knows it, of either direction."""

    seq: int  # order over both directions; only for sorting and paging
    id: str  # the platform's message id; of a reply not sent yet, ``out-<seq>``
    direction: str  # in | out
    chat: str
    kind: str = "message"  # of lists by state: also edited, reaction, …, and edit, react of Claude's
    text: str
    ts: float  # unix time, seconds
    state: str
    user: str = ""
    reply_to: str | None = None
    attachments: list[Attachment] = []
    edited: bool = False
    reactions: list[str] = []
    reactors: list[str] = []  # who reacted, one a reaction: the sender's id, empty for Claude
    format: str = "plain"  # markdown | plain; what a sender wrote is plain
    error: str | None = None
    delivery_id: str | None = None  # of an inbound message: as in Claude's tag and in the log
    pushes: int = 0  # how often it was pushed to a session; from the second time on it is marked as redelivered


class MessageDetail(HistoryItem, omit_defaults=True, kw_only=True):
    """One message with everything that tells where it is."""

    worker: str
    changed_at: float  # unix time, seconds: of its last change of state or text
    attempts: int = 0  # pushes to a session, or sends by the worker
    session: str | None = None  # whom it was given to, or who wrote it


class StoredEvent(msgspec.Struct, kw_only=True):
    """An inbound event as the mailbox has it."""

    seq: int
    delivery_id: str
    worker: str
    inbound: Inbound
    state: str
    pushes: int
    accepted_at: float
    role: str  # what the sender may do, see core/access.py


class StoredPart(msgspec.Struct, kw_only=True):
    """One part of an outbound message as the outbox has it."""

    seq: int
    send_id: str
    call: int
    worker: str
    chat: str
    kind: str  # message | edit | react
    text: str
    message_id: str | None
    detail: PartDetail
    state: str
    attempts: int
    accepted_at: float
    platform_id: str | None
    error: str | None
    tried_at: float | None = None  # unix time of the first earlier attempt whose outcome nobody knows


class Piece(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One message of the platform, of several that a reply has to be sent as. How to split is the worker's business."""

    text: str
    format: str = "markdown"  # markdown | plain, or one of the worker's own: entities, file
    entities: list[dict[str, Any]] = []  # with the format ``entities``, the worker's own
    reply_to: str | None = None
    files: list[Attachment] = []  # of those that the reply has
    buttons: list[str] = []


class PartDetail(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a part carries besides its text."""

    format: str = "markdown"
    entities: list[dict[str, Any]] = []
    author: str = ""  # who wrote it at the terminal; empty: Claude
    reply_to: str | None = None
    files: list[Attachment] = []
    buttons: list[str] = []


class NewPart(msgspec.Struct, kw_only=True):
    """A part that is about to be accepted."""

    kind: str
    text: str
    message_id: str | None = None
    detail: PartDetail = msgspec.field(default_factory=PartDetail)


class Lease(msgspec.Struct, frozen=True):
    """The right to settle what was given to one holder: stale as soon as the holder has a newer epoch."""

    instance: str
    epoch: int
