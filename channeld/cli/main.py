"""The command line: every command with an example, errors that say what to try."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, NoReturn

import click

from channeld import __version__
from channeld.cli.access import access, pair
from channeld.cli.bind import bind, unbind
from channeld.cli.client import EXIT_FAILED, fail
from channeld.cli.completion import completion
from channeld.cli.daemon import restart, run, start, stop
from channeld.cli.demo import demo
from channeld.cli.doctor import doctor
from channeld.cli.import_official import import_
from channeld.cli.install import install, uninstall
from channeld.cli.logs import logs
from channeld.cli.messages import messages
from channeld.cli.prompts import prompts
from channeld.cli.send import send
from channeld.cli.session import session
from channeld.cli.setup import setup
from channeld.cli.status import sessions, status
from channeld.cli.url import url
from channeld.core.errors import ChanneldError


class _Outermost(click.Group):
    """The whole command line: wrong usage is told like every other mistake."""

    def main(self, *args: Any, **options: Any) -> NoReturn:
        """Run it and end the process, with 2 after wrong usage."""
        _fill_closed_streams()
        try:
            status = super().main(*args, **{**options, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as error:  # a group alone: its help is what helps
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            context = getattr(error, "ctx", None)
            fail(error.format_message(), f"{context.command_path if context else 'channeld'} --help", error.exit_code)
        except ChanneldError as error:
            fail(str(error), error.hint)
        except OSError as error:  # such as a full disk behind the output
            _forget_output()
            if error.errno == errno.EPIPE:  # whoever read it has seen enough
                sys.exit(EXIT_FAILED)
            fail(f"{error}.")
        except click.Abort:
            sys.exit(EXIT_FAILED)
        sys.exit(status if isinstance(status, int) else 0)


def _forget_output() -> None:
    """Lead what is still to be written nowhere: Python tries again as it ends, and has a status of its own for that."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)


def _fill_closed_streams() -> None:
    """Lead output that the shell has closed (``>&-``) nowhere: no file or socket of ours must get its number."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which may be that of the input
            if null != number:
                os.dup2(null, number)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w"))


@click.group(cls=_Outermost, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="channeld")
@click.pass_context
def cli(context: click.Context) -> None:
    """Reach a running Claude Code session from chats: a durable mailbox between them and Claude.

    Start with: channeld demo
    """
    if os.environ.get("NO_COLOR"):
        context.color = False
    if hasattr(sys.stdout, "reconfigure"):  # where the terminal knows no UTF-8, a mark becomes a question mark
        sys.stdout.reconfigure(errors="replace")


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def mcp(arguments: tuple[str, ...]) -> None:
    """Connect a session: Claude Code starts this.

    Its options: channeld mcp --help

    Example, in .mcp.json: {"mcpServers": {"channeld": {"command": "channeld", "args": ["mcp"]}}}
    """
    from channeld.cli import shim  # noqa: PLC0415 - the console script takes a shorter way to it

    sys.exit(shim.main(list(arguments)))


for command in (
    run, start, stop, restart, status, doctor, setup, pair, access, prompts, sessions, session, bind, unbind, messages,
    send, logs, url, demo, mcp, import_, install, uninstall, completion,
):  # fmt: skip
    cli.add_command(command)
