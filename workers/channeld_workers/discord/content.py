"""What a message holds besides its text: files, and everything else as lines in square brackets.

Names and other words in these lines are the sender's, and cleaned, so that none ends its bracket or its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from channeld.core.model import Attachment
from channeld_workers.discord.embeds import summaries
from channeld_workers.discord.ids import snowflake
from channeld_workers.files import safe_mime, safe_name
from channeld_workers.raw import Raw, count, line, table, tables, words

_MIB: Final = 1024 * 1024
_MOST_FILES: Final = 20
_NAMES_SHOWN: Final = 10
_VOICE: Final = 1 << 13
_COMPONENTS_V2: Final = 1 << 15
_TEXT_DISPLAY: Final = 10
_MOST_COMPONENTS: Final = 200
_LONGEST_S: Final = 10**7

_NO_CONTENT: Final = """
id channel_id guild_id author member content timestamp edited_timestamp tts mention_everyone mentions mention_roles
mention_channels attachments embeds reactions nonce pinned webhook_id type application application_id flags
message_reference message_snapshots referenced_message interaction_metadata interaction thread components sticker_items
stickers position role_subscription_data resolved poll call channel_type
"""
_FRAME: Final = frozenset(_NO_CONTENT.split())
"""Keys of a message that are no content, or are read by their own."""
_PHRASES: Final = {
    "activity": "invitation to an activity",
    "gift_info": "a gift",
    "shared_client_theme": "a theme",
    "soundboard_sounds": "a sound",
}


class Held(NamedTuple):
    """What a message holds besides its text."""

    lines: list[str]
    attachments: list[Attachment]

    def summary(self) -> str:
        """Return it in one line, for a quote; empty where nothing is held."""
        return " ".join(self.lines) or " ".join(f"[{file.name}]" for file in self.attachments)


class FileToken(NamedTuple):
    """Where a file is found again: its address expires, its message does not."""

    channel_id: int
    message_id: int
    attachment_id: int


def held(message: Raw, origin: tuple[int, int], max_bytes: int, resolve: Callable[[str], str]) -> Held:
    """Return what a message holds besides its text.

    Args:
        message: it, or what is passed on in it.
        origin: the channel and the message in which its files are found again.
        max_bytes: larger files come without a token.
        resolve: puts names in place of marks.
    """
    lines: list[str] = []
    attachments: list[Attachment] = []
    flags = count(message.get("flags"))
    for raw in tables(message.get("attachments"), _MOST_FILES):
        file = _file(raw, origin, max_bytes)
        attachments.append(file)
        if flags & _VOICE:
            lines.append(f"[voice message{_length(raw.get('duration_secs'))}]")
        if described := line(raw.get("description"), 300):
            lines.append(f"[{file.name}: {described}]")
    for sticker in tables(message.get("sticker_items") or message.get("stickers"), 10):
        lines.append(f"[sticker: {line(sticker.get('name'), 64) or 'unknown'}]")
    if type(message.get("poll")) is dict:
        lines.append(_poll(table(message["poll"])))
    lines += summaries(message.get("embeds"), words(message.get("content"), 10_000), resolve)
    if flags & _COMPONENTS_V2:
        lines += [resolve(text) for text in _texts(message.get("components"))]
    lines += [f"[{phrase}]" for key, phrase in _PHRASES.items() if message.get(key)]
    return Held(lines, attachments)


def unknown_line(message: Raw) -> str:
    """Return a line about a message in which nothing known was found."""
    keys = [
        line(key, 40) or "?" for key, value in message.items() if key not in _FRAME and key not in _PHRASES and value
    ]
    return unknown_kind(", ".join(keys[:_NAMES_SHOWN]) or "empty")


def unknown_kind(kind: str) -> str:
    """Return a line about a message of a kind that is not known."""
    return f"[a message of a kind that this channeld does not know: {kind}]"


def read_token(token: str) -> FileToken | None:
    """Return where a file is found again, None if the token is none of these."""
    parts = [snowflake(part) for part in token.split(":")[:4]]
    numbers = [part for part in parts if part is not None]
    return FileToken(*numbers) if len(numbers) == len(parts) == 3 else None


def find_file(message: object, attachment_id: int) -> Raw | None:
    """Return a file of a message or of what is passed on in it, as Discord has it; None if it is gone."""
    name = str(attachment_id)
    holders = [table(message), *snapshots(table(message))]
    files = (file for holder in holders for file in tables(holder.get("attachments"), _MOST_FILES))
    return next((file for file in files if file.get("id") == name), None)


def snapshots(message: Raw) -> list[Raw]:
    """Return the messages that are passed on in a message, as they were."""
    found = [table(each.get("message")) for each in tables(message.get("message_snapshots"), 5)]
    return [each for each in found if each]


def _file(raw: Raw, origin: tuple[int, int], max_bytes: int) -> Attachment:
    number, claimed = snowflake(raw.get("id")), words(raw.get("content_type"), 200).partition(";")[0]
    file = Attachment(
        name=safe_name(words(raw.get("filename"), 1000) or "file"),
        mime=safe_mime(claimed.strip().lower()),
        size=count(raw.get("size")),
    )
    if file.size > max_bytes:
        file.note = f"larger than the {max_bytes // _MIB} MB that are fetched (max_download_mb)"
    elif number is None:
        file.note = "Discord does not say how to fetch it"
    else:
        file.token = f"{origin[0]}:{origin[1]}:{number}"
        file.wanted = file.mime.startswith("image/")
    return file


def _length(value: object) -> str:
    """Return how long a recording is, after a comma; empty where that is not said."""
    if (type(value) is not int and type(value) is not float) or not 0 < value < _LONGEST_S:  # nor NaN
        return ""
    seconds = max(1, round(value))
    return f", {seconds // 60}:{seconds % 60:02}"


def _poll(raw: Raw) -> str:
    """Return a poll (https://docs.discord.com/developers/resources/poll)."""
    media = [table(answer.get("poll_media")) for answer in tables(raw.get("answers"), 20)]
    options = [line(each.get("text"), 100) or line(table(each.get("emoji")).get("name"), 32) for each in media]
    question = line(table(raw.get("question")).get("text"), 300)
    return f"[poll: {question} – {' / '.join(option or '?' for option in options)}]"


def _texts(components: object) -> Iterator[str]:
    """Yield the texts among components, however deep, in their order."""
    waiting = list(reversed(tables(components)))
    for _ in range(_MOST_COMPONENTS):
        if not waiting:
            return
        one = waiting.pop()
        if one.get("type") == _TEXT_DISPLAY and (text := words(one.get("content"), 4000).strip()):
            yield text
        inner = [*tables(one.get("components")), *tables([one.get("component"), one.get("accessory")])]
        waiting += reversed(inner)
