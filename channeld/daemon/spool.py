"""Copies files that Claude wants to send, before the reply is accepted: workers read only these copies.

Checked on the opened descriptor, so that no link can be put in place between the check and the reading.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

from channeld.core.errors import Refused
from channeld.core.event import size_text
from channeld.core.files import MAX_FILES, refusal
from channeld.core.model import Attachment

_CHUNK: Final = 1024 * 1024
_SNIFF: Final = 4096


class Spool:
    """The folder of copies. Methods block: call them in a thread."""

    def __init__(self, folder: Path, refusal_of: Callable[[str], str | None]) -> None:
        self._folder, self._refusal_of = folder, refusal_of

    @classmethod
    def at(cls, folder: Path, *, home: str, own: list[str], inbox: str) -> Spool:
        """Return a spool that applies the rules of ``core.files``."""
        return cls(folder, lambda path: refusal(path, home=home, own=own, inbox=[inbox]))

    def take(self, paths: list[str], max_bytes: int) -> list[Attachment]:
        """Copy files into the spool, on disk before this returns.

        Raises:
            Refused: one of them may not or cannot be sent; then none was copied.
        """
        if len(paths) > MAX_FILES:
            raise Refused(f"{len(paths)} files are too many: at most {MAX_FILES} go with one reply.")
        opened: list[tuple[int, str]] = []
        copied: list[Attachment] = []
        try:
            for path in paths:
                opened.append((self._open(path, max_bytes), os.path.basename(path)))
            for descriptor, name in opened:
                copied.append(self._copy(descriptor, name, max_bytes))
            return copied
        except BaseException:
            for copy in copied:
                self.remove(copy.path or "")
            raise
        finally:
            for descriptor, _ in opened:
                os.close(descriptor)

    def put_text(self, name: str, text: str) -> Attachment:
        """Write a text of our own into the spool, on disk before this returns.

        Raises:
            Refused: the disk does not take it.
        """
        data = text.encode("utf-8", "replace")
        target = self._folder / f"{secrets.token_hex(16)}.txt"
        try:
            out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(out, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(out)
        except OSError as error:
            target.unlink(missing_ok=True)
            raise Refused(f"{name} could not be written: {error.strerror}.", hint="Check the disk.") from None
        return Attachment(name=name, path=str(target), mime="text/plain", size=len(data))

    def remove(self, path: str) -> None:
        """Remove a copy; a path outside the spool is left alone."""
        if Path(path).parent == self._folder:
            Path(path).unlink(missing_ok=True)

    def _open(self, path: str, max_bytes: int) -> int:
        if not os.path.isabs(path) or "\0" in path:
            raise Refused(f"{path[:200]!r} is not an absolute path.", hint="Give the whole path, from / on.")
        try:
            if not stat.S_ISREG(os.lstat(path).st_mode):  # before opening: opening a device can have effects
                raise Refused(f"{path} is not a regular file.", hint="Give the file itself, not a link or a folder.")
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise Refused(f"{path[:200]} cannot be read: {error.strerror}.", hint="Check the path.") from None
        try:
            self._check(descriptor, path, max_bytes)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _check(self, descriptor: int, path: str, max_bytes: int) -> None:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise Refused(f"{path} is not a regular file.", hint="Give the file itself, not a link or a folder.")
        real = os.readlink(f"/proc/self/fd/{descriptor}")
        if (why := self._refusal_of(real)) is not None:
            raise Refused(why)
        if facts.st_size > max_bytes:
            raise Refused(
                f"{path} has {size_text(facts.st_size)}; at most {size_text(max_bytes)} can be sent here.",
                hint="Send a smaller file.",
            )

    def _copy(self, descriptor: int, name: str, max_bytes: int) -> Attachment:
        target = self._folder / f"{secrets.token_hex(16)}{_safe_suffix(name)}"
        out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            head, size = b"", 0
            while chunk := os.read(descriptor, _CHUNK):
                head = head or chunk[:_SNIFF]
                view = memoryview(chunk)
                while view:
                    view = view[os.write(out, view) :]
                size += len(chunk)
                if size > max_bytes:  # it grew since it was checked
                    raise Refused(f"{name} is growing and too large by now.", hint="Send it when it is complete.")
            os.fsync(out)
        except Refused:
            target.unlink(missing_ok=True)
            raise
        except OSError as error:
            target.unlink(missing_ok=True)
            raise Refused(f"{name} could not be copied: {error.strerror}.", hint="Check the disk.") from None
        finally:
            os.close(out)
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return Attachment(name=name, path=str(target), mime=sniff(head, name), size=size)


def sniff(head: bytes, name: str) -> str:
    """Return the media type that a file's first bytes tell, with its name only as a tie-breaker."""
    import puremagic  # noqa: PLC0415 - a megabyte of signatures that most daemons never need

    try:
        return puremagic.from_string(head, mime=True, filename=name) or "application/octet-stream"
    except (puremagic.PureError, ValueError):
        try:
            head.decode()
        except UnicodeDecodeError:
            return "application/octet-stream"
        return "text/plain"


def _safe_suffix(name: str) -> str:
    suffix = os.path.splitext(name)[1].lower()
    return suffix if suffix[1:].isalnum() and suffix.isascii() and len(suffix) <= 10 else ""
