"""Cleaning of text that a sender controls, before Claude sees it."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# What shows as nothing, as a blank that is none, or as another line: control and format characters, odd spaces and
# fillers, variation selectors, and the tags that spell out text unseen.
_HIDDEN: Final = (
    r"\x00-\x08\x0b-\x1f\x7f-\xa0\u00ad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200c\u200e\u200f"
    r"\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_JOINER, _EMOJI_STYLE = r"\u200d", r"\ufe0f"
_EMOJI: Final = r"\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff"
# The slash is one of them: two runs of blanks around an optional slash would take quadratic time on a long run.
_TAG: Final = re.compile(rf"<([/\s{_HIDDEN}{_JOINER}{_EMOJI_STYLE}]*channel)", re.IGNORECASE)
_MASKS: Final = re.compile(  # but what makes one picture of an emoji sequence
    rf"[{_HIDDEN}]|(?<![{_EMOJI}]){_EMOJI_STYLE}|(?<![{_EMOJI}{_EMOJI_STYLE}]){_JOINER}|{_JOINER}(?![{_EMOJI}])"
)
_UNSEEN: Final = re.compile(rf"[{_HIDDEN}{_JOINER}{_EMOJI_STYLE}]")
_NAME_FORBIDDEN: Final = frozenset('<>[];"')
_CLEAN_NAME: Final = re.compile(r"[!#-:=?-Z\\^-~]+(?: [!#-:=?-Z\\^-~]+)*")
"""ASCII in which nothing is to be cleaned."""
_ASCII_CLEANED: Final = {
    code: " " if chr(code).isspace() else None
    for code in range(128)
    if chr(code).isspace() or chr(code) in _NAME_FORBIDDEN or unicodedata.category(chr(code))[0] == "C"
}
_QUOTES: Final = re.compile(r"[\"`\xab\xbb\u2039\u203a\u201c-\u201f\u2033\u2036\u275d-\u276f\u301d-\u301f\uff02]")
_APOSTROPHES: Final = re.compile(r"[\u2018-\u201b\u2032\u2035\u275b\u275c]")
TEXT_LIMIT: Final = 400_000
"""Characters of a message: whatever they are, they fit into one frame."""
NAME_LIMIT: Final = 120
"""Characters of a name or title that Claude is shown."""


def defuse(content: str) -> str:
    """Return content in which no ``<channel`` or ``</channel`` can be read as a tag: ``<`` becomes ``‹``."""
    return _TAG.sub(r"‹\1", content) if "<" in content else content


def unmasked(text: str) -> str:
    """Return text in which characters that hide, reverse or pass for others are named.

    What is approved must be what is read. Line feeds and tabs stay, and emoji made of several characters.
    """
    return _MASKS.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def clip(text: str) -> str:
    """Return text of at most ``TEXT_LIMIT`` characters, with a note where it was cut."""
    return (
        text
        if len(text) <= TEXT_LIMIT
        else f"{text[:TEXT_LIMIT]}\n[cut here: {len(text) - TEXT_LIMIT} more characters]"
    )


def clean_name(name: str, limit: int = NAME_LIMIT) -> str:
    """Return text fit for a tag's attribute: one line, no brackets, no control or format characters."""
    if _CLEAN_NAME.fullmatch(name):  # most are, and eight values of every event come by here
        return name[:limit].rstrip()
    name = name[: limit * 4]
    if name.isascii():  # the same as below, without looking at each character
        return " ".join(name.translate(_ASCII_CLEANED).split())[:limit].rstrip()
    kept = (" " if c.isspace() else c for c in name if c not in _NAME_FORBIDDEN)
    visible = "".join(c for c in kept if c == " " or unicodedata.category(c)[0] != "C")
    return " ".join(visible.split())[:limit].rstrip()


def short_name(name: str, limit: int = 40) -> str:
    """Return a name fit to be quoted in a sentence of ours: short, and nothing in it ends the quotation or hides."""
    plain = unicodedata.normalize("NFKC", name[: NAME_LIMIT * 4])
    plain = _UNSEEN.sub(" ", _QUOTES.sub("", _APOSTROPHES.sub("'", plain)))
    cleaned = clean_name(plain, NAME_LIMIT)
    return cleaned if len(cleaned) <= limit else f"{cleaned[: limit - 1].rstrip()}…"


def clean_meta(meta: dict[str, str], limit: int = 1000) -> dict[str, str]:
    """Return event meta whose values are all clean and not empty; the keys are ours."""
    return {key: cleaned for key, value in meta.items() if (cleaned := clean_name(value, limit))}
