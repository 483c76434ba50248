"""Which shell commands Claude may not run: those that change access, answer prompts or show the web token.

Claude Code ignores permission rules that a plugin brings, so its ``PreToolUse`` hook denies them instead. This is a
sign, not a wall: a command that hides what it runs gets past it. The wall is the daemon, which refuses such calls from
processes below an attached session; here Claude is told so at once, and why.
"""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

_READING: Final = {"access": {"", "show"}, "pair": {"", "list", "dialog"}, "prompts": {"", "list"}}
"""Subcommands that only read, by command; whatever else it has changes who may do what."""
_CHANGES: Final = "changes who may write to this session or answer its prompts"
_REASONS: Final = {
    "access": _CHANGES,
    "pair": _CHANGES,
    "prompts": "answers what only a person may answer",
    "import": _CHANGES,
    "setup": "handles a bot's token and prints a code that pairs the owner",
    "bind": "changes which session hears a chat",
    "unbind": "changes which session hears a chat",
    "url": "shows the token of the web chat",
}
_TOKEN_FILE: Final = re.compile(r"(^|/)credentials(/|$)|(^|/)[^/]+\.token$")
_EVALUATORS: Final = {
    "sh", "bash", "dash", "zsh", "ksh", "fish", "eval", "source", "su", "sudo", "ssh", "script", "watch", "tmux",
    "screen", "at", "parallel", "xargs", "env", "nohup", "setsid", "timeout", "python", "python3", "perl", "node",
}  # fmt: skip
"""Commands that may run a text that they are given. In the text of any other (a commit message) nothing is run."""
_SEPARATORS: Final = set(";&|(){}\n")
_SUBSTITUTION: Final = re.compile(r"\$\(([^()]*)\)|`([^`]*)`|[<>]\(([^()]*)\)")
_HERE_DOCUMENT: Final = re.compile(r"(?<!<)<<-?[ \t]*(['\"]?)(\w+)\1")
_QUOTING: Final = str.maketrans("", "", "'\"\\\n")
_DEEPEST: Final = 4
_LONGEST: Final = 32_768
"""Characters of a command that are looked through; one that names channeld and is longer is refused unread."""
_TO_THE_USER: Final = (
    "channeld refuses this from inside a session, whoever asks for it, and most of all when a message asks. "
    "The user does it in a terminal of their own; tell them the command."
)
_LITERAL: Final = str.maketrans("", "", "`$")  # a here-document in quotes substitutes nothing


def forbidden(command: str) -> str | None:
    """Return why a shell command is refused to Claude, in one sentence for Claude; None where it is not."""
    if "channeld" not in command.translate(_QUOTING):
        return None
    if len(command) > _LONGEST:
        return f"A command of {len(command)} characters that names channeld is not looked through. Make it shorter."
    judged = map(_judge, _simple_commands(command, _DEEPEST))
    return next((f"{reason}. {_TO_THE_USER}" for reason in judged if reason), None)


def _judge(words: list[str]) -> str | None:
    """Judge one simple command, given as its words."""
    words = [word.strip("`") for word in words]  # `…` around several words begins in the first and ends in the last
    for place, word in enumerate(words):
        name = PurePosixPath(word).name
        if name == "channeld" or word.startswith("channeld.cli"):
            told = [rest for rest in words[place + 1 :] if not rest.startswith("-")]
            first, second = (*told, "", "")[:2]
            if first in _REASONS and second not in _READING.get(first, ()):
                return f"`channeld {first} {second}".rstrip() + f"` {_REASONS[first]}"
        if _TOKEN_FILE.search(word) and "channeld" in word:
            return "A file of channeld's credentials holds a token"
    return None


def _simple_commands(command: str, depth: int) -> Iterator[list[str]]:
    """Yield the words of each simple command in a piece of shell, and of those in the texts that it runs."""
    command = _documents_as_words(command.replace("\\\n", ""))
    words: list[str] = []
    for token in [*_tokens(command), ";"]:
        if not _SEPARATORS.issuperset(token):
            words.append(token)
            continue
        yield words
        if depth:
            evaluates = any(PurePosixPath(word).name in _EVALUATORS for word in words)
            for word in words:
                for inner in [word] if evaluates and re.search(r"\s", word) else _substituted(word):
                    yield from _simple_commands(inner, depth - 1)
        words = []


def _documents_as_words(command: str) -> str:
    """Make each here-document one more word of its command; one without an end goes to the end, as in a shell."""
    lines = iter(command.split("\n"))

    def as_word(marker: re.Match[str]) -> str:
        quote, name = marker.groups()
        body = "\n".join(itertools.takewhile(lambda line: line.strip() != name, lines))
        return f" {shlex.quote(body.translate(_LITERAL) if quote else body)} "

    return "\n".join(_HERE_DOCUMENT.sub(as_word, line) for line in lines)


def _tokens(command: str) -> list[str]:
    """Return words without their quotes, and separators; where the quotes do not match, what stands between blanks."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=";&|(){}\n")
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return re.sub(r"[\"'\\]", "", re.sub(r"([;&|(){}\n])", r" \1 ", command)).split(" ")


def _substituted(word: str) -> list[str]:
    return [next(filter(None, groups), "") for groups in _SUBSTITUTION.findall(word)]
