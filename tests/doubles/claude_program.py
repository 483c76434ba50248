"""A stand-in for Claude Code's program: its commands about plugins, and a file that says what it was asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_TEXT = """\
#!{python} -I
import json, pathlib, sys
place = pathlib.Path({place!r})
state = json.loads(place.read_text())
words = sys.argv[1:]
state["asked"].append(words)
match words:
    case ["plugin", "marketplace", "list", "--json"]:
        print(json.dumps(state["marketplaces"]))
    case ["plugin", "list", "--json"]:
        print(json.dumps(state["plugins"]))
    case _ if state["trouble"]:
        print("Working…\\n✘ " + state["trouble"], file=sys.stderr)
        place.write_text(json.dumps(state))
        sys.exit(1)
    case ["plugin", "marketplace", "add", folder]:
        state["marketplaces"] = [{{"name": "channeld", "source": "directory", "path": folder}}]
    case ["plugin", "install", name]:
        state["plugins"] = [{{"id": name, "version": "0.0", "scope": "user", "enabled": True, "readFromFolder": "/"}}]
    case ["plugin", "uninstall", name]:
        state["plugins"] = []
    case ["plugin", "marketplace", "remove", name]:
        state["marketplaces"] = []
    case _:
        sys.exit("unknown: " + " ".join(words))
place.write_text(json.dumps(state))
"""


class ClaudeProgram:
    """The program, in a folder for PATH."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._place = folder / "claude.json"
        self._write({"asked": [], "marketplaces": [], "plugins": [], "trouble": ""})
        program = folder / "claude"
        program.write_text(_TEXT.format(python=sys.executable, place=str(self._place)))
        program.chmod(0o755)

    def changes(self) -> list[str]:
        """Return what it was asked to change since the last call."""
        state = self._read()
        asked = [" ".join(words) for words in state["asked"] if words[-1] != "--json"]
        self._write(state | {"asked": []})
        return asked

    def has(self) -> tuple[int, int]:
        """Return how many marketplaces and plugins it has."""
        state = self._read()
        return len(state["marketplaces"]), len(state["plugins"])

    def fail(self, why: str) -> None:
        """Let it fail from now on; empty: no more."""
        self._write(self._read() | {"trouble": why})

    def _read(self) -> dict[str, Any]:
        found = json.loads(self._place.read_text())
        assert isinstance(found, dict)
        return found

    def _write(self, state: dict[str, Any]) -> None:
        self._place.write_text(json.dumps(state))
