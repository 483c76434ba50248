"""What the end of Claude Code's transcript tells: one JSON object a line, the newest last."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_INTERRUPTED: Final = "[Request interrupted by user"
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def interrupted(tail: bytes, prompt_id: str) -> bool:
    """Tell whether a turn was interrupted: Escape fires no hook, and shows only here.

    Args:
        tail: the last bytes of the transcript, from anywhere in a line on.
        prompt_id: of the turn that is taken to run.
    """
    for line in reversed(tail.splitlines()):
        try:
            entry = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # the line that the tail begins in, or one that is being written
        if entry.get("type") in {"user", "assistant"} and not entry.get("isSidechain"):
            return entry.get("promptId") == prompt_id and _text(entry).startswith(_INTERRUPTED)
    return False


def _text(entry: dict[str, Any]) -> str:
    """Return the first text of an entry, empty where it has none."""
    message = entry.get("message")
    content = message.get("content") if isinstance(message, dict) else None
    parts = [content] if isinstance(content, str) else content if isinstance(content, list) else []
    for part in parts:
        if isinstance(part, str):
            return part
        if isinstance(part, dict) and isinstance(text := part.get("text"), str):
            return text
    return ""
