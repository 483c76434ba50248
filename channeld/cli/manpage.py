"""The manual page, made from the commands themselves. Pure: a click command in, roff out.

``make man`` writes it: ``python -m channeld.cli.manpage > man/channeld.1``.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Final

import click

_EXIT_STATUS: Final = (
    ("0", "done"),
    ("1", "failed; stderr says why and what to try"),
    ("2", "wrong usage"),
    ("3", "the daemon is not running"),
)
_ENVIRONMENT: Final = (
    ("CHANNELD_HOME", "a folder that holds everything: configuration, credentials, mailbox, sockets and logs"),
    ("NO_COLOR", "if set, nothing is printed in colour"),
)
_FILES: Final = (
    ("~/.config/channeld/config.toml", "the configuration; it need not exist"),
    ("~/.config/channeld/credentials/", "one file WORKER.token for each worker that needs one"),
    ("~/.local/state/channeld/", "the mailbox, received files, and the logs"),
)
_COMMAND_TEXT: Final = re.compile(r"`([^`]+)`")


def page(command: click.Command, name: str, version: str) -> str:
    """Return the manual page of a command and all its subcommands, in roff with the ``man`` macros.

    Args:
        command: the outermost one.
        name: what a person types for it.
        version: shown at the foot of the page.
    """
    context = click.Context(command, info_name=name)
    summary, *details = _paragraphs(command)
    lines = [
        f'.\\" Made by "make man" from the commands of {name}: change those.',
        f'.TH {_quoted(name.upper())} 1 "" {_quoted(f"{name} {version}")} "User Commands"',
        ".SH NAME",
        f"{escape(name)} \\- {escape(_lower_first(summary.rstrip('.')))}",
        ".SH SYNOPSIS",
        *_synopsis(context),
        ".SH DESCRIPTION",
        *_body([summary, *details]),
        ".SH OPTIONS",
        *_options(context),
        ".SH COMMANDS",
        *(line for inner in _subcommands(context) for line in _section(inner)),
        ".SH EXIT STATUS",
        *_terms(_EXIT_STATUS),
        ".SH ENVIRONMENT",
        *_terms(_ENVIRONMENT),
        ".SH FILES",
        *_terms(_FILES),
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Return text in which roff sees nothing but text: no escape, no request, and a minus that can be copied."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    plain = plain.replace("^", "\\(ha").replace("~", "\\(ti")
    return "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in re.sub(r"^\.", r"\\&.", plain, flags=re.M))


def _section(context: click.Context) -> Iterator[str]:
    """Yield a subcommand: how it is called, what it does, its options."""
    yield f".SS {_quoted(context.command_path)}"
    yield from _synopsis(context)
    yield ".PP"
    yield from _body(_paragraphs(context.command))
    yield from _options(context)


def _subcommands(context: click.Context) -> Iterator[click.Context]:
    """Yield the contexts of all subcommands, however deep, in the order of the alphabet."""
    if not isinstance(context.command, click.Group):
        return
    for name in context.command.list_commands(context):
        command = context.command.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context)
        yield inner
        yield from _subcommands(inner)


def _synopsis(context: click.Context) -> Iterator[str]:
    pieces = " ".join(context.command.collect_usage_pieces(context))
    yield f"\\fB{escape(context.command_path)}\\fR {escape(pieces)}".rstrip()


def _paragraphs(command: click.Command) -> list[str]:
    """Return the paragraphs of a command's help, each on one line."""
    text = inspect.cleandoc(command.help or "")
    return [" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip()]


def _body(paragraphs: list[str]) -> Iterator[str]:
    for number, paragraph in enumerate(paragraphs):
        if number:
            yield ".PP"
        label, colon, example = paragraph.partition(": ")
        if colon and label.startswith(("Example", "Start with", "Without", "Its options")):
            yield escape(f"{label}:")
            yield f".RS 4\n.nf\n\\fB{escape(example)}\\fR\n.fi\n.RE"
        else:
            parts = _COMMAND_TEXT.split(paragraph)  # every other one stood in backticks
            yield "".join(f"\\fB{escape(part)}\\fR" if odd % 2 else escape(part) for odd, part in enumerate(parts))


def _options(context: click.Context) -> Iterator[str]:
    for parameter in context.command.get_params(context):
        if "--help" in parameter.opts and context.parent is not None:  # told once
            continue
        if isinstance(parameter, click.Option) and (record := parameter.get_help_record(context)) is not None:
            yield from _terms([record])


def _terms(terms: tuple[tuple[str, str], ...] | list[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in terms:
        yield f".TP\n\\fB{escape(term)}\\fR\n{escape(meaning)}"


def _quoted(text: str) -> str:
    """Return text as one argument of a macro."""
    return '"' + escape(text).replace('"', "\\(dq") + '"'


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def main() -> None:
    """Print channeld's own page."""
    from channeld import __version__  # noqa: PLC0415
    from channeld.cli.main import cli  # noqa: PLC0415

    sys.stdout.write(page(cli, "channeld", __version__))


if __name__ == "__main__":
    main()
