"""The manual page is made from the commands, and roff reads it as text."""

from pathlib import Path

import click
import pytest

from channeld import __version__
from channeld.cli.main import cli
from channeld.cli.manpage import escape, page

ROOT = Path(__file__).parents[2]
PAGE = page(cli, "channeld", __version__)


def every_command(command=cli, path="channeld"):
    """Yield all commands with what a person types for them."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from every_command(inner, f"{path} {name}")


COMMANDS = dict(every_command())


def test_the_page_in_the_repository_is_the_one_of_the_commands():
    """After a change of a command: ``make man``."""
    assert (ROOT / "man" / "channeld.1").read_text("utf-8") == PAGE


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_is_on_it(path):
    """Nothing can be forgotten."""
    assert escape(path) in PAGE
    for parameter in COMMANDS[path].params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert escape(option) in PAGE


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_an_example(path):
    """In its own help."""
    assert "Example" in (COMMANDS[path].help or "") or path == "channeld"


@pytest.mark.parametrize(
    ("text", "roff"),
    [
        ("--json", r"\-\-json"),
        (r"a\b", r"a\eb"),
        (".TH x", r"\&.TH x"),
        ("one\n.two", "one\n\\&.two"),
        ("'quoted'", r"\(aqquoted\(aq"),
        ("~/x^`y`", r"\(ti/x\(ha\(gay\(ga"),
        ("→ é", r"\[u2192] \[u00E9]"),
    ],
)
def test_escaping_leaves_nothing_that_roff_takes_for_a_command(text, roff):
    """Minus signs can be copied, and no line begins a request."""
    assert escape(text) == roff


def test_hostile_help_stays_text():
    """A group of any depth becomes a page whose requests are all the generator's."""

    @click.group()
    def top():
        r"""Do a .thing with \n and "quotes".

        .SH INJECTED

        Example: top 'x' -y
        """

    @top.command("in-ner")
    @click.option("--o", help=".so /etc/passwd")
    def inner(o):
        """.de X."""

    made = page(top, "top", '1"2')
    requests = {line.split()[0] for line in made.splitlines() if line[:1] in {".", "'"}}
    assert requests <= {".TH", ".SH", ".SS", ".TP", ".PP", ".RS", ".RE", ".nf", ".fi", '.\\"'}
    assert "\\&.SH INJECTED" in made
    assert '.TH "TOP" 1 "" "top 1\\(dq2" "User Commands"' in made


def test_the_wheel_brings_the_page_to_where_man_finds_it():
    """``pipx`` and ``uv tool`` install ``share/man`` of a package."""
    assert '"man/channeld.1" = "share/man/man1/channeld.1"' in (ROOT / "pyproject.toml").read_text("utf-8")
