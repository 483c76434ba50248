"""The size of a JPEG, PNG or WebP picture, read from its head."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

_HEAD_BYTES: Final = 30  # up to the end of the size, in PNG and WebP
_MOST_SEGMENTS: Final = 1000  # of a JPEG before its size; a camera writes some dozens


def dimensions(path: str) -> tuple[int, int] | None:
    """Return width and height in pixels of the picture at a path; None if the file cannot be read or does not tell."""
    try:
        with Path(path).open("rb") as file:
            size = _read(file)
    except OSError:
        return None
    return size if size and all(size) else None


def _read(file: BinaryIO) -> tuple[int, int] | None:
    head = file.read(_HEAD_BYTES)
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        return _big(head[16:20]), _big(head[20:24])
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP" and len(head) == _HEAD_BYTES:
        return _webp(head)
    if head.startswith(b"\xff\xd8"):
        return _jpeg(file)
    return None


def _webp(head: bytes) -> tuple[int, int] | None:
    """Return the size in a WebP file's first chunk (RFC 9649): lossy, lossless or extended."""
    match head[12:16]:
        case b"VP8 ":
            return _little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF
        case b"VP8L":
            bits = _little(head[21:25])
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return _little(head[24:27]) + 1, _little(head[27:30]) + 1
    return None


def _jpeg(file: BinaryIO) -> tuple[int, int] | None:
    """Return the size in a JPEG's frame header (ITU T.81, B.2.2), which is behind any number of other segments."""
    file.seek(2)
    for _ in range(_MOST_SEGMENTS):
        mark = file.read(2)
        for _ in range(_MOST_SEGMENTS):
            if mark != b"\xff\xff":
                break
            mark = mark[1:] + file.read(1)  # filling
        if len(mark) < 2 or mark[0] != 0xFF:
            return None
        kind, length = mark[1], _big(file.read(2))
        if 0xC0 <= kind <= 0xCF and kind not in {0xC4, 0xC8, 0xCC}:
            frame = file.read(5)
            return (_big(frame[3:5]), _big(frame[1:3])) if len(frame) == 5 else None
        if length < 2 or kind == 0xDA:  # the picture itself begins, and nothing told its size
            return None
        file.seek(length - 2, 1)
    return None


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
