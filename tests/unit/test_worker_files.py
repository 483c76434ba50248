"""How received files are named, told and kept."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channeld_workers import files
from channeld_workers.web import handing

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@pytest.mark.parametrize(
    ("content", "claimed", "mime", "extension"),
    [
        (PNG, "x.html", "image/png", ".png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(20), "x", "image/jpeg", ".jpg"),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "x.fdf.exe", "application/pdf", ".pdf"),
        (b"PK\x03\x04" + bytes(30), "a.bin", "application/zip", ".zip"),
        (b"<html><script>alert(1)</script>", "x.html", "text/plain", ".txt"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "x.svg", "text/plain", ".txt"),
        ("grüße\n".encode(), "x.png", "text/plain", ".txt"),
        (b"\x00\x01\x02", "x.png", "application/octet-stream", ".bin"),
        (b"", "x.png", "application/octet-stream", ".bin"),
    ],
)
def test_the_bytes_say_what_a_file_is(content, claimed, mime, extension):
    """What the sender claims does not make a page out of a picture or a picture out of a page."""
    assert files.sniff(content, b"", claimed) == (mime, extension)


def test_the_claimed_name_chooses_among_what_the_bytes_allow():
    """Office documents begin like every zip file."""
    assert files.sniff(b"PK\x03\x04" + bytes(30), b"", "report.docx").extension == ".docx"


@given(st.binary(max_size=300), st.text(max_size=40))
def test_sniffing_survives_anything(content, claimed):
    """Whatever comes, the extension is short and plain and the type may stand in a header."""
    mime, extension = files.sniff(content, b"", claimed)
    assert extension[0] == "." and extension[1:].isascii() and extension[1:].isalnum() and len(extension) <= 9
    assert files.safe_mime(mime) == mime


@given(st.text(max_size=300))
def test_a_shown_name_is_never_a_path(name):
    """A name keeps no separators, brackets, control characters, and is never empty or a dot entry."""
    shown = files.safe_name(name)
    assert shown and not set(shown) & set('/\\<>[];"\n\r\0') and shown not in {".", ".."}


def test_a_saved_file_has_a_name_of_ours_and_is_private(tmp_path):
    """The sender's name is kept for display only, and the file is open to its owner alone."""
    inbox = tmp_path / "inbox"
    saved = files.save(io.BytesIO(PNG), "../../etc/cron.d/evil.sh", inbox)
    assert saved.path is not None
    path = Path(saved.path)
    assert path.parent == inbox and path.suffix == ".png" and "evil" not in path.name
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and path.read_bytes() == PNG
    assert (saved.name, saved.mime, saved.size) == ("evil.sh", "image/png", len(PNG))


def test_a_large_file_is_copied_whole(tmp_path):
    """Sniffing reads both ends and the copy begins at the beginning."""
    content = PNG + os.urandom(300_000)
    saved = files.save(io.BytesIO(content), "big", tmp_path)
    assert saved.path is not None
    assert Path(saved.path).read_bytes() == content and saved.size == len(content)


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    """A full disk costs the upload and nothing else."""

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.save(io.BytesIO(PNG), "a.png", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_links_and_folders_are_not_handed_out(tmp_path):
    """Only a regular file that is still there has content."""
    real = tmp_path / "real"
    real.write_text("x")
    (tmp_path / "link").symlink_to(real)
    assert files.is_there(str(real))
    assert not any(files.is_there(str(tmp_path / name)) for name in ("link", "missing", ""))
    assert not files.is_there(None)


def test_only_pictures_are_shown_in_place():
    """What can carry a script is saved, not shown."""
    assert handing.disposition("image/png") == "inline"
    assert {handing.disposition(mime) for mime in ("image/svg+xml", "text/html", "application/pdf")} == {"attachment"}


@pytest.mark.parametrize("mime", ["text/html\r\nX: y", "", "text", "text/html; charset=utf-7", "IMAGE/PNG"])
def test_a_type_that_could_break_a_header_becomes_plain_bytes(mime):
    """A type comes from a store and goes into a header."""
    assert files.safe_mime(mime) == "application/octet-stream"
