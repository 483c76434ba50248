"""What the plugin's hooks report through the unlisted tool ``session_event``."""

from __future__ import annotations

from typing import Any, Final

import msgspec

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Report(msgspec.Struct, kw_only=True):
    """One hook's report. A hook fills its fields by interpolation: what it lacks is an empty text."""

    event: str  # the hook's name, as PreToolUse
    prompt_id: str = ""  # the same in all reports of a turn
    permission_mode: str = ""
    transcript_path: str = ""
    prompt: str = ""  # UserPromptSubmit
    tool_name: str = ""
    tool_input: str = ""  # JSON text
    tool_use_id: str = ""
    last_assistant_message: str = ""  # Stop
    agent_id: str = ""  # where a subagent acts
    late: str = ""  # "true": it was answered with nothing while no daemon was there
    hold: str = ""  # "true": Claude Code waits for the answer, for as long as the hook's own timeout allows

    @property
    def input(self) -> dict[str, Any]:
        """The tool's whole input; empty where it cannot be read."""
        try:
            return _decode(self.tool_input)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
