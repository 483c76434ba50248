"""What Telegram refuses in a request, in its words: texts, entities, keyboards, pictures.

The Bot API is at https://core.telegram.org/bots/api; where it is lenient, this is not.
"""

from __future__ import annotations

import itertools
import struct
from typing import Any
from urllib.parse import urlsplit

TEXT_UNITS = 4096
CAPTION_UNITS = 1024
ENTITIES = 100
PHOTO_BYTES = 10 * 1024 * 1024
UPLOAD_BYTES = 50 * 1024 * 1024
DOWNLOAD_BYTES = 20 * 1024 * 1024
PHOTO_SIDES = 10_000
PHOTO_RATIO = 20
BUTTONS = 100
BUTTONS_IN_A_ROW = 8
CALLBACK_DATA_BYTES = 64
PARSE_MODES = ("MarkdownV2", "HTML", "Markdown")

QUOTES = {"blockquote", "expandable_blockquote"}
CODES = {"pre", "code"}
STYLES = {"bold", "italic", "underline", "strikethrough", "spoiler"}
NEEDED_FIELD = {"text_link": "url", "text_mention": "user", "custom_emoji": "custom_emoji_id", "date_time": "unix_time"}
FOUND_BY_TELEGRAM = {"mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number"}
ENTITY_TYPES = QUOTES | CODES | STYLES | FOUND_BY_TELEGRAM | set(NEEDED_FIELD)
URL_SCHEMES = {"http", "https", "tg", "ton", "tonsite"}
BUTTON_ACTIONS = {
    "callback_data",
    "url",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
}
BUTTON_LOOKS = {"text", "style", "icon_custom_emoji_id"}
OTHER_KEYBOARDS = {"keyboard", "remove_keyboard", "force_reply"}


class ApiError(Exception):
    """A request is answered with an error."""

    def __init__(self, code: int, description: str, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    @property
    def body(self) -> dict[str, Any]:
        """The answer as Telegram gives it."""
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        return body | ({"parameters": self.parameters} if self.parameters else {})


class Mistake(ApiError):
    """An error that a good client never gets, because it knows the rule: it is a violation too."""


def refusal(reason: str, parameters: dict[str, Any] | None = None) -> ApiError:
    """Return a bad request that a client could not foresee."""
    return ApiError(400, f"Bad Request: {reason}", parameters)


def mistake(reason: str) -> Mistake:
    """Return a bad request that a client could have foreseen."""
    return Mistake(400, f"Bad Request: {reason}")


def units(text: str) -> int:
    """Return a text's length in UTF-16 units, in which Telegram counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def is_whole_number(value: object) -> bool:
    """Tell an integer from what Python takes for one."""
    return isinstance(value, int) and not isinstance(value, bool)


def checked_text(
    text: str, entities: list[Any] | None, parse_mode: str | None, *, caption: bool = False
) -> tuple[str, list[dict[str, Any]]]:
    """Return a text as Telegram keeps it: trimmed, with the entities moved along.

    Raises:
        Mistake: it is empty (a caption may be), too long, or its entities are wrong.
    """
    if parse_mode is not None and parse_mode not in PARSE_MODES:
        raise mistake("unsupported parse_mode")
    if parse_mode is not None and entities:
        raise mistake("can't parse entities: both parse_mode and entities are there")  # Telegram takes the first
    try:
        text.encode()
    except UnicodeEncodeError:
        raise mistake("strings must be encoded in UTF-8") from None
    marks = checked_entities(text, entities or [])
    trimmed = text.strip()
    if not trimmed and not caption:
        raise mistake("message text is empty")
    if units(trimmed) > (CAPTION_UNITS if caption else TEXT_UNITS):
        raise mistake("message caption is too long" if caption else "message is too long")
    return trimmed, moved(marks, units(text[: len(text) - len(text.lstrip())]), units(trimmed))


def moved(entities: list[dict[str, Any]], left_out: int, length: int) -> list[dict[str, Any]]:
    """Return entities of a text of which the first units and those beyond a length were trimmed."""
    kept = []
    for entity in entities:
        start = max(entity["offset"] - left_out, 0)
        end = min(entity["offset"] + entity["length"] - left_out, length)
        if start < end:
            kept.append(entity | {"offset": start, "length": end - start})
    return kept


def checked_entities(text: str, entities: object) -> list[dict[str, Any]]:
    """Return entities that fit their text and each other, outer ones first.

    Raises:
        Mistake: they do not.
    """
    if not isinstance(entities, list):
        raise mistake("can't parse entities: expected an Array")
    if len(entities) > ENTITIES:
        raise mistake("too many message entities")  # Telegram leaves out what is beyond
    edges = set(itertools.accumulate((units(letter) for letter in text), initial=0))
    for entity in entities:
        check_entity(entity, edges)
    ordered = sorted(entities, key=lambda mark: (mark["offset"], -mark["length"], mark["type"] not in QUOTES))
    for outer, inner in itertools.combinations(ordered, 2):
        check_nesting(outer, inner)
    return ordered


def check_entity(entity: object, edges: set[int]) -> None:
    """Refuse an entity that is wrong by itself; ``edges`` are the places between two letters."""
    if not isinstance(entity, dict):
        raise mistake("can't parse MessageEntity: expected an Object")
    kind = entity.get("type")
    if not isinstance(kind, str) or kind not in ENTITY_TYPES:
        raise mistake("can't parse MessageEntity: Unsupported type specified")
    for name in ("offset", "length"):
        if not is_whole_number(entity.get(name)):
            raise mistake(f"can't parse MessageEntity: Can't find field \"{name}\"")
    offset, end = entity["offset"], entity["offset"] + entity["length"]
    if offset < 0 or entity["length"] <= 0:
        raise mistake(f"can't parse entities: receive an entity with incorrect offset {offset} or length")
    if end > max(edges):
        raise mistake(f"can't parse entities: entity at UTF-16 offset {offset} ends after the end of the text")
    if offset not in edges:
        raise mistake(f"can't parse entities: entity begins in a middle of a UTF-16 symbol at offset {offset}")
    if end not in edges:
        raise mistake(f"can't parse entities: entity ends in a middle of a UTF-16 symbol at offset {end}")
    needed = NEEDED_FIELD.get(kind)
    if needed is not None and not entity.get(needed):
        raise mistake(f"can't parse MessageEntity: Can't find field \"{needed}\"")
    if kind == "text_link":
        check_url(entity["url"], "Entity URL")


def check_nesting(outer: dict[str, Any], inner: dict[str, Any]) -> None:
    """Refuse two entities that may not share characters; ``outer`` begins first or is the longer."""
    outer_end, inner_end = outer["offset"] + outer["length"], inner["offset"] + inner["length"]
    if inner["offset"] >= outer_end:
        return
    pair = f"{outer['type']} at {outer['offset']} and {inner['type']} at {inner['offset']}"
    if inner_end > outer_end:
        raise mistake(f"can't parse entities: {pair} overlap")
    kinds = {outer["type"], inner["type"]}
    alone = FOUND_BY_TELEGRAM | set(NEEDED_FIELD)
    if (
        outer["type"] in CODES
        or (inner["type"] in CODES and outer["type"] not in QUOTES)
        or kinds <= QUOTES
        or kinds <= alone
    ):
        raise mistake(f"can't parse entities: {pair} can't be nested")


def check_url(url: object, where: str) -> None:
    """Refuse an address that Telegram does not link to: another scheme, or a host without a dot."""
    if not isinstance(url, str) or not url:
        raise mistake(f"{where} is empty")
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host = parts.hostname or ""
    except ValueError:
        raise mistake(f"{where} '{url}' is invalid: Wrong HTTP URL") from None
    if parts.scheme.lower() not in URL_SCHEMES:
        raise mistake(f"{where} '{url}' is invalid: Unsupported URL protocol")
    if parts.scheme.lower() != "tg" and "." not in host and ":" not in host:
        raise mistake(f"{where} '{url}' is invalid: Wrong HTTP URL")


def checked_markup(markup: dict[str, Any] | None, *, inline_only: bool = False) -> dict[str, Any] | None:
    """Return a reply markup that Telegram takes; an inline keyboard without buttons is none.

    Raises:
        Mistake: it is of no known kind, or a button is wrong.
    """
    if markup is None:
        return None
    if "inline_keyboard" not in markup:
        if inline_only or not OTHER_KEYBOARDS & markup.keys():
            raise mistake("inline keyboard expected" if inline_only else "object expected as reply markup")
        return markup
    rows = markup["inline_keyboard"]
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise mistake("can't parse inline keyboard: expected an Array of Arrays")
    if max(map(len, rows), default=0) > BUTTONS_IN_A_ROW:
        raise mistake(f"can't parse inline keyboard: more than {BUTTONS_IN_A_ROW} buttons in a row")
    if sum(map(len, rows)) > BUTTONS:
        raise mistake("reply markup is too long")
    for button in itertools.chain.from_iterable(rows):
        check_button(button)
    return {"inline_keyboard": rows} if any(rows) else None


def check_button(button: object) -> None:
    """Refuse an inline button that is wrong."""
    if not isinstance(button, dict):
        raise mistake("can't parse inline keyboard button: expected an Object")
    label = button.get("text")
    if not isinstance(label, str) or not label.strip():
        raise mistake("can't parse inline keyboard button: Can't find field \"text\"")
    if unknown := button.keys() - BUTTON_ACTIONS - BUTTON_LOOKS:
        raise mistake(f"can't parse inline keyboard button: unknown {', '.join(sorted(unknown))}")
    if len(BUTTON_ACTIONS & button.keys()) != 1:
        raise mistake("can't parse inline keyboard button: text buttons are unallowed in the inline keyboard")
    if "callback_data" in button:
        data = button["callback_data"]
        if not isinstance(data, str) or not 1 <= len(data.encode()) <= CALLBACK_DATA_BYTES:
            raise mistake("BUTTON_DATA_INVALID")
    if "url" in button:
        check_url(button["url"], "inline keyboard button URL")


def check_picture(data: bytes) -> tuple[int, int]:
    """Return the width and height of a picture that can be sent as a photo.

    Raises:
        ApiError: Telegram cannot read it, or its sides are too long or too unlike.
    """
    sides = picture_sides(data)
    if sides is None or min(sides) < 1:
        raise refusal("IMAGE_PROCESS_FAILED")
    if sum(sides) > PHOTO_SIDES or max(sides) > PHOTO_RATIO * min(sides):
        raise refusal("PHOTO_INVALID_DIMENSIONS")
    return sides


def picture_sides(data: bytes) -> tuple[int, int] | None:
    """Return the width and height in the header of a PNG, JPEG, GIF or WebP, or nothing."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR" and len(data) >= 24:
        return struct.unpack(">II", data[16:24])
    if data.startswith((b"GIF87a", b"GIF89a")) and len(data) >= 10:
        return struct.unpack("<HH", data[6:10])
    if data.startswith(b"\xff\xd8"):
        return jpeg_sides(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP" and len(data) >= 30:
        return webp_sides(data)
    return None


def jpeg_sides(data: bytes) -> tuple[int, int] | None:
    """Return a JPEG's width and height, which its frame header holds."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + int(struct.unpack(">H", data[at + 2 : at + 4])[0])
    return None


def webp_sides(data: bytes) -> tuple[int, int] | None:
    """Return a WebP's width and height, which each of its three kinds writes in another way."""
    match data[12:16]:
        case b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return width & 0x3FFF, height & 0x3FFF
    return None
