"""Reads what the official Telegram or Discord plugin of Claude Code has saved. Its files may hold anything.

What stands in them: README.md and ACCESS.md of ``external_plugins/telegram`` and ``external_plugins/discord`` in
github.com/anthropics/claude-plugins-official.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from channeld.core.errors import ChanneldError

_LARGEST_BYTES: Final = 1024 * 1024
_MOST_PEOPLE: Final = 500
_MOST_GROUPS: Final = 200
_LONGEST_SETTING: Final = 500
_USER: Final = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)
_WORD: Final = re.compile(r"[!-~]{1,200}", re.ASCII)
_CHATS: Final = {"telegram": re.compile(r"-[1-9][0-9]{0,19}", re.ASCII), "discord": _USER}
PLACES: Final = {"telegram": "group", "discord": "channel"}
"""What the entries of ``groups`` are: Discord's are channels, each with its threads."""
_POLICIES: Final = ("pairing", "allowlist", "disabled")
_SETTINGS: Final = {
    "ackReaction": "ack_reaction",
    "replyToMode": "reply_to_mode",
    "textChunkLimit": "text_chunk_limit",
    "chunkMode": "chunk_mode",
}
"""Their names there and here; ``mentionPatterns`` is a list, and looked at pattern by pattern."""
_KNOWN: Final = frozenset({"dmPolicy", "allowFrom", "groups", "pending", "mentionPatterns", *_SETTINGS})
_GROUP_KEYS: Final = frozenset({"requireMention", "allowFrom"})


class Unreadable(ChanneldError):
    """A file of the plugin cannot be used."""

    code = "unreadable"


class OfficialGroup(NamedTuple):
    """A group, or a channel of Discord's, in which the plugin listens."""

    chat: str
    """Its id on the platform."""
    require_mention: bool
    senders: tuple[str, ...] | None
    """Who may speak there; None: any member."""


class Official(NamedTuple):
    """What one of the plugins has saved, as far as it can be understood."""

    platform: str
    folder: Path
    token: str | None
    policy: str | None
    people: tuple[str, ...]
    groups: tuple[OfficialGroup, ...]
    settings: tuple[tuple[str, Any], ...]
    """Keys as channeld names them, with values of unknown use; each mention pattern is an entry of its own."""
    left: tuple[str, ...]
    """What cannot be understood, a sentence each."""


def folder_of(platform: str, environ: Mapping[str, str]) -> Path:
    """Return where the plugin keeps its files."""
    if own := environ.get(f"{platform.upper()}_STATE_DIR"):
        return Path(own)
    return Path(environ.get("HOME") or os.path.expanduser("~")) / ".claude" / "channels" / platform


def read_official(platform: str, folder: Path) -> Official | None:
    """Return what the plugin has saved, None where it has saved nothing.

    Raises:
        Unreadable: a file is there and cannot be used.
    """
    env, access = _read(folder / ".env"), _read(folder / "access.json")
    if env is None and access is None:
        return None
    left: list[str] = []
    data = _object(folder / "access.json", access) if access is not None else {}
    policy = data.get("dmPolicy")
    if policy is not None and policy not in _POLICIES:
        left.append("dmPolicy is none that channeld knows: strangers are met as the configuration says.")
        policy = None
    left += [f"{_shown(key)} is nothing that channeld knows." for key in data if key not in _KNOWN][:_MOST_GROUPS]
    # Each of these adds to ``left`` what it cannot understand.
    token = _token(f"{platform.upper()}_BOT_TOKEN", env or "", left)
    people = _people("allowFrom", data.get("allowFrom"), left)
    groups = _groups(platform, data.get("groups"), left)
    settings = _settings(data, left)
    return Official(platform, folder, token, policy, people, tuple(groups), tuple(settings), tuple(left))


def is_enabled(platform: str, environ: Mapping[str, str]) -> bool:
    """Tell whether the settings of the user, as far as they can be read, have the plugin enabled."""
    base = Path(environ.get("CLAUDE_CONFIG_DIR") or Path(environ.get("HOME") or os.path.expanduser("~")) / ".claude")
    enabled = False
    for name in ("settings.json", "settings.local.json"):  # the second wins
        file = base / name
        try:
            plugins = _object(file, _read(file, follow=True) or "{}").get("enabledPlugins")
        except Unreadable:
            continue  # Claude Code itself says what is wrong with it
        if isinstance(plugins, dict):
            enabled = bool(plugins.get(f"{platform}@claude-plugins-official", enabled))
    return enabled


def _read(file: Path, *, follow: bool = False) -> str | None:
    """Return a small regular file's text, None where there is none.

    Raises:
        Unreadable: it is something else.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(file, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if file.is_symlink():
            raise Unreadable(f"{file} is a symbolic link.", hint="Put the file itself there.") from None
        raise Unreadable(f"{file} cannot be read: {error.strerror}.", hint="Mend its permissions.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable(f"{file} is no file.", hint="Move it away.")
    with os.fdopen(descriptor, "rb") as opened:
        try:
            data = opened.read(_LARGEST_BYTES + 1)
        except OSError as error:
            raise Unreadable(f"{file} cannot be read: {error.strerror}.", hint="Look at the disk.") from None
    if len(data) > _LARGEST_BYTES:
        raise Unreadable(f"{file} is larger than 1 MiB, which is not the plugin's.", hint="Look at what it is.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{file} is no text in UTF-8.", hint="Save it as UTF-8.") from None


def _object(file: Path, text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):  # also a number of 5000 digits
        raise Unreadable(f"{file} is no JSON.", hint="Mend it, or move it away.") from None
    if not isinstance(data, dict):
        raise Unreadable(f"{file} holds no JSON object.", hint="Mend it, or move it away.")
    return data


def _token(name: str, text: str, left: list[str]) -> str | None:
    """Return a variable's value: the first line counts, as for the plugin."""
    for line in text.splitlines():
        key, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and key.strip() == name:
            value = value.strip(" \t\"'")
            if value and not _WORD.fullmatch(value):
                left.append(f"{name} in .env is no token.")
                return None
            return value or None
    return None


def _people(where: str, value: object, left: list[str]) -> tuple[str, ...]:
    """Return the ids of users in a list, each once."""
    if value is None:
        return ()
    if not isinstance(value, list):
        left.append(f"{where} is no list, so nobody in it is known.")
        return ()
    found: dict[str, None] = {}
    strange = 0
    for entry in value:
        name = str(entry) if type(entry) in {str, int} else ""
        if _USER.fullmatch(name):
            found[name] = None
        else:
            strange += 1
    if strange:
        left.append(f"{where} has {strange} {'entry' if strange == 1 else 'entries'} that are no user's id.")
    if len(found) > _MOST_PEOPLE:
        left.append(f"{where} has {len(found)} people: only the first {_MOST_PEOPLE} count.")
    return tuple(found)[:_MOST_PEOPLE]


def _groups(platform: str, value: object, left: list[str]) -> list[OfficialGroup]:
    if value is None:
        return []
    if not isinstance(value, dict):
        left.append(f"groups is no object, so no {PLACES[platform]} is known.")
        return []
    found = []
    place = PLACES[platform]
    for chat, policy in list(value.items())[:_MOST_GROUPS]:
        if not _CHATS[platform].fullmatch(chat) or not isinstance(policy, dict):
            left.append(f"{place.capitalize()} {_shown(chat)} is none that can be understood.")
            continue
        raw = policy.get("allowFrom")
        senders = _people(f"allowFrom of {place} {chat}", raw, left)
        if raw and not senders:  # else a group for a few would be open to everybody listed
            left.append(f"{place.capitalize()} {chat} stays closed: nobody who may speak there is known.")
            continue
        mention = policy.get("requireMention", True)
        if not isinstance(mention, bool):
            left.append(f"requireMention of {place} {chat} is neither true nor false: it is taken for true.")
            mention = True
        left += [
            f"{_shown(key)} of {place} {chat} is nothing that channeld has." for key in policy.keys() - _GROUP_KEYS
        ]
        found.append(OfficialGroup(chat, mention, senders or None))
    if len(value) > _MOST_GROUPS:
        left.append(f"There are {len(value)} {place}s: only the first {_MOST_GROUPS} count.")
    return found


def _settings(data: dict[str, Any], left: list[str]) -> list[tuple[str, Any]]:
    """Return the settings, of the right shape; whether channeld can use them is not known."""
    found: list[tuple[str, Any]] = []
    for theirs, ours in _SETTINGS.items():
        value = data.get(theirs)
        if value is None or value == "":
            continue
        if type(value) is int or _is_text(value):
            found.append((ours, value.replace("\ufe0f", "") if isinstance(value, str) else value))
        else:
            left.append(f"{theirs} is no value that channeld can use.")
    patterns = data.get("mentionPatterns")
    if patterns is None:
        return found
    if not isinstance(patterns, list):
        left.append("mentionPatterns is no list.")
        return found
    good = [pattern for pattern in patterns if _is_text(pattern)][:_MOST_GROUPS]
    if len(good) < len(patterns):
        left.append(f"{len(patterns) - len(good)} of the mentionPatterns cannot be used.")
    return [*found, *(("mention_patterns", pattern) for pattern in good)]


def _is_text(value: object) -> bool:
    """Tell whether a value is a short text without control characters, and nothing but text."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_SETTING:
        return False
    return value.replace("\u200d", "").isprintable()  # which some emoji are joined with


def _shown(name: str) -> str:
    return repr(name[:40])
