"""The emoji that a bot may react with, and what to take for the others.

The list is that of https://core.telegram.org/bots/api#reactiontypeemoji. ✅ and ❌ are not on it.
"""

from __future__ import annotations

from typing import Final

_STYLE: Final = "\ufe0f"
_ALLOWED: Final = (
    "👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 "
    "❤\u200d🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 "
    "👨\u200d💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 "
    "😘 💊 🙊 😎 👾 🤷\u200d♂ 🤷 🤷\u200d♀ 😡"
)
ALLOWED: Final = frozenset(_ALLOWED.split())
"""As Telegram writes them: without U+FE0F."""

SOME: Final = ("👍", "👎", "❤", "🔥", "🎉", "👏", "😁", "🤔", "👀", "👌", "🙏", "💯")
"""A dozen to name where a wish cannot be met."""

_INSTEAD: Final = {
    "👍": "✔ 🆗 \u2795 🙆 👊 🤜 🤛 ✊ 💪 ⬆ 🔼",
    "👌": "✅ ☑ 🟢 🤏 🔧 🛠 🔨 🧹 📝 📌 📎",
    "👎": "❌ ✖ ❎ 🚫 ⛔ 🛑 🔴 \u2796 🙅 ⬇ 🔽",
    "👀": "⏳ ⌛ 🔍 🔎 🔄 🔃 🔁 ⏱ ⏰ 🕐 👁 🧐 🏃 🚧 ⚙ 📥 📖",
    "🔥": "🚀 💥 🌟 ⭐ ✨ 🌶",
    "⚡": "🌩 🔋 🏎 💨",
    "❤": "🧡 💛 💚 💙 💜 🖤 🤍 🤎 🩷 🩵 🩶 💗 💖 💕 💓 💞 💟 ❣ ♥ 🫶",
    "🎉": "🎊 🥳 🎁 🎂 🎈",
    "🏆": "🥇 🥈 🥉 🏅 🎖 👑 🎯",
    "👏": "🙌",
    "🙏": "🙇 🤲",
    "😁": "😀 😃 😄 😆 😊 🙂 ☺ 😺 😸 😉 😅",
    "🤣": "😂 😹",
    "😎": "🕶 😏",
    "🥰": "😌",
    "😍": "😻",
    "😘": "😗 😙 😚",
    "🤔": "❓ ❔ ⁉ 💭 💡",
    "😐": "😑 😶 🙄 😬",
    "😢": "😞 😔 🙁 ☹ 😟 😿 😥 🥺 😕 😓",
    "😭": "😩 😫",
    "😱": "❗ ‼ ❕ ⚠ 🚨 😮 😲 😯 🙀 🆘",
    "😨": "😰 😧 😦 😳",
    "😡": "😠 💢 👿 😤",
    "🤮": "🤢 🤧",
    "😴": "💤 😪 🛌 🌙",
    "👨\u200d💻": "💻 🖥 ⌨ 🧑\u200d💻 👩\u200d💻 🤖 🐛 🐞",
    "✍": "✏ 🖊 🖋 📋 🗒",
    "🫡": "🪖 💂",
    "🤝": "🤙 🫱 🫲",
    "🤗": "👋 🫂",
    "💔": "❤\u200d🩹 🥀",
    "💊": "🩹 🏥 🚑",
    "🤯": "🧠",
    "👻": "💀 ☠",
    "🍾": "🥂 🍻 🍺 🥃",
    "🎄": "🌲",
    "☃": "⛄ ❄",
    "🕊": "☮ 🐦",
    "💯": "🔟 ♾",
}
_NEAREST: Final = {wish: emoji for emoji, wishes in _INSTEAD.items() for wish in wishes.split()}


def nearest(emoji: str) -> str | None:
    """Return the emoji as Telegram takes it, or the nearest one that it takes, or None if there is none near.

    Skin tones do not matter, nor whether U+FE0F is there.
    """
    bare = "".join(char for char in emoji.strip() if char != _STYLE and not "\U0001f3fb" <= char <= "\U0001f3ff")
    return bare if bare in ALLOWED else _NEAREST.get(bare)
