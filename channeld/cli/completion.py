"""``completion``: the script that makes the shell complete commands, options, chats and message numbers."""

from __future__ import annotations

from typing import Final

import click

_PLACES: Final = {
    "bash": "Save as ~/.local/share/bash-completion/completions/channeld, then open a new shell.",
    "zsh": "Save as _channeld in a folder of $fpath, such as ~/.zfunc, before compinit runs; then open a new shell.",
    "fish": "Save as ~/.config/fish/completions/channeld.fish; new shells have it at once.",
}
_COLONS: Final = """\
# Chats have a colon in them, at which bash breaks words unless it is told not to.
COMP_WORDBREAKS=${COMP_WORDBREAKS//:/}
"""


@click.command()
@click.argument("shell", type=click.Choice(sorted(_PLACES)))
def completion(shell: str) -> None:
    """Print the script that makes a shell complete channeld.

    One of its first lines says where to put it. Chats and message numbers are completed too.

    Example: channeld completion zsh > ~/.zfunc/_channeld
    """
    click.echo(script(shell))


def script(shell: str) -> str:
    """Return the script for ``bash``, ``zsh`` or ``fish``."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - only here

    from channeld.cli.main import cli  # noqa: PLC0415 - this command is one of its own

    kind = get_completion_class(shell)
    assert kind is not None
    made = kind(cli, {}, "channeld", "_CHANNELD_COMPLETE")
    body = (made.source_template % made.source_vars()).strip()
    lines = [f"# {_PLACES[shell]}", body, *([_COLONS.strip()] if shell == "bash" else [])]
    if shell == "zsh":  # which looks for this mark on the first line
        mark, _, rest = body.partition("\n")
        lines = [mark, f"# {_PLACES[shell]}", rest.strip()]
    return "\n".join(lines)
