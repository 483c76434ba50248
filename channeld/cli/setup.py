"""``setup``: gives a worker its token, and lets the operator in."""

from __future__ import annotations

import click

from channeld.cli import suggest
from channeld.cli.client import ask_or_fail, fail
from channeld.cli.options import as_json, page_width, print_json, print_lines
from channeld.paths import Paths, find_paths


@click.command()
@click.argument("worker", shell_complete=suggest.set_up)
@click.option("--delete-webhook", is_flag=True, help="Remove a webhook of the bot without asking.")
@click.option("--api-base-url", metavar="URL", help="Of a Bot API server of your own, for a new worker.")
@as_json
def setup(worker: str, delete_webhook: bool, api_base_url: str | None, as_json: bool) -> None:
    """Connect a bot, and let yourself in.

    For telegram and discord it asks for the bot's token, which stays hidden, or
    reads it from its input. For telegram it prints a link, for discord a code and
    where to add the bot to a server: whoever uses that first becomes an approver.
    Run it again for a new one; Enter keeps the saved token. For a worker with a
    command of its own it prints a code alone.

    Example: channeld setup telegram
    """
    from channeld.cli import connect  # noqa: PLC0415 - takes longer to load than all of --help
    from channeld.platforms import PLATFORMS  # noqa: PLC0415

    paths = find_paths()
    declared = connect.find_declared(paths, worker)
    platform = declared.platform if declared else worker
    known = PLATFORMS.get(platform)
    if platform != "telegram" and (delete_webhook or api_base_url is not None):
        raise click.UsageError(f"{worker} is no bot of Telegram's: it takes no such option.")
    if known is None or not known.token_variable or (declared is not None and declared.command):
        _let_in_by_code(paths, worker, as_json=as_json)
        return
    if declared is not None and not declared.enabled:
        fail(
            f"{worker} is switched off: [workers.{worker}] says enabled = false.",
            f"Take that out of {paths.config_file}, then: channeld setup {worker}",
        )
    if declared is not None and api_base_url is not None:
        fail(f"There is [workers.{worker}] already.", f"Set api_base_url there, in {paths.config_file}.")
    new = {} if api_base_url is None else {"api_base_url": api_base_url}
    connect.connect(paths, worker, platform, new, delete_webhook=delete_webhook, as_json=as_json)


def _let_in_by_code(paths: Paths, worker: str, *, as_json: bool) -> None:
    """Print the code that makes whoever sends it first an approver."""
    from channeld.cli.render.access import setup_lines  # noqa: PLC0415 - of no use to --help and --json

    data = ask_or_fail(paths, "setup", worker=worker)
    if as_json:
        workers = ask_or_fail(paths, "status")["workers"]
        snapshot = next((each for each in workers if each["name"] == worker), {"account": None, "state": "stopped"})
        more = {"account": snapshot["account"], "link": None, "invite": None, "state": snapshot["state"]}
        print_json({**data, **more})
    else:
        print_lines(setup_lines(data, page_width()))
