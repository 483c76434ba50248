"""What Discord refuses in a request, in its words: texts, embeds, components, files.

The limits are those of https://docs.discord.com/developers; where Discord is lenient, this is not. Of the 2000
characters of a content Discord's staff said in 2020 that they are code points (discord-api-docs issue 1315), its own
clients count UTF-16 units, and the documentation says neither: a text must keep to the smaller, units.
"""

from __future__ import annotations

from typing import Any

from tests.doubles.discord_api_objects import MessageFlag, flat

CONTENT_UNITS = 2000
EMBEDS = 10
EMBED_CHARACTERS = 6000
ROWS = 5
BUTTONS_IN_A_ROW = 5
OPTIONS = 25
COMPONENTS_V2 = 40
TEXT_V2 = 4000
CUSTOM_ID = 100
LABEL = 80
NONCE = 25
FILES = 10
FILE_BYTES = {0: 10 << 20, 1: 10 << 20, 2: 50 << 20, 3: 100 << 20}  # by the guild's premium tier
REQUEST_BYTES = 25 << 20
EMBED_TEXTS = {"title": 256, "description": 4096}
BUTTON_STYLES = {1, 2, 3, 4, 5, 6}
LINK = 5
PREMIUM = 6
LAYOUTS = {1, 9, 10, 12, 13, 14, 17}  # what may stand outermost where components are the message
SELECTS = {3, 5, 6, 7, 8}
MENTION_KINDS = {"users", "roles", "everyone"}
SETTABLE = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS | MessageFlag.IS_COMPONENTS_V2


class ApiError(Exception):
    """A request is answered with an error."""

    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.more = more

    @property
    def body(self) -> dict[str, Any]:
        """The answer as Discord gives it."""
        return {"message": self.message, "code": self.code} | self.more


class Mistake(ApiError):
    """An error that a good client never gets, because it knows the rule: it is a violation too."""


def invalid(where: str, reason: str) -> Mistake:
    """Return what Discord says of a form that is wrong at a place."""
    inner: dict[str, Any] = {"_errors": [{"code": "BASE_TYPE_BAD", "message": reason}]}
    for step in reversed(where.split(".")):
        inner = {step: inner}
    return Mistake(400, 50035, f"Invalid Form Body: {where}: {reason}", errors=inner)


def units(text: str) -> int:
    """Return a text's length in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_length(where: str, text: object, longest: int, shortest: int = 1) -> None:
    """Refuse a text that is none or of another length."""
    if not isinstance(text, str):
        raise invalid(where, "Must be a string")
    if not shortest <= units(text) <= longest:
        raise invalid(where, f"Must be between {shortest} and {longest} in length")


def check_message(body: dict[str, Any], *, files: int, complaints: list[str], edited: bool = False) -> None:
    """Refuse a message that Discord would; complain of one that no good client sends.

    Args:
        body: The message's fields, of the types they must have.
        files: How many there are, those it keeps included.
        complaints: Where what is merely careless is put.
        edited: Whether only what changes is given.

    Raises:
        Mistake: a field is wrong, or there is nothing in it.
    """
    content = body.get("content")
    if content is not None:
        check_length("content", content, CONTENT_UNITS, 0)
        check_text("content", content)
    check_embeds(body.get("embeds") or [])
    v2 = bool(body.get("flags", 0) & MessageFlag.IS_COMPONENTS_V2)
    check_components(body.get("components") or [], v2=v2)
    if v2 and (content or body.get("embeds") or body.get("sticker_ids") or body.get("poll")):
        raise invalid("flags", "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2")
    if body.get("flags", 0) & ~(SETTABLE | MessageFlag.EPHEMERAL):
        raise invalid("flags", "a flag that cannot be set")
    filled = any(body.get(key) for key in ("embeds", "components", "sticker_ids", "poll", "message_snapshots"))
    if not edited and not (content or "").strip() and not filled and not files and not is_forward(body):
        raise Mistake(400, 50006, "Cannot send an empty message")
    check_mentions(body, complaints)


def check_text(where: str, text: str) -> None:
    """Refuse what is no text at all."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(where, "Strings must be encoded in UTF-8") from None


def is_forward(body: dict[str, Any]) -> bool:
    """Tell a message that passes another one on."""
    return bool(body.get("message_reference")) and body["message_reference"].get("type", 0) == 1


def check_mentions(body: dict[str, Any], complaints: list[str]) -> None:
    """Refuse wrong ``allowed_mentions``; complain where a text goes without."""
    allowed = body.get("allowed_mentions")
    if allowed is None:
        if body.get("content"):
            complaints.append("a text without allowed_mentions pings whoever it names")
        return
    kinds = allowed.get("parse", [])
    if not isinstance(kinds, list) or not set(kinds) <= MENTION_KINDS:
        raise invalid("allowed_mentions.parse", "Value must be one of users, roles, everyone")
    for key in ("users", "roles"):
        named = allowed.get(key) or []
        if named and key in kinds:
            raise invalid("allowed_mentions", f"parse:[{key!r}] and {key}: [ids...] are mutually exclusive")
        if len(named) > 100:
            raise invalid(f"allowed_mentions.{key}", "Must be 100 or fewer in length")
    if unknown := allowed.keys() - {"parse", "users", "roles", "replied_user"}:
        complaints.append(f"unknown in allowed_mentions: {', '.join(sorted(unknown))}")


def check_embeds(embeds: list[Any]) -> None:
    """Refuse embeds that are too many, too long or empty."""
    if len(embeds) > EMBEDS:
        raise invalid("embeds", f"Must be {EMBEDS} or fewer in length")
    total = 0
    for number, embed in enumerate(embeds):
        where = f"embeds.{number}"
        if not isinstance(embed, dict):
            raise invalid(where, "Only dictionaries may be used")
        texts = [(key, embed.get(key), longest) for key, longest in EMBED_TEXTS.items()]
        texts += [("footer.text", (embed.get("footer") or {}).get("text"), 2048)]
        texts += [("author.name", (embed.get("author") or {}).get("name"), 256)]
        fields = embed.get("fields") or []
        if len(fields) > 25:
            raise invalid(f"{where}.fields", "Must be 25 or fewer in length")
        for place, one in enumerate(fields):
            check_length(f"{where}.fields.{place}.name", one.get("name"), 256)
            check_length(f"{where}.fields.{place}.value", one.get("value"), 1024)
            total += units(one["name"]) + units(one["value"])
        for key, text, longest in texts:
            if text is not None:
                check_length(f"{where}.{key}", text, longest, 0)
                total += units(text)
        if not embed.keys() - {"type", "color", "flags"}:
            raise invalid(where, "an embed with nothing in it")
    if total > EMBED_CHARACTERS:
        raise invalid("embeds", f"Embed size exceeds maximum size of {EMBED_CHARACTERS}")


def check_components(components: list[Any], *, v2: bool = False) -> None:
    """Refuse components that Discord would: too many, without an id of their own, with too long a label."""
    every = flat(components)
    if v2:
        if any(one.get("type") not in LAYOUTS for one in components):
            raise invalid("components", f"Value of field type must be one of {tuple(sorted(LAYOUTS))}")
        if len(every) > COMPONENTS_V2:
            raise invalid("components", f"Must be {COMPONENTS_V2} or fewer in all")
        if sum(units(one.get("content", "")) for one in every if one["type"] == 10) > TEXT_V2:
            raise invalid("components", f"Text must be {TEXT_V2} or fewer in length")
    else:
        if len(components) > ROWS:
            raise invalid("components", f"Must be between 1 and {ROWS} in length")
        if any(one.get("type") != 1 for one in components):
            raise invalid("components", "Value of field type must be one of (1,)")
    for number, row in enumerate(one for one in every if one.get("type") == 1):
        check_row(f"components.{number}", row.get("components"))
    ids = [one["custom_id"] for one in every if one.get("custom_id") is not None]
    if len(ids) != len(set(ids)):
        raise invalid("components", "Component custom id cannot be duplicated")


def check_row(where: str, row: Any) -> None:
    """Refuse an action row that is empty or too full, or of which a part is wrong."""
    if not isinstance(row, list) or not 1 <= len(row) <= BUTTONS_IN_A_ROW:
        raise invalid(where, f"Must be between 1 and {BUTTONS_IN_A_ROW} in length")
    kinds = [one.get("type") for one in row]
    if any(kind != 2 for kind in kinds) and len(row) > 1:
        raise invalid(where, "a select has a row of its own")
    for number, one in enumerate(row):
        inner = f"{where}.components.{number}"
        if one.get("type") == 2:
            check_button(inner, one)
        elif one.get("type") in SELECTS:
            check_select(inner, one)
        else:
            raise invalid(inner, "Value of field type must be one of (2, 3, 5, 6, 7, 8)")


def check_button(where: str, button: dict[str, Any]) -> None:
    """Refuse a button that is wrong."""
    style = button.get("style")
    if style not in BUTTON_STYLES:
        raise invalid(f"{where}.style", "Value must be one of (1, 2, 3, 4, 5, 6)")
    if style == LINK:
        if "custom_id" in button or not str(button.get("url", "")).startswith(("http://", "https://", "discord://")):
            raise invalid(where, "A link has a url and no custom id")
    elif style != PREMIUM:
        check_length(f"{where}.custom_id", button.get("custom_id"), CUSTOM_ID)
        if "url" in button:
            raise invalid(where, "A button has a custom id and no url")
    if button.get("label") is None and button.get("emoji") is None and style != PREMIUM:
        raise invalid(where, "A button must have a label or emoji")
    if button.get("label") is not None:
        check_length(f"{where}.label", button["label"], LABEL)


def check_select(where: str, select: dict[str, Any]) -> None:
    """Refuse a select that is wrong."""
    check_length(f"{where}.custom_id", select.get("custom_id"), CUSTOM_ID)
    if select.get("placeholder") is not None:
        check_length(f"{where}.placeholder", select["placeholder"], 150, 0)
    options = select.get("options") or []
    if select["type"] == 3 and not 1 <= len(options) <= OPTIONS:
        raise invalid(f"{where}.options", f"Must be between 1 and {OPTIONS} in length")
    for number, option in enumerate(options):
        check_length(f"{where}.options.{number}.label", option.get("label"), 100)
        check_length(f"{where}.options.{number}.value", option.get("value"), 100)
        if option.get("description") is not None:
            check_length(f"{where}.options.{number}.description", option["description"], 100, 0)
    values = [option["value"] for option in options]
    if len(values) != len(set(values)):
        raise invalid(f"{where}.options", "The specified option value is already used")
    least, most = select.get("min_values", 1), select.get("max_values", 1)
    if not 0 <= least <= most or (options and most > len(options)):
        raise invalid(f"{where}.max_values", "max_values must be within the options")


def check_modal(modal: dict[str, Any]) -> None:
    """Refuse a modal that is wrong."""
    check_length("data.custom_id", modal.get("custom_id"), CUSTOM_ID)
    check_length("data.title", modal.get("title"), 45)
    rows = modal.get("components")
    if not isinstance(rows, list) or not 1 <= len(rows) <= ROWS:
        raise invalid("data.components", f"Must be between 1 and {ROWS} in length")
    for number, row in enumerate(rows):
        where = f"data.components.{number}"
        if row.get("type") == 18:
            check_length(f"{where}.label", row.get("label"), 45)
            inner = [row.get("component") or {}]
        elif row.get("type") == 1:
            inner = row.get("components") or []
            for one in inner:
                check_length(f"{where}.label", one.get("label"), 45)
        elif row.get("type") == 10:
            continue
        else:
            raise invalid(where, "Value of field type must be one of (1, 10, 18)")
        for one in inner:
            if one.get("type") in SELECTS:
                check_select(where, one)
                continue
            check_length(f"{where}.custom_id", one.get("custom_id"), CUSTOM_ID)
            for key, longest in (("value", 4000), ("placeholder", 100)):
                if one.get(key) is not None:
                    check_length(f"{where}.{key}", one[key], longest, 0)
