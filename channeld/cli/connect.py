"""Connects a bot: its token is taken, checked and saved, the daemon uses it, and the operator gets a link."""

from __future__ import annotations

import getpass
import os
import sys
from typing import Any, Final, NoReturn

import click
from pydantic import ValidationError

from channeld.cli.bring_up import Standing, bring_up, is_connected, say
from channeld.cli.client import NO_TERMINAL, CommandFailed, NotRunning, ask, fail
from channeld.cli.config_edit import plan_worker, write
from channeld.cli.options import page_width, print_json, print_lines
from channeld.cli.render.access import invite_lines, link_lines
from channeld.cli.render.layout import plain
from channeld.cli.token_check import Answer, ask_platform, source_of, title_of
from channeld.config import Worker, load
from channeld.core.errors import ConfigError
from channeld.credentials import save_token, saved_token
from channeld.paths import Paths, make_all, unusable
from channeld.platforms import PLATFORMS, WorkerTable

_LONGEST_TOKEN: Final = 4096
_AROUND: Final = " \t\r\n\v\f\0\ufeff\u200b\u200c\u200d\u2060\xa0\"'`\u201c\u201d\u2018\u2019\xab\xbb"
"""What pasting leaves around a token."""


def connect(
    paths: Paths, worker: str, platform: str, settings: dict[str, Any], *, delete_webhook: bool, as_json: bool
) -> None:
    """Carry out ``channeld setup`` for a platform whose token people get there.

    Args:
        paths: where everything lies.
        worker: its name.
        platform: of the worker.
        settings: for a table that is to be added to the configuration.
        delete_webhook: remove one without asking.
        as_json: print data for programs.

    Raises:
        ChanneldError: what keeps it from being done.
    """
    edit = plan_worker(paths.config_file, worker, settings)  # what cannot be written is told before anything is asked
    title = title_of(platform)
    warn_of_variable(worker)
    saved = saved_token(worker, paths.credentials)
    token = _take_token(platform, saved) or saved
    if token is None:
        fail("No token was given.", f"Get one from {source_of(platform)}, then: channeld setup {worker}")
    answer = check(platform, token, settings_of(paths, worker, platform, settings), delete_webhook=delete_webhook)
    make_all(paths)
    if token != saved:
        put_token(paths, worker, token)
        say(f"Saved the token of @{answer.username}.")
    write(edit)
    if edit.changes:
        say(f"Added [workers.{worker}] to {paths.config_file}.")
    standing = bring_up(paths, worker)
    if not is_connected(standing):
        fail_unconnected(title, standing)
    if standing.account != f"@{answer.username}":
        fail(
            f"{title}: {standing.account} is connected, not @{answer.username}: the daemon has another token in its "
            "environment, which wins.",
            "Take it out of there, then: channeld restart",
        )
    if not as_json:
        print_lines(standing_lines(title, standing))
    _let_in(paths, worker, platform, answer, standing, as_json=as_json)


def find_declared(paths: Paths, worker: str) -> Worker | None:
    """Return what the configuration says of a worker; where a mistake hides that, None if it need not be known.

    Raises:
        ConfigError: it has a mistake, and the worker is one whose table may have to be added.
    """
    try:
        return next((each for each in load(paths.config_file).worker_list() if each.name == worker), None)
    except ConfigError:
        if worker in PLATFORMS and PLATFORMS[worker].token_variable:
            raise
        return None


def settings_of(paths: Paths, worker: str, platform: str, more: dict[str, Any]) -> dict[str, Any]:
    """Return all settings with which a worker will run, of which ``more`` are new.

    Raises:
        ConfigError: one of them is none.
    """
    fresh = fresh_settings(platform, more)
    declared = find_declared(paths, worker)
    return fresh if declared is None else {**declared.settings, **{key: fresh[key] for key in more}}


def fresh_settings(platform: str, more: dict[str, Any]) -> dict[str, Any]:
    """Return all settings of a platform's worker, which are the defaults but for ``more``.

    Raises:
        ConfigError: one of ``more`` is none.
    """
    try:
        table = PLATFORMS[platform].table.model_validate(more)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    return {key: value for key, value in table.model_dump().items() if key not in WorkerTable.model_fields}


def warn_of_variable(worker: str) -> None:
    """Warn of a token in the environment: where the daemon has it too, what is saved is not used."""
    known = PLATFORMS.get(worker)
    if known is not None and known.token_variable and os.environ.get(known.token_variable):
        say(f"Warning: {known.token_variable} is set here. A daemon that has it too uses it, not the saved token.")


def check(
    platform: str,
    token: str,
    settings: dict[str, Any],
    *,
    delete_webhook: bool,
    tried: list[dict[str, Any]] | None = None,
) -> Answer:
    """Ask whose a token is, and have a webhook removed if that is wanted; otherwise one ends the command.

    Raises:
        CheckFailed: the token is wrong, or nobody could say.
    """
    title = title_of(platform)
    say(f"Asking {title} …")
    answer = ask_platform(platform, token, settings, tried=tried, delete_webhook=delete_webhook)
    if not answer.webhook:
        return answer
    what = f"A webhook is set on @{answer.username}: another program gets its messages, and channeld would get none."
    if delete_webhook:
        fail(f"{what} It was removed, and set again at once.", "Stop that program, then try it again.")
    if _at_terminal():
        say(what)
        if click.confirm("Remove the webhook?", default=False, err=True):
            return check(platform, token, settings, delete_webhook=True, tried=tried)
    return fail(f"{what} Nothing was changed.", "If no other program needs it, add --delete-webhook.")


def put_token(paths: Paths, worker: str, token: str) -> None:
    """Save a token.

    Raises:
        ConfigError: it cannot be saved.
    """
    try:
        save_token(worker, paths.credentials, token)
    except OSError as error:
        raise unusable(paths.credentials / f"{worker}.token", error) from None


def fail_unconnected(title: str, standing: Standing) -> NoReturn:
    """End with why a worker is not connected."""
    if standing.issues:
        issue = standing.issues[0]
        fail(f"The token is saved, but {title} is not connected: {issue['text']}", issue["hint"])
    fail(f"The token is saved, but {title} is not connected yet: {standing.state}.", "channeld status")


def standing_lines(title: str, standing: Standing) -> list[str]:
    """Return how a connected worker stands."""
    issues = [f"{issue['text']} {issue['hint']}".strip() for issue in standing.issues]
    return [f"{title}: {plain(standing.account)} is connected.", *issues]


def _take_token(platform: str, saved: str | None) -> str | None:
    """Return a token that was typed or came from the input, None where there was none."""
    if _at_terminal():
        keep = "; Enter keeps the saved one" if saved is not None else ""
        where = source_of(platform)
        given = getpass.getpass(f"Token of your {title_of(platform)} bot, from {where} (it stays hidden{keep}): ")
    else:
        source = getattr(sys.stdin, "buffer", None)
        given = source.readline(_LONGEST_TOKEN).decode(errors="replace") if source is not None else ""
    return given.strip(_AROUND) or None


def _at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _let_in(paths: Paths, worker: str, platform: str, answer: Answer, standing: Standing, *, as_json: bool) -> None:
    """Print the link or code that makes whoever uses it first an approver; without a terminal, what to run in one."""
    code = link = None
    try:
        code = ask(paths, "setup", worker=worker)["code"]
        if platform == "telegram":  # on Discord no link can bring a text along
            link = f"https://t.me/{answer.username}?start={code}"
    except NotRunning:
        fail("channeld has ended meanwhile.", "channeld logs")
    except CommandFailed as error:
        if error.code != NO_TERMINAL:
            fail(f"You are not let in yet: {error}", error.hint)
        say(f"To let yourself in, run this in a terminal and press Enter: channeld setup {worker}")
    if as_json:
        print_json({
            "worker": worker, "platform": platform, "account": standing.account, "link": link, "code": code,
            "invite": answer.invite or None, "state": standing.state,
        })  # fmt: skip
    elif link is not None:
        print_lines(link_lines(link, page_width()))
    elif code is not None:
        print_lines(invite_lines(answer.invite, answer.username, code, page_width()))
