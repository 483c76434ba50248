"""Files of messages: saved under names of ours and told by their bytes."""

from __future__ import annotations

import codecs
import os
import re
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, Final, NamedTuple

import puremagic

from channeld.core.text import clean_name
from channeld.ipc.messages import Attachment

OCTETS: Final = "application/octet-stream"
_SNIFF_BYTES: Final = 64 * 1024
_PREFERRED: Final = (".jpg", ".zip", ".ogg", ".mp3", ".mp4", ".tif")
"""What many types share their first bytes with is called by the plainest name."""
_EXTENSION: Final = re.compile(r"\.[a-z0-9]{1,8}")
_MIME: Final = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,99}")
_NOT_IN_TEXT: Final = frozenset(range(32)) - frozenset(b"\t\n\f\r\x1b")


class Kind(NamedTuple):
    """A type of file."""

    mime: str
    extension: str  # with its dot


def sniff(head: bytes, foot: bytes, claimed_name: str) -> Kind:
    """Return the type of a file by its first and last bytes.

    The claimed name only chooses among types that the bytes allow (a ``.docx`` begins like every ``.zip``).
    """
    if _is_text(head):
        return Kind("text/plain", ".txt")
    try:
        matches = puremagic.magic_string(head + foot)
    except (puremagic.PureError, ValueError):
        matches = []
    best = [m for m in matches if m.confidence >= matches[0].confidence and _EXTENSION.fullmatch(m.extension)]
    claimed = PureWindowsPath(claimed_name).suffix.lower()
    for wanted in (claimed, *_PREFERRED):
        for match in best:
            if match.extension == wanted:
                return _kind(match.mime_type, wanted)
    return _kind(best[0].mime_type, best[0].extension) if best else Kind(OCTETS, ".bin")


def _kind(mime: str, extension: str) -> Kind:
    return Kind(safe_mime(mime), extension)


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # a character may be cut at the end
    except UnicodeDecodeError:
        return False
    return bool(head) and _NOT_IN_TEXT.isdisjoint(head)


def safe_mime(mime: str) -> str:
    """Return a type that may stand in a header."""
    return mime if _MIME.fullmatch(mime) else OCTETS


def safe_name(name: str) -> str:
    """Return a sender's name for a file as a single clean name, for display only."""
    last = re.split(r"[\\/]", name)[-1]
    return clean_name(last).strip(". ") or "file"


def save(source: BinaryIO, name: str, inbox: Path) -> Attachment:
    """Copy an upload into the inbox and return only when it is on disk. Blocks: call it in a thread.

    Args:
        source: at its beginning; needs ``seek``.
        name: what the sender calls it.
        inbox: created if it is missing.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    head = source.read(_SNIFF_BYTES)
    size = source.seek(0, os.SEEK_END)
    source.seek(max(len(head), size - _SNIFF_BYTES))
    kind = sniff(head, source.read(), name)
    source.seek(0)
    inbox.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = inbox / f"{secrets.token_hex(16)}{kind.extension}"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
            target.flush()
            os.fsync(target.fileno())
        _sync_folder(inbox)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return Attachment(name=safe_name(name), path=str(path), mime=kind.mime, size=size)


def _sync_folder(folder: Path) -> None:
    """Put a new name on disk too."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def discard(attachments: Iterable[Attachment]) -> None:
    """Delete saved files whose message was not accepted, or was accepted before with files of its own. Blocks."""
    for attachment in attachments:
        if attachment.path is not None:
            Path(attachment.path).unlink(missing_ok=True)


def is_there(path: str | None) -> bool:
    """Tell whether an attachment's file can be handed out: a regular file and no link. Blocks."""
    return path is not None and Path(path).is_file() and not Path(path).is_symlink()
