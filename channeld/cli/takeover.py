"""Takes over what the official plugin has saved, step by step, and says what was done and what was not."""

from __future__ import annotations

import os
from typing import Any, Final, NamedTuple

import click

from channeld.cli.bring_up import bring_up, is_connected, make_known
from channeld.cli.client import CommandFailed, NotRunning, ask, fail, has_terminal
from channeld.cli.config_edit import Edit, plan_worker, write
from channeld.cli.connect import (
    check,
    find_declared,
    fresh_settings,
    put_token,
    settings_of,
    standing_lines,
    warn_of_variable,
)
from channeld.cli.official import PLACES, Official, is_enabled
from channeld.cli.render.access import POLICY_WORDS
from channeld.cli.token_check import ask_platform, title_of
from channeld.core.errors import ConfigError
from channeld.credentials import saved_token
from channeld.paths import Paths, make_all
from channeld.platforms import PLATFORMS

_CLASHES: Final = {
    "telegram": "Two programs cannot fetch one bot's messages.",
    "discord": "Both programs would get every message, and answer it.",
}
"""What comes of the plugin and channeld with one token."""
_NOBODY: Final[dict[str, Any]] = {"policy": "pairing", "policy_from": "config", "people": [], "groups": []}


class Wishes(NamedTuple):
    """What the person wants of it."""

    dry_run: bool
    no_check: bool
    replace_token: bool
    delete_webhook: bool


class Step(NamedTuple):
    """A change of the access list."""

    words: str
    command: str
    arguments: dict[str, Any]


class Plan(NamedTuple):
    """What is to be done."""

    token: str | None
    """None: the saved one stays."""
    edit: Edit
    left: list[str]
    """What is not taken over and why, a sentence each."""


def take_over(paths: Paths, found: Official, wishes: Wishes) -> None:
    """Take over what a plugin has saved; what was done and what not is printed at the end.

    Raises:
        ChanneldError: before anything was changed.
    """
    worker, title = found.platform, title_of(found.platform)
    plan = _plan(paths, found, wishes)
    warning = _warning(found)
    if wishes.dry_run:
        steps, left = _steps(found, _access(paths, worker))
        coming = [*_words_of(plan), *(step.words for step in steps)]
        _report("Would be taken over from", found, coming, [*plan.left, *left], warning)
        return
    steps, _ = _steps(found, _access(paths, worker))
    if steps and not has_terminal():
        fail(
            "This changes who may speak to Claude: a person at a terminal does it, and here is none. "
            "Nothing was changed.",
            "Run it yourself in a terminal. From a script over ssh: ssh -t HOST channeld import official",
        )
    username = _check_token(paths, found, plan, wishes)
    make_all(paths)
    done: list[str] = []
    write(plan.edit)
    done += _settings_words(plan.edit)
    started = make_known(paths, worker)
    # The list before the token: with it come messages, and nobody listed must be met as a stranger.
    steps, left = _steps(found, _access(paths, worker))
    failed = _carry_out(paths, steps, done)
    if plan.token is not None and not failed:
        put_token(paths, worker, plan.token)
        done.insert(0, f"the token{f' of @{username}' if username else ''}")
    lines: list[str] = []
    connected = True
    if failed and plan.token is not None:
        failed.append("the token: it is saved last, when the list is right.")
    if not failed and (plan.token is not None or plan.edit.changes or started):
        standing = bring_up(paths, worker)
        connected = is_connected(standing)
        issue = standing.issues[0] if standing.issues else {"text": f"it is {standing.state}.", "hint": ""}
        lines = (
            standing_lines(title, standing) if connected
            else [f"{title} is not connected: {issue['text']} {issue['hint']}".rstrip()]
        )  # fmt: skip
    _report("Taken over from", found, done, [*plan.left, *left, *failed], warning)
    if lines:
        click.echo("\n".join(["", *lines]))
    if failed or not connected:
        fail("Not everything was taken over.", f"channeld import official {worker}")


def _plan(paths: Paths, found: Official, wishes: Wishes) -> Plan:
    """Return what is to be done to the token and the configuration.

    Raises:
        ChanneldError: it cannot be done.
    """
    worker = found.platform
    declared = find_declared(paths, worker)
    if declared is not None and (declared.command or declared.platform != found.platform or not declared.enabled):
        fail(
            f"[workers.{worker}] is switched off, or no bot of channeld's own. Nothing was changed.",
            f"Mend it in {paths.config_file}, then try it again.",
        )
    warn_of_variable(worker)
    saved = saved_token(worker, paths.credentials)
    if found.token is None and saved is None:
        fail(
            f"There is no token in {found.folder}/.env, and channeld has none. Nothing was changed.",
            f"First: channeld setup {worker}. Then: channeld import official {worker}",
        )
    if None not in {found.token, saved} and found.token != saved and not (wishes.replace_token or wishes.dry_run):
        fail(
            "channeld has the token of another bot already. Nothing was changed.",
            "To exchange it for that of the plugin, add --replace-token.",
        )
    settings, left = _usable(paths, found)
    edit = plan_worker(paths.config_file, worker, settings)
    left += [
        f"{key} stands in {paths.config_file} already, otherwise: it was left alone."
        for key in settings.keys() - set(edit.added)
    ]
    return Plan(found.token if found.token != saved else None, edit, left)


def _usable(paths: Paths, found: Official) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that differ from what holds and that the worker can use, and why it cannot use the others."""
    left = list(found.left)
    tried: list[dict[str, Any]] = []
    now = settings_of(paths, found.platform, found.platform, {})
    can_be_set = PLATFORMS[found.platform].table.model_fields
    for key, value in found.settings:
        if key not in can_be_set:
            left.append(f"{key} is nothing that can be set for {title_of(found.platform)} in channeld.")
            continue
        one = {key: [value] if key == "mention_patterns" else value}
        try:
            fresh_settings(found.platform, one)
        except ConfigError as error:
            left.append(f"{error}")
        else:
            tried.append(one)
    refused = ask_platform(found.platform, None, now, tried=tried).refused if tried else ()
    settings: dict[str, Any] = {}
    for one, why in zip(tried, refused, strict=True):
        ((key, value),) = one.items()
        if why:
            left.append(why)
        elif isinstance(value, list):
            settings[key] = [*settings.get(key, []), *value]
        else:
            settings[key] = value
    return {key: value for key, value in settings.items() if now[key] != value}, left


def _check_token(paths: Paths, found: Official, plan: Plan, wishes: Wishes) -> str:
    """Return the name of the bot whose token is taken over; empty where nobody was asked."""
    if plan.token is None or wishes.no_check:
        return ""
    settings = settings_of(paths, found.platform, found.platform, {})
    return check(found.platform, plan.token, settings, delete_webhook=wishes.delete_webhook).username


def _access(paths: Paths, worker: str) -> dict[str, Any]:
    """Return who may speak on a worker now, as far as a daemon can be asked."""
    try:
        workers = ask(paths, "access")["workers"]
    except (NotRunning, CommandFailed):
        return _NOBODY
    return next((each for each in workers if each["worker"] == worker), _NOBODY)


def _steps(found: Official, access: dict[str, Any]) -> tuple[list[Step], list[str]]:
    """Return the changes that the access list needs, and what is left as it was decided in channeld."""
    worker, place = found.platform, PLACES[found.platform]
    steps: list[Step] = []
    left: list[str] = []
    if found.policy is not None and found.policy != access["policy"]:
        if access["policy_from"] == "command":
            left.append(f"The policy {found.policy}: it was set to {access['policy']} in channeld, which stays.")
        else:
            words = f"policy {found.policy}: {POLICY_WORDS[found.policy]}"
            steps.append(Step(words, "policy", {"worker": worker, "policy": found.policy}))
    roles = {person["sender_id"]: person["role"] for person in access["people"]}
    steps += [
        Step(f"{sender} may chat", "allow", {"worker": worker, "sender": sender})
        for sender in found.people if sender not in roles
    ]  # fmt: skip
    left += [
        f"{sender} was denied in channeld, which stays." for sender in found.people if roles.get(sender) == "denied"
    ]
    here = {group["chat"]: group for group in access["groups"]}
    for group in found.groups:
        chat, senders = f"{worker}:{group.chat}", list(group.senders) if group.senders is not None else None
        who = "whoever is listed" if senders is None else ", ".join(senders)
        how = "when they address the bot" if group.require_mention else "every message"
        if senders is None:
            left.append(
                f"{place.capitalize()} {group.chat}: any member could speak there. Here only those who are listed can."
            )
        if (now := here.get(chat)) is None:
            arguments = {"chat": chat, "require_mention": group.require_mention, "senders": senders}
            steps.append(Step(f"{place} {group.chat} is open: {who}, {how}", "open_group", arguments))
        elif (now["require_mention"], now["senders"] and set(now["senders"])) != (
            group.require_mention, senders and set(senders),
        ):  # fmt: skip
            left.append(f"{place.capitalize()} {group.chat} is open in channeld in another way, which stays.")
    return steps, left


def _carry_out(paths: Paths, steps: list[Step], done: list[str]) -> list[str]:
    """Carry the steps out and add the words of those that were to ``done``; return why others were not."""
    failed: list[str] = []
    for step in steps:
        try:
            ask(paths, step.command, **step.arguments)
        except CommandFailed as error:
            failed.append(f"{step.words}: {error} {error.hint}".rstrip())
        except NotRunning:
            failed.append(f"{step.words}: channeld has ended.")
        else:
            done.append(step.words)
    return failed


def _words_of(plan: Plan) -> list[str]:
    return [*(["the token"] if plan.token is not None else []), *_settings_words(plan.edit)]


def _settings_words(edit: Edit) -> list[str]:
    return [f"{', '.join(edit.added)} in {edit.file}"] if edit.added else []


def _warning(found: Official) -> str:
    """Return what is said of a plugin that still takes the bot's messages; empty where it does not."""
    if not is_enabled(found.platform, os.environ):
        return ""
    name = f"{found.platform}@claude-plugins-official"
    return (
        f"Warning: the official plugin is still enabled. {_CLASHES[found.platform]}\n"
        f"To end that: claude plugin disable {name}\nThen end the sessions in which it runs."
    )


def _report(head: str, found: Official, done: list[str], left: list[str], warning: str) -> None:
    """Print what was done and what was not."""
    lines = [f"{head} {found.folder}:", *(f"  {words}" for words in done)]
    if not done:
        lines = [f"There is nothing new in {found.folder}."]
    if left:
        lines += ["", "Not taken over:", *(f"  {words}" for words in left)]
    if found.people:
        lines += [
            "",
            "Whoever is listed may chat. With the plugin they could also answer what Claude asks for permission: "
            "here only approvers can.",
            f"To make somebody one: channeld access approver {found.platform} ID",
        ]
        if not PLATFORMS[found.platform].chat_is_sender:
            lines += [
                f"{title_of(found.platform)} does not tell their private chats beforehand: an approver is asked there "
                "once he has written to the bot."
            ]
    click.echo("\n".join([*lines, *(["", warning] if warning else [])]))
