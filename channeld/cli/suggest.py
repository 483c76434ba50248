"""What the shell may complete: names that the daemon knows. Quick, and silent when there is no daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from channeld.cli.client import CommandFailed, NotRunning, ask
from channeld.paths import find_paths

_PATIENCE_S: Final = 0.5
_LATEST: Final = 100
_MOST_OF_A_TEXT: Final = 40


def workers(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Suggest names of workers."""
    found = _ask("status").get("workers", [])
    return _matching([CompletionItem(w["name"], help=w["state"]) for w in found], incomplete)


def sessions(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Suggest names of sessions that are attached, and those that chats are bound to."""
    answer = _ask("sessions")
    found = {session["name"]: session["project"] for session in answer.get("sessions", [])}
    found |= {bound["session"]: "" for bound in answer.get("bindings", []) if bound["session"] not in found}
    return _matching([CompletionItem(name, help=folder or None) for name, folder in found.items()], incomplete)


def set_up(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Suggest what can be set up: workers, and platforms that have none yet."""
    from channeld.platforms import PLATFORMS  # noqa: PLC0415 - pydantic takes its time

    found = {item.value: item for item in workers(context, parameter, incomplete)}
    fresh = [CompletionItem(name) for name, platform in PLATFORMS.items() if platform.token_variable]
    return [*found.values(), *(item for item in _matching(fresh, incomplete) if item.value not in found)]


def logs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Suggest names of log files, which need no daemon."""
    folder: Path = find_paths().log
    return _matching([CompletionItem(file.stem) for file in sorted(folder.glob("*.log"))], incomplete)


def kept_sessions(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Suggest names of sessions that were started here, which need no daemon."""
    from channeld.cli.session_files import every_session  # noqa: PLC0415 - only here

    return _matching([CompletionItem(files.name) for files in every_session(find_paths())], incomplete)


def chats(context: click.Context, asker: click.Parameter | click.Command, incomplete: str) -> list[CompletionItem]:
    """Suggest chats that have messages."""
    found = _ask("messages", limit=_LATEST).get("messages", [])
    return _matching([CompletionItem(chat) for chat in dict.fromkeys(m["chat"] for m in reversed(found))], incomplete)


def messages(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Suggest numbers of messages, the latest first."""
    from channeld.cli.render.layout import cut, plain  # noqa: PLC0415 - only here

    found = _ask("messages", limit=_LATEST).get("messages", [])
    items = [CompletionItem(str(m["seq"]), help=cut(plain(m["text"]), _MOST_OF_A_TEXT)) for m in reversed(found)]
    return _matching(items, incomplete)


def states(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Suggest states of messages."""
    from channeld.core.delivery import EventState, PartState  # noqa: PLC0415 - only here

    return _matching([CompletionItem(state) for state in dict.fromkeys((*EventState, *PartState))], incomplete)


def _ask(command: str, **args: Any) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = ask(find_paths(), command, timeout_s=_PATIENCE_S, **args)
    except (NotRunning, CommandFailed):
        return {}
    return answer


def _matching(items: list[CompletionItem], incomplete: str) -> list[CompletionItem]:
    return [item for item in items if str(item.value).startswith(incomplete)]
