"""A double of Claude Code in a terminal: draws its questions, writes down the keys it gets, and takes channel events.

Run in a folder that holds ``stage.json``: a list with one entry a start, the last of which counts for all later ones:
``{"asks": [QUESTION, …], "says": TEXT, "exit": STATUS}``. It asks, says, and ends, or without ``exit`` shows its prompt
and starts ``channeld mcp``. In ``starts.jsonl`` it writes how it was started, in ``keys.jsonl`` the keys that questions
got.

Its first word is to be ``claude``, by which ``channeld mcp`` knows it; so ``PYTHON_OF_DOUBLE`` names the interpreter.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import termios
import tty
from pathlib import Path
from typing import Any

from tests.doubles.mcp_client import McpClient

RULE = "─" * 60
CONFIRM = "Enter to confirm · Esc to cancel"
WARNING = (
    f"{RULE}\n  WARNING: Loading development channels\n\n  Please use --channels to run a list of approved channels.\n"
)
YES = "  ❯ 1. I am using this for local development\n    2. Exit\n"
QUESTIONS = {
    "channel": f"{WARNING}\n  Channels: plugin:channeld@channeld\n\n{YES}\n  {CONFIRM}",
    "two channels": f"{WARNING}\n  Channels: plugin:channeld@channeld, server:other\n\n{YES}\n  {CONFIRM}",
    "exit chosen": f"{WARNING}\n  Channels: plugin:channeld@channeld\n\n"
    f"    1. I am using this for local development\n  ❯ 2. Exit\n\n  {CONFIRM}",
    "trust": f"{RULE}\n Accessing workspace:\n\n {os.getcwd()}\n\n"
    f" ❯ No, exit\n   Yes, I trust this folder\n\n {CONFIRM}",
    "new": f"{RULE}\n Share what you do with everybody?\n\n ❯ 1. Yes\n   2. No\n\n {CONFIRM}",
}
PROMPT = f"{RULE}\n❯ \n{RULE}\n  ? for shortcuts"
LOGGED_OUT = f"{RULE}\n❯ \n{RULE}\n  ⏵⏵ auto mode on (shift+tab to cycle)     Not logged in · run /login"
SERVER = [
    os.environ.get("PYTHON_OF_DOUBLE", sys.executable),
    "-m",
    "channeld.cli.entry",
    "mcp",
    "--plugin",
    "--no-start",
]
SEEN = ("CHANNELD_SESSION", "SSH_AUTH_SOCK", "FROM_PROFILE", "TMUX_PANE", "INVOCATION_ID", "SECRET_OF_SHELL")


def main(arguments: list[str]) -> int:
    """Act one start; return the exit status."""
    stage = json.loads(Path("stage.json").read_text())
    number = len(Path("starts.jsonl").read_text().splitlines()) if Path("starts.jsonl").exists() else 0
    act: dict[str, Any] = stage[min(number, len(stage) - 1)]
    umask = os.umask(0)
    os.umask(umask)
    seen = {name: os.environ[name] for name in SEEN if name in os.environ}
    note("starts.jsonl", {"pid": os.getpid(), "arguments": arguments, "environment": seen, "umask": umask})
    before = termios.tcgetattr(0)
    tty.setraw(0, termios.TCSADRAIN)
    try:
        for question in act.get("asks", []):
            draw(QUESTIONS[question])
            while (key := os.read(0, 16).decode()) not in {"\r", "\x1b"}:
                note("keys.jsonl", [question, key])
            note("keys.jsonl", [question, key])
        if "exit" not in act:
            draw(act.get("says", "") + (LOGGED_OUT if act.get("logged_out") else PROMPT))
            asyncio.run(take_part())
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
    sys.stdout.write(act.get("says", "") + "\n")
    return int(act.get("exit", 0))


async def take_part() -> None:
    """Be the client of ``channeld mcp``, until somebody types ``q``."""
    async with McpClient.spawn(SERVER) as client:
        await client.initialize()
        await client.list_tools()
        while await asyncio.to_thread(os.read, 0, 1) != b"q":
            pass


def draw(text: str) -> None:
    """Show a screen."""
    sys.stdout.write("\x1b[2J\x1b[H" + text.replace("\n", "\r\n"))
    sys.stdout.flush()


def note(file: str, what: object) -> None:
    """Write down one thing."""
    with open(file, "a", encoding="utf-8") as notes:
        notes.write(json.dumps(what) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
