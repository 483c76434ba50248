"""Characters as a reader sees them: where text may be cut without taking one apart, and whether any shows.

Simpler than Unicode's rules (UAX 29) and stricter: where they are not sure to allow a cut, there is none.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_JOINER: Final = "\u200d"
PREPENDED: Final = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u0d4e"
    "\U000110bd\U000110cd\U000111c2\U000111c3\U0001193f\U00011941\U00011a3a\U00011a84\U00011a85\U00011a86\U00011a87"
    "\U00011a88\U00011a89\U00011d46\U00011f02"
)
"""Signs that belong to what follows them."""
_TRAILING: Final = frozenset("\u200c\u200d\u0e33\u0eb3\uff9e\uff9f")
"""What belongs to the character before it, though its category does not say so."""
_VIRAMA: Final = 9
_UNSEEN: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc")


def may_cut(text: str, at: int) -> bool:
    """Tell whether the text may be cut before its character ``at``."""
    if at <= 0 or at >= len(text):
        return True
    before, after = text[at - 1], text[at]
    if before < "\u0300" and after < "\u0300":  # nearly always: nothing below combines
        return not (before == "\r" and after == "\n")
    if before in "\r\n":
        return True
    if _trails(after):
        return False
    if after.isspace():
        return before not in PREPENDED
    if before == _JOINER or before in PREPENDED or _joins_consonants(text, at):
        return False
    if _is_flag_letter(before) and _is_flag_letter(after):
        return _flag_letters_before(text, at) % 2 == 0
    if _is_hangul(before) and _is_hangul(after):
        return not (_is_initial(before) or _is_vowel_or_final(after))
    return True


def is_blank(text: str) -> bool:
    """Tell whether nothing of the text shows. No platform takes such a message."""
    return not any(_shows(char) for char in text)


def _shows(char: str) -> bool:
    return (
        "!" <= char <= "~"
        or not (char.isspace() or char in _UNSEEN or unicodedata.category(char)[0] == "C" or _is_selector(char))
        or char in PREPENDED
        or unicodedata.category(char) in {"Co", "Cn"}  # private or newer than this Python: a box, at least
    )


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _joins_consonants(text: str, at: int) -> bool:
    """Tell whether the marks before a place hold a virama, which ties an Indic consonant to the next."""
    while at > 0 and _trails(text[at - 1]):
        at -= 1
        if unicodedata.combining(text[at]) == _VIRAMA:
            return True
    return False


def _trails(char: str) -> bool:
    """Tell whether this belongs to the character before it: a mark, skin tone, or tag that spells a region's flag."""
    if char in _TRAILING or unicodedata.category(char)[0] == "M":
        return True
    return "\U0001f3fb" <= char <= "\U0001f3ff" or "\U000e0020" <= char <= "\U000e007f"


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _flag_letters_before(text: str, at: int) -> int:
    start = at
    while start > 0 and _is_flag_letter(text[start - 1]):
        start -= 1
    return at - start


def _is_hangul(char: str) -> bool:
    """Tell whether this is a Korean syllable or a part of one."""
    return _is_initial(char) or _is_vowel_or_final(char) or "\uac00" <= char <= "\ud7a3"


def _is_initial(char: str) -> bool:
    return "\u1100" <= char <= "\u115f" or "\ua960" <= char <= "\ua97f"


def _is_vowel_or_final(char: str) -> bool:
    return "\u1160" <= char <= "\u11ff" or "\ud7b0" <= char <= "\ud7ff"
