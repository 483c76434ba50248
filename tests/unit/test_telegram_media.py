"""Files: which go as photos, which as documents, which together, and which not at all."""

from __future__ import annotations

import struct

import pytest

from channeld.core.model import Attachment
from channeld_workers.telegram.media import plan, refusal
from channeld_workers.telegram.pictures import dimensions

LIMIT = 50_000_000


def file(name: str, mime: str, size: int = 1000) -> Attachment:
    """Return a file in the spool."""
    return Attachment(name=name, path=f"/spool/{name}", mime=mime, size=size)


def photo(number: int) -> Attachment:
    """Return a picture."""
    return file(f"{number}.png", "image/png")


def planned(*files: Attachment, size: tuple[int, int] | None = (800, 600)) -> list[tuple[str, list[str]]]:
    """Return the plan in short, for pictures of one size."""
    return [(batch.method, [one.name for one in batch.files]) for batch in plan(files, lambda path: size)]


@pytest.mark.parametrize(
    ("mime", "method"),
    [
        ("image/jpeg", "photo"),
        ("image/png", "photo"),
        ("image/webp", "photo"),
        ("image/svg+xml", "document"),
        ("image/gif", "animation"),
        ("audio/mpeg", "audio"),
        ("audio/mp4", "audio"),
        ("audio/ogg", "document"),
        ("video/mp4", "video"),
        ("video/webm", "document"),
        ("application/pdf", "document"),
        ("application/octet-stream", "document"),
    ],
)
def test_the_kind_of_a_file_says_how_it_goes(mime, method):
    """What Telegram has no player for is a document."""
    assert planned(file("a", mime)) == [(method, ["a"])]


@pytest.mark.parametrize(
    ("size", "method"),
    [
        ((5000, 5000), "photo"),
        ((5001, 5000), "document"),
        ((2000, 100), "photo"),
        ((2001, 100), "document"),
        ((100, 2001), "document"),
        (None, "document"),
    ],
)
def test_a_picture_that_telegram_would_refuse_is_a_document(size, method):
    """Too large, too narrow, or of a size that nobody can tell."""
    assert planned(photo(1), size=size) == [(method, ["1.png"])]


def test_a_heavy_picture_is_a_document_and_not_even_opened():
    """Above 10 MB a photo is refused."""
    heavy = file("a.png", "image/png", 10_000_001)
    assert [batch.method for batch in plan([heavy], lambda path: pytest.fail("opened"))] == ["document"]


def test_pictures_and_videos_in_a_row_are_one_album():
    """Each of an album goes as what it is."""
    (batch,) = plan([photo(1), file("b.mp4", "video/mp4"), photo(3)], lambda path: (8, 6))
    assert (batch.method, batch.methods) == ("album", ["photo", "video", "photo"])


def test_documents_are_not_mixed_with_pictures_and_the_order_stays():
    """Telegram refuses a mixed album."""
    files = [photo(1), file("a.txt", "text/plain"), file("b.txt", "text/plain"), photo(2), photo(3)]
    assert planned(*files) == [
        ("photo", ["1.png"]),
        ("album", ["a.txt", "b.txt"]),
        ("album", ["2.png", "3.png"]),
    ]


def test_an_album_has_at_most_ten():
    """The eleventh goes alone."""
    assert [len(names) for _, names in planned(*map(photo, range(11)))] == [10, 1]
    assert planned(*map(photo, range(11)))[1] == ("photo", ["10.png"])


def test_animations_go_one_by_one():
    """They cannot be in an album."""
    gifs = [file("a.gif", "image/gif"), file("b.gif", "image/gif")]
    assert planned(*gifs) == [("animation", ["a.gif"]), ("animation", ["b.gif"])]


def test_no_files_are_no_calls():
    """Nothing to send."""
    assert planned() == []


def test_the_first_file_that_cannot_go_is_named():
    """The sentence tells what is wrong with it, and the limit."""
    assert refusal([photo(1), file("big.iso", "x/y", 50_100_000)], LIMIT) == (
        "big.iso has 50.1 MB, and Telegram takes at most 50 MB from a bot."
    )
    assert refusal([file("nil.txt", "text/plain", 0)], LIMIT) == "nil.txt is empty, and Telegram takes no empty files."
    assert refusal([photo(1), file("a.iso", "x/y", 50_000_000)], LIMIT) is None
    assert refusal([file("a.iso", "x/y", 50_000_001)], 2_000_000_000) is None


PICTURES = {
    "png": b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480) + b"\x08\x02\0\0\0",
    "jpeg": b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xff\xc4\x00\x02\xff\xc2"
    + struct.pack(">HBHH", 17, 8, 480, 640)
    + bytes(12),
    "lossy": b"RIFF\x40\0\0\0WEBPVP8 \x20\0\0\0\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 640, 480),
    "lossless": b"RIFF\x40\0\0\0WEBPVP8L\x20\0\0\0\x2f" + struct.pack("<I", 639 | 479 << 14) + bytes(9),
    "extended": b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + struct.pack("<I", 639)[:3] + struct.pack("<I", 479)[:3],
}


@pytest.mark.parametrize("kind", PICTURES)
def test_the_size_of_a_picture_is_read_from_its_head(tmp_path, kind):
    """PNG, JPEG and the three sorts of WebP."""
    path = tmp_path / "picture"
    path.write_bytes(PICTURES[kind])
    assert dimensions(str(path)) == (640, 480)


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_that_breaks_off_has_no_size(tmp_path, kind):
    """Cut anywhere before the end of its size, it is no error."""
    path = tmp_path / "picture"
    whole = PICTURES[kind].rstrip(b"\0")
    for length in range(16):
        path.write_bytes(whole[:length])
        assert dimensions(str(path)) is None


def test_what_is_no_picture_has_no_size(tmp_path):
    """Nor has what is not there."""
    path = tmp_path / "picture"
    for data in (
        b"",
        b"<svg/>",
        b"\xff\xd8" + b"\xff" * 5000,
        b"\xff\xd8\xff\xda\0\x0c",
        PICTURES["png"][:16] + bytes(9),
    ):
        path.write_bytes(data)
        assert dimensions(str(path)) is None
    assert dimensions(str(tmp_path / "none")) is None
