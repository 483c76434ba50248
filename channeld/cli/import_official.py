"""``import``: takes over what another program has saved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from channeld.cli.client import fail
from channeld.core.errors import ChanneldError
from channeld.paths import find_paths

_PLATFORMS: Final = ("telegram", "discord")


@click.group("import")
def import_() -> None:
    """Take over what another program has saved.

    Example: channeld import official --dry-run
    """


@import_.command()
@click.argument("platform", required=False, type=click.Choice(_PLATFORMS))
@click.option("--dir", "folder", type=click.Path(path_type=Path), help="Where the plugin's .env and access.json are.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option("--no-check", is_flag=True, help="Do not ask the platform whether the token is good.")
@click.option("--replace-token", is_flag=True, help="Also where channeld has the token of another bot.")
@click.option("--delete-webhook", is_flag=True, help="Remove a webhook of the bot without asking.")
def official(
    platform: str | None, folder: Path | None, dry_run: bool, no_check: bool, replace_token: bool, delete_webhook: bool
) -> None:
    """Take over from the official Telegram or Discord plugin.

    The bot's token, who may chat, the groups or channels, and the settings. It
    changes nothing of the plugin's, and can be run again.

    Example: channeld import official telegram --dry-run
    """
    from channeld.cli.official import Unreadable, folder_of, read_official  # noqa: PLC0415 - of no use to --help
    from channeld.cli.takeover import Wishes, take_over  # noqa: PLC0415

    if folder is not None and platform is None:
        raise click.UsageError("--dir needs the platform too, such as: channeld import official telegram --dir DIR")
    if delete_webhook and platform == "discord":
        raise click.UsageError("A bot of Discord's has no such webhook: --delete-webhook is for telegram.")
    looked: list[str] = []
    found = []
    for each in (platform,) if platform else _PLATFORMS:
        place = (folder or folder_of(each, dict(os.environ))).absolute()
        looked.append(str(place))
        try:
            saved = read_official(each, place)
        except Unreadable as error:
            fail(f"{error} Nothing was changed.", error.hint)
        if saved is not None:
            found.append(saved)
    if not found:
        fail(
            f"The official plugin has saved nothing in {' or '.join(looked)}.",
            f"If it is elsewhere: channeld import official {platform or 'telegram'} --dir DIR",
        )
    wishes = Wishes(dry_run, no_check, replace_token, delete_webhook)
    for number, saved in enumerate(found):
        if number:
            click.echo()
        try:
            take_over(find_paths(), saved, wishes)
        except (ChanneldError, SystemExit):
            for other in found[number + 1 :]:
                click.echo(f"Not looked at yet: channeld import official {other.platform}", err=True)
            raise
