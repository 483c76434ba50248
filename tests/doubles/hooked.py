"""A Claude Code with the plugin's hooks: reports what the real client 2.1.330 reports, in its order."""

from __future__ import annotations

import html
import itertools
import json
from typing import Any

from tests.doubles.mcp_client import McpClient, Message

SOURCE = "plugin:channeld:channeld"


class Hooked:
    """An attached client that reports. ``mode`` is its permission mode; its turns are t1, t2 and so on."""

    def __init__(self, client: McpClient, mode: str = "default", transcript: str = "") -> None:
        self.client = client
        self.mode = mode
        self.transcript = transcript
        self.turn = ""
        self._turns = itertools.count(1)
        self._calls = itertools.count(1)

    async def report(self, event: str, **fields: str) -> Message:
        """Call a hook as the client does, and return its decoded output."""
        arguments = {
            "event": event, "prompt_id": self.turn, "permission_mode": self.mode, "transcript_path": self.transcript,
            **fields,
        }  # fmt: skip
        result = await self.client.call_tool("session_event", arguments)
        assert not result.get("isError"), result
        return dict(json.loads(result["content"][0]["text"]))

    async def type(self, text: str, *, within: bool = False) -> None:
        """A prompt is typed at the terminal; ``within``: into the turn that runs."""
        if not within:
            self.turn = f"t{next(self._turns)}"
        assert await self.report("UserPromptSubmit", prompt=text) == {}

    async def take(self, *, within: bool = False) -> Message:
        """Take the next channel event up, and return its params."""
        event = await self.client.next_event()
        if not within:
            self.turn = f"t{next(self._turns)}"
        assert await self.report("UserPromptSubmit", prompt=block(event)) == {}
        return event

    async def tool(self, name: str, arguments: dict[str, Any], **fields: str) -> str:
        """A tool call begins; returns its id."""
        use_id = f"toolu_hooked_{next(self._calls)}"
        text = json.dumps(arguments, separators=(",", ":"))
        await self.report("PreToolUse", tool_name=name, tool_input=text, tool_use_id=use_id, **fields)
        return use_id

    async def dialog(
        self, request_id: str, name: str, arguments: dict[str, Any], *, notified: bool = True, **fields: str
    ) -> Message:
        """A permission dialog appears: the notification, then the hook, whose output is returned."""
        if notified:
            params = {
                "request_id": request_id,
                "tool_name": name,
                "description": "",
                "input_preview": preview(arguments),
            }
            await self.client.notify("notifications/claude/channel/permission_request", params)
        text = json.dumps(arguments, separators=(",", ":"), ensure_ascii=False)
        return await self.report("PermissionRequest", tool_name=name, tool_input=text, **fields)

    async def done(self, use_id: str, name: str, arguments: dict[str, Any], *, event: str = "PostToolUse") -> None:
        """A tool call has ended."""
        text = json.dumps(arguments, separators=(",", ":"), ensure_ascii=False)
        assert await self.report(event, tool_name=name, tool_input=text, tool_use_id=use_id) == {}

    async def verdict(self) -> Message:
        """Return the next verdict that the session is given."""
        return await self.client.notified("notifications/claude/channel/permission")

    async def stop(self, text: str = "") -> None:
        """The turn ends, with these words in the terminal."""
        assert await self.report("Stop", last_assistant_message=text) == {}


def preview(arguments: dict[str, Any]) -> str:
    """Return an input as the client displays it to a channel: long values elided in the middle."""
    values = {name: json.dumps(value, separators=(",", ":"), ensure_ascii=False) for name, value in arguments.items()}
    for name, text in values.items():
        if len(text) > 3500:
            values[name] = f"{text[:2000]}\n⋯ {len(text) - 3500} code points elided ⋯\n{text[-1500:]}"
    return f"{{ {', '.join(f'{json.dumps(name, ensure_ascii=False)}: {text}' for name, text in values.items())} }}"


def block(event: Message) -> str:
    """Return an event as the client puts it before Claude."""
    attributes = "".join(f' {key}="{html.escape(value)}"' for key, value in event["meta"].items())
    content = event["content"].replace("</channel>", "<\\/channel>")
    return f'<channel source="{SOURCE}"{attributes}>\n{content}\n</channel>'
