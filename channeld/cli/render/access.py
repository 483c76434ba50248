"""What ``pair``, ``access`` and ``setup`` print."""

from __future__ import annotations

from typing import Any, Final

import click

from channeld.cli.render.layout import advice, age, count, plain, wrap

POLICY_WORDS: Final = {
    "pairing": "strangers are told a pairing code",
    "allowlist": "strangers are told nothing",
    "disabled": "closed to everybody",
}
_ROLE_WORDS: Final = {"approver": "approver", "chatter": "may chat", "denied": "denied"}
_ROLE_COLOURS: Final = {"approver": "green", "chatter": "green", "denied": "red"}
DROPPED_WORDS: Final = {
    "asked": "of strangers, who were told a code",
    "pairing": "of strangers who had been told their code, or while three codes were open",
    "unlisted": "of strangers",
    "denied": "of people who were denied",
    "group_closed": "in groups that are not open",
    "disabled": "while the worker was closed",
    "rate": "that came too fast",
    "bots": "of bots that would have gone on among themselves",
    "paired": "that were a one-time code",
    "malformed": "whose sender has no usable id",
}
"""What was not passed on to Claude, by code."""
STRANGERS: Final = frozenset({"asked", "pairing", "unlisted", "denied", "group_closed"})
"""Those of them whose senders are not on the list."""
_MOST_CHANGES: Final = 5


def request_lines(requests: list[dict[str, Any]], now: float, width: int) -> list[str]:
    """Return what ``channeld pair`` prints."""
    if not requests:
        return wrap(
            "Nobody asks to be let in. A stranger who writes to a bot is told a code, valid for an hour.", width
        )
    lines = []
    for request in requests:
        asked = f"asked {age(now - request['asked_at'])} ago"
        name = f"The name they chose: “{plain(request['sender'])}”" if request["sender"] else "Without a name"
        head = f"{click.style(plain(request['id']), bold=True)}  {plain(request['platform'])} user"
        lines += [f"{head} {plain(request['sender_id'])}, {asked}", *wrap(name, width, "    ")]
    return [
        *lines,
        "",
        *wrap("To let one in, have the code read to you: `channeld pair approve CODE`", width),
        *wrap("Never heard of them? `channeld pair deny ID`", width),
    ]


def paired_text(paired: dict[str, Any]) -> str:
    """Return what is said of somebody who was let in."""
    sender_id = plain(paired["sender_id"])
    who = f"{plain(paired['sender'] or 'Somebody without a name')} ({sender_id} on {paired['worker']})"
    if paired["role"] == "approver":
        return f"{who} may chat with Claude now, and answer what it asks for permission."
    return (
        f"{who} may chat with Claude now.\n"
        f"To let them answer what Claude asks, too: channeld access approver {paired['worker']} {sender_id}"
    )


def denied_text(request: dict[str, Any]) -> str:
    """Return what is said of somebody who was denied."""
    who = f"{plain(request['sender'] or 'Somebody without a name')} ({plain(request['sender_id'])})"
    return (
        f"{who} is denied, and not answered any more.\n"
        f"To take that back: channeld access remove {request['worker']} {plain(request['sender_id'])}"
    )


def allowed_text(worker: str, sender: str, data: dict[str, Any], *, wanted_approver: bool) -> str:
    """Return what is said of somebody who was listed by hand."""
    told = " They had asked, and were told." if data["told"] else ""
    if data["role"] == "approver":
        return f"{sender} may chat on {worker}, and answer what Claude asks for permission.{told}"
    why = f" No more than that: [workers.{worker}] says may_approve = false." if wanted_approver else ""
    return f"{sender} may chat on {worker}.{why}{told}"


def gone_text(text: str, dropped: int) -> str:
    """Return that somebody or something was taken off the list, and what waited of it."""
    return f"{text} {count(dropped, 'message')} that waited for Claude {_were(dropped)} dropped." if dropped else text


def _were(number: int) -> str:
    return "was" if number == 1 else "were"


def policy_text(worker: str, policy: str) -> str:
    """Return what a policy means."""
    return {
        "pairing": f"Strangers who write to {worker} are told a pairing code. See who asks: channeld pair",
        "allowlist": f"Only those on the list of {worker} are heard; strangers get no answer.",
        "disabled": f"{worker} is closed: nobody is heard, also not those on the list.",
    }[policy]


def access_lines(data: dict[str, Any], now: float, width: int) -> list[str]:
    """Return what ``channeld access show`` prints."""
    lines: list[str] = []
    for worker in data["workers"]:
        lines += [
            *_worker_lines(worker, now, width),
            "",
        ]
    if data["changes"]:
        lines.append(click.style("Latest changes", bold=True))
        for change in data["changes"][:_MOST_CHANGES]:
            about = f" {plain(change['who'])}" if change["who"] else ""
            when = f"{age(now - change['at'])} ago, by {plain(change['by'])}"
            lines += wrap(f"{plain(change['worker'])}{about}: {plain(change['what'])}, {when}", width, "  ", 6)
    return lines or ["No worker is configured."]


def asking_text(number: int) -> str:
    """Return that so many ask to be let in, and where."""
    return f"{'1 person asks' if number == 1 else f'{number} people ask'} to be let in: `channeld pair`"


def _worker_lines(worker: dict[str, Any], now: float, width: int) -> list[str]:
    policy = "whoever holds the token" if worker["platform"] == "web" else POLICY_WORDS[worker["policy"]]
    if worker["policy"] == "disabled":
        policy = POLICY_WORDS["disabled"]
    lines = wrap(policy, width, f"{plain(worker['worker'])}: ")
    lines[0] = lines[0].replace(plain(worker["worker"]), click.style(plain(worker["worker"]), bold=True), 1)
    for person in worker["people"]:
        name = f" {plain(person['name'])}" if person["name"] else ""
        role = click.style(_ROLE_WORDS.get(person["role"], person["role"]), fg=_ROLE_COLOURS.get(person["role"]))
        since = f", for {age(now - person['since'])}" if person["since"] is not None else ""
        lines.append(f"  {plain(person['sender_id'])}{name}: {role}{since}, by {plain(person['by'])}")
    if not worker["people"]:
        lines += wrap("nobody is listed yet", width, "  ")
        lines += advice(f"To let yourself in: channeld setup {worker['worker']}", width, 2)
    if not worker["may_approve"]:
        lines += wrap("nobody here can be an approver: may_approve = false", width, "  ")
    for group in worker["groups"]:
        who = "whoever is listed" if group["senders"] is None else ", ".join(map(plain, group["senders"])) or "nobody"
        how = "when addressed" if group["require_mention"] else "every message"
        lines += wrap(f"group {plain(group['chat'])}: {who}, {how}", width, "  ", 6)
    if worker["requests"]:
        asks = f"{count(worker['requests'], 'person')} " if worker["requests"] == 1 else f"{worker['requests']} people "
        lines += wrap(
            f"{asks}{'asks' if worker['requests'] == 1 else 'ask'} to be let in: `channeld pair`", width, "  "
        )
    for each in worker["dropped"]:
        words = DROPPED_WORDS.get(each["code"], plain(each["code"]))
        text = f"not passed on: {count(each['count'], 'message')} {words}, the last {age(now - each['last_at'])} ago"
        lines += wrap(text, width, "  ", 6)
    return lines


def setup_lines(data: dict[str, Any], width: int) -> list[str]:
    """Return what ``channeld setup`` prints."""
    worker = data["worker"]
    if data["code"] is None:
        return [
            *wrap("The web chat needs no set-up: whoever holds its token is listed, and an approver.", width),
            *wrap(f"For its address: `channeld url {worker}`", width),
        ]
    return [
        *wrap(f"Send this to the bot of {worker} in a private chat, within an hour:", width),
        "",
        f"    {data['code']}",
        "",
        *wrap(
            "Whoever sends it first is listed, as an approver: keep it to yourself. It works once; a new one takes its "
            "place.",
            width,
        ),
    ]


def link_lines(link: str, width: int) -> list[str]:
    """Return what ``channeld setup`` prints of a link; that stands on a line of its own, whole."""
    return [
        "",
        *wrap("Open this on your phone and press Start; it is valid for an hour and works once:", width),
        "",
        f"    {link}",
        "",
        *wrap("Whoever opens it first is listed, as an approver: keep it to yourself.", width),
    ]


def invite_lines(invite: str, username: str, code: str, width: int) -> list[str]:
    """Return what ``channeld setup`` prints of a bot that must be added to a server before anybody can write to it."""
    return [
        "",
        *wrap("Add the bot to a server of yours, if it is in none:", width),
        "",
        f"    {invite}",
        "",
        *wrap(f"Then send @{plain(username)} this as a direct message; it is valid for an hour and works once:", width),
        "",
        f"    {code}",
        "",
        *wrap("Whoever sends it first is listed, as an approver: keep it to yourself.", width),
    ]


def dialog_text(data: dict[str, Any]) -> str:
    """Return what became of asking for the form."""
    if data["session"] is not None:
        return f"The form is open in the terminal of {plain(data['session'])}: type the code there."
    if not data["requests"]:
        return "Nobody asks to be let in."
    return "No form can be shown now. In a terminal of your own: channeld pair approve CODE"
