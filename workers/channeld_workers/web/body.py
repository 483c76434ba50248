"""Request bodies: bounded while they are read, and checked before anything is done with them."""

from __future__ import annotations

from typing import Any, Final
from unicodedata import category

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from channeld.core.files import MAX_FILES
from channeld_workers.web.ids import MESSAGE_ID

MAX_TEXT: Final = 100_000
"""Characters of one message."""
MAX_EMOJI: Final = 16
"""Characters of a reaction: families and flags take many."""
_SYMBOLS: Final = frozenset({"So", "Sk", "Sm", "Po", "Pd"})
_JOINERS: Final = frozenset({"\u200d", "\ufe0f", "\u20e3", *map(chr, range(0xE0020, 0xE0080))})
"""What binds several characters to one emoji: joiner, variation, keycap, and the tags of regional flags."""
MAX_JSON_BYTES: Final = 12 * MAX_TEXT + 64 * 1024
"""Room for a text of the greatest length of which every character is written as two ``\\uXXXX``."""
FORM_OVERHEAD_BYTES: Final = 4 * MAX_TEXT + 64 * 1024
"""What a form may carry beside its files."""


class Post(msgspec.Struct, forbid_unknown_fields=True):
    """What is posted to ``/api/messages``."""

    text: str
    reply_to: str | None = None


class Upload(msgspec.Struct):
    """What is posted to ``/api/files``."""

    text: str
    reply_to: str | None
    files: list[UploadFile]


async def read_post(request: Request) -> Post:
    """Return a posted message.

    Raises:
        HTTPException: 400 or 413 with a sentence.
    """
    _check_length(request, MAX_JSON_BYTES, _too_long())
    request = Request(request.scope, _bounded(request.receive, MAX_JSON_BYTES, _too_long()))
    try:
        post = msgspec.json.decode(await request.body(), type=Post)
    except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
        raise HTTPException(
            400, f'The body must be JSON like {{"text": "hello"}}, with "reply_to" if wanted ({problem}).'
        ) from problem
    _check(post.text, post.reply_to)
    if not post.text.strip():
        raise HTTPException(400, "The text is empty.")
    return post


async def read_text(request: Request, name: str) -> str:
    """Return the one string of a JSON body such as ``{"emoji": "👍"}``.

    Raises:
        HTTPException: 400 or 413 with a sentence.
    """
    text = await _read_one(request, name, dict[str, str])
    assert isinstance(text, str)
    return text


async def read_answer(request: Request) -> str:
    """Return the answer to a prompt: ``{"answer": "…"}``, or a list of texts as its JSON.

    Raises:
        HTTPException: 400 or 413 with a sentence.
    """
    given = await _read_one(request, "answer", dict[str, str | list[str]])
    return given if isinstance(given, str) else msgspec.json.encode(given).decode()


async def _read_one(request: Request, name: str, kind: Any) -> str | list[str]:
    """Return the one value of a JSON body, of no more characters than a message has."""
    _check_length(request, MAX_JSON_BYTES, _too_long())
    request = Request(request.scope, _bounded(request.receive, MAX_JSON_BYTES, _too_long()))
    try:
        given: dict[str, str | list[str]] = msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        given = {}
    if set(given) != {name}:
        raise HTTPException(400, f'The body must be JSON like {{"{name}": "…"}}.')
    if len("".join(given[name])) > MAX_TEXT:
        raise _too_long()
    return given[name]


def check_emoji(text: str) -> str:
    """Return an emoji, or nothing.

    Raises:
        HTTPException: it is something else.
    """
    if not is_emoji(text):
        raise HTTPException(400, "A reaction is one emoji, or nothing to take it back.")
    return text


def is_emoji(text: str) -> bool:
    """Tell whether a text can pass for one emoji, or is empty: symbols and what joins them, and no words."""
    if len(text) > MAX_EMOJI or text[:1] in _JOINERS:
        return False
    keycap = text.endswith("\u20e3")
    return all(
        c in _JOINERS or c == "\u2139" or (keycap and c in "0123456789#*") or (c > "\x7f" and category(c) in _SYMBOLS)
        for c in text
    )


async def read_upload(request: Request, max_bytes: int) -> tuple[Upload, FormData]:
    """Return an upload, and the form to be closed after use.

    Args:
        request: whose body was not read yet.
        max_bytes: of all files together.

    Raises:
        HTTPException: 400 or 413 with a sentence.
    """
    too_large = HTTPException(
        413, f"The files of one message may have {max_bytes // 1024**2} MB together (max_upload_mb)."
    )
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise HTTPException(400, "The body must be multipart/form-data: a text field and one or more file parts.")
    limit = max_bytes + FORM_OVERHEAD_BYTES
    _check_length(request, limit, too_large)
    bounded = Request(request.scope, _bounded(request.receive, limit, too_large))
    form = await bounded.form(max_files=MAX_FILES, max_fields=8, max_part_size=4 * MAX_TEXT)
    try:
        upload = _upload(form)
        if sum(file.size or 0 for file in upload.files) > max_bytes:
            raise too_large
    except HTTPException:
        await form.close()
        raise
    return upload, form


def _upload(form: FormData) -> Upload:
    text, reply_to = form.get("text", ""), form.get("reply_to") or None
    files = form.getlist("file")
    if isinstance(text, UploadFile) or isinstance(reply_to, UploadFile):
        raise HTTPException(400, "text and reply_to must be plain fields, not files.")
    wanted = [file for file in files if isinstance(file, UploadFile)]
    if not wanted or len(wanted) != len(files):
        raise HTTPException(400, "At least one part named file is needed, with a filename.")
    text = text.replace("\r\n", "\n")  # how a form writes the end of a line, whatever was typed
    _check(text, reply_to)
    return Upload(text, reply_to, wanted)


def read_key(request: Request) -> str | None:
    """Return the ``Idempotency-Key``, if there is one.

    Raises:
        HTTPException: it is not 1 to 200 printable ASCII characters.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not (1 <= len(key) <= 200 and key.isascii() and key.isprintable()):
        raise HTTPException(400, "Idempotency-Key must be 1 to 200 printable ASCII characters.")
    return key


def read_page(request: Request) -> tuple[str | None, str | None, int]:
    """Return ``after``, ``before`` and ``limit`` of a question for messages.

    Raises:
        HTTPException: one of them makes no sense.
    """
    after, before = request.query_params.get("after"), request.query_params.get("before")
    limit = request.query_params.get("limit", "200")
    if after is not None and before is not None:
        raise HTTPException(400, "Ask for messages after one or before one, not both.")
    for value in (after, before):
        if value is not None and not MESSAGE_ID.fullmatch(value):
            raise HTTPException(400, "after and before must be ids of messages.")
    if not (limit.isascii() and limit.isdecimal() and len(limit) < 5 and 1 <= int(limit) <= 500):
        raise HTTPException(400, "limit must be a number from 1 to 500.")
    return after, before, int(limit)


def _too_long() -> HTTPException:
    return HTTPException(413, f"A message may have {MAX_TEXT:,} characters.")


def _check(text: str, reply_to: str | None) -> None:
    if len(text) > MAX_TEXT:
        raise _too_long()
    if reply_to is not None and not MESSAGE_ID.fullmatch(reply_to):
        raise HTTPException(400, "reply_to must be the id of a message.")


def _check_length(request: Request, limit: int, problem: HTTPException) -> None:
    """Refuse by what the head says, before the body travels."""
    length = request.headers.get("content-length", "0")
    if length.isascii() and length.isdecimal() and int(length[:20]) > limit:
        raise problem


def _bounded(receive: Receive, limit: int, problem: HTTPException) -> Receive:
    """Return a ``receive`` that gives up when more than ``limit`` bytes came."""
    left = limit

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise problem
        return message

    return bounded
