"""What the daemon and a worker say to each other: one JSON object a line, told apart by ``type``.

A worker speaks first (``Hello``), the daemon answers (``Welcome``), the worker connects to its platform and says
``Ready``. From then on the worker offers what it receives and carries out what it is told to send. Numbers named
``ref`` are chosen by whoever asks and come back with the answer.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from channeld.core.access import room_of
from channeld.core.model import Attachment, Capabilities, HistoryItem, Inbound, Piece

__all__ = ["Attachment", "Capabilities", "HistoryItem", "Inbound", "Piece"]

PROTOCOL: Final = 1
MAX_FRAME_BYTES: Final = 4 * 1024 * 1024


class Message(
    msgspec.Struct,
    tag=lambda name: "".join("_" + c.lower() if c.isupper() else c for c in name)[1:],
    omit_defaults=True,
    kw_only=True,
):
    """Base of everything on the worker socket. Unknown fields are ignored: fields are only ever added."""


# -- worker to daemon --------------------------------------------------------------------------------------------


class Hello(Message):
    """The first frame of a worker."""

    protocol: int
    worker: str
    platform: str
    version: str
    capabilities: Capabilities


class Ready(Message):
    """The worker is connected to its platform. ``account`` is what a person would call it: a bot's name, a URL."""

    account: str


class Beat(Message):
    """The worker's loop turns."""


class Trouble(Message):
    """Something is wrong on the platform's side; an empty ``text`` says that it is over."""

    code: str
    text: str = ""
    hint: str = ""


class Offer(Message):
    """An event for the mailbox. Confirm nothing to the platform before ``Accepted`` or a final ``Refused``.

    ``heard`` is the highest ``Refused.number`` that was read before this was sent. An offer that was sent before is
    refused for now as well: else it would pass one that has to be offered again. Absent: such order does not matter.
    """

    ref: int
    event: Inbound
    heard: int | None = None


class Sent(Message):
    """A ``Send`` is done. ``message_id`` is the platform's."""

    ref: int
    message_id: str


class RetryAfter(Message):
    """The platform asks to wait; nothing was sent."""

    ref: int
    delay_s: float


class Failed(Message):
    """The platform refused for good; nothing was sent."""

    ref: int
    reason: str


class Uncertain(Message):
    """It may have been sent; nobody can tell."""

    ref: int
    reason: str


class Split(Message):
    """A ``Send`` is more than one message of the platform, and nothing was sent: it is asked for piece by piece."""

    ref: int
    pieces: list[Piece]


class Fetched(Message):
    """A file is in the inbox. ``mime`` is sniffed, ``path`` absolute."""

    ref: int
    path: str
    mime: str
    size: int


class NotFetched(Message):
    """A file cannot be had, and why, in words for Claude and for people."""

    ref: int
    reason: str


class Albums(Message):
    """The albums that may still grow; every other one of this worker is complete."""

    open: list[str]


class Shown(Message):
    """A prompt stands in a chat, as this message: a later process of the worker can change it there."""

    id: str
    chat: str
    message_id: str


class Withdrawn(Message):
    """A sender has deleted a message: if it still waits, nobody is given it. Say so after its offer was accepted."""

    chat: str
    message_id: str


class Remember(Message):
    """Keep small facts for the worker's next process: at most 200 characters each; an empty value forgets one.

    What was accepted before it is on disk before it.
    """

    marks: dict[str, str]


class AskMarks(Message):
    """Ask for all that was to be remembered. The answer is ``Marks`` or ``Refused``."""

    ref: int


class Moved(Message):
    """A chat has a new id. The answer is ``Accepted`` or ``Refused``."""

    ref: int
    chat: str
    to: str


class AskHistory(Message):
    """Ask for messages of one of the worker's chats: after an id, the latest ones before an id, or exactly one."""

    ref: int
    chat: str
    after: str | None = None
    before: str | None = None
    only: str | None = None  # the id of the one message that is wanted
    limit: int = 200


class AnswerPrompt(Message):
    """Somebody answered a prompt: with one of its options, or in words. The answer is ``Accepted`` or ``Refused``."""

    ref: int
    id: str
    answer: str
    sender_id: str
    sender: str
    only_ask: bool = False  # nothing is answered: whether this sender may is all that is wanted


class Drained(Message):
    """Nothing is in flight any more; the worker ends now."""


class Fault(Message):
    """The other side sent something that cannot be read. Either side may say it; it is logged and costs nothing."""

    code: str
    text: str


FromWorker = (
    Hello
    | Ready
    | Beat
    | Trouble
    | Offer
    | Sent
    | RetryAfter
    | Failed
    | Uncertain
    | Split
    | Fetched
    | NotFetched
    | Albums
    | Shown
    | Withdrawn
    | Remember
    | Moved
    | AskHistory
    | AskMarks
    | AnswerPrompt
    | Drained
    | Fault
)


# -- daemon to worker --------------------------------------------------------------------------------------------


class Welcome(Message):
    """The answer to ``Hello``: the worker's own table of the configuration and the folders it may use."""

    protocol: int
    settings: dict[str, Any]
    inbox: str  # where received files go, under names of ours
    beat_every_s: float


class Accepted(Message):
    """The event is on disk (or was already): the platform may be told."""

    ref: int
    duplicate: bool = False
    command: bool = False  # it was meant for channeld itself and is done: no message has come of it


class Refused(Message):
    """The event was not accepted. With ``retry`` it must be offered again later and not be confirmed.

    ``number`` counts the times that this worker's offers were refused for now; see ``Offer.heard``.
    """

    ref: int
    code: str
    text: str
    retry: bool = False
    number: int = 0


class Send(Message):
    """Carry out one part of an outbound message.

    ``send_id`` is the same whenever this part is sent again. ``kind`` is ``message``, ``edit`` (``message_id`` names
    the message, ``text`` its new text) or ``react`` (``text`` is the emoji).
    """

    ref: int
    send_id: str
    chat: str
    kind: str
    text: str
    format: str = "markdown"  # markdown | plain | entities
    message_id: str | None = None
    reply_to: str | None = None
    files: list[Attachment] = []
    buttons: list[str] = []
    entities: list[dict[str, Any]] = []  # with the format ``entities``, as the worker made them when it split
    tried_at: float | None = None  # unix time of an earlier attempt whose outcome nobody knows


class Fetch(Message):
    """Bring a file of a message into the inbox. The answer is ``Fetched`` or ``NotFetched``."""

    ref: int
    chat: str
    message_id: str
    token: str
    name: str


class Receipt(Message):
    """A message of one of the worker's chats is new or has changed its state."""

    item: HistoryItem


class Standing(msgspec.Struct, kw_only=True):
    """Whether anybody listens behind a chat."""

    listening: bool
    text: str  # what is the matter and what to do, commands in `backticks`; empty when there is nothing to say


class Presence(Message):
    """Whether anybody listens behind the worker's chats."""

    listening: bool
    text: str  # as in ``Standing``
    chats: dict[str, Standing] = {}  # those with a session of their own; their threads go as they do

    def of(self, chat: str) -> Standing:
        """Return how a chat stands: by itself, as a thread of one that does, or as all others."""
        own = self.chats.get(chat) or self.chats.get(room_of(chat))
        return own or Standing(listening=self.listening, text=self.text)


class Groups(Message):
    """All groups of the worker's that are open now."""

    chats: list[str]  # without threads, which are open with their group


class Typing(Message):
    """Claude began to work on a message of a chat, or ceased to."""

    chat: str
    working: bool


class Prompt(Message):
    """Claude Code asks something, or what it asked has been settled. The same ``id`` replaces what was told before."""

    id: str
    chat: str
    kind: str  # permission | question | plan | pairing | waiting | stale | unattended
    title: str
    body: str
    options: list[str]
    state: str  # open | answered | elsewhere | expired
    answer: str = ""  # once it is settled: what became of it, in words, for people
    multiple: bool = False  # several options may be chosen: the answer is a JSON list of them
    free: bool = False  # an answer in words is taken too
    file: str | None = None  # absolute path, in the spool: what ``body`` shows only a part of, as text
    shown: str | None = None  # the message as which it stands in the chat, as far as the worker has said so


class Notice(Message):
    """Channeld's own words to a chat. A courtesy: it may be lost, and is no message of Claude's."""

    chat: str
    text: str  # commands in `backticks`
    reply_to: str | None = None


class History(Message):
    """The answer to ``AskHistory``, oldest first."""

    ref: int
    items: list[HistoryItem]
    more: bool = False


class Marks(Message):
    """The answer to ``AskMarks``."""

    ref: int
    marks: dict[str, str]


class Drain(Message):
    """Take nothing new, finish what is in flight, say ``Drained`` and end."""


ToWorker = (
    Welcome
    | Accepted
    | Refused
    | Send
    | Fetch
    | Receipt
    | Presence
    | Groups
    | Typing
    | Prompt
    | Notice
    | History
    | Marks
    | Drain
    | Fault
)

encoder: Final = msgspec.json.Encoder()
from_worker: Final[msgspec.json.Decoder[FromWorker]] = msgspec.json.Decoder(FromWorker)
to_worker: Final[msgspec.json.Decoder[ToWorker]] = msgspec.json.Decoder(ToWorker)


def fit(items: list[HistoryItem], *, newest: bool) -> list[HistoryItem]:
    """Return as many items as fit into one frame, from the newest or from the oldest end, in their order."""
    left = MAX_FRAME_BYTES - 65_536
    kept: list[HistoryItem] = []
    for item in reversed(items) if newest else items:
        left -= len(encoder.encode(item)) + 1
        if left < 0 and kept:
            break
        kept.append(item)
    return kept[::-1] if newest else kept


def encode(message: Message) -> bytes:
    """Return a message as one line, newline included."""
    return encoder.encode(message) + b"\n"
